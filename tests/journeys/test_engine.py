"""The engine with real DBOS on SQLite, in a process of its own that a test may kill at any moment.

Run as a program, this file is that process: a worker whose one kind of task has an effect with a key, waits until the
test lets it go on, and tells in a file what it does.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plugin.attempts import Attempts
from plugin.engine import BATCHES_HERE, Engine
from plugin.errors import Unreachable
from plugin.model import Delivery, Parsed, Task, TicketEvent
from plugin.relay import never
from plugin.settings import Procedure
from plugin.store import migrations
from plugin.store.cases import CaseStore
from plugin.store.deliveries import DeliveryStore
from plugin.store.engine import open_engine
from plugin.store.locks import open_locks
from plugin.store.outbox import Outbox
from plugin.upkeep import Upkeep

SECOND = timedelta(seconds=1)


class Worker:
    """The worker's process as the test sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        migrations.upgrade("cases", f"sqlite:///{folder / 'cases.sqlite'}")
        migrations.upgrade("deliveries", f"sqlite:///{folder / 'deliveries.sqlite'}")
        (folder / "effects").mkdir()
        (folder / "told").touch()
        self._cases = open_engine(f"sqlite:///{folder / 'cases.sqlite'}")
        self._deliveries = open_engine(f"sqlite:///{folder / 'deliveries.sqlite'}")
        self.store, self.deliveries = CaseStore(self._cases), DeliveryStore(self._deliveries)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, __file__, str(self.folder)], stdout=log, stderr=log)

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal and wait for the end."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def close(self) -> None:
        self.end()
        self._cases.dispose()
        self._deliveries.dispose()

    def put(self, *tasks: Task) -> None:
        with self.store.change() as change:
            for task in tasks:
                change.put_task(task)

    def let_go(self, *keys: str) -> None:
        """Tasks with these keys may go on."""
        for key in keys:
            (self.folder / f"go-{key}").touch()

    def told(self) -> list[str]:
        """What the tasks said, in order."""
        return (self.folder / "told").read_text().splitlines()

    def until(self, happened: Callable[[], object], seconds: float = 25) -> None:
        end = time.monotonic() + seconds
        while not happened():
            log = (self.folder / "log").read_text() if (self.folder / "log").exists() else ""
            assert time.monotonic() < end, f"did not happen in time; told {self.told()}\n{log[-2000:]}"
            time.sleep(0.02)

    def until_told(self, *lines: str) -> None:
        self.until(lambda: set(lines) <= set(self.told()))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    worker = Worker(tmp_path)
    yield worker
    worker.close()


def task(key: str, *, lane: str = "", not_before: datetime | None = None, name: str = "work") -> Task:
    return Task(id=f"work:{key}", name=name, args={"key": key}, lane=lane, not_before=not_before)


def test_killed_in_the_middle_a_task_is_done_after_the_restart_with_its_effect_once_and_a_wait_is_kept(
    worker: Worker,
) -> None:
    later = datetime.now(UTC) + 6 * SECOND
    worker.put(task("lane", lane="a"), task("free"), task("late", lane="b", not_before=later))
    worker.start()
    worker.until_told("effect lane", "effect free")
    worker.until(lambda: not worker.store.waiting_tasks(1))  # the late one, too, is with the engine
    worker.end()
    assert not any("late" in line for line in worker.told())
    worker.let_go("lane", "free", "late")
    worker.start()
    worker.until_told("end lane", "end free", "end late")
    for key in ("lane", "free", "late"):
        assert worker.told().count(f"effect {key}") == 1
        assert worker.told().count(f"end {key}") == 1
    assert (worker.told().count("start lane"), worker.told().count("start late")) == (2, 1)
    started = datetime.fromtimestamp((worker.folder / "effects" / "late").stat().st_mtime, UTC)
    assert started >= later - SECOND


def test_killed_again_and_again_while_it_starts_nothing_is_lost_and_no_effect_doubled(worker: Worker) -> None:
    keys = [f"t{number}" for number in range(12)]
    worker.let_go(*keys)
    for ticket in keys:
        event = TicketEvent(source="desk", ticket=ticket, kind="ticket.created", key=ticket)
        delivery = Delivery(source="desk", headers={}, body=b"{}", received_at=datetime.now(UTC))
        worker.deliveries.accept(delivery, Parsed(delivery_id=ticket, events=(event,)))
    worker.put(*(task(f"o{number}", lane=f"l{number % 3}") for number in range(9)))
    worker.let_go(*(f"o{number}" for number in range(9)))
    for moment in (
        lambda: (worker.folder / "engine.sqlite").exists(),  # while it makes its tables
        lambda: worker.store.mark("relayed"),  # relayed, perhaps not handed over
        lambda: worker.told(),  # the first task has begun
    ):
        worker.start()
        worker.until(moment)
        worker.end()
    worker.start()
    everything = keys + [f"o{number}" for number in range(9)]
    worker.until_told(*(f"end {key}" for key in everything))
    assert {path.name for path in (worker.folder / "effects").iterdir()} == set(everything)
    assert all(worker.told().count(f"effect {key}") <= 1 for key in everything)  # killed before it could tell: none


def test_tasks_of_a_lane_go_one_at_a_time_in_order_and_lanes_go_at_once(worker: Worker) -> None:
    worker.put(task("a1", lane="a"), task("a2", lane="a"), task("a3", lane="a"), task("b1", lane="b"), task("free"))
    worker.start()
    worker.until_told("effect a1", "effect b1", "effect free")
    worker.let_go("b1", "free")
    worker.until_told("end b1", "end free")
    assert "start a2" not in worker.told()
    worker.let_go("a1", "a2", "a3")
    worker.until_told("end a3")
    of_lane = [line for line in worker.told() if " a" in line and "effect" not in line]
    assert of_lane == ["start a1", "end a1", "start a2", "end a2", "start a3", "end a3"]


def test_what_comes_to_its_time_while_another_of_its_lane_is_at_work_waits_for_that_one(worker: Worker) -> None:
    worker.put(task("press", lane="a"))
    worker.start()
    worker.until_told("effect press")
    soon = datetime.now(UTC) + 2 * SECOND
    worker.put(task("late", lane="a", not_before=soon), task("other", lane="b", not_before=soon))
    worker.let_go("late", "other")
    worker.until_told("end other")
    assert "start late" not in worker.told()
    worker.let_go("press")
    worker.until_told("end late")
    assert worker.told().index("end press") < worker.told().index("start late")


def test_what_a_lone_worker_has_no_room_for_stays_in_the_outbox_and_holds_up_no_lane(worker: Worker) -> None:
    keys = [f"free{number}" for number in range(BATCHES_HERE + 3)]
    worker.put(*(task(key) for key in keys), task("lane", lane="a"))
    worker.let_go("lane")
    worker.start()
    worker.until_told(*(f"effect {key}" for key in keys[:BATCHES_HERE]), "end lane")
    assert [waiting.args["key"] for waiting in worker.store.waiting_tasks(10)] == keys[BATCHES_HERE:]
    worker.let_go(keys[0])
    worker.until_told(f"effect {keys[BATCHES_HERE]}")
    worker.let_go(*keys)
    worker.until_told(*(f"end {key}" for key in keys))
    assert all(worker.told().count(f"effect {key}") == 1 for key in keys)


def test_stopped_while_a_next_attempt_cannot_be_kept_the_task_is_done_after_the_restart(worker: Worker) -> None:
    worker.put(task("x", name="failing"))
    worker.start()
    worker.until_told("start x")
    other = sqlite3.connect(worker.folder / "cases.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    worker.let_go("x")  # it fails now, and its next attempt has no place to go
    worker.until(lambda: "task.not_kept" in (worker.folder / "log").read_text())
    worker.end(signal.SIGTERM)
    other.execute("ROLLBACK")
    other.close()
    (worker.folder / "works-again").touch()
    worker.start()
    worker.until_told("end x")


def test_the_engine_forgets_what_it_is_done_with_and_nothing_else(worker: Worker) -> None:
    later = datetime.now(UTC) + 4 * SECOND
    worker.put(task("done"), task("late", lane="b", not_before=later))
    worker.let_go("done", "late")
    worker.start()
    worker.until_told("end done")
    worker.until(lambda: not worker.store.waiting_tasks(1))
    worker.end(signal.SIGTERM)
    (worker.folder / "forget").write_text("work:done work:late work:unknown")
    worker.start()
    worker.until_told("forgot work:done work:unknown")
    worker.until_told("end late")
    worker.end()
    engine = sqlite3.connect(worker.folder / "engine.sqlite")
    assert engine.execute("SELECT workflow_uuid FROM workflow_status").fetchall() == [("work:late",)]
    engine.close()


# ── the worker's process ─────────────────────────────────────────────────────────────────────────────────────────


def tell(folder: Path, line: str) -> None:
    """One write, so that lines of several threads and lives stay whole."""
    file = os.open(folder / "told", os.O_WRONLY | os.O_APPEND)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def work(folder: Path, args: Mapping[str, Any]) -> None:
    """A task as they should be: it does only what is not done yet."""
    key = args.get("key") or args["ticket"]
    tell(folder, f"start {key}")
    if not (folder / "effects" / key).exists():
        (folder / "effects" / key).touch()
        tell(folder, f"effect {key}")
    while not (folder / f"go-{key}").exists():
        time.sleep(0.02)
    tell(folder, f"end {key}")


def fail(folder: Path, args: Mapping[str, Any]) -> None:
    """A task that fails until the test has mended the world."""
    if (folder / "works-again").exists():
        tell(folder, f"end {args['key']}")
        return
    tell(folder, f"start {args['key']}")
    while not (folder / f"go-{args['key']}").exists():
        time.sleep(0.02)
    raise Unreachable("campus", "reading", "could not connect")


def tidy(folder: Path, forget: Callable[[list[str]], list[str]]) -> int:
    """Have the engine forget what the test says."""
    if (folder / "forget").exists():
        tell(folder, " ".join(["forgot", *forget((folder / "forget").read_text().split())]))
    return 0


def main(folder: Path) -> None:
    """Run the engine until SIGTERM."""
    procedure = Procedure(
        compromise_reasons=(),
        unblock_while_sign_in_disabled=False,
        rely_on_earlier_for=SECOND,
        recheck_first_after=SECOND,
        recheck_pause_at_most=SECOND,
        recheck_for=SECOND,
        follow_up_after=SECOND,
        unreachable_note_after=SECOND,
        retry_first_after=SECOND / 10,
        retry_pause_at_most=SECOND,
        note_settles_within=SECOND,
        scan_every=0 * SECOND,
        scan_back=SECOND,
    )
    url = f"sqlite:///{folder / 'engine.sqlite'}"
    cases = open_engine(f"sqlite:///{folder / 'cases.sqlite'}", busy_seconds=0.1)
    locks, outbox = open_locks(url), Outbox(cases)
    clock = lambda: datetime.now(UTC)  # noqa: E731
    engine = Engine(
        url=url,
        attempts=Attempts(
            tasks={
                "work": lambda args: work(folder, args),
                "handle": lambda args: work(folder, args),
                "failing": lambda args: fail(folder, args),
            },
            outbox=outbox,
            locks=locks,
            procedure=procedure,
            clock=clock,
            give_up=lambda task, why: None,
        ),
        locks=locks,
        upkeep=Upkeep(outbox=outbox, locks=locks, clock=clock, tidy=lambda forget: tidy(folder, forget)),
        store=CaseStore(cases),
        deliveries=DeliveryStore(open_engine(f"sqlite:///{folder / 'deliveries.sqlite'}")),
        sources={},
        procedure=procedure,
        clock=clock,
        leaves_alone=never,
    )
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    engine.start()
    signal.sigwait({signal.SIGTERM})
    engine.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
