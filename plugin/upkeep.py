"""What keeps work from getting stuck or piling up: a dead worker's work is taken over, lost work is handed over again,
and what is long done is forgotten.
"""

import logging
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import time

from plugin.durable import DBOS, WorkflowStatus
from plugin.log import log
from plugin.model import Outcome, TaskRecord
from plugin.store.locks import Locks, held
from plugin.store.outbox import Ended, Outbox

OVERLOOKED_AFTER = timedelta(seconds=60)
"""So long the engine may have a task without a sign of it before it is looked for there."""

PAGE = 500
UNFINISHED = ("ENQUEUED", "DELAYED", "PENDING")
OVERLOOKED = 70  # EX_SOFTWARE of sysexits.h; whoever started the worker starts it again


class Upkeep:
    """Upkeep of the engine's rows and of ours."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        locks: Locks,
        clock: Callable[[], datetime],
        tidy: Callable[[Callable[[list[str]], list[str]]], int],
        pause: float = 300.0,
    ) -> None:
        self._outbox = outbox
        self._locks = locks
        self._clock = clock
        self._tidy = tidy
        self._overlooked: set[str] = set()
        self.worker = ""
        self.pause = pause  # seconds between two rounds of `keep_house`
        self.overlooked_after = OVERLOOKED_AFTER

    def look(self, is_under_way: Callable[[str], bool]) -> int:
        """Say that this worker is at work, and take over what workers left that are no more.

        `is_under_way` tells by a task's id whether a thread here is at it.
        """
        self._outbox.seen(self.worker, self._clock())
        pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        for name in {row.executor_id for row in pending if row.executor_id} - {self.worker}:
            self._take_over(name)
        before = self._overlooked
        own = [row for row in pending if row.executor_id == self.worker and self._is_late(row)]
        self._overlooked = {row.workflow_id for row in own if not is_under_way(row.workflow_id)}
        if lost := before & self._overlooked:
            # The engine's database failed it between taking a task and running it, or noting its end.
            log("worker.lost_sight", logging.CRITICAL, task=min(lost), tasks=len(lost))
            os._exit(OVERLOOKED)
        return 0

    def _take_over(self, name: str) -> None:
        with held(self._locks, name) as is_dead:  # its name is free: nobody works in it
            if is_dead:
                # Recovery of others' work is DBOS's own, but its public way there is a server of the vendor's.
                taken = DBOS._recover_pending_workflows([name])
                log("worker.took_over", logging.WARNING, worker=name, tasks=len(taken))

    def _is_late(self, row: WorkflowStatus) -> bool:
        """The engine has had it under way for long."""
        since = (row.dequeued_at or row.updated_at or 0) / 1000
        return time() - since > self.overlooked_after.total_seconds()

    def keep_house(self) -> int:
        """Hand over again what the engine has lost, and forget what is long done."""
        return self._find_lost() + self._tidy(self._forget)

    def _forget(self, tasks: list[str]) -> list[str]:
        """Have the engine forget tasks; those that it knows no more, for one that it is not done with must stay."""
        rows = DBOS.list_workflows(workflow_ids=tasks, load_input=False, load_output=False)
        left = {row.workflow_id for row in rows if row.status in UNFINISHED}
        gone = [task for task in tasks if task not in left]
        DBOS.delete_workflows(gone)
        return gone

    def _find_lost(self) -> int:
        """Tasks without an end that the engine does not know, or takes for ended."""
        after, found = 0, 0
        while page := self._outbox.open_with_engine(
            handed_before=self._clock() - self.overlooked_after, after=after, limit=PAGE
        ):
            after = page[-1][0]
            records = [record for _, record in page]
            ids = [record.task.id for record in records]
            rows = DBOS.list_workflows(workflow_ids=ids, load_input=False, load_output=False)
            known = {row.workflow_id: row.status for row in rows}
            found += self._hand_again([record for record in records if record.task.id not in known])
            found += self._end_again(
                [record for record in records if known.get(record.task.id, "PENDING") not in UNFINISHED]
            )
        return found

    def _hand_again(self, lost: Sequence[TaskRecord]) -> int:
        if lost:
            log("tasks.lost", logging.ERROR, tasks=len(lost), first=lost[0].task.id)
            self._outbox.forget_handing([record.task.id for record in lost])
        return len(lost)

    def _end_again(self, ended: Sequence[TaskRecord]) -> int:
        """The engine could not run it, and says so only in its own rows."""
        for record in ended:
            task = record.task.next(self._clock())
            log("task.failed_in_engine", logging.ERROR, task=record.task.id)
            self._outbox.end(
                [Ended(task=record.task, outcome=Outcome.AGAIN, error="the engine could not run it")],
                at=self._clock(),
                then=[task],
            )
        return len(ended)
