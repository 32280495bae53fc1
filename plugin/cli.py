"""The command: m365-unblock serve | web | worker | db upgrade | status | install | check | demo."""

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from plugin.errors import PluginError, SettingsError
from plugin.options import CONFIG
from plugin.settings import Settings, load

if TYPE_CHECKING:
    from plugin.app import Parts

END_WITH_PARENT = click.option("--end-with-parent", is_flag=True, hidden=True)
"""Given by whoever starts it and holds the other end of standard input: `serve`, the demo."""


@click.group()
@click.version_option(package_name="m365-unblock")
def main() -> None:
    """Unblocks Microsoft 365 accounts that may not send mail, from inside the ticket."""
    os.umask(0o077)  # databases hold what tickets and agents say: they are for our own user only


@contextmanager
def _told() -> Iterator[None]:
    """Errors for the person who reads them, not a traceback."""
    try:
        yield
    except PluginError as error:
        click.echo(f"m365-unblock: {error}", err=True)
        sys.exit(2 if isinstance(error, SettingsError) else 1)


def _settings(path: Path) -> Settings:
    return load(path, os.environ)


@main.command()
@CONFIG
@END_WITH_PARENT
def serve(path: Path, end_with_parent: bool) -> None:
    """Run everything: the web process and the worker, each a process of its own."""
    from plugin import serving
    from plugin.app import set_up_logging

    with _told():
        set_up_logging()
        if end_with_parent:
            serving.end_with_parent()
        _made_ready(path)
        pair = serving.Pair(path)
        pair.start()
        _on_signals(pair.stop)
        sys.exit(pair.wait())


@main.command()
@CONFIG
@END_WITH_PARENT
def web(path: Path, end_with_parent: bool) -> None:
    """Run the web process: webhook receiver and panel."""
    from plugin import serving
    from plugin.app import create_app, set_up_logging

    with _told():
        set_up_logging()
        if end_with_parent:
            serving.end_with_parent()
        parts = _made_ready(path)
        serving.run_gunicorn(lambda: create_app(parts), parts.settings)


@main.command()
@CONFIG
@END_WITH_PARENT
def worker(path: Path, end_with_parent: bool) -> None:
    """Run the worker: the procedure."""
    from plugin import serving
    from plugin.app import set_up_logging

    with _told():
        set_up_logging()
        if end_with_parent:
            serving.end_with_parent()
        parts = _made_ready(path, is_worker=True)
        stopped = threading.Event()
        _on_signals(stopped.set)
        engine = parts.engine()
        engine.start()
        stopped.wait()
        engine.stop()


@main.group()
def db() -> None:
    """The databases."""


@db.command()
@CONFIG
def upgrade(path: Path) -> None:
    """Bring the databases to the newest form; changes nothing when run twice."""
    with _told():
        _made_ready(path)
        click.echo("The databases are up to date.")


@main.command()
@CONFIG
@click.argument("account")
def status(path: Path, account: str) -> None:
    """Read one account: a NetID or any of its addresses."""
    from plugin.app import Parts
    from plugin.casework import told

    with _told():
        read = Parts(_settings(path)).tenant.status(account)
        click.echo(f"{read.display_name} ({read.netid}), {read.primary_address}")
        click.echo(told(read))


class _Installers(click.Group):
    """Each ticket system brings its own command, imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        from plugin.app import installable

        return installable()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from plugin.app import installer

        system = cmd_name.replace("-", "_")
        return installer(system) if system in self.list_commands(ctx) else None

    def invoke(self, ctx: click.Context) -> Any:
        with _told():
            return super().invoke(ctx)


@main.group(cls=_Installers)
def install() -> None:
    """Put our part into a ticket system; changes nothing when run twice."""


@main.command()
@CONFIG
def check(path: Path) -> None:
    """Look whether everything is there: settings, databases, ticket systems, mail tenant. 1 where something is not."""
    from plugin.app import Parts
    from plugin.checking import tell

    with _told():
        parts = Parts(_settings(path))
        parts.check()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # where there is no ✓, the word beside it says the same
        sys.exit(0 if tell(parts.checks(path)) else 1)


@main.command()
@click.option("--once", is_flag=True, help="Play the story to its end and stop; non-zero where a step did not happen.")
@click.option(
    "--port",
    type=click.IntRange(1, 65533),
    help="The plugin's port; desk and tenant take the next two.  [default: 8800; with --once any free ones]",
)
def demo(once: bool, port: int | None) -> None:
    """The main job on embedded parts: no account anywhere is needed."""
    from plugin.demo.playing import play

    with _told():
        sys.exit(play(once=once, port=port))


def _made_ready(path: Path, *, is_worker: bool = False) -> "Parts":
    """Everything checked before anything is done, and the databases in their newest form."""
    from plugin.app import Parts

    parts = Parts(_settings(path), is_worker=is_worker)
    parts.check()
    parts.migrate()
    return parts


def _on_signals(stop: Callable[[], Any]) -> None:
    def handle(_signum: int, _frame: FrameType | None) -> None:
        stop()

    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, handle)


if __name__ == "__main__":
    main()
