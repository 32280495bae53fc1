"""The workflow engine (DBOS Transact) and its way in: accepted events and called-for tasks become durable work.

Everything that waits is a row: an event waits in the deliveries database until `relay` has put it into the outbox, a
task waits in the outbox until the engine has it on disk, a task for later waits in the engine as a delayed one. Tasks
are at-least-once; each does only what is not done yet. A task that fails is followed by its next attempt, after a pause
that grows; one that nobody can finish ends loudly, never silently.
"""

import fcntl
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from plugin import rules
from plugin.errors import RemoteError, SettingsError, StorageError, TransientError
from plugin.log import log
from plugin.model import Task
from plugin.ports import TicketSystem
from plugin.relay import relay, row_of, scan, task_of
from plugin.settings import Procedure
from plugin.store.cases import CaseStore, Stale
from plugin.store.deliveries import DeliveryStore

EVENTS_AT_ONCE = 8
"""Threads that work through a batch."""

GIVE_UP_AFTER = timedelta(days=3)
"""So long a failing task is tried again; outages end, and so does waiting."""

BUGS_FORGIVEN = 5
"""So often a task is tried again that fails by no known error."""

RELAY_PAUSE = 0.1  # seconds


class Stopped(BaseException):
    """The worker ends with a task unfinished. DBOS records any `Exception` as the task's end; this is none."""


class Engine:
    """Runs the workflow's tasks on DBOS. One a process; on SQLite one process a database."""

    def __init__(
        self,
        *,
        url: str,
        tasks: Mapping[str, Callable[[Mapping[str, Any]], None]],
        store: CaseStore,
        deliveries: DeliveryStore,
        sources: Mapping[str, TicketSystem],
        procedure: Procedure,
        clock: Callable[[], datetime],
    ) -> None:
        self._url = url
        self._tasks = {**tasks, "handle_events": self._handle_events}
        self._store = store
        self._deliveries = deliveries
        self._sources = sources
        self._procedure = procedure
        self._clock = clock
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._slot: IO[str] | None = None

    def start(self, lock: Path) -> None:
        """Take the worker's slot, recover what an earlier worker left, and begin."""
        self._slot = _take_slot(lock)
        try:
            self._launch()
        except SQLAlchemyError as error:
            why = getattr(error, "orig", None) or type(error).__name__
            raise StorageError(f"the engine's database could not be used: {why}") from error
        for target in (self._relay_for_ever, self._scan_for_ever):
            thread = threading.Thread(target=target, name=target.__name__, daemon=True)
            thread.start()
            self._threads.append(thread)
        log("worker.started")

    def _launch(self) -> None:
        config: DBOSConfig = {
            "name": "m365-unblock",
            "system_database_url": self._url,
            "executor_id": "worker-1",  # fixed: DBOS recovers only what its own id has left
            "application_version": "1",  # constant: its default, a hash of the source, strands work at every upgrade
            "serializer": DBOSPortableJSONSerializer(),
            "max_executor_threads": 32,
            "log_level": "WARNING",
        }
        DBOS(config=config)

        @DBOS.workflow(name="task", max_recovery_attempts=10)
        def work(row: dict[str, Any]) -> None:
            DBOS.run_step({"name": row["name"]}, self.attempt, task_of(row))

        DBOS.launch()
        DBOS.register_queue("events", worker_concurrency=4, polling_interval_sec=0.1, on_conflict="always_update")
        DBOS.register_queue(
            "lanes",
            partition_concurrency=1,
            worker_concurrency=16,
            polling_interval_sec=0.1,
            on_conflict="always_update",
        )

    def stop(self) -> None:
        """Stop taking work; what is under way is finished or recovered at the next start."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)
        DBOS.destroy(workflow_completion_timeout_sec=5)
        if self._slot is not None:
            self._slot.close()
        log("worker.stopped")

    # ── the way in ───────────────────────────────────────────────────────────────────────────────────────────────

    def _relay_for_ever(self) -> None:
        while not self._stop.is_set():
            if not self._unharmed("relay", lambda: relay(self._deliveries, self._store) + self._hand_over()):
                self._stop.wait(RELAY_PAUSE)

    def _unharmed(self, name: str, work: Callable[[], int]) -> int:
        """Do a round of what goes on for ever; a failing round is told and the next one tries again."""
        try:
            return work()
        except (RemoteError, StorageError) as error:
            log(f"{name}.failed", logging.WARNING, error=str(error))
        except Exception:  # an outermost loop: a thread that ended here would leave a worker that does nothing
            logging.getLogger("m365-unblock").exception("%s.bug", name)
        return 0

    def _hand_over(self) -> int:
        """Give waiting tasks to DBOS; one it has already is ignored by its id."""
        tasks = self._store.waiting_tasks(100)
        for task in tasks:
            self._enqueue(task)
        if tasks:
            with self._store.change() as change:
                change.handed(tasks, self._clock())
        return len(tasks)

    def _enqueue(self, task: Task) -> None:
        delay = (task.not_before - self._clock()).total_seconds() if task.not_before else 0.0
        options: dict[str, Any] = {
            "workflow_name": "task",
            "queue_name": "lanes" if task.lane else "events",
            "workflow_id": task.id,
            "app_version": "1",
        }
        if delay > 0:
            options["delay_seconds"] = delay
        if task.lane:
            options["queue_partition_key"] = task.lane
        DBOS.enqueue_workflow_with_options(options, row_of(task))  # type: ignore[arg-type]

    def _scan_for_ever(self) -> None:
        every = self._procedure.scan_every.total_seconds()
        while every and not self._stop.is_set():
            for source, system in self._sources.items():
                if system.abilities.scan:
                    self._unharmed(f"scan.{source}", partial(self._scan, source, system))
            self._stop.wait(every)

    def _scan(self, source: str, system: TicketSystem) -> int:
        return scan(source, system, self._store, back=self._procedure.scan_back, now=self._clock())

    # ── the work ─────────────────────────────────────────────────────────────────────────────────────────────────

    def attempt(self, task: Task) -> None:
        """Run a task; where it fails, its next attempt is in the outbox when this returns."""
        again = self._run(task)
        while again is not None and not self._put(again):
            if self._stop.wait(1.0):
                raise Stopped("while the cases database took nothing; recovered at the next start")

    def _put(self, task: Task) -> bool:
        """A next attempt must not be lost because the cases database is busy."""
        try:
            with self._store.change() as change:
                change.put_task(task)
        except StorageError as error:
            log("task.not_kept", logging.ERROR, task=task.id, error=str(error))
            return False
        return True

    def _run(self, task: Task) -> Task | None:
        """Run a task; its next attempt if it has to be tried again."""
        try:
            self._tasks[task.name](task.args)
        except Stale:
            return self._next(task, timedelta(0))
        except (RemoteError, StorageError) as error:
            return self._after_failure(task, error)
        except Exception:  # the worker's outermost loop: a bug in one task must not stop the others
            logging.getLogger("m365-unblock").exception("task.bug task=%s", task.id)
            is_over = task.attempt >= BUGS_FORGIVEN
            return self._next_unless(is_over, task, self._procedure.retry_pause_at_most)
        return None

    def _after_failure(self, task: Task, error: RemoteError | StorageError) -> Task | None:
        chosen = self._procedure
        pause = rules.pause(task.attempt, first=chosen.retry_first_after, at_most=chosen.retry_pause_at_most)
        if isinstance(error, TransientError) and error.retry_after is not None:
            pause = max(pause, timedelta(seconds=min(error.retry_after, 3600)))
        log("task.again", logging.WARNING, task=task.id, after=pause.total_seconds(), error=str(error))
        return self._next_unless(task.attempt * chosen.retry_pause_at_most > GIVE_UP_AFTER, task, pause)

    def _next_unless(self, is_over: bool, task: Task, pause: timedelta) -> Task | None:
        if is_over:
            log("task.dead", logging.CRITICAL, task=task.id, name=task.name, attempts=task.attempt + 1)
            return None
        return self._next(task, pause)

    def _next(self, task: Task, pause: timedelta) -> Task:
        attempt = task.attempt + 1
        base = task.id.removesuffix(f"~{task.attempt}") if task.attempt else task.id
        return replace(task, id=f"{base}~{attempt}", attempt=attempt, not_before=self._clock() + pause)

    def _handle_events(self, args: Mapping[str, Any]) -> None:
        """A batch: each ticket once, however many of its events are in it; a failing one goes its own way."""
        with ThreadPoolExecutor(EVENTS_AT_ONCE) as pool:
            list(pool.map(self.attempt, (task_of(row) for row in args["tasks"])))


def _take_slot(lock: Path) -> IO[str]:
    """The lock that makes this process the one worker of its databases; given back by the system at its end."""
    try:
        slot = lock.open("w")
    except OSError as error:
        raise SettingsError(f"cannot open {lock}, which makes sure of one worker: {error.strerror}") from error
    try:
        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        slot.close()
        raise SettingsError(f"another worker is running on these databases (it holds {lock}); stop it first") from error
    return slot
