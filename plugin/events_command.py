"""`m365-unblock events`: what came in, what became of it, and having it tried again."""

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import click
from sqlalchemy.engine import make_url

from plugin.app import Parts
from plugin.errors import StorageError
from plugin.event_texts import Teller
from plugin.events import State, Wanted, Work
from plugin.options import CONFIG
from plugin.settings import Settings, duration, load
from plugin.store import migrations

AS_JSON = click.option("--json", "as_json", is_flag=True, help="For other programs: one JSON object a line.")
AGO = re.compile(r"\d+(\.\d+)?[smhd]")
SECRETS = ("token", "secret", "secrets", "certificate")  # how settings are named that hold one
SHORTEST = 16  # characters of a line of a longer secret that are worth hiding


@click.group()
def events() -> None:
    """What came in, what became of it, and having it tried again."""


@events.command("list")
@CONFIG
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only those in this state.")
@click.option("--source", default="", help="Only those of this ticket system, by its name in the settings.")
@click.option("--ticket", default="", help="Only those of this ticket.")
@click.option("--since", default="", help="Only those received since, such as 2h, 3d or 2026-11-24T08:00.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="At most so many.")
@AS_JSON
def list_(path: Path, state: str | None, since: str, limit: int, as_json: bool, **where: str) -> None:
    """What came in, the newest first, and how far it is; 1 where there is nothing of the kind."""
    parts = _parts(path)
    wanted = Wanted(
        state=State(state) if state else None, since=_moment(since, parts) if since else None, limit=limit, **where
    )
    listing = parts.events.listed(wanted)
    if listing.works:
        teller = _teller(parts)
        _print(_lines(teller, listing.works) if as_json else teller.table(listing.works))
    if listing.is_cut:
        click.echo("Older ones were not looked at; name a --state or a --ticket to find them.", err=True)
    if not listing.works:
        click.echo("There are no such events.", err=True)
        raise SystemExit(1)


@events.command()
@CONFIG
@click.argument("event")
@click.option("--all-attempts", is_flag=True, help="Also where there are many.")
@AS_JSON
def show(path: Path, event: str, all_attempts: bool, as_json: bool) -> None:
    """One event with every step, attempt, request and answer.

    EVENT is an event's or a task's id, or a part of it that no other one has.
    """
    parts = _parts(path)
    work, teller = parts.events.work(parts.events.find(event)), _teller(parts)
    if as_json:
        click.echo(json.dumps(teller.as_json(work, with_steps=True)))
    else:
        _print(teller.story(work, all_attempts=all_attempts))


@events.command()
@CONFIG
@click.argument("chosen", metavar="EVENT...", nargs=-1)
@click.option("--all-dead", is_flag=True, help="Everything that is dead.")
@click.option("--yes", is_flag=True, help="Do not ask back.")
def retry(path: Path, chosen: tuple[str, ...], all_dead: bool, yes: bool) -> None:
    """Have what is dead tried again at once, and an EVENT named here also where it is failing; 1 where nothing is.

    Only what is not done yet is done. It may be run while the plugin runs and while it does not.
    """
    if all_dead == bool(chosen):
        raise click.UsageError("Name the events to retry, or say --all-dead.")
    parts = _parts(path)
    causes = parts.events.dead() if all_dead else [parts.events.find(text) for text in chosen]
    if all_dead and causes and not yes:
        click.confirm(f"Retry {_counted(causes)}?", abort=True)
    teller, tried = _teller(parts), 0
    for cause in dict.fromkeys(causes):
        retried = parts.events.retry(cause, only_dead=all_dead)
        click.echo(teller.retried(retried))
        tried += bool(retried.put)
    if not causes:
        click.echo("Nothing is dead.", err=True)
    if not tried:
        raise SystemExit(1)


def _counted(causes: Collection[str]) -> str:
    return "the one event that is dead" if len(causes) == 1 else f"all {len(causes)} events that are dead"


def _parts(path: Path) -> Parts:
    parts = Parts(load(path, os.environ))
    for name, url in (("cases", parts.settings.cases_url), ("deliveries", parts.settings.deliveries_url)):
        if not migrations.is_newest(name, url):
            raise StorageError(f"the {name} database is not in its newest form; run `m365-unblock db upgrade`")
    return parts


def _teller(parts: Parts) -> Teller:
    return Teller(zone=parts.settings.zone, now=parts.clock(), secrets=_secrets(parts.settings))


def _secrets(settings: Settings) -> set[str]:
    """Every secret that is set: if one was ever said in an error, it is left out."""
    found = {settings.panel_secret or ""}
    for chosen in (*settings.sources.values(), *settings.mail_tenants.values()):
        for name, value in chosen.items():
            if name.endswith(SECRETS):
                found.update(_lines_of(value) if isinstance(value, str) else value)
    for url in (settings.cases_url, settings.deliveries_url, settings.engine_url):
        found.add(make_url(url).password or "")
    return found - {""}


def _lines_of(secret: str) -> list[str]:
    """A private key stands on many lines, of which the last may be a sign or two."""
    lines = secret.splitlines()
    return [line for line in lines if len(lines) == 1 or len(line) >= SHORTEST]


def _moment(text: str, parts: Parts) -> datetime:
    """A moment as people write it: so long ago, or a date and perhaps an hour in the organisation's zone."""
    if AGO.fullmatch(text):
        return parts.clock() - duration(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter("write it as 2h, 3d or 2026-11-24T08:00", param_hint="--since") from error
    return at if at.tzinfo else at.replace(tzinfo=parts.settings.zone)


def _lines(teller: Teller, works: Iterable[Work]) -> Iterator[str]:
    return (json.dumps(teller.as_json(work)) for work in works)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
