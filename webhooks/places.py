"""Putting files of ours among an administrator's own: nothing else is touched, and a second time changes nothing."""

import grp
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

import click

from plugin.errors import PluginError

INSTALLED = "INSTALLED"
"""In a folder of ours: the files that we put there, so that a later version knows which of them it may take away."""


class Change(StrEnum):
    """What becomes of a file."""

    WRITTEN = "written"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A file as it is to be. `group` is a number; None leaves what the system gives."""

    path: Path
    content: bytes
    mode: int
    group: int | None = None


def files_of(source: Path, folder: Path) -> tuple[Placed, ...]:
    """The files below `source` as they are to be in `folder`; what begins with ``#!`` may be run."""
    return tuple(
        Placed(
            path=folder / file.relative_to(source),
            content=(content := file.read_bytes()),
            mode=0o755 if content.startswith(b"#!") else 0o644,
        )
        for file in sorted(source.rglob("*"))
        if file.is_file() and not file.name.endswith(("~", ".pyc"))
    )


def group_named(name: str) -> int:
    """The number of a group of this machine, which a person named."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise click.BadParameter(f"there is no group {name!r} here", param_hint="--group") from None


def place(folder: Path, ours: Sequence[Placed], settings: Placed, *, is_dry: bool) -> None:
    """Put the files of our `folder` and one settings file elsewhere, and tell what became of each."""
    wanted = (*ours, list_of(folder, ours))
    gone = outdated(folder, wanted)
    changes = {file.path: change_of(file) for file in (*wanted, settings)} | dict.fromkeys(gone, Change.REMOVED)
    if not is_dry:
        _may_write(changes)
        make_folders(folder, wanted)
        for file in (*wanted, settings):
            if changes[file.path] is not Change.UNCHANGED:
                put(file)
        for path in gone:
            remove(folder, path)
    _tell(folder, {path: change for path, change in changes.items() if path != settings.path})
    _tell(settings.path.parent, {settings.path: changes[settings.path]})
    if all(change is Change.UNCHANGED for change in changes.values()):
        click.echo("Everything is as it should be already.")
    elif is_dry:
        click.echo("Nothing was done: this was a dry run.")


def _tell(place: Path, changes: Mapping[Path, Change]) -> None:
    click.echo(f"{place}:")
    for path, change in changes.items():
        click.echo(f"  {change.value:<10} {path.relative_to(place)}")


def _may_write(changes: Mapping[Path, Change]) -> None:
    """Said before anything is done, rather than in the middle of it."""
    for path, change in changes.items():
        there = next(parent for parent in path.parents if parent.exists())
        if change is not Change.UNCHANGED and not os.access(there, os.W_OK):
            raise PermissionError(13, os.strerror(13), str(there))


def change_of(wanted: Placed) -> Change:
    """What `put` would do."""
    _no_link(wanted.path)
    try:
        state = wanted.path.stat()
        is_same = (
            state.st_mode & 0o7777 == wanted.mode
            and wanted.group in (None, state.st_gid)
            and wanted.path.read_bytes() == wanted.content
        )
    except FileNotFoundError:
        return Change.WRITTEN
    return Change.UNCHANGED if is_same else Change.CHANGED


def put(wanted: Placed) -> None:
    """All of the file at once, whenever somebody looks; nobody else can read it before it has its mode."""
    # Some programs read every file of a kind in a folder, so the name until then must be of no kind.
    handle, name = tempfile.mkstemp(prefix=".m365-unblock-", dir=wanted.path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(wanted.content)
            if wanted.group is not None:
                os.fchown(file.fileno(), -1, wanted.group)
            os.fchmod(file.fileno(), wanted.mode)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(wanted.path)
    finally:
        Path(name).unlink(missing_ok=True)


def make_folders(folder: Path, wanted: Iterable[Placed]) -> None:
    """Make our `folder` and those below it that the files need, readable for everybody."""
    below = {parent for file in wanted for parent in file.path.parents if parent.is_relative_to(folder)}
    for place in sorted(below):
        _no_link(place)
        place.mkdir(exist_ok=True)
        if place.stat().st_mode & 0o755 != 0o755:
            place.chmod(0o755)


def list_of(folder: Path, wanted: Iterable[Placed]) -> Placed:
    """The file INSTALLED for the files in our `folder`."""
    names = sorted(file.path.relative_to(folder).as_posix() for file in wanted)
    return Placed(path=folder / INSTALLED, content="".join(f"{name}\n" for name in names).encode(), mode=0o644)


def outdated(folder: Path, wanted: Iterable[Placed]) -> list[Path]:
    """The files that a former version put into our `folder` and this one has no more."""
    try:
        names = (folder / INSTALLED).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    kept = {file.path for file in wanted}
    ours = [folder / name for name in names if name and not {"..", "/"} & set(PurePosixPath(name).parts)]
    return [path for path in ours if path not in kept and (path.is_file() or path.is_symlink())]


def remove(folder: Path, path: Path) -> None:
    """Take a file out of our `folder`, and the folders that it leaves empty."""
    path.unlink()
    for parent in path.parents:
        if parent == folder or any(parent.iterdir()):
            return
        parent.rmdir()


def _no_link(path: Path) -> None:
    if path.is_symlink():
        raise PluginError(f"{path} is a symbolic link and was left alone: remove it, or name another place")
