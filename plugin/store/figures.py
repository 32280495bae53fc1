"""What the databases know that is worth watching, counted in them, so that it is true after any crash.

Every query goes by an index or over a table that stays small; nothing is written. Both databases are read one after the
other, cases first: an event on its way from the one to the other is then seen in one of them, or in both.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from plugin.model import Answer, CaseState, Outcome
from plugin.naming import HANDLING
from plugin.store import deliveries as kept
from plugin.store import schema
from plugin.store.engine import reading
from plugin.store.marks import RELAYED, SCAN_ENDED

READ_WITHIN = "5s"
"""So long PostgreSQL may take over one query; SQLite's readers wait for nobody."""

ENDED_WITHIN = timedelta(hours=1)
"""Attempts that ended longer ago are not counted: all that are kept may be a million."""

BATCHES = "handle_events"
"""The task that holds others, which are counted themselves."""


class Stage(StrEnum):
    """Where a task is that has not ended."""

    WAITING = "waiting"  # for the engine
    WORKING = "working"  # the engine has it
    RETRYING = "retrying"  # it failed, and waits for its next attempt
    LATER = "later"  # called for at a later moment, such as the end of the release's clock


class Unblock(StrEnum):
    """What is known of an unblock that was asked for."""

    ASKED = "asked"  # accepted, and not yet confirmed by a reading
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # no answer came, or none yet


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseFigures:
    """Figures of the cases database."""

    relayed: int  # the sequence number of the last event that became a task
    oldest_event: str  # the id of the oldest event with work that has not ended; empty if there is none
    open_tasks: Mapping[Stage, int]
    ended: Mapping[Outcome, int]  # attempts, within the last hour
    dead: int
    cases: Mapping[CaseState, int]
    unblocks: Mapping[Unblock, int]
    workers: Mapping[str, datetime]
    scans: Mapping[str, datetime]  # when each source was last scanned to the end


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryFigures:
    """Figures of the deliveries database."""

    accepted: int  # events that are not yet tasks
    oldest_at: datetime | None  # when the oldest event came that is not finished


def case_figures(engine: sa.Engine, *, now: datetime, sources: Collection[str]) -> CaseFigures:
    """Read the cases database; scans are told of these sources."""
    with _snapshot(engine) as connection:
        return CaseFigures(
            relayed=int(connection.scalar(_mark(RELAYED)) or 0),
            oldest_event=_oldest_event(connection, now),
            open_tasks=_counted(connection, _open_tasks(now), Stage),
            ended=_counted(connection, _ended(now), Outcome),
            dead=connection.scalar(_dead()) or 0,
            cases=_counted(connection, _by(schema.cases.c.state), CaseState),
            unblocks=_counted(connection, _by(_unblock()), Unblock),
            workers={row.name: row.seen_at for row in connection.execute(sa.select(schema.workers))},
            scans=_scans(connection, sources),
        )


def delivery_figures(engine: sa.Engine, *, relayed: int, oldest_event: str) -> DeliveryFigures:
    """Read the deliveries database; the arguments are of `CaseFigures`."""
    events, deliveries = kept.events.c, kept.deliveries.c
    new = events.seq > relayed
    came = sa.select(deliveries.received_at).join(kept.events, events.delivery == deliveries.seq)
    with _snapshot(engine) as connection:
        moments = [
            connection.scalar(came.where(new).order_by(events.seq).limit(1)),
            connection.scalar(came.where(events.id == oldest_event)) if oldest_event else None,
        ]
        accepted = connection.scalar(sa.select(sa.func.count()).select_from(kept.events).where(new)) or 0
    # SQLite keeps none of the zone.
    known = [moment.replace(tzinfo=moment.tzinfo or UTC) for moment in moments if moment is not None]
    return DeliveryFigures(accepted=accepted, oldest_at=min(known, default=None))


@contextmanager
def _snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    with reading(engine).connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{READ_WITHIN}'")
        yield connection


def _counted(connection: sa.Connection, query: sa.Select[Any], kind: type[Any]) -> dict[Any, int]:
    """Every word of a kind with its number; words that a newer program wrote are left out."""
    found = {row[0]: row[1] for row in connection.execute(query)}
    return {word: found.get(word.value, 0) for word in kind}


def _by(column: sa.ColumnElement[Any]) -> sa.Select[Any]:
    # By the name: PostgreSQL takes two expressions with parameters of their own for two.
    return sa.select(column.label("word"), sa.func.count()).group_by(sa.text("word"))


def _mark(name: str) -> sa.Select[Any]:
    return sa.select(schema.marks.c.value).where(schema.marks.c.name == name)


def _is_later(now: datetime, tasks: Any) -> sa.ColumnElement[bool]:
    return sa.and_(tasks.not_before > now, tasks.attempt == 0)


def _open_tasks(now: datetime) -> sa.Select[Any]:
    tasks = schema.outbox.c
    stage = sa.case(
        (_is_later(now, tasks), Stage.LATER.value),
        (tasks.not_before > now, Stage.RETRYING.value),
        (tasks.handed_at.is_(None), Stage.WAITING.value),
        else_=Stage.WORKING.value,
    )
    return _by(stage).where(tasks.ended_at.is_(None), tasks.name != BATCHES)


def _oldest_event(connection: sa.Connection, now: datetime) -> str:
    """Events became tasks in the order they came, so the first attempt at the first one tells which is the oldest."""
    tasks, first = schema.outbox.c, schema.outbox.alias("first")
    query = (
        sa.select(tasks.cause)
        .join_from(schema.outbox, first, first.c.id == tasks.cause)
        .where(
            tasks.ended_at.is_(None),
            tasks.cause.startswith(f"{HANDLING}evt_", autoescape=True),
            sa.or_(tasks.not_before.is_(None), sa.not_(_is_later(now, tasks))),
        )
        .order_by(first.c.seq)
        .limit(1)
    )
    return str(connection.scalar(query) or "").removeprefix(HANDLING)


def _ended(now: datetime) -> sa.Select[Any]:
    tasks = schema.outbox.c
    # Of the bare column SQLite would rather read all that is kept, in the order of its index.
    return _by(tasks.outcome.concat("")).where(tasks.ended_at > now - ENDED_WITHIN)


def _dead() -> sa.Select[Any]:
    tasks, later = schema.outbox.c, schema.outbox.alias("later")
    newest = sa.select(sa.func.max(later.c.seq)).where(later.c.base == tasks.base).scalar_subquery()
    query = sa.select(sa.func.count()).select_from(schema.outbox)
    return query.where(tasks.outcome == Outcome.DEAD.value, tasks.seq == newest)


def _unblock() -> sa.ColumnElement[Any]:
    asked = schema.askings.c
    return sa.case(
        (asked.released_at.is_not(None), Unblock.CONFIRMED.value),
        (asked.answer.is_(None), Unblock.UNKNOWN.value),
        (asked.answer.in_((Answer.REFUSED.value, Answer.LIMIT.value)), Unblock.REFUSED.value),
        else_=Unblock.ASKED.value,
    )


def _scans(connection: sa.Connection, sources: Collection[str]) -> dict[str, datetime]:
    marks, names = schema.marks.c, {f"{SCAN_ENDED}{source}": source for source in sources}
    rows = connection.execute(sa.select(marks.name, marks.value).where(marks.name.in_(names)))
    return {names[row.name]: datetime.fromisoformat(row.value) for row in rows}
