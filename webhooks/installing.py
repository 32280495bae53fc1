"""What the commands that set a ticket system up have in common."""

from collections.abc import Iterable
from pathlib import Path

import click

from plugin.errors import PluginError


def admin_token(file: Path, *, called: str, shown_by: str) -> str:
    """The token of an administrator in a file; `PluginError` where it holds none. It is needed for the command only."""
    token = file.read_text("utf-8").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise PluginError(f"{file} holds no {called}: one line, as {shown_by} showed it")
    return token


def ca_file(config: Path, named: str | None) -> str | None:
    """The certificates that the settings name, beside the file that they stand in."""
    return str(config.parent.resolve() / named) if named else None


def tell_outcome(changes: Iterable[bool], *, is_dry: bool) -> None:
    """Go through all changes, then say whether there were any."""
    if not any(list(changes)):
        click.echo("Everything is as it should be already.")
    elif is_dry:
        click.echo("Nothing was done: this was a dry run.")
