"""Queries for what operators are shown: which work was called for, how far it has come, which of it is dead.

Work is found by its cause, the id of the task that all of it was done for. A query goes by an index or reads about as
many rows as it gives back, so that none goes through all that was ever done; `like` is the exception.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Engine, Row, Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from plugin.errors import StorageError
from plugin.model import Outcome, TaskRecord
from plugin.store import schema
from plugin.store.engine import reading
from plugin.store.outbox import record_in

BATCHES = "handle_events"
"""Tasks that only hold others, which are shown instead."""

_table = schema.outbox
_column = schema.outbox.c
Place = tuple[int, str]
"""Where a cause stands in our own order, and which it is."""


class WorkRows:
    """Looks at the tasks of the cases database by what they were done for."""

    def __init__(self, engine: Engine) -> None:
        self._reading = reading(engine)

    def causes(self, *, before: int | None, limit: int, lanes: Collection[str] | None = None) -> list[Place]:
        """All causes, the newest first, from a place on; `lanes`: only those whose own work goes in one of these."""
        query = select(_column.seq, _column.cause).where(_column.cause == _column.base, _column.attempt == 0)
        if lanes is not None:
            query = query.where(_column.lane.in_(lanes))
        return self._places(query, before, limit)

    def causes_of_dead(self, *, before: int | None, limit: int) -> list[Place]:
        """Causes of tasks whose last attempt ended dead, the newest first, from a place on."""
        later = _table.alias()
        newest = _column.seq == select(func.max(later.c.seq)).where(later.c.base == _column.base).scalar_subquery()
        query = select(_column.seq, _column.cause).where(_column.outcome == Outcome.DEAD.value, newest)
        return self._places(query, before, limit)

    def causes_of_open(self, *, before: int | None, limit: int) -> list[Place]:
        """Causes of tasks that have not ended, the newest first, from a place on."""
        return self._places(select(_column.seq, _column.cause).where(_column.ended_at.is_(None)), before, limit)

    def newest(self, causes: Sequence[str]) -> list[TaskRecord]:
        """The newest attempt at each task of these causes."""
        # In one pass: a task may have failed for days, and to compare each attempt with all others takes their square.
        newest = select(func.max(_column.seq)).where(_column.cause.in_(causes)).group_by(_column.base)
        query = select(_table).where(_column.seq.in_(newest))
        return [record_in(row) for row in self._all(query.order_by(_column.seq))]

    def attempts(self, ids: Collection[str]) -> dict[str, TaskRecord]:
        """Attempts by their ids."""
        return {row.id: record_in(row) for row in self._all(select(_table).where(_column.id.in_(ids)))}

    def like(self, part: str, limit: int) -> list[str]:
        """Causes with a task whose id holds a text. This goes through the ids of all tasks that are kept."""
        query = select(_column.cause).where(_column.id.contains(part, autoescape=True), _column.name != BATCHES)
        return [row.cause for row in self._all(query.group_by(_column.cause).limit(limit))]

    def tickets(self, cases: Collection[str]) -> dict[str, tuple[str, str]]:
        """Source and ticket of cases, by the cases' ids."""
        table = schema.cases.c
        rows = self._all(select(table.id, table.source, table.ticket).where(table.id.in_(cases)))
        return {row.id: (row.source, row.ticket) for row in rows}

    def _places(self, query: Select[Any], before: int | None, limit: int) -> list[Place]:
        query = query.where(_column.name != BATCHES)
        if before is not None:
            query = query.where(_column.seq < before)
        return [(row.seq, row.cause) for row in self._all(query.order_by(_column.seq.desc()).limit(limit))]

    def _all(self, query: Select[Any]) -> Sequence[Row[Any]]:
        try:
            with self._reading.connect() as connection:
                return connection.execute(query).all()
        except SQLAlchemyError as error:
            raise StorageError(f"the cases database could not be read ({type(error).__name__})") from error
