"""Finds what is long over, and forgets it a little at a time.

Nothing here looks further than its limit or holds the write lock for longer than a few hundred small rows take: whoever
accepts a delivery meanwhile must not wait. Finding waits for nobody.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from plugin.errors import StorageError
from plugin.model import CaseState, Outcome
from plugin.store import marks, schema
from plugin.store.cases import Change, case_in
from plugin.store.deliveries import deliveries, events
from plugin.store.engine import reading

_task = schema.outbox.c
_case = schema.cases.c
_asking = schema.askings.c


@dataclass(frozen=True, kw_only=True, slots=True)
class OldDelivery:
    """A delivery of before some moment."""

    seq: int
    size: int  # bytes of its body
    event_ids: tuple[str, ...]
    last_event: int  # the number of its last event; 0 without any


class OldDeliveries:
    """Old rows of the deliveries database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reading = reading(engine)

    def after(self, seq: int, *, before: datetime, limit: int) -> list[OldDelivery]:
        """The next ones that were received before a moment, in order; none where the next `limit` are younger."""
        table = deliveries.c
        query = sa.select(table.seq, table.received_at, sa.func.length(table.body).label("size"))
        with _told("look for old deliveries"), self._reading.connect() as connection:
            rows = connection.execute(query.where(table.seq > seq).order_by(table.seq).limit(limit)).all()
            old = {row.seq: row.size for row in rows if _aware(row.received_at) < before}
            found = sa.select(events.c.delivery, events.c.id, events.c.seq).where(events.c.delivery.in_(old))
            rows_of_events = connection.execute(found).all()
        return [
            OldDelivery(
                seq=seq,
                size=size,
                event_ids=tuple(row.id for row in rows_of_events if row.delivery == seq),
                last_event=max((row.seq for row in rows_of_events if row.delivery == seq), default=0),
            )
            for seq, size in old.items()
        ]

    def forget(self, seqs: Sequence[int]) -> None:
        """Delete deliveries with their events."""
        with _told("forget deliveries"), self._engine.begin() as connection:
            connection.execute(sa.delete(events).where(events.c.delivery.in_(seqs)))
            connection.execute(sa.delete(deliveries).where(deliveries.c.seq.in_(seqs)))


class OldWork:
    """Old rows of the cases database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reading = reading(engine)

    # ── tasks ────────────────────────────────────────────────────────────────────────────────────────────────────

    def tasks(self, *, ended_before: datetime, dead_before: datetime, but: Collection[str], limit: int) -> list[str]:
        """Attempts that ended before a moment together with all that was done for the same reason.

        One that is dead, and was not tried since, counts from a moment of its own. The task of the newest ticket that a
        catch-up scan has seen is kept: the next scan sees that ticket again, and knows by it that it was dealt with.
        """
        same = schema.outbox.alias().c
        is_young = sa.or_(
            same.ended_at.is_(None),
            same.ended_at >= ended_before,
            sa.and_(_is_dead(same), same.ended_at >= dead_before),
        )
        batch = schema.outbox.alias().c
        query = (
            sa.select(_task.id)
            .where(
                _task.ended_at < ended_before,
                ~sa.exists().where(same.cause == _task.cause, is_young),
                ~sa.exists().where(batch.id == _task.batch, batch.ended_at.is_(None)),
                _task.id.not_in(but),
                *(~is_newest for is_newest in self._newest_scanned()),
            )
            .order_by(_task.ended_at)
            .limit(limit)
        )
        return [row.id for row in self._all(query)]

    def _newest_scanned(self) -> list[sa.ColumnElement[bool]]:
        table = schema.marks.c
        scanned = self._all(sa.select(table.name, table.value).where(table.name.startswith(marks.SCANNED)))
        return [
            sa.and_(
                _task.cause.startswith(f"scan:{row.name.removeprefix(marks.SCANNED)}:", autoescape=True),
                _task.cause.endswith(f":{row.value}", autoescape=True),
            )
            for row in scanned
        ]

    def unfinished(self, causes: Collection[str]) -> set[str]:
        """Those of these reasons for which something has not ended, or is dead."""
        is_unfinished = sa.or_(_task.ended_at.is_(None), _is_dead(_task))
        return {row.cause for row in self._all(sa.select(_task.cause).where(_task.cause.in_(causes), is_unfinished))}

    def forget_tasks(self, ids: Collection[str]) -> None:
        """Delete attempts."""
        with _told("forget tasks"), self._engine.begin() as connection:
            connection.execute(sa.delete(schema.outbox).where(_task.id.in_(ids)))

    # ── cases ────────────────────────────────────────────────────────────────────────────────────────────────────

    def cases(self, *, over: Collection[CaseState], before: datetime, limit: int) -> list[str]:
        """Cases in these states that nobody and nothing has touched since a moment, and that nothing needs."""
        query = sa.select(_case.id).where(*_is_over(over, before)).order_by(_case.updated_at).limit(limit)
        return [row.id for row in self._all(query)]

    def forget_cases(self, ids: Collection[str], *, over: Collection[CaseState], before: datetime) -> int:
        """Delete cases, unless somebody has touched them just now, with all that was said in them; how many.

        Of a note stays that it was posted, and of a case how far it had come (`plugin.store.marks`).
        """
        query = sa.select(schema.cases).where(_case.id.in_(ids), *_is_over(over, before)).with_for_update()
        with _told("forget cases"), self._engine.begin() as connection:
            gone = [case_in(row) for row in connection.execute(query).all()]
            _forget_said(connection, [case.id for case in gone])
            change = Change(connection)
            for case in gone:
                change.set_mark(marks.forgotten(case.id), marks.remains(case))
            for source, ticket in {(case.source, case.ticket) for case in gone}:
                _forget_shown(connection, source, ticket)
        return len(gone)

    def forget_askings(self, *, before: datetime, limit: int) -> int:
        """Delete what was asked about addresses that are all off the list since before a moment; how many addresses.

        All askings of an address or none: where a block has no time, their number tells the next one's from them.
        """
        same = schema.askings.alias().c
        case = sa.exists().where(_case.id == same.case)
        counts = sa.or_(same.released_at.is_(None), same.released_at >= before, same.asked_at >= before, case)
        is_needed = sa.exists().where(same.tenant == _asking.tenant, same.address == _asking.address, counts)
        old = self._all(sa.select(_asking.tenant, _asking.address).where(~is_needed).distinct().limit(limit))
        if old:
            which = sa.tuple_(_asking.tenant, _asking.address).in_([tuple(row) for row in old])
            with _told("forget askings"), self._engine.begin() as connection:
                connection.execute(sa.delete(schema.askings).where(which, ~is_needed))
        return len(old)

    def _all(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        with _told("look for what is over"), self._reading.connect() as connection:
            return connection.execute(query).all()


def _is_dead(row: Any) -> sa.ColumnElement[bool]:
    """Whether a task was given up, and not tried since."""
    later = schema.outbox.alias().c
    is_last = ~sa.exists().where(later.base == row.base, later.seq > row.seq)
    return sa.and_(row.outcome == Outcome.DEAD.value, is_last)


def _is_over(over: Collection[CaseState], before: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    states = [state.value for state in over]
    said = schema.journal.c
    concerned = _task.args["case"].as_string()
    needed = sa.select(concerned).where(sa.or_(_task.ended_at.is_(None), _is_dead(_task)), concerned.is_not(None))
    other = schema.cases.alias().c
    return (
        _case.state.in_(states),
        _case.updated_at < before,
        ~sa.exists().where(said.case == _case.id, said.at >= before),
        _case.id.not_in(needed),
        _case.id.not_in(sa.select(other.relied_on).where(other.state.not_in(states))),
    )


def _forget_said(connection: sa.Connection, ids: Collection[str]) -> None:
    note = schema.written.c
    was_sent = sa.or_(note.sent_at.is_not(None), note.done_at.is_not(None))
    connection.execute(sa.delete(schema.written).where(note.case.in_(ids), ~was_sent))
    connection.execute(sa.update(schema.written).where(note.case.in_(ids)).values(subject="", body_html=""))
    for table in (schema.answers, schema.looks, schema.journal):
        connection.execute(sa.delete(table).where(table.c.case.in_(ids)))
    connection.execute(sa.delete(schema.cases).where(_case.id.in_(ids)))


def _forget_shown(connection: sa.Connection, source: str, ticket: str) -> None:
    """What a ticket shows is known for as long as it has a case."""
    here = sa.exists().where(_case.source == source, _case.ticket == ticket)
    name = marks.shown(source, ticket)
    connection.execute(sa.delete(schema.marks).where(schema.marks.c.name == name, ~here))


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


@contextmanager
def _told(doing: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        why = getattr(error, "orig", None) or type(error).__name__
        raise StorageError(f"housekeeping could not {doing}: {why}") from error
