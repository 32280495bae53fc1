"""Putting files of ours among an administrator's own: nothing else is touched, and a second time changes nothing."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

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
    # RT reads every *.pm in its folder, so the name until then must be no such one.
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
