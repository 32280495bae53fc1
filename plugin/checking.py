"""`m365-unblock check`: what a set-up needs, each thing looked at where it really is; nothing is changed.

Ticket systems and mail tenant bring checks of their own (`plugin.ports`); here are ours, and how all are told.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import click
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from plugin.errors import RemoteError, StorageError
from plugin.http import Remote
from plugin.ports import Advice, Check
from plugin.presence import Presence
from plugin.settings import Settings
from plugin.store import migrations

Section = tuple[str, Iterable[Check]]
INDENT = " " * 10


def ours(
    path: Path, settings: Settings, pings: Mapping[str, Callable[[], None]], presence: Callable[[], Presence]
) -> Iterator[Check]:
    """The settings file, which has been read by now, our databases, the web process by its public address, workers."""
    yield Check(what=f"the settings file {path} is in order", ok=True)
    for name, url in (("deliveries", settings.deliveries_url), ("cases", settings.cases_url)):
        yield _database(name, url, pings[name], path)
    yield _engine_database(settings.engine_url)
    yield _web_process(settings.public_url)
    yield _workers(presence)


def tell(sections: Iterable[Section]) -> bool:
    """Print every check as soon as it is known, and a sum at the end; whether none has failed."""
    told: list[Check] = []
    for title, checks in sections:
        click.secho(f"\n{title}" if told else title, bold=True)
        for check in checks:
            _tell_one(check)
            told.append(check)
    noted = sum(not check.ok and isinstance(check, Advice) for check in told)
    failed = sum(not check.ok for check in told) - noted
    click.echo(f"\n{len(told)} checks: {len(told) - failed - noted} ok, {failed} failed, {noted} noted.")
    return not failed


def _tell_one(check: Check) -> None:
    match check:
        case Check(ok=True):
            mark, colour = "✓ ok    ", "green"
        case Advice():
            mark, colour = "! note  ", "yellow"
        case _:
            mark, colour = "✗ failed", "red"
    click.echo(f"{click.style(mark, fg=colour)}  {_printable(check.what)}")
    if not check.ok:
        for line in check.remedy.splitlines():
            click.echo(f"{INDENT}{_printable(line)}")


def _printable(text: str) -> str:
    """Names come from other systems and must not steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _database(name: str, url: str, ping: Callable[[], None], path: Path) -> Check:
    what = f"the {name} database takes changes and is in its newest form"
    try:
        if not migrations.is_newest(name, url):
            remedy = f"run, as the user the plugin runs as:  m365-unblock db upgrade --config {path}"
            return Check(what=what, ok=False, remedy=remedy)
        ping()
    except StorageError as error:
        return Check(what=what, ok=False, remedy=str(error))
    return Check(what=what, ok=True)


def _engine_database(url: str) -> Check:
    place = make_url(url)
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file():
        return Check(what="the engine's database is made when the worker first starts", ok=True)
    what = "the engine's database can be read"
    # Not by plugin.store: how this one is kept is the engine's own matter.
    driver = "postgresql+psycopg" if place.get_backend_name() == "postgresql" else place.drivername
    engine = sa.create_engine(place.set(drivername=driver), hide_parameters=True)
    try:
        sa.inspect(engine).get_table_names()
    except SQLAlchemyError as error:
        return Check(what=what, ok=False, remedy=str(getattr(error, "orig", None) or type(error).__name__))
    finally:
        engine.dispose()
    return Check(what=what, ok=True)


def _web_process(public_url: str) -> Check:
    what = f"the web process answers at {public_url}"
    try:
        web = Remote("m365-unblock", public_url, "", answer_seconds=5.0)  # without a token: anybody may ask
        answer = web.call("GET /readyz", "GET", web.url("readyz")).json()
    except RemoteError as error:
        return Advice(what=what, ok=False, remedy=f"{error}; is `m365-unblock serve` running?")
    is_ours = isinstance(answer, dict) and answer.get("status") == "ready"
    return Advice(what=what, ok=is_ours, remedy="something else answers there; look at the proxy in front of it")


def _workers(presence: Callable[[], Presence]) -> Check:
    what = "a worker has been seen within a minute"
    try:
        found = presence()
    except StorageError as error:
        return Advice(what=what, ok=False, remedy=str(error))
    last = found.last_seen_at
    seen = f"none since {last.isoformat(timespec='seconds')}" if last else "none ever was"
    remedy = f"{seen}: what comes in is kept and waits; is `m365-unblock serve` or `m365-unblock worker` running?"
    return Advice(what=what, ok=found.at_work > 0, remedy=remedy)
