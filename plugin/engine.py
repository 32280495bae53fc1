"""The workflow engine (DBOS Transact) and its way in: accepted events and called-for tasks become durable work.

Everything that waits is a row: an event waits in the deliveries database until `relay` has put it into the outbox, a
task waits in the outbox until the engine has it on disk, a task for later waits in the engine as a delayed one. What
became of a task is in the outbox again (`plugin.attempts`), so the engine's database could be made anew from there.

On SQLite one worker runs it; on PostgreSQL any number do, each by a name that is its own by a lock. One of them leads:
it relays, hands over, scans and keeps house. What a worker leaves behind when it ends is taken over by another one.
"""

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from plugin.attempts import Attempts
from plugin.durable import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID
from plugin.errors import RemoteError, StorageError
from plugin.log import log
from plugin.model import Task
from plugin.ports import TicketSystem
from plugin.relay import BATCH, Judge, relay, row_of, scan, task_of
from plugin.settings import Procedure
from plugin.store.cases import CaseStore
from plugin.store.deliveries import DeliveryStore
from plugin.store.engine import Version, address_of
from plugin.store.locks import Locks, take_name
from plugin.under_way import UnderWay
from plugin.upkeep import Upkeep

RELAY_PAUSE = 0.1  # seconds between two looks for work, where nothing tells of it
NEWS_PAUSE = 0.02  # seconds between two looks at whether there can be any, after some
NEWS_PAUSE_AT_REST = 0.1  # the same where there has been none for a while: each look costs a little CPU
COLLECTING = (
    0.05  # seconds after some work in which what comes is kept for one batch, as each costs the engine the same
)
COLLECTING_AT_EASE = 0.2  # the same after events that were settled at once, while no batch is under way
LONGEST_PAUSE = 1.0  # seconds; then work is looked for, whatever was told
BATCHES_HERE = 8  # that a leader begins itself, where it is the only worker; others wait in the outbox
LANES_HERE = 32  # tasks of lanes that it has under way before further ones wait in the outbox
QUEUED_BATCHES = 4  # that a worker takes from the queue
QUEUED_LANES = 16  # the same for tasks of lanes; so they leave room for what an agent asks for meanwhile
THREADS = 2 * (BATCHES_HERE + QUEUED_BATCHES + LANES_HERE + QUEUED_LANES)  # twice: what another one left comes on top
BATCHES_OF_MANY = 1  # where there may be others, on PostgreSQL: what comes meanwhile is for whoever has room
LOOK_PAUSE = 2.0  # seconds between two looks at the locks and at other workers
FAILED_PAUSE = 1.0  # seconds; whatever fails is mended by nobody in less
ENGINE_CONNECTIONS = 8  # of a worker, to PostgreSQL; others wait
LANES_PAUSE = 0.3  # seconds between two looks of a worker at the lanes
LANES_PAUSE_ALONE = 1.0  # the same where there is nobody else: only what was to wait is there, and each look costs CPU
BATCHES_PAUSE = 0.5  # the same at the batches that are for whoever has room
BATCHES_PAUSE_ALONE = 10.0  # the same where there is nobody else: at most some that another version left are there
ROOM_IN_LANES = 1000  # never reached; with a limit DBOS asks first whether there is anything, at two thirds of the CPU
LEADER = "leader"
LOCKS_LOST = 70  # EX_SOFTWARE of sysexits.h; whoever started the worker starts it again


def news_pause(quiet: float) -> float:
    """Seconds until news is looked for again, where there has been no work for so many: the rarer, the longer."""
    return min(max(NEWS_PAUSE, quiet / 20), NEWS_PAUSE_AT_REST)


class Engine:
    """Runs the workflow's tasks on DBOS. One a process."""

    def __init__(
        self,
        *,
        url: str,
        attempts: Attempts,
        locks: Locks,
        upkeep: Upkeep,
        store: CaseStore,
        deliveries: DeliveryStore,
        sources: Mapping[str, TicketSystem],
        procedure: Procedure,
        clock: Callable[[], datetime],
        leaves_alone: Judge,
    ) -> None:
        self._url = url
        self._is_alone = address_of(url).get_backend_name() == "sqlite"
        self._attempts = attempts
        self._locks = locks
        self._upkeep = upkeep
        self._store = store
        self._deliveries = deliveries
        self._sources = sources
        self._procedure = procedure
        self._clock = clock
        self._leaves_alone = leaves_alone
        self._stop = attempts.stopping
        self._leads = threading.Event()
        self._work: Callable[[dict[str, Any]], None]
        self._under_way = UnderWay()
        self._collecting = COLLECTING
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Take a worker's name, recover what an earlier one of this name left, and begin."""
        name = take_name(self._locks, self._url)
        self._attempts.worker = self._upkeep.worker = name
        try:
            self._launch(name)
        except SQLAlchemyError as error:
            why = getattr(error, "orig", None) or type(error).__name__
            raise StorageError(f"the engine's database could not be used: {why}") from error
        for target in (self._look_for_ever, self._relay_for_ever, self._scan_for_ever, self._keep_house_for_ever):
            thread = threading.Thread(target=target, name=target.__name__, daemon=True)
            thread.start()
            self._threads.append(thread)
        log("worker.started", worker=name)

    def _launch(self, name: str) -> None:
        config: DBOSConfig = {
            "name": "m365-unblock",
            "system_database_url": self._url,
            "executor_id": name,  # DBOS recovers only what its own id has left
            "application_version": "1",  # constant: its default, a hash of the source, strands work at every upgrade
            "serializer": DBOSPortableJSONSerializer(),
            "max_executor_threads": THREADS,
            "log_level": "WARNING",
        }
        if not self._is_alone:
            config["sys_db_pool_size"] = ENGINE_CONNECTIONS
        DBOS(config=config)

        @DBOS.workflow(name="task", max_recovery_attempts=None)  # `Attempts` counts, and says what it gives up
        def work(row: dict[str, Any]) -> None:
            task = task_of(row)
            with self._under_way.running(task):
                DBOS.run_step({"name": task.name}, self._attempts.attempt, task)

        self._work = work
        DBOS.launch()
        DBOS.register_queue(
            "events",
            worker_concurrency=QUEUED_BATCHES,
            polling_interval_sec=BATCHES_PAUSE_ALONE if self._is_alone else BATCHES_PAUSE,
            on_conflict="always_update",
        )
        DBOS.register_queue(
            "lanes",
            partition_concurrency=1,
            concurrency=ROOM_IN_LANES if self._is_alone else None,
            worker_concurrency=QUEUED_LANES,
            polling_interval_sec=LANES_PAUSE_ALONE if self._is_alone else LANES_PAUSE,
            on_conflict="always_update",
        )

    def stop(self) -> None:
        """Stop taking work; what is under way is finished or recovered at the next start.

        The locks stay: a thread may still be at work in this worker's name until the process ends, and they with it.
        """
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)
        DBOS.destroy(workflow_completion_timeout_sec=5)
        log("worker.stopped")

    # ── what goes on for ever ────────────────────────────────────────────────────────────────────────────────────

    def _look_for_ever(self) -> None:
        """Every worker says that it is there and looks after those that are not; one leads."""
        while not self._stop.is_set():
            if not self._locks.are_held():
                # Another worker may be taking our work over by now: nothing more may be done in this name.
                log("worker.locks_lost", logging.CRITICAL)
                os._exit(LOCKS_LOST)
            self._unharmed("look", self._look)
            self._stop.wait(LOOK_PAUSE)

    def _look(self) -> int:
        if not self._leads.is_set() and self._locks.take(LEADER):
            log("worker.leads")
            self._leads.set()
        return self._upkeep.look(self._under_way.has)

    def _relay_for_ever(self) -> None:
        versions = self._deliveries.version(), self._store.version()
        last_work = monotonic()
        while self._is_leading():
            seen = [version.now() for version in versions]
            self._under_way.has_ended.clear()
            done = self._unharmed("relay", self._relay)
            if not done:
                self._await_change(versions, seen, last_work)
                continue
            last_work = monotonic()
            if done < BATCH:
                self._stop.wait(self._collecting)
        for version in versions:
            version.close()

    def _await_change(self, versions: Sequence[Version], seen: Sequence[int | None], last_work: float) -> None:
        if None in seen:
            self._stop.wait(RELAY_PAUSE)
            return
        until, has_ended = monotonic() + LONGEST_PAUSE, self._under_way.has_ended
        while monotonic() < until and not has_ended.is_set() and [version.now() for version in versions] == seen:
            self._stop.wait(news_pause(monotonic() - last_work))

    def _relay(self) -> int:
        came = relay(self._deliveries, self._store, self._clock(), self._leaves_alone)
        begun = self._hand_over()
        self._collecting = COLLECTING if begun or self._under_way.batches() else COLLECTING_AT_EASE
        return came + begun

    def _scan_for_ever(self) -> None:
        every = self._procedure.scan_every.total_seconds()
        while every and self._is_leading():
            for source, system in self._sources.items():
                if system.abilities.scan:
                    self._unharmed(f"scan.{source}", partial(self._scan, source, system))
            self._stop.wait(every)

    def _scan(self, source: str, system: TicketSystem) -> int:
        return scan(source, system, self._store, back=self._procedure.scan_back, now=self._clock())

    def _keep_house_for_ever(self) -> None:
        while self._is_leading():
            is_done = self._unharmed("upkeep", self._keep_house)
            self._stop.wait(self._upkeep.pause if is_done else min(self._upkeep.pause, LOOK_PAUSE))

    def _keep_house(self) -> int:
        """Always some: a round that failed is another matter than one that found nothing, and is made good soon."""
        return 1 + self._upkeep.keep_house()

    def _is_leading(self) -> bool:
        """Wait until this worker leads; False once it is to stop."""
        while not self._leads.wait(0.5):
            if self._stop.is_set():
                return False
        return not self._stop.is_set()

    def _unharmed(self, name: str, work: Callable[[], int]) -> int:
        """Do a round of what goes on for ever; a failing round is told and the next one tries again."""
        try:
            return work()
        except (RemoteError, StorageError) as error:
            log(f"{name}.failed", logging.WARNING, error=str(error))
        except SQLAlchemyError as error:  # the engine's own words would repeat the statement, and what is in it
            why = getattr(error, "orig", None) or type(error).__name__
            log(f"{name}.failed", logging.WARNING, error=f"the engine's database could not be used: {why}")
        except Exception:  # an outermost loop: a thread that ended here would leave a worker that does nothing
            logging.getLogger("m365-unblock").exception("%s.bug", name)
        self._stop.wait(FAILED_PAUSE)
        return 0

    # ── the way in ───────────────────────────────────────────────────────────────────────────────────────────────

    def _hand_over(self) -> int:
        """Give waiting tasks to DBOS; one it has already is ignored by its id."""
        here, queued = self._shared_out_alone() if self._is_alone else self._shared_out()
        for task in here:
            with SetWorkflowID(task.id):
                DBOS.start_workflow(self._work, row_of(task))
        self._handed(here)  # before what takes longer, as a batch might take one of them along
        for task in queued:
            self._enqueue(task)
        self._handed(queued)
        return len(here) + len(queued)

    def _handed(self, tasks: Sequence[Task]) -> None:
        if tasks:
            with self._store.change() as change:
                change.handed(tasks, self._clock())

    def _shared_out(self) -> tuple[Sequence[Task], Sequence[Task]]:
        """What is begun here and now, and what goes into a queue for whoever has room."""
        room = max(0, BATCHES_OF_MANY - self._under_way.batches())
        batches = self._store.waiting_batches(100)
        return batches[:room], (*batches[room:], *self._store.waiting_in_lanes(100))

    def _shared_out_alone(self) -> tuple[Sequence[Task], Sequence[Task]]:
        """The same for the only worker: no queue but for a later time, as each is another wait and another look.

        What it has no room for stays where it is.
        """
        now = self._clock()
        batches = self._store.waiting_batches(max(0, BATCHES_HERE - self._under_way.batches()))
        in_lanes = self._store.waiting_in_free_lanes(100, now)
        due = [task for task in in_lanes if task.not_before is None or task.not_before <= now]
        later = [task for task in in_lanes if task.not_before is not None and task.not_before > now]
        return (*batches, *due[: max(0, LANES_HERE - self._under_way.in_lanes())]), later

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
