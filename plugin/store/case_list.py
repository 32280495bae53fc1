"""The desk's list of cases: counts, pages of it, and what the pictures are drawn from.

A page goes state by state, the most urgent first, along an index that holds all it filters by, so that it takes as long
for a hundred cases as for a hundred thousand.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from plugin.errors import StorageError
from plugin.model import Case, CaseState
from plugin.store import schema
from plugin.store.cases import case_in
from plugin.store.engine import reading

MOST_FOUND = 1000
"""So many names, and so many cases, a search for a text goes on with; who finds more has to type more."""

_case = schema.cases.c
_asking = schema.askings.c


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """What of all cases is wanted; what is empty or None leaves nothing out."""

    source: str = ""
    text: str = ""  # a ticket's number, or a part of an account's id or primary address
    agent: str = ""  # a part of the name or login of who pressed Unblock
    since: datetime | None = None  # opened then or later
    before: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where in the list somebody is: the last case seen."""

    state: CaseState
    created_at: datetime
    id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A part of the list."""

    counts: Mapping[CaseState, int]  # of all that is wanted, in whatever state
    cases: tuple[Case, ...]
    next: Place | None  # None at the end


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """From the case's opening to the confirmed release."""

    opened_at: datetime
    released_at: datetime


class CaseList:
    """Reads only. `sources` are the ticket systems in which a ticket's number is looked for."""

    def __init__(self, engine: sa.Engine, sources: Collection[str]) -> None:
        self._reading = reading(engine)
        self._sources = tuple(sources)

    def page(
        self,
        states: Sequence[CaseState],
        wanted: Filter,
        *,
        newest_first: Collection[CaseState] = (),
        after: Place | None = None,
        limit: int,
    ) -> Page:
        """Cases in these states, in the states' order; within one by age, in some of them the newest first."""
        with self._connection() as connection:
            conditions = [*_in_index(wanted), *self._searched(connection, wanted)]
            counts = _counts(connection, conditions)
            ids: list[str] = []
            for state in (state for state in _from(states, after) if counts[state]):
                begun = after if after is not None and after.state is state else None
                query = _of_state(state, conditions, newest_first=state in newest_first, after=begun)
                ids += connection.scalars(query.limit(limit + 1 - len(ids)))
                if len(ids) > limit:
                    break
            rows = connection.execute(sa.select(schema.cases).where(_case.id.in_(ids[:limit]))).all()
        found = {case.id: case for case in map(case_in, rows)}
        cases = tuple(found[id_] for id_ in ids[:limit] if id_ in found)
        last = cases[-1] if cases and len(ids) > limit else None
        return Page(counts=counts, cases=cases, next=_place_of(last) if last else None)

    def _searched(self, connection: sa.Connection, wanted: Filter) -> Iterator[sa.ColumnElement[bool]]:
        pressed = sa.select(_asking.case)
        if wanted.agent:
            pressed = pressed.where(_asking.agent.in_(_names(connection, _asking.agent, wanted.agent)))
        if wanted.text:
            ids = _ids_like(connection, wanted.text, self._sources)
            named = connection.scalars(pressed.where(_asking.case.in_(ids))).all() if wanted.agent else ids
            yield _case.id.in_(named)
        elif wanted.agent:
            yield _case.id.in_(pressed)

    def by_day(self, ends: Sequence[datetime], since: datetime) -> list[Mapping[CaseState, int]]:
        """How many cases were opened on each day and are in which state now; `ends` are the days' ends, in order."""
        day = sa.case(*((_case.created_at < end, number) for number, end in enumerate(ends)))
        query = sa.select(day, _case.state, sa.func.count()).where(_lately(since), _case.created_at < ends[-1])
        days: list[dict[CaseState, int]] = [{} for _ in ends]
        with self._connection() as connection:
            for number, state, count in connection.execute(query.group_by(day, _case.state)):
                days[number][CaseState(state)] = count
        return list(days)

    def releases(self, since: datetime) -> list[Release]:
        """Of cases opened since a moment, those that were released."""
        query = sa.select(_case.created_at, _case.unblocked_at).where(_lately(since), _case.unblocked_at.is_not(None))
        with self._connection() as connection:
            rows = connection.execute(query).all()
        return [Release(opened_at=row.created_at, released_at=row.unblocked_at) for row in rows]

    def causes(self, since: datetime) -> Mapping[str, int]:
        """Why Microsoft blocked, of cases opened since a moment that it blocked."""
        query = sa.select(_case.cause, sa.func.count()).where(_lately(since), _case.cause != "").group_by(_case.cause)
        with self._connection() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def _connection(self) -> "_Reading":
        return _Reading(self._reading)


class _Reading:
    """A connection whose failures are ours."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __enter__(self) -> sa.Connection:
        try:
            self._open = self._engine.connect()
        except SQLAlchemyError as error:
            raise _unreadable(error) from error
        return self._open

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._open.close()
        if isinstance(error, SQLAlchemyError):
            raise _unreadable(error) from error


def _unreadable(error: Exception) -> StorageError:
    return StorageError(f"the cases database could not be read ({type(error).__name__})")


def _lately(since: datetime) -> sa.ColumnElement[bool]:
    # All states by name, so that the index by state and age is of use without a state.
    return sa.and_(_case.state.in_([state.value for state in CaseState]), _case.created_at >= since)


def _of_state(
    state: CaseState, conditions: Sequence[sa.ColumnElement[bool]], *, newest_first: bool, after: Place | None
) -> sa.Select[tuple[str]]:
    query = sa.select(_case.id).where(_case.state == state.value, *conditions)
    if after is not None:
        at = sa.literal(after.created_at, _case.created_at.type)
        here, there = sa.tuple_(_case.created_at, _case.id), sa.tuple_(at, sa.literal(after.id))
        query = query.where(here < there if newest_first else here > there)
    order = (_case.created_at, _case.id)
    return query.order_by(*(column.desc() for column in order)) if newest_first else query.order_by(*order)


def _in_index(wanted: Filter) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.source:
        # As an expression, so that nobody takes the index by source and ticket, which holds nothing else of the filter.
        yield _case.source.concat("") == wanted.source
    if wanted.since is not None:
        yield _case.created_at >= wanted.since
    if wanted.before is not None:
        yield _case.created_at < wanted.before


def _ids_like(connection: sa.Connection, text: str, sources: Sequence[str]) -> Sequence[str]:
    ways = (
        _case.account.in_(_names(connection, _case.account, text)),
        _case.address.in_(_names(connection, _case.address, text.lower(), is_lower=True)),
        sa.and_(_case.source.in_(sources), _case.ticket == text),
    )
    # One lookup each, in an index of its own: with OR between them a database may rather read all.
    queries = [sa.select(_case.id).where(way).limit(MOST_FOUND) for way in ways]
    return list(dict.fromkeys(id_ for query in queries for id_ in connection.scalars(query)))[:MOST_FOUND]


def _names(
    connection: sa.Connection, column: sa.ColumnElement[str], part: str, *, is_lower: bool = False
) -> Sequence[str]:
    """The different values that hold a text, in any case of letters, read from the column's index alone."""
    # SQLite's LIKE makes no difference between a and A by itself, and is quicker so.
    is_plain = is_lower or connection.dialect.name == "sqlite"
    like = column.contains if is_plain else column.icontains
    return connection.scalars(sa.select(column).where(like(part, autoescape=True)).distinct().limit(MOST_FOUND)).all()


def _counts(connection: sa.Connection, conditions: Sequence[sa.ColumnElement[bool]]) -> Mapping[CaseState, int]:
    query = sa.select(_case.state, sa.func.count()).where(*conditions).group_by(_case.state)
    counted = {row[0]: row[1] for row in connection.execute(query)}
    return {state: counted.get(state.value, 0) for state in CaseState}


def _place_of(case: Case) -> Place:
    return Place(state=case.state, created_at=case.created_at, id=case.id)


def _from(states: Sequence[CaseState], after: Place | None) -> Sequence[CaseState]:
    if after is None:
        return states
    return states[states.index(after.state) :] if after.state in states else ()
