"""Forgets what is long over, a little at a time, by the site's `[retention]`.

Whatever is deleted is over in all three databases before, and each step may be the last one before a crash:

    tasks        the engine's row first, ours after: ours without the engine's is done, the engine's without ours would
                 stay for ever. One that the engine has not ended is left to it
    deliveries   once they are relayed and nothing of what was called for is unfinished
    cases        with all that was said, in one transaction. It stays that a note was posted and how far the case had
                 come, so that a ticket that comes back is neither told twice nor left without its note
    askings      once the block is off Microsoft's list for longer than it could be listed as the same one (rule 4)
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from plugin import rules
from plugin.log import log
from plugin.naming import HANDLING
from plugin.settings import Retention
from plugin.store.forgetting import OldDeliveries, OldDelivery, OldWork

Forget = Callable[[list[str]], list[str]]
"""Has the engine forget tasks; which of them it knows no more."""

TASKS_AT_ONCE = 200
CASES_AT_ONCE = 20  # with their answers and journals a few hundred rows
DELIVERIES_AT_ONCE = 25  # a few milliseconds: the receiver waits for them
BYTES_AT_ONCE = 256 * 1024  # of deliveries' bodies
STEPS_A_ROUND = 300
"""So many transactions of each kind at most, then the next kind has its turn, and then the other work of upkeep."""

REST = 0.05  # seconds between two transactions, for others to write
LEFT_AT_MOST = 1000
"""So many tasks may be with the engine still when they should have been over; then the round ends."""

ASKINGS_KEPT = timedelta(days=400)
"""At least so long an asking is kept, whatever the setting for cases."""

PAUSE_AT_MOST = timedelta(minutes=5)


class Housekeeping:
    """One round of forgetting after the other."""

    def __init__(
        self,
        *,
        deliveries: OldDeliveries,
        work: OldWork,
        relayed: Callable[[], int],
        retention: Retention,
        clock: Callable[[], datetime],
        stopping: threading.Event,
    ) -> None:
        self._deliveries = deliveries
        self._work = work
        self._relayed = relayed
        self._retention = retention
        self._clock = clock
        self._stopping = stopping

    @property
    def pause(self) -> float:
        """Seconds between two rounds: what is kept for a short time only is not kept much longer."""
        kept = self._retention
        shortest = min(kept.deliveries, kept.tasks, kept.cases) / 10
        return max(min(shortest, PAUSE_AT_MOST).total_seconds(), 0.5)

    def tidy(self, forget: Forget) -> int:
        """Forget what is over by now, as much as there is time for; how many rows of all kinds."""
        now, kept = self._clock(), self._retention
        counts = {
            "tasks": sum(self._tasks(forget, now - kept.tasks, now - kept.cases)),
            "deliveries": sum(self._old_deliveries(now - kept.deliveries)),
            "cases": sum(self._cases(now - kept.cases)),
            "addresses_asked_about": sum(self._askings(now - max(kept.cases, ASKINGS_KEPT))),
        }
        if any(counts.values()):
            log("housekeeping.forgot", **counts)
        return sum(counts.values())

    def _tasks(self, forget: Forget, ended_before: datetime, dead_before: datetime) -> Iterator[int]:
        left: set[str] = set()
        for _ in self._steps():
            ids = self._work.tasks(ended_before=ended_before, dead_before=dead_before, but=left, limit=TASKS_AT_ONCE)
            gone = forget(ids) if ids else []
            if gone:
                self._work.forget_tasks(gone)
            left |= set(ids) - set(gone)
            yield len(gone)
            if len(ids) < TASKS_AT_ONCE or len(left) > LEFT_AT_MOST:
                return

    def _old_deliveries(self, before: datetime) -> Iterator[int]:
        for _, few in zip(self._steps(), self._portions(before), strict=False):
            self._deliveries.forget([old.seq for old in few])
            yield len(few)

    def _portions(self, before: datetime) -> Iterator[list[OldDelivery]]:
        """Deliveries that may go, few enough for one transaction: large ones fewer than small ones."""
        relayed, after = self._relayed(), 0
        while page := self._deliveries.after(after, before=before, limit=DELIVERIES_AT_ONCE):
            after = page[-1].seq
            few: list[OldDelivery] = []
            for old in self._finished(page, relayed):
                if few and sum(other.size for other in few) + old.size > BYTES_AT_ONCE:
                    yield few
                    few = []
                few.append(old)
            if few:
                yield few

    def _finished(self, page: Sequence[OldDelivery], relayed: int) -> list[OldDelivery]:
        causes = {old.seq: {HANDLING + event_id for event_id in old.event_ids} for old in page}
        unfinished = self._work.unfinished(set().union(*causes.values()))
        return [old for old in page if old.last_event <= relayed and not causes[old.seq] & unfinished]

    def _cases(self, before: datetime) -> Iterator[int]:
        for _ in self._steps():
            ids = self._work.cases(over=rules.OVER, before=before, limit=CASES_AT_ONCE)
            yield self._work.forget_cases(ids, over=rules.OVER, before=before) if ids else 0
            if len(ids) < CASES_AT_ONCE:
                return

    def _askings(self, before: datetime) -> Iterator[int]:
        for _ in self._steps():
            gone = self._work.forget_askings(before=before, limit=CASES_AT_ONCE)
            yield gone
            if gone < CASES_AT_ONCE:
                return

    def _steps(self) -> Iterator[int]:
        """Turns at the databases, with rests in between; none any more once the worker is to stop."""
        for number in range(STEPS_A_ROUND):
            if self._stopping.wait(REST if number else 0):
                return
            yield number
