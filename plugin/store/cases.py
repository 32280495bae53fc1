"""Queries of the cases database. One transaction is one `with store.change() as change:` block.

A change of state, the journal's line about it and the task it calls for commit together or not at all. Cases are saved
with their version: who read an older one gets `Stale` and starts over.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Row, Select, bindparam, delete, insert, select, union, update
from sqlalchemy.exc import SQLAlchemyError

from plugin import computing
from plugin.errors import StorageError
from plugin.model import (
    Answer,
    Asking,
    Case,
    CaseState,
    GivenAnswer,
    JournalEntry,
    Looked,
    Note,
    Outcome,
    Task,
    UnblockAnswer,
    Visibility,
)
from plugin.naming import ticket_lane
from plugin.store import marks, outbox, schema
from plugin.store.engine import Version, asking, insert_all_new, insert_new, insert_or_replace
from plugin.store.rows import finding_of, finding_row, look_of, look_row, status_of, status_row

RESTORED = "restored"
"""The mark of databases that were put back from a backup: what was done after it, they do not know."""


CHANGES_AT_ONCE = 4
"""Within a change other things are read over a second connection, so that not all of them may be taken by changes."""


_case, _written = schema.cases.c, schema.written.c
_asked = schema.askings.c

# Made once: SQLAlchemy takes longer to put a query together than SQLite takes to answer it.
_CASE = select(schema.cases).where(_case.id == bindparam("id"))
_CASES_OF_TICKET = (
    select(schema.cases)
    .where(_case.source == bindparam("source"), _case.ticket == bindparam("ticket"))
    .order_by(_case.created_at, _case.id)
)
_CASES_OF_TICKETS = select(_case.source, _case.ticket).where(
    _case.source.in_(bindparam("sources", expanding=True)), _case.ticket.in_(bindparam("tickets", expanding=True))
)
_OPEN_LANES = select(schema.outbox.c.lane).where(
    schema.outbox.c.lane.in_(bindparam("lanes", expanding=True)), schema.outbox.c.ended_at.is_(None)
)
# On PostgreSQL one that is about to begin is left out, and none begins before what is changed meanwhile is there.
_NOT_BEGUN = (
    select(schema.outbox.c.args)
    .where(schema.outbox.c.lane == bindparam("lane"), schema.outbox.c.name == bindparam("name"))
    .where(schema.outbox.c.ended_at.is_(None), schema.outbox.c.starts == 0, schema.outbox.c.not_before.is_(None))
    .with_for_update(skip_locked=True)
)
_CASES_OF_ACCOUNT = select(schema.cases).where(_case.account == bindparam("account")).order_by(_case.created_at.desc())
_ANSWERS = select(*(column for column in schema.answers.c if column.name != "case")).where(
    schema.answers.c.case == bindparam("case")
)
# Each way by its own index: with OR between them SQLite reads all that was ever asked of the tenant, as it does where
# it could take the tenant alone for a way.
_ASKINGS = union(
    select(schema.askings).where(
        _asked.account == bindparam("account"), _asked.tenant.concat("") == bindparam("tenant")
    ),
    select(schema.askings).where(
        _asked.tenant == bindparam("tenant"), _asked.address.in_(bindparam("addresses", expanding=True))
    ),
).order_by("asked_at")
_ASKINGS_OF_CASE = (
    select(schema.askings)
    .where(_asked.case == bindparam("case"), _asked.round == bindparam("round"))
    .order_by(_asked.id)
)
_NOTE = select(schema.written).where(_written.key == bindparam("key"))
_NOTES_OF_CASE = (
    select(schema.written).where(_written.case == bindparam("case")).order_by(_written.intended_at, _written.key)
)
_INTERNAL_NOTES_SENT = (
    select(_written.sent_at)
    .join_from(schema.written, schema.cases, _written.case == _case.id)
    .where(_case.source == bindparam("source"), _case.ticket == bindparam("ticket"))
    .where(_written.sent_at > bindparam("since"), _written.visibility == Visibility.INTERNAL.value)
    .order_by(_written.sent_at)
)
_LINE = insert(schema.journal)
_CHANGED = update(schema.cases).where(_case.id == bindparam("which"), _case.version == bindparam("over"))
_TEXTLESS = update(schema.written).where(
    _written.key == bindparam("which"), _written.done_at.is_(None), _written.body_html == ""
)
_DONE = update(schema.written).where(_written.key == bindparam("which"))
_MARK = select(schema.marks.c.value).where(schema.marks.c.name == bindparam("name"))


class Stale(StorageError):
    """Somebody else changed the case in between; read it again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SentNote:
    """A note that is meant to be on a ticket."""

    note: Note
    sent_at: datetime | None  # when it last was on its way there
    done_at: datetime | None  # when it surely was there
    is_kept: bool = True  # False: it, or its text, is yet to be written down here

    @property
    def has_lost_its_text(self) -> bool:
        """Whether housekeeping has forgotten what a note said that may never have come to its ticket."""
        return self.done_at is None and not self.note.body_html


class CaseStore:
    """The cases database. Reads are single statements; writes go through `change`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asking = asking(engine)
        self._room = threading.BoundedSemaphore(CHANGES_AT_ONCE)

    @contextmanager
    def change(self) -> Iterator["Change"]:
        """A writing transaction; `StorageError` if it does not commit."""
        try:
            with computing.held(self._room), self._engine.begin() as connection:
                yield Change(connection)
        except SQLAlchemyError as error:
            raise StorageError(f"the cases database did not take a change ({type(error).__name__})") from error

    def _all(self, query: Executable, **values: Any) -> Sequence[Row[Any]]:
        try:
            with self._asking.connect() as connection:
                return connection.execute(query, values).all()
        except SQLAlchemyError as error:
            raise StorageError(f"the cases database could not be read ({type(error).__name__})") from error

    def case(self, case_id: str) -> Case | None:
        """One case."""
        return next(self._cases(_CASE, id=case_id), None)

    def cases_of_ticket(self, source: str, ticket: str) -> tuple[Case, ...]:
        """All cases on one ticket, oldest first."""
        return tuple(self._cases(_CASES_OF_TICKET, source=source, ticket=ticket))

    def cases_of_account(self, account: str, *, limit: int | None = None) -> tuple[Case, ...]:
        """All cases of one account, or so many, newest first."""
        return tuple(self._cases(_CASES_OF_ACCOUNT.limit(limit) if limit else _CASES_OF_ACCOUNT, account=account))

    def cases_in(self, states: Collection[CaseState]) -> tuple[Case, ...]:
        """All cases in these states, oldest first."""
        table = schema.cases.c
        query = select(schema.cases).where(table.state.in_([state.value for state in states]))
        return tuple(self._cases(query.order_by(table.created_at, table.id)))

    def _cases(self, query: Select[Any], **values: Any) -> Iterator[Case]:
        return (case_in(row) for row in self._all(query, **values))

    def answers(self, case_id: str) -> tuple[GivenAnswer, ...]:
        """All answers on a case, standing or not."""
        return tuple(GivenAnswer(**row._mapping) for row in self._all(_ANSWERS, case=case_id))

    def looks(self, case_id: str) -> tuple[Looked, ...]:
        """The newest look at each thing of a case's account, standing or not."""
        table = schema.looks.c
        return tuple(look_of({**row._mapping}) for row in self._all(select(schema.looks).where(table.case == case_id)))

    def askings(self, tenant: str, account: str, addresses: Sequence[str]) -> tuple[Asking, ...]:
        """Everything ever asked about an account or about these addresses, on any ticket, oldest first.

        A listed key need be none of the account's addresses as the tenant tells them now.
        """
        found = self._all(_ASKINGS, tenant=tenant, account=account, addresses=list(addresses))
        return tuple(_asking(row) for row in found)

    def askings_of_case(self, case: Case) -> tuple[Asking, ...]:
        """What was asked on this case in its current round."""
        return tuple(_asking(row) for row in self._all(_ASKINGS_OF_CASE, case=case.id, round=case.round))

    def journal(self, case_id: str) -> tuple[JournalEntry, ...]:
        """What happened to a case, oldest first."""
        table = schema.journal.c
        rows = self._all(select(table.at, table.actor, table.what).where(table.case == case_id).order_by(table.id))
        return tuple(JournalEntry(**row._mapping) for row in rows)

    def notes(self, case_id: str) -> tuple[SentNote, ...]:
        """The notes of a case, oldest first."""
        return self._notes(_NOTES_OF_CASE, case=case_id)

    def note(self, key: str) -> SentNote | None:
        """A note that is meant to be on a ticket; None if it never was meant to be."""
        return next(iter(self._notes(_NOTE, key=key)), None)

    def internal_notes_sent(self, source: str, ticket: str, since: datetime) -> tuple[datetime, ...]:
        """When internal notes last went on their way to a ticket, whichever case they are of; oldest first."""
        found = self._all(_INTERNAL_NOTES_SENT, source=source, ticket=ticket, since=since)
        return tuple(row.sent_at for row in found)

    def _notes(self, query: Select[Any], **values: Any) -> tuple[SentNote, ...]:
        return tuple(
            SentNote(
                note=Note(
                    key=row.key, visibility=Visibility(row.visibility), subject=row.subject, body_html=row.body_html
                ),
                sent_at=row.sent_at,
                done_at=row.done_at,
            )
            for row in self._all(query, **values)
        )

    def waiting_tasks(self, limit: int) -> tuple[Task, ...]:
        """Tasks not yet handed to the engine, in our own order."""
        return self._tasks(outbox.WAITING, limit)

    def waiting_batches(self, limit: int) -> tuple[Task, ...]:
        """Those of them that can be begun at once, whatever is under way: they have no lane and wait for no time."""
        return self._tasks(outbox.WAITING_FREE, limit) if limit else ()

    def waiting_in_lanes(self, limit: int) -> tuple[Task, ...]:
        """The others: after one another in their lanes, or at their time."""
        return self._tasks(outbox.WAITING_IN_LANES, limit)

    def waiting_in_free_lanes(self, limit: int, now: datetime) -> tuple[Task, ...]:
        """Those of the others that wait for their time, or are due and the next of a lane where nothing is at work."""
        return self._tasks(outbox.WAITING_IN_FREE_LANES, limit, now=now)

    def _tasks(self, query: Executable, limit: int, **values: Any) -> tuple[Task, ...]:
        return tuple(outbox.task_in(row) for row in self._all(query, limit=limit, **values))

    def mark(self, name: str) -> str | None:
        """Where somebody has got to."""
        rows = self._all(_MARK, name=name)
        return rows[0].value if rows else None

    def version(self) -> Version:
        """What tells whether anything has changed."""
        return Version(self._engine)

    def ping(self) -> None:
        """Raise `StorageError` unless a change could be made now."""
        with self.change() as change:
            change.look()


class Change:
    """One transaction on the cases database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def look(self) -> None:
        """Touch a table, so that a database without them is noticed."""
        self._connection.execute(select(schema.marks.c.name).limit(1))

    def add_case(self, case: Case) -> bool:
        """Insert a case; False if it is there already."""
        return insert_new(self._connection, schema.cases, _case_row(case))

    def save_new_case(self, case: Case) -> Case:
        """Insert a case with its first change; `Stale` if somebody else has opened it."""
        changed = replace(case, version=case.version + 1)
        if not self.add_case(changed):
            raise Stale(f"case {case.id} was opened by somebody else in between")
        return changed

    def save_case(self, case: Case, **changes: Any) -> Case:
        """Write a changed case over the version it was read at; `Stale` if that is no longer the newest."""
        changed = replace(case, **changes, version=case.version + 1)
        values = {"which": case.id, "over": case.version, **_case_row(changed)}
        result = self._connection.execute(_CHANGED, values)
        if result.rowcount != 1:
            raise Stale(f"case {case.id} was changed by somebody else in between")
        return changed

    def save_answer(self, case_id: str, answer: GivenAnswer, *, over: GivenAnswer | None = None) -> bool:
        """Write one answer, in place of that one; False if by now another one is there, which stays."""
        if over is not None and not self.drop_answer(case_id, over):
            return False
        row = {field.name: getattr(answer, field.name) for field in fields(answer)}
        return insert_new(self._connection, schema.answers, {"case": case_id, **row})

    def drop_answer(self, case_id: str, answer: GivenAnswer) -> bool:
        """Take an answer back; False if it is no longer there."""
        table = schema.answers.c
        is_that = (table.case == case_id, table.item == answer.item, table.answered_at == answer.answered_at)
        return self._connection.execute(delete(schema.answers).where(*is_that)).rowcount == 1

    def save_look(self, case_id: str, looked: Looked) -> None:
        """Write what was found in place of the look before, unless that one is newer."""
        table = schema.looks.c
        is_older = (table.case == case_id, table.check == looked.check.value, table.looked_at <= looked.looked_at)
        self._connection.execute(delete(schema.looks).where(*is_older))
        insert_new(self._connection, schema.looks, {"case": case_id, **look_row(looked)})

    def ask(self, asking: Asking) -> bool:
        """Record that an address is about to be asked for; False if this block of it was asked for before."""
        row = {field.name: getattr(asking, field.name) for field in fields(asking)}
        return insert_new(
            self._connection, schema.askings, row | {"answer": asking.answer.value if asking.answer else None}
        )

    def ask_again(self, before: Asking, asking: Asking) -> Asking:
        """A named agent decided to ask once more for a block that was asked for before."""
        again = replace(asking, times=before.times + 1)
        row = {field.name: getattr(again, field.name) for field in fields(again)}
        self._update_asking(before, **row)
        return again

    def withdraw(self, asking: Asking, before: Asking | None) -> None:
        """Forget an asking that surely never left; the one that it was decided over stands again."""
        table = schema.askings.c
        self._connection.execute(delete(schema.askings).where(*_is_asking(table, asking)))
        if before is not None:
            self.ask(before)

    def record_answer(self, asking: Asking, answer: UnblockAnswer, at: datetime) -> None:
        """What Microsoft's side said."""
        self._update_asking(asking, answer=answer.answer.value, detail=answer.detail, answered_at=at)

    def record_release(self, asking: Asking, at: datetime | None) -> None:
        """A reading no longer lists the address; None where one lists it again by the very same block."""
        self._update_asking(asking, released_at=at)

    def _update_asking(self, asking: Asking, **values: Any) -> None:
        self._connection.execute(update(schema.askings).where(*_is_asking(schema.askings.c, asking)).values(**values))

    def intend(self, case_id: str, note: Note, at: datetime) -> bool:
        """Record that a note is meant to be on the ticket; False if it was before, with a text that stands."""
        return self._add_note(case_id, note, at, None) or self._say_again(note)

    def send(self, case_id: str, sent: SentNote, at: datetime) -> bool:
        """Record that a note is about to be sent, and is meant to be there; False if somebody else has it."""
        if not sent.is_kept:
            if self._add_note(case_id, sent.note, at, at):
                return True
            if not self._say_again(sent.note):
                return False
        return self._move_sending(sent.note, sent.sent_at, at)

    def unsend(self, note: Note, sent_at: datetime) -> None:
        """What was recorded then to be sent surely was not."""
        self._move_sending(note, sent_at, None)

    def _add_note(self, case_id: str, note: Note, at: datetime, sent_at: datetime | None) -> bool:
        moments = {"intended_at": at, "sent_at": sent_at, "done_at": None}
        said = {"visibility": note.visibility.value, "subject": note.subject, "body_html": note.body_html}
        return insert_new(self._connection, schema.written, {"key": note.key, "case": case_id, **said, **moments})

    def _say_again(self, note: Note) -> bool:
        """Write the text of a note that has lost it."""
        text = {"subject": note.subject, "body_html": note.body_html}
        return self._connection.execute(_TEXTLESS, {"which": note.key, **text}).rowcount == 1

    def _move_sending(self, note: Note, seen: datetime | None, at: datetime | None) -> bool:
        table = schema.written
        as_seen = (table.c.key == note.key, table.c.sent_at == seen, table.c.done_at.is_(None))
        return self._connection.execute(update(table).where(*as_seen).values(sent_at=at)).rowcount == 1

    def done(self, key: str, at: datetime) -> None:
        """The note is on the ticket."""
        self._connection.execute(_DONE, {"which": key, "done_at": at})

    def log(self, case_id: str, entry: JournalEntry) -> None:
        """Add a line to a case's journal."""
        line = {"case": case_id, "at": entry.at, "actor": entry.actor, "what": entry.what}
        self._connection.execute(_LINE, line)

    def put_task(self, task: Task) -> None:
        """Call for work; the same id twice is one task."""
        insert_new(self._connection, schema.outbox, outbox.row_for(task))

    def put_unless_waiting(self, task: Task) -> None:
        """Call for work, unless the same waits in its lane: that has not begun, so it will see what is changed here."""
        waiting = self._connection.scalars(_NOT_BEGUN, {"lane": task.lane, "name": task.name})
        if task.args not in waiting.all():
            self.put_task(task)

    def put_batch(self, batch: Task, members: Sequence[Task], *, at: datetime) -> None:
        """Call for tasks that are done within one."""
        self.put_task(batch)
        rows = [outbox.row_for(task, batch=batch.id) | {"handed_at": at} for task in members]
        insert_all_new(self._connection, schema.outbox, rows)

    def put_ended(self, tasks: Sequence[Task], outcome: Outcome, *, at: datetime) -> None:
        """Keep tasks that nothing is left to do for; one that was called for before goes its own way."""
        ended = {"handed_at": at, "ended_at": at, "outcome": outcome.value}
        insert_all_new(self._connection, schema.outbox, [outbox.row_for(task) | ended for task in tasks])

    def concerned(self, tasks: Sequence[Task]) -> frozenset[str]:
        """The lanes of those of these tasks whose ticket has a case, or other work that has not ended."""
        tickets = {
            "sources": [task.args["source"] for task in tasks],
            "tickets": [task.args["ticket"] for task in tasks],
        }
        cases = self._connection.execute(_CASES_OF_TICKETS, tickets)
        open_lanes = self._connection.scalars(_OPEN_LANES, {"lanes": [task.lane for task in tasks]})
        return frozenset(ticket_lane(row.source, row.ticket) for row in cases) | frozenset(open_lanes)

    def handed(self, tasks: Sequence[Task], at: datetime) -> None:
        """The engine has these tasks on disk."""
        ids = [task.id for task in tasks]
        self._connection.execute(update(schema.outbox).where(schema.outbox.c.id.in_(ids)).values(handed_at=at))

    def set_mark(self, name: str, value: str) -> None:
        """Remember where somebody has got to."""
        insert_or_replace(self._connection, schema.marks, {"name": name, "value": value})

    def put_back(self, at: datetime) -> int:
        """This database was put back from a backup; how many tasks are to be handed over again.

        Notes are looked for before they are posted, what tickets show counts as unknown, and the engine knows nothing.
        """
        self.set_mark(RESTORED, at.isoformat())
        marked = update(schema.marks).where(schema.marks.c.name.startswith(marks.SHOWN))
        self._connection.execute(marked.values(value="not known since the databases were put back"))
        table = schema.outbox.c
        with_engine = (table.handed_at.is_not(None), table.ended_at.is_(None), table.batch == "")
        return self._connection.execute(update(schema.outbox).where(*with_engine).values(handed_at=None)).rowcount

    def use_launch(self, source: str, jti: str, expires_at: datetime, now: datetime) -> bool:
        """Use up a launch token; False if it was used before. Expired ones are forgotten: they are refused by date."""
        self._connection.execute(delete(schema.launches).where(schema.launches.c.expires_at < now))
        return insert_new(self._connection, schema.launches, {"jti": jti, "source": source, "expires_at": expires_at})


def _is_asking(table: Any, asking: Asking) -> tuple[Any, ...]:
    return (table.tenant == asking.tenant, table.address == asking.address, table.block == asking.block)


def _case_row(case: Case) -> dict[str, Any]:
    row = {field.name: getattr(case, field.name) for field in fields(case)}
    return (
        row
        | _of_lists(case)
        | {
            "state": case.state.value,
            "finding": finding_row(case.finding),
            "status": status_row(case.status),
            "candidates": list(case.candidates),
        }
    )


def _of_lists(case: Case) -> dict[str, str]:
    """The columns of `schema.OF_LISTS`; a cause that is known stays."""
    if case.status is None:
        return {}
    causes = [blocked.cause.value for blocked in case.status.blocked]
    return {"address": case.status.primary_address.lower()[:320]} | ({"cause": causes[0]} if causes else {})


def case_in(row: Row[Any]) -> Case:
    """The case in a row."""
    values = {name: value for name, value in row._mapping.items() if name not in schema.OF_LISTS}
    values["state"] = CaseState(values["state"])
    values["finding"] = finding_of(values["finding"])
    values["status"] = status_of(values["status"])
    values["candidates"] = tuple(values["candidates"])
    return Case(**values)


def _asking(row: Row[Any]) -> Asking:
    values = dict(row._mapping)
    del values["id"]
    values["answer"] = Answer(values["answer"]) if values["answer"] else None
    return Asking(**values)
