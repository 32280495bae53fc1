"""The command: m365-unblock serve | web | worker | db upgrade | status | install | check | triage | events | demo."""

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

import click

from plugin.errors import PluginError, SettingsError, StorageError
from plugin.options import CONFIG

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from plugin.app import Parts
    from plugin.settings import Settings

MOST_WORKERS = 16  # of one machine


@click.group()
@click.version_option(package_name="m365-unblock")
def main() -> None:
    """Unblocks Microsoft 365 accounts that may not send mail, from inside the ticket."""
    os.umask(0o077)  # databases hold what tickets and agents say: they are for our own user only


@contextmanager
def _told(wrong_settings: int = 2) -> Iterator[None]:
    """Errors for the person who reads them, not a traceback."""
    try:
        yield
    except PluginError as error:
        click.echo(f"m365-unblock: {error}", err=True)
        sys.exit(wrong_settings if isinstance(error, SettingsError) else 1)


def _settings(path: Path) -> "Settings":
    from plugin.settings import load

    return load(path, os.environ)


@main.command()
@CONFIG
@click.option("--end-with-parent", is_flag=True, hidden=True)  # given by the demo, which holds our standard input
@click.option("--only", hidden=True)  # given by `plugin.minding`, for the one that has ended
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    default=1,
    show_default=True,
    help="So many workers; more than one on PostgreSQL only.",
)
def serve(path: Path, end_with_parent: bool, only: str | None, workers: int) -> None:
    """Run everything: the web process and the workers, each a process of its own."""
    from plugin import minding, serving
    from plugin.app import Parts, set_up_logging

    names = ["worker"] if workers == 1 else [f"worker-{number + 1}" for number in range(workers)]
    with _told(2 if only is None else minding.WRONG_SETTINGS):
        set_up_logging()
        settings = _settings(path)
        serving.check_workers(settings, workers)
        ready = _made_ready(settings, migrates=only is None)
        parts = partial(Parts, settings, is_counted=True, parent=ready)
        told = _told(minding.WRONG_SETTINGS)
        work = {"web": told(lambda: _serve_web(parts()))}
        work |= dict.fromkeys(names, told(lambda: _work(parts(is_worker=True))))
        if only is not None:
            serving.be_child(only, work[only])
        # Not by the file that we were started by: an installer takes that away before it puts another one there.
        again = [sys.executable, "-P", "-m", "plugin.cli", "serve", "--config", str(path), "--workers", str(workers)]
        minding.mind(serving.begin(work), again, ends_with_parent=end_with_parent)


@main.command()
@CONFIG
def web(path: Path) -> None:
    """Run the web process: webhook receiver and panel."""
    from plugin.app import set_up_logging

    with _told():
        set_up_logging()
        _serve_web(_made_ready(_settings(path), is_counted=True))


@main.command()
@CONFIG
def worker(path: Path) -> None:
    """Run the worker: the procedure."""
    from plugin.app import set_up_logging

    with _told():
        set_up_logging()
        _work(_made_ready(_settings(path), is_worker=True, is_counted=True))


def _serve_web(parts: "Parts") -> None:
    from plugin import serving
    from plugin.app import create_app

    serving.serve_web(create_app(parts), parts.settings)


def _work(parts: "Parts") -> None:
    """Be a worker until a signal."""
    from plugin import serving
    from plugin.app import create_worker_app

    if parts.settings.worker_listen is not None:
        serving.serve_beside(create_worker_app(parts), parts.settings.worker_listen)
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
        _made_ready(_settings(path))
        click.echo("The databases are up to date.")


@db.command()
@CONFIG
@click.argument("folder", type=click.Path(path_type=Path))
def backup(path: Path, folder: Path) -> None:
    """Copy the databases into a folder while everything runs (SQLite; on PostgreSQL use pg_dump)."""
    from plugin.backups import back_up

    with _told():
        for line in back_up(_settings(path), folder):
            click.echo(line)


@db.command()
@CONFIG
def restored(path: Path) -> None:
    """Run this after a backup was put back, before anything is started."""
    from plugin.app import Parts
    from plugin.backups import make_sure_that_nothing_runs, put_back

    with _told():
        parts = Parts(_settings(path))
        make_sure_that_nothing_runs(parts.settings, parts.locks)
        for line in put_back(_made_ready(parts.settings).casework, parts.settings):
            click.echo(line)


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


class _Events(click.Group):
    """Imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        from plugin.events_command import events

        return events.list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from plugin.events_command import events

        return events.get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        with _told():
            return super().invoke(ctx)


@main.group(cls=_Events)
def events() -> None:
    """What came in, what became of it, and having it tried again."""


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
@CONFIG
@click.option(
    "--domain",
    "domains",
    multiple=True,
    metavar="DOMAIN",
    help="A domain of ours, subdomains included; may be repeated.  [default: the settings' organisation.domains]",
)
@click.option("--jsonl", is_flag=True, help="Read tickets as lines of JSON and answer each with one.")
@click.argument("file", required=False, type=click.File("rb"))
def triage(path: Path, domains: tuple[str, ...], jsonl: bool, file: IO[bytes] | None) -> None:
    """Say what FILE comes to: a mail (.eml, .msg) or a text; standard input without it."""
    from plugin.triage_command import answer_file, answer_lines, domains_of

    with _told():
        ours = domains or domains_of(path)
        stream = file or sys.stdin.buffer
        if jsonl:
            sys.exit(0 if answer_lines(stream, ours) else 1)
        answer_file(stream, ours)


@main.command()
@click.option("--once", is_flag=True, help="Play the story to its end and stop; non-zero where a step did not happen.")
@click.option(
    "--port",
    type=click.IntRange(1, 65533),
    help="The plugin's port; desk and tenant take the next two.  [default: 8800; with --once any free ones]",
)
@click.option(
    "--tenant",
    type=click.Choice(["account_admin", "exchange_online"]),
    default="account_admin",
    show_default=True,
    help="Whom the plugin asks; exchange_online takes one port more.",
)
def demo(once: bool, port: int | None, tenant: str) -> None:
    """The main job on embedded parts: no account anywhere is needed."""
    from plugin.demo.playing import play

    with _told():
        sys.exit(play(once=once, port=port, tenant=tenant))


def _made_ready(
    settings: "Settings", *, is_worker: bool = False, is_counted: bool = False, migrates: bool = True
) -> "Parts":
    """Everything checked before anything is done, and the databases in their newest form."""
    from plugin.app import Parts, is_newest, make_folders, migrate

    parts = Parts(settings, is_worker=is_worker, is_counted=is_counted)
    parts.check()
    make_folders(settings)
    if not is_newest(settings):
        if not migrates:
            why = "another version of the program has been installed while serve runs; end serve and start it again"
            raise StorageError(f"the databases are not in the form for this version: {why}")
        _apart(migrate, settings)
    return parts


def _apart(work: Callable[["Settings"], None], settings: "Settings") -> None:
    """Do it in a process of its own, so that what it loads is not kept in ours; its errors are ours."""
    from multiprocessing import get_context

    fork = get_context("fork")
    ours, theirs = fork.Pipe(duplex=False)
    process = fork.Process(target=_do, args=(work, settings, theirs))
    process.start()
    theirs.close()
    try:
        kind, why = ours.recv()
    except EOFError:
        kind, why = StorageError, "the process that brings the databases to their newest form was ended; try again"
    process.join()
    if why:
        raise kind(why)


def _do(work: Callable[["Settings"], None], settings: "Settings", told: "Connection") -> None:
    try:
        work(settings)
    except PluginError as error:
        told.send((SettingsError if isinstance(error, SettingsError) else StorageError, str(error)))
    else:
        told.send((StorageError, ""))


def _on_signals(stop: Callable[[], Any]) -> None:
    def handle(_signum: int, _frame: FrameType | None) -> None:
        stop()

    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, handle)


if __name__ == "__main__":
    main()
