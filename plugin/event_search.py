"""Finds events and their work in the databases, for operators, and has dead work tried again."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from plugin.errors import PluginError
from plugin.events import NARROW, OPEN, State, Wanted, Work, work_of
from plugin.model import Task, TaskRecord
from plugin.naming import HANDLING, account_lane, shown_as, ticket_lane
from plugin.store import marks
from plugin.store.cases import CaseStore
from plugin.store.deliveries import DeliveryStore
from plugin.store.events import Place, WorkRows
from plugin.store.outbox import Outbox

PAGE = 200
MOST_LOOKED_AT = 5_000
"""So many are looked at for a filter that fits few of them."""

ALIKE = 5
"""So many ids are named where a part of an id fits several."""


class NoSuchEvent(PluginError):
    """No event or task has this id, or several have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What was found, the newest first; `is_cut`: older ones were not looked at, although they may be wanted too."""

    works: tuple[Work, ...]
    is_cut: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Retried:
    """What a retry came to: the attempts that it put; none of those meant where another operator was faster."""

    work: Work
    meant: tuple[Task, ...]
    put: tuple[Task, ...]


class Events:
    """Events and their work, out of the databases of deliveries and of cases."""

    def __init__(
        self,
        *,
        deliveries: DeliveryStore,
        cases: CaseStore,
        outbox: Outbox,
        rows: WorkRows,
        sources: Collection[str],
        clock: Callable[[], datetime],
    ) -> None:
        self._deliveries = deliveries
        self._cases = cases
        self._outbox = outbox
        self._rows = rows
        self._sources = sources
        self._clock = clock

    # ── a list ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def listed(self, wanted: Wanted) -> Listing:
        """What is wanted of all events, the newest first."""
        found: dict[str, Work] = {}
        looked_at = 0
        for causes in self._pages(wanted):
            works = self._works(causes)
            found |= {work.cause: work for work in works if wanted.fits(work)}
            looked_at += len(works)
            if len(found) >= wanted.limit or looked_at >= MOST_LOOKED_AT:
                break
            if wanted.state not in NARROW and works and all(wanted.is_too_old(work) for work in works):
                break
        newest = sorted(found.values(), key=lambda work: work.received_at or self._clock(), reverse=True)
        is_cut = looked_at >= MOST_LOOKED_AT and len(found) < wanted.limit
        return Listing(works=tuple(newest[: wanted.limit]), is_cut=is_cut)

    def _pages(self, wanted: Wanted) -> Iterator[Sequence[str]]:
        """Causes among which the wanted ones are, the newest first."""
        if wanted.state in (None, State.WAITING):
            yield from self._not_relayed()
        yield from _paged(self._rows_for(wanted))

    def _not_relayed(self) -> Iterator[Sequence[str]]:
        relayed, before = self._relayed(), None
        while accepted := self._deliveries.received_after(relayed, before=before, limit=PAGE):
            before = accepted[-1].seq
            yield [HANDLING + row.id for row in accepted]

    def _rows_for(self, wanted: Wanted) -> Callable[..., list[Place]]:
        if wanted.state is State.DEAD:
            return self._rows.causes_of_dead
        if wanted.state in OPEN:
            return self._rows.causes_of_open
        if wanted.ticket:
            return partial(self._rows.causes, lanes=self._lanes(wanted))
        return self._rows.causes

    def _lanes(self, wanted: Wanted) -> set[str]:
        """Where the work on a ticket goes: by the ticket, or by the accounts of its cases."""
        sources = [wanted.source] if wanted.source else self._sources
        cases = [case for source in sources for case in self._cases.cases_of_ticket(source, wanted.ticket)]
        return {ticket_lane(source, wanted.ticket) for source in sources} | {account_lane(case) for case in cases}

    def dead(self) -> list[str]:
        """The causes of all dead tasks, the newest first."""
        pages = list(_paged(self._rows.causes_of_dead))
        return list(dict.fromkeys(cause for page in pages for cause in page))

    # ── one event ────────────────────────────────────────────────────────────────────────────────────────────────────

    def find(self, text: str) -> str:
        """The cause that an id belongs to: an event's, a task's, an attempt's, or a part that no other one has."""
        if text and self._deliveries.received([text]):
            return HANDLING + text
        if text and (attempt := self._rows.attempts([text]).get(text)):
            return _cause(attempt)
        like = {HANDLING + row.id for row in self._deliveries.received_like(text, ALIKE + 1)} if text else set()
        found = sorted(like | set(self._rows.like(text, ALIKE + 1) if text else ()))
        if not found:
            raise NoSuchEvent(f"there is no event or task “{text}”; `m365-unblock events list` shows those there are")
        if len(found) > 1:
            some = ", ".join(shown_as(cause) for cause in found[:ALIKE]) + (", …" if len(found) > ALIKE else "")
            raise NoSuchEvent(f"“{text}” is a part of several ids; write more of it: {some}")
        return found[0]

    def work(self, cause: str) -> Work:
        """One event with every attempt at every task."""
        records = self._outbox.records([cause])
        return self._told([cause], records)[0]

    def retry(self, cause: str, *, only_dead: bool = False) -> Retried:
        """Have what is dead tried again at once, and unless `only_dead` also what has failed and waits.

        The attempts are put as if none had failed before, so that they are not given up at once. Tasks do only what is
        not done yet, so that nothing is done twice.
        """
        work = self._works([cause])[0]
        steps = [step for step in work.steps if step.may_be_retried]
        meant = [step.last.task for step in steps if step.state is State.DEAD or not only_dead]
        put = self._outbox.retry(meant, self._clock()) if meant else []
        return Retried(work=work, meant=tuple(meant), put=tuple(task.anew() for task in put))

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _relayed(self) -> int:
        return int(self._cases.mark(marks.RELAYED) or 0)

    def _works(self, causes: Sequence[str]) -> list[Work]:
        """The work for these causes, with as much of its attempts as a list tells."""
        newest = self._rows.newest(causes)
        earlier = self._rows.attempts({id_ for record in newest for id_ in _earlier(record.task)})
        return self._told(causes, sorted([*earlier.values(), *newest], key=lambda record: record.task.attempt))

    def _told(self, causes: Sequence[str], records: Sequence[TaskRecord]) -> list[Work]:
        received = {row.id: row for row in self._deliveries.received([shown_as(cause) for cause in causes])}
        named = {record.task.args.get("case", "") for record in records} - {""}
        tickets = self._rows.tickets(named)
        relayed = self._relayed()
        by_cause: dict[str, dict[str, list[TaskRecord]]] = {cause: {} for cause in causes}
        for record in records:
            by_cause[_cause(record)].setdefault(record.task.base, []).append(record)
        return [
            work_of(cause, [tuple(step) for step in steps.values()], received.get(shown_as(cause)), tickets, relayed)
            for cause, steps in by_cause.items()
        ]


def _paged(look: Callable[..., list[Place]]) -> Iterator[Sequence[str]]:
    before = None
    while places := look(before=before, limit=PAGE):
        before = places[-1][0]
        yield list(dict.fromkeys(cause for _, cause in places))


def _cause(record: TaskRecord) -> str:
    return record.task.cause or record.task.base


def _earlier(task: Task) -> Iterable[str]:
    """The ids of the first attempt and of the one before this."""
    before = f"{task.base}~{task.attempt - 1}" if task.attempt > 1 else task.base
    return (task.base, before) if task.attempt else ()
