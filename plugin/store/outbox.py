"""Queries over tasks: what is waiting, what the engine has, what became of each attempt.

A task is put in the transaction that calls for it (`plugin.store.cases.Change.put_task`). Everything else that is known
of its life is written here: handed to the engine, begun, ended. So the engine's own database holds nothing that could
not be made anew from these rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, bindparam, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from plugin import trace
from plugin.errors import StorageError
from plugin.model import Call, Outcome, Task, TaskRecord
from plugin.store import schema
from plugin.store.columns import Moment
from plugin.store.engine import asking, insert_new

_table = schema.outbox
_column = schema.outbox.c


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How an attempt ended."""

    task: Task
    outcome: Outcome
    error: str = ""
    calls: Sequence[Call] = ()


def row_for(task: Task, *, batch: str = "") -> dict[str, Any]:
    """A new task as a row; called for within an attempt, it has that attempt's cause."""
    return {
        "id": task.id,
        "name": task.name,
        "args": dict(task.args),
        "lane": task.lane,
        "not_before": task.not_before,
        "attempt": task.attempt,
        "crashes": task.crashes,
        "counted_from": task.counted_from,
        "handed_at": None,
        "base": task.base,
        "cause": task.cause or trace.current_cause() or task.base,
        "batch": batch,
    }


def task_in(row: Row[Any]) -> Task:
    """The task in a row."""
    return Task(
        id=row.id,
        name=row.name,
        args=row.args,
        lane=row.lane,
        not_before=row.not_before,
        attempt=row.attempt,
        cause=row.cause if row.cause != row.base else "",
        crashes=row.crashes,
        counted_from=row.counted_from,
    )


def _is_due(not_before: ColumnElement[datetime | None]) -> ColumnElement[bool]:
    return not_before.is_(None) | (not_before <= bindparam("now", type_=Moment))


_other = _table.alias()
_is_other_open = (_other.c.lane == _column.lane) & (_column.lane != "") & _other.c.ended_at.is_(None)
_is_batch_at_it = (
    select(_other.c.seq).where(_is_other_open, _other.c.batch != "", _other.c.handed_at.is_not(None)).exists()
)


def _waiting(*which: ColumnElement[bool]) -> Select[Any]:
    """In our own order. SQLite looks at the conditions as they stand, so those that cost least come first."""
    query = select(_table).where(_column.handed_at.is_(None), *which, ~_is_batch_at_it)
    return query.order_by(_column.seq).limit(bindparam("limit"))


WAITING = _waiting()
"""Tasks that the engine does not have yet; not those in whose lane a batch is at work."""

_is_free = (_column.lane == "") & _column.not_before.is_(None)
WAITING_FREE = _waiting(_is_free)
"""Those of them that nothing but room holds up: batches."""

WAITING_IN_LANES = _waiting(~_is_free)
"""The others."""

_is_at_work = _other.c.handed_at.is_not(None) & (_other.c.started_at.is_not(None) | _other.c.not_before.is_(None))
_is_before = _other.c.handed_at.is_(None) & (_other.c.seq < _column.seq) & _is_due(_other.c.not_before)
WAITING_IN_FREE_LANES = _waiting(
    ~_is_free,
    ~_is_due(_column.not_before)
    | ~select(_other.c.seq).where(_is_other_open, _other.c.id != _column.id, _is_at_work | _is_before).exists(),
)
"""Those of the others that wait for a time, or that are due and the first of a lane in which nothing is at work."""

_CALLED_FOR = (
    select(_table)
    .where(_column.handed_at.is_(None), _column.not_before.is_(None), _column.crashes == 0, _column.lane != "")
    .where(_column.started_at.is_(None))  # or the engine has just begun it
    .where(_column.cause.in_(bindparam("causes", expanding=True)))
    .where(
        ~select(_other.c.seq)
        .where(_is_other_open, _other.c.id.not_in(bindparam("done", expanding=True)))
        .where(_other.c.handed_at.is_not(None) | (_other.c.seq < _column.seq))
        .exists()
    )
    .order_by(_column.seq)
)


class Outbox:
    """The tasks of the cases database. Every failure of the database is a `StorageError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asking = asking(engine)

    # ── a task's life ────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, tasks: Sequence[Task], *, worker: str, at: datetime) -> dict[str, int]:
        """An attempt begins on disk before anything is done; how often each has begun by now, by its id.

        One that is not kept here, or no longer, has begun once. One that has ended already does not begin again: 0.
        The engine may not have heard of its end, or an operator's retry has taken its place (`retry`).
        """
        ids = [task.id for task in tasks]
        began = update(_table).where(_column.id.in_(ids), _column.ended_at.is_(None))
        with self._change("begin tasks") as connection:
            connection.execute(began.values(starts=_column.starts + 1, started_at=at, worker=worker))
            query = select(_column.id, _column.starts, _column.ended_at).where(_column.id.in_(ids))
            rows = connection.execute(query).all()
        return dict.fromkeys(ids, 1) | {row.id: 0 if row.ended_at else row.starts for row in rows}

    def take_along(self, done: Sequence[Task], *, batch: Task, worker: str, at: datetime) -> list[Task]:
        """Begin, within a batch, what tasks of it have called for that is due now and whose lane is free.

        Free: nothing else of the lane is under way or was there before, but for these tasks themselves, which are done.
        """
        if not done:
            return []
        with self._change("take tasks along") as connection:
            found = {"causes": [task.base for task in done], "done": [task.id for task in done]}
            tasks = [task_in(row) for row in connection.execute(_CALLED_FOR, found)]
            if tasks:
                began = update(_table).where(_column.id.in_([task.id for task in tasks]))
                begun = {"starts": _column.starts + 1, "started_at": at, "worker": worker}
                connection.execute(began.values(handed_at=at, batch=batch.id, **begun))
            return tasks

    def end(self, ended: Sequence[Ended], *, at: datetime, then: Sequence[Task] = ()) -> None:
        """Attempts have ended, and these are tried again: all in one transaction, so that neither is lost."""
        statement = (
            update(_table)
            .where(_column.id == bindparam("which"))
            .values(
                ended_at=bindparam("at"),
                outcome=bindparam("how"),
                error=bindparam("why"),
                calls=bindparam("made"),
            )
        )
        rows = [
            {
                "which": one.task.id,
                "at": at,
                "how": one.outcome.value,
                "why": one.error[:4000],
                "made": [_call_row(call) for call in one.calls],
            }
            for one in ended
        ]
        with self._change("end tasks") as connection:
            for task in then:
                insert_new(connection, _table, row_for(task))
            if rows:
                connection.execute(statement, rows)

    def retry(self, tasks: Sequence[Task], at: datetime) -> list[Task]:
        """Put the next attempt, anew, at tasks that are dead or wait for it; those of them that were not tried since.

        What waits until then is ended by this: the engine comes to it all the same and finds nothing to do.
        """
        waits = update(_table).where(_column.starts == 0, _column.ended_at.is_(None))
        ended = waits.values(outcome=Outcome.RETRIED.value, ended_at=at, handed_at=func.coalesce(_column.handed_at, at))
        with self._change("retry tasks") as connection:
            for task in tasks:
                connection.execute(ended.where(_column.id == task.id))
            over = _column.outcome.in_((Outcome.DEAD.value, Outcome.RETRIED.value))
            ids = set(connection.scalars(select(_column.id).where(_column.id.in_([task.id for task in tasks]), over)))
            return [task for task in tasks if task.id in ids and insert_new(connection, _table, row_for(task.anew()))]

    def forget_handing(self, ids: Sequence[str]) -> None:
        """The engine has lost these: they are to be handed to it again."""
        with self._change("hand tasks over again") as connection:
            connection.execute(update(_table).where(_column.id.in_(ids)).values(handed_at=None))

    def seen(self, worker: str, at: datetime) -> None:
        """A worker says that it is at work."""
        with self._change("note the worker") as connection:
            table = schema.workers
            if not connection.execute(update(table).where(table.c.name == worker).values(seen_at=at)).rowcount:
                insert_new(connection, table, {"name": worker, "seen_at": at})

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def open_with_engine(self, *, handed_before: datetime, after: int, limit: int) -> list[tuple[int, TaskRecord]]:
        """Tasks that the engine has had since before a moment and that have not ended, with their place; in order."""
        query = select(_table).where(
            _column.handed_at < handed_before, _column.ended_at.is_(None), _column.batch == "", _column.seq > after
        )
        return [(row.seq, record_in(row)) for row in self._all(query.order_by(_column.seq).limit(limit))]

    def within(self, batch: str) -> list[TaskRecord]:
        """The tasks that are done within a batch."""
        return [record_in(row) for row in self._all(select(_table).where(_column.batch == batch).order_by(_column.seq))]

    def records(self, bases: Sequence[str]) -> list[TaskRecord]:
        """Every attempt at these tasks and at all that was called for in doing them, in order."""
        query = select(_table).where(_column.cause.in_(bases) | _column.base.in_(bases))
        return [record_in(row) for row in self._all(query.order_by(_column.seq))]

    def attempts(self, task: Task) -> list[TaskRecord]:
        """The attempts at one task, in order, since it was called for or an operator had it begin anew."""
        counted = (_column.base == task.base, _column.attempt >= task.counted_from)
        return [record_in(row) for row in self._all(select(_table).where(*counted).order_by(_column.seq))]

    def dead(self, limit: int) -> list[TaskRecord]:
        """Tasks whose last attempt ended dead, the newest first."""
        later = _table.alias()
        newest = select(func.max(later.c.seq)).where(later.c.base == _column.base).scalar_subquery()
        query = select(_table).where(_column.outcome == Outcome.DEAD.value, _column.seq == newest)
        return [record_in(row) for row in self._all(query.order_by(_column.seq.desc()).limit(limit))]

    def workers(self) -> dict[str, datetime]:
        """When each worker last said that it is at work."""
        return {row.name: row.seen_at for row in self._all(select(schema.workers))}

    def _all(self, query: Select[Any]) -> Sequence[Row[Any]]:
        try:
            with self._asking.connect() as connection:
                return connection.execute(query).all()
        except SQLAlchemyError as error:
            raise StorageError(f"the cases database could not be read ({type(error).__name__})") from error

    @contextmanager
    def _change(self, doing: str) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            why = getattr(error, "orig", None) or type(error).__name__
            raise StorageError(f"cases database: could not {doing}: {why}") from error


def _call_row(call: Call) -> dict[str, Any]:
    return asdict(call) | {"at": call.at.isoformat()}


def _call(row: Mapping[str, Any]) -> Call:
    return Call(**{**row, "at": datetime.fromisoformat(row["at"])})


def record_in(row: Row[Any]) -> TaskRecord:
    """An attempt as it is kept in a row."""
    return TaskRecord(
        task=task_in(row),
        handed_at=row.handed_at,
        starts=row.starts,
        started_at=row.started_at,
        worker=row.worker,
        ended_at=row.ended_at,
        outcome=Outcome(row.outcome) if row.outcome else None,
        error=row.error,
        calls=tuple(_call(call) for call in row.calls or ()),
    )
