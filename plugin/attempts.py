"""An attempt at a task: begun on disk, done, ended on disk together with the next attempt where there is one.

    done                                nothing more
    failed, which may pass              again, after a pause that grows; for three days
    failed by a bug                     again, five times
    its worker ended while it ran       begun again by whoever recovers it; one to whom that happens again and again is
                                        a suspect, and runs alone: what ends workers must not take others along
    none of that helped                 dead: said in the log, on the ticket, to the operator

Batches hold many events, each a task, and take along what these call for, so that showing a case on its ticket is no
work of its own for the engine. A batch whose worker has ended is taken apart.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from plugin import computing, rules
from plugin.errors import RemoteError, StorageError, TransientError
from plugin.log import log, masked
from plugin.model import Outcome, Task
from plugin.naming import shown_as
from plugin.relay import task_of
from plugin.settings import Procedure
from plugin.store.cases import Stale
from plugin.store.locks import Locks, held
from plugin.store.outbox import Ended, Outbox
from plugin.trace import tracing

HANDLE_EVENTS = "handle_events"
EVENTS_AT_ONCE = 8
"""Threads that work through a batch."""

LONGEST_WITHOUT_LOOK = 0.2
"""Seconds after which what some tasks of a batch have called for does not wait for the slower ones."""

GIVE_UP_AFTER = timedelta(days=3)
"""So long a failing task is tried again; outages end, and so does waiting."""

BUG = "a bug: "
"""So the error of an attempt begins that failed by none that is known."""

BUGS_FORGIVEN = 5
"""So often a task is tried again that fails by no known error."""

ENDS_FORGIVEN = 3
"""So often a worker may end in the middle of a task before the task is a suspect."""

CRASHES_FORGIVEN = 10
"""So often a suspect is tried again; workers end for many reasons, and this one is the only one left."""

ALONE = "alone"
"""The lock of a suspect that runs."""

Done = TypeVar("Done")


class Stopped(BaseException):
    """The worker ends with a task unfinished. DBOS records any `Exception` as the task's end; this is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How an attempt ended, and the next one."""

    ended: Ended
    then: Task | None = None


class Attempts:
    """Runs tasks by their names."""

    def __init__(
        self,
        *,
        tasks: Mapping[str, Callable[[Mapping[str, Any]], None]],
        outbox: Outbox,
        locks: Locks,
        procedure: Procedure,
        clock: Callable[[], datetime],
        give_up: Callable[[Task, str], None],
        events_at_once: int = EVENTS_AT_ONCE,
        turn: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """`turn` is held for each task."""
        self._tasks = tasks
        self._outbox = outbox
        self._locks = locks
        self._procedure = procedure
        self._clock = clock
        self._give_up = give_up
        self._events_at_once = events_at_once
        self._turn = turn
        self.worker = ""
        self.stopping = threading.Event()

    def attempt(self, task: Task) -> None:
        """Run a task; when this returns, what became of it and its next attempt are on disk."""
        if task.name == HANDLE_EVENTS:
            self._batch(task)
        elif task.crashes:
            self._alone(task)
        else:
            self._one(task)

    def _one(self, task: Task) -> None:
        begun = self._begin([task])[task.id]
        if not begun:
            return
        is_suspect = begun > 1 if task.crashes else begun > ENDS_FORGIVEN
        self._end([self._crashed(task, begun) if is_suspect else self._run(task)])

    def _alone(self, task: Task) -> None:
        """A suspect waits until no other one runs; while it waits it has not begun, so it is not to blame."""
        while True:
            with held(self._locks, ALONE) as is_ours:
                if is_ours:
                    self._one(task)
                    return
            if self.stopping.wait(0.2):
                raise Stopped("while another suspect ran; recovered at the next start")

    def _batch(self, batch: Task) -> None:
        members = [task_of(row) for row in batch.args["tasks"]]
        begun = self._begin([batch, *members])
        members = [task for task in members if begun[task.id]]
        if begun[batch.id] > 1:
            why = "the worker ended while a batch was worked on"
            along = [record.task for record in self._outbox.within(batch.id) if record.ended_at is None]
            members = list({task.id: task for task in (*members, *along)}.values())
            apart = [self._again(task, timedelta(0), Outcome.CRASHED, why) for task in members]
            self._end([Result(ended=Ended(task=batch, outcome=Outcome.SPLIT)), *apart])
            return
        done = self._worked_through(batch, members)
        self._end([Result(ended=Ended(task=batch, outcome=Outcome.DONE)), *done])

    def _worked_through(self, batch: Task, tasks: Sequence[Task]) -> list[Result]:
        """The results of a batch's tasks that are done, and of what these have called for, which is done right away."""
        done: list[Result] = []
        with ThreadPoolExecutor(self._events_at_once) as pool:
            running = {pool.submit(self._within_batch, task) for task in tasks}
            while running:
                ended, running = wait(running, timeout=LONGEST_WITHOUT_LOOK)
                new = [result for result in (future.result() for future in ended) if result is not None]
                done += new
                called = self._called_for(batch, [result.ended.task for result in new])
                running |= {pool.submit(self._within_batch, task) for task in called}
        return done

    def _called_for(self, batch: Task, done: Sequence[Task]) -> list[Task]:
        at = self._clock()
        return self._insist(lambda: self._outbox.take_along(done, batch=batch, worker=self.worker, at=at), batch)

    def _within_batch(self, task: Task) -> Result | None:
        """What is done can wait to be kept until the others are; what has failed leaves the batch at once."""
        result = self._run(task)
        if result.ended.outcome is Outcome.DONE:
            return result
        self._end([result])
        return None

    # ── on disk ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, tasks: Sequence[Task]) -> dict[str, int]:
        return self._insist(lambda: self._outbox.begin(tasks, worker=self.worker, at=self._clock()), tasks[0])

    def _end(self, results: Sequence[Result]) -> None:
        ended = [result.ended for result in results]
        then = [result.then for result in results if result.then is not None]
        self._insist(lambda: self._outbox.end(ended, at=self._clock(), then=then), ended[0].task)

    def _insist(self, write: Callable[[], Done], task: Task) -> Done:
        """What became of a task must not be lost because the cases database is busy or full."""
        while True:
            try:
                return write()
            except StorageError as error:
                log("task.not_kept", logging.ERROR, task=task.id, error=str(error))
            with computing.waiting():
                is_stopping = self.stopping.wait(1.0)
            if is_stopping:
                raise Stopped("while the cases database took nothing; recovered at the next start")

    # ── the work ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, task: Task) -> Result:
        with self._turn(), tracing(task.cause or task.base) as trace:
            result = self._outcome(task)
            return replace(result, ended=replace(result.ended, calls=tuple(trace.calls)))

    def _outcome(self, task: Task) -> Result:
        try:
            self._tasks[task.name](task.args)
        except Stale as error:
            return self._again(task, timedelta(0), Outcome.AGAIN, str(error))
        except (RemoteError, StorageError) as error:
            return self._after_failure(task, error)
        except Exception as error:  # the worker's outermost loop: a bug in one task must not stop the others
            logging.getLogger("m365-unblock").exception("task.bug task=%s", task.id)
            why = f"{BUG}{type(error).__name__}: {error}"
            if self._bugs(task) >= BUGS_FORGIVEN:
                return self._dead(task, why)
            return self._again(task, self._procedure.retry_pause_at_most, Outcome.AGAIN, why)
        return Result(ended=Ended(task=task, outcome=Outcome.DONE))

    def _bugs(self, task: Task) -> int:
        """How often it has failed by a bug; what an outage cost it before does not count."""
        tried = self._insist(lambda: self._outbox.attempts(task), task)
        return sum(record.error.startswith(BUG) for record in tried)

    def _after_failure(self, task: Task, error: RemoteError | StorageError) -> Result:
        chosen = self._procedure
        if task.failures * chosen.retry_pause_at_most > GIVE_UP_AFTER:
            return self._dead(task, str(error))
        pause = rules.pause(task.failures, first=chosen.retry_first_after, at_most=chosen.retry_pause_at_most)
        pause = rules.scattered(pause, task.base)
        if isinstance(error, TransientError) and error.retry_after is not None:
            pause = max(pause, timedelta(seconds=min(error.retry_after, 3600)))
        log("task.again", logging.WARNING, task=task.id, after=round(pause.total_seconds(), 1), error=str(error))
        return self._again(task, pause, Outcome.AGAIN, str(error))

    def _crashed(self, task: Task, begun: int) -> Result:
        crashes = task.crashes + 1
        why = f"the worker ended {begun - 1} times while it ran"
        if crashes > CRASHES_FORGIVEN:
            return self._dead(task, f"the worker ended {crashes} times and more while it ran, also alone")
        log("task.suspect", logging.ERROR, task=task.id, crashes=crashes)
        chosen = self._procedure
        pause = rules.pause(crashes, first=chosen.retry_first_after, at_most=chosen.retry_pause_at_most)
        return self._again(replace(task, crashes=crashes), pause, Outcome.CRASHED, why)

    def _dead(self, task: Task, why: str) -> Result:
        """Nobody tries it again by itself, so everybody whom it concerns is told."""
        run = f"m365-unblock events show {shown_as(task.cause or task.base)}"
        log("task.dead", logging.CRITICAL, task=task.id, name=task.name, attempts=task.attempt + 1, error=why, run=run)
        try:
            self._insist(lambda: self._give_up(task, masked(why)), task)
        except Exception:  # telling may fail like the task itself; the log and the operator's list have it all the same
            logging.getLogger("m365-unblock").exception("task.dead_untold task=%s", task.id)
        return Result(ended=Ended(task=task, outcome=Outcome.DEAD, error=masked(why)))

    def _again(self, task: Task, pause: timedelta, outcome: Outcome, why: str) -> Result:
        again = task.next(self._clock() + pause)
        return Result(ended=Ended(task=task, outcome=outcome, error=masked(why)), then=again)
