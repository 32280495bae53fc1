"""What becomes of a task that fails, and how events become tasks; without DBOS, which tests/journeys has."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from plugin.attempts import BUGS_FORGIVEN, Attempts, Stopped
from plugin.engine import Engine, news_pause
from plugin.errors import Denied, OutcomeUnknown, SettingsError, StorageError, Throttled, Unreachable
from plugin.model import Delivery, Parsed, Task, TicketEvent
from plugin.ports import ChangedTicket
from plugin.relay import BATCH, never, relay, scan
from plugin.settings import Procedure
from plugin.store import migrations
from plugin.store.cases import CaseStore, Stale
from plugin.store.deliveries import DeliveryStore
from plugin.store.engine import open_engine
from plugin.store.locks import Locks, open_locks
from plugin.store.outbox import Outbox
from plugin.upkeep import Upkeep

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
PROCEDURE = Procedure(
    compromise_reasons=(),
    unblock_while_sign_in_disabled=False,
    rely_on_earlier_for=timedelta(hours=24),
    recheck_first_after=timedelta(seconds=10),
    recheck_pause_at_most=timedelta(minutes=5),
    recheck_for=timedelta(hours=1),
    follow_up_after=timedelta(hours=24),
    unreachable_note_after=timedelta(minutes=10),
    retry_first_after=timedelta(seconds=5),
    retry_pause_at_most=timedelta(minutes=5),
    note_settles_within=timedelta(minutes=2),
    scan_every=timedelta(minutes=5),
    scan_back=timedelta(hours=1),
)
TASK = Task(id="work:1", name="work", args={"ticket": "7"}, lane="ticket desk:7")
DOWN = Unreachable("campus", "reading", "could not connect")


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


class Bench:
    """An engine over real databases whose one kind of task does what a test says."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "cases.sqlite"
        migrations.upgrade("cases", f"sqlite:///{self.file}")
        migrations.upgrade("deliveries", f"sqlite:///{folder / 'deliveries.sqlite'}")
        self.databases: list[sa.Engine] = []
        self.store = CaseStore(self._open(self.file))
        self.deliveries = DeliveryStore(self._open(folder / "deliveries.sqlite"))
        self.clock = Clock()
        self.work: Callable[[Mapping[str, Any]], None] = lambda args: None
        self.outbox = Outbox(self._open(self.file))
        self.locks = open_locks(f"sqlite:///{folder / 'engine.sqlite'}")
        self.given_up: list[tuple[str, str]] = []
        self.attempts = Attempts(
            tasks={"work": lambda args: self.work(args), "handle": lambda args: self.work(args)},
            outbox=self.outbox,
            locks=self.locks,
            procedure=PROCEDURE,
            clock=self.clock,
            give_up=lambda task, why: self.given_up.append((task.id, why)),
        )

    def engine(self, locks: Locks | None = None) -> Engine:
        """The engine over it all, which is not started."""
        held = locks or self.locks
        return Engine(
            url="sqlite://",
            attempts=self.attempts,
            locks=held,
            upkeep=Upkeep(outbox=self.outbox, locks=held, clock=self.clock, tidy=lambda _forget: 0),
            store=self.store,
            deliveries=self.deliveries,
            sources={},
            procedure=PROCEDURE,
            clock=self.clock,
            leaves_alone=never,
        )

    def _open(self, file: Path) -> sa.Engine:
        self.databases.append(open_engine(f"sqlite:///{file}", busy_seconds=0.05))
        return self.databases[-1]

    def close(self) -> None:
        self.locks.close()
        for database in self.databases:
            database.dispose()

    def fail(self, error: BaseException) -> None:
        """From now on every task fails like this."""

        def work(_args: Mapping[str, Any]) -> None:
            raise error

        self.work = work

    def put(self, task: Task) -> None:
        """Somebody calls for a task, and the engine has it."""
        with self.store.change() as change:
            change.put_task(task)
            change.handed([task], NOW)

    def next_of(self, task: Task) -> Task | None:
        """Run a task and take what it leaves in the outbox."""
        self.attempts.attempt(task)
        waiting = self.store.waiting_tasks(10)
        with self.store.change() as change:
            change.handed(waiting, NOW)
        assert len(waiting) <= 1
        return waiting[0] if waiting else None

    def accept(self, *tickets: str) -> None:
        """Events of these tickets arrive, one delivery each."""
        for number, ticket in enumerate(tickets):
            event = TicketEvent(source="desk", ticket=ticket, kind="ticket.created", key=f"{ticket}-{number}")
            delivery = Delivery(source="desk", headers={}, body=b"{}", received_at=NOW)
            self.deliveries.accept(delivery, Parsed(delivery_id=f"msg-{ticket}-{number}", events=(event,)))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


# ── a task that fails ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_task_that_is_done_leaves_nothing_to_do(bench: Bench) -> None:
    assert bench.next_of(TASK) is None


def test_a_failing_task_is_tried_again_with_growing_pauses_in_its_lane_with_its_arguments(bench: Bench) -> None:
    bench.fail(DOWN)
    task, pauses, ids = TASK, [], set()
    for attempt in range(1, 10):
        again = bench.next_of(task)
        assert again is not None
        assert again.not_before is not None
        assert (again.name, again.args, again.lane, again.attempt) == (TASK.name, TASK.args, TASK.lane, attempt)
        pauses.append((again.not_before - NOW).total_seconds())
        ids.add(again.id)
        task = again
    assert pauses == sorted(pauses)
    assert pauses[1] > pauses[0] >= 0.75 * 5
    assert 0.75 * 300 <= pauses[-1] <= 300
    assert len(ids) == 9


def test_a_repeat_of_the_same_attempt_leaves_one_next_attempt(bench: Bench) -> None:
    bench.fail(DOWN)
    assert bench.next_of(TASK) is not None
    assert bench.next_of(TASK) is None


@pytest.mark.parametrize("error", [DOWN, Denied("campus", "reading", "401"), StorageError("locked")])
def test_an_outage_is_sat_out_for_three_days_and_then_the_task_ends_loudly(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    bench.fail(error)
    again = bench.next_of(replace(TASK, id="work:1~864", attempt=864))
    assert again is not None
    assert again.id == "work:1~865"
    assert not [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert bench.next_of(again) is None
    (dead,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "task.dead" in dead.getMessage()
    assert "work:1~865" in dead.getMessage()


@pytest.mark.parametrize(("asked", "waits"), [(90.0, 90), (4.9, 4.9), (86400.0, 3600), (None, 4.55)])
def test_a_system_that_asks_for_patience_gets_it_within_an_hour(
    bench: Bench, asked: float | None, waits: float
) -> None:
    bench.fail(Throttled("campus", "reading", "429", status=429, retry_after=asked))
    again = bench.next_of(TASK)
    assert again is not None
    assert again.not_before is not None
    assert (again.not_before - NOW).total_seconds() == pytest.approx(waits, abs=0.01)


def test_a_case_changed_by_somebody_else_is_tried_again_at_once_and_said_to_nobody(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.fail(Stale("case c1 was changed"))
    again = bench.next_of(TASK)
    assert again is not None
    assert again.not_before == NOW
    assert caplog.records == []


def test_a_bug_is_forgiven_some_times_and_then_the_task_ends_loudly(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.fail(KeyError("surprise"))
    bench.put(TASK)
    task: Task | None = TASK
    for _ in range(BUGS_FORGIVEN):
        assert task is not None
        task = bench.next_of(task)
        assert task is not None
        assert task.not_before == NOW + timedelta(minutes=5)
    assert not [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert task is not None
    assert bench.next_of(task) is None
    assert [record.levelname for record in caplog.records].count("CRITICAL") == 1
    assert "surprise" in caplog.text  # with its traceback


def test_a_task_of_an_unknown_name_is_a_bug_and_harms_nobody(bench: Bench) -> None:
    assert bench.next_of(replace(TASK, name="nonsense")) is not None


def test_attempts_of_tasks_whose_own_ids_hold_the_separator_stay_apart(bench: Bench) -> None:
    bench.fail(DOWN)
    first = bench.next_of(replace(TASK, id="scan:desk:T~5:monday"))
    second = bench.next_of(replace(TASK, id="scan:desk:T~5:tuesday"))
    assert first is not None
    assert second is not None
    third = bench.next_of(second)
    assert third is not None
    assert (first.id, second.id, third.id) == (
        "scan:desk:T~5:monday~1",
        "scan:desk:T~5:tuesday~1",
        "scan:desk:T~5:tuesday~2",
    )


def test_the_next_attempt_waits_for_a_busy_cases_database_and_is_not_lost(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.fail(DOWN)
    other = sqlite3.connect(bench.file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    running = threading.Thread(target=bench.attempts.attempt, args=(TASK,))
    running.start()
    until(lambda: "task.not_kept" in caplog.text)
    assert running.is_alive()
    other.execute("ROLLBACK")
    other.close()
    running.join(10)
    assert [task.id for task in bench.store.waiting_tasks(10)] == ["work:1~1"]


def test_a_worker_that_is_stopped_meanwhile_leaves_the_task_unfinished_rather_than_failed(bench: Bench) -> None:
    bench.fail(DOWN)
    other = sqlite3.connect(bench.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    bench.attempts.stopping.set()
    with pytest.raises(Stopped):
        bench.attempts.attempt(TASK)
    assert not issubclass(Stopped, Exception)
    other.close()


def until(happened: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_accepted_events_become_one_batch_with_each_ticket_once(bench: Bench) -> None:
    bench.accept("1", "2", "1")
    assert relay(bench.deliveries, bench.store, NOW) == 3
    (batch,) = bench.store.waiting_tasks(10)
    assert (batch.name, batch.lane) == ("handle_events", "")
    assert [row["args"] for row in batch.args["tasks"]] == [
        {"source": "desk", "ticket": "1"},
        {"source": "desk", "ticket": "2"},
    ]
    assert relay(bench.deliveries, bench.store, NOW) == 0


def test_the_relay_passes_over_nothing_and_relays_nothing_twice(bench: Bench) -> None:
    tickets = [str(number) for number in range(2 * BATCH + 3)]
    bench.accept(*tickets)
    relayed = []
    while count := relay(bench.deliveries, bench.store, NOW):
        relayed.append(count)
    assert relayed == [BATCH, BATCH, 3]
    batches = bench.store.waiting_tasks(10)
    assert [row["args"]["ticket"] for batch in batches for row in batch.args["tasks"]] == tickets


def test_a_relay_that_fails_in_the_middle_does_the_same_the_next_time(bench: Bench) -> None:
    bench.accept("1", "2")
    other = sqlite3.connect(bench.file, isolation_level=None)
    # The batch is put, the mark is not: as if the process had ended in between.
    other.execute("CREATE TRIGGER t BEFORE INSERT ON marks BEGIN SELECT RAISE(ABORT, 'cut'); END")
    with pytest.raises(StorageError):
        relay(bench.deliveries, bench.store, NOW)
    assert bench.store.waiting_tasks(10) == ()
    other.execute("DROP TRIGGER t")
    other.close()
    assert relay(bench.deliveries, bench.store, NOW) == 2
    (batch,) = bench.store.waiting_tasks(10)
    assert len(batch.args["tasks"]) == 2


def test_a_batch_relayed_again_after_a_lost_mark_is_the_same_task(bench: Bench) -> None:
    bench.accept("1", "2")
    relay(bench.deliveries, bench.store, NOW)
    with bench.store.change() as change:
        change.set_mark("relayed", "0")
    relay(bench.deliveries, bench.store, NOW)
    assert len(bench.store.waiting_tasks(10)) == 1


def test_an_event_that_fails_goes_its_own_way_and_holds_up_none_of_its_batch(bench: Bench) -> None:
    done = []

    def work(args: Mapping[str, Any]) -> None:
        if args["ticket"] == "2":
            raise OutcomeUnknown("desk", "reading", "no answer")
        if args["ticket"] == "3":
            raise KeyError("bug")
        done.append(args["ticket"])

    bench.work = work
    bench.accept("1", "2", "3", "4")
    relay(bench.deliveries, bench.store, NOW)
    (batch,) = bench.store.waiting_tasks(10)
    with bench.store.change() as change:
        change.handed([batch], NOW)
    bench.attempts.attempt(batch)
    assert sorted(done) == ["1", "4"]
    again = sorted(bench.store.waiting_tasks(10), key=lambda task: str(task.args))
    assert [(task.name, task.args["ticket"], task.lane) for task in again] == [
        ("handle", "2", "ticket desk:2"),
        ("handle", "3", "ticket desk:3"),
    ]


def test_a_slow_event_does_not_keep_the_others_of_its_batch_waiting(bench: Bench) -> None:
    others_done = threading.Event()

    def work(args: Mapping[str, Any]) -> None:
        if args["ticket"] == "1":
            assert others_done.wait(5)
        elif args["ticket"] == "5":
            others_done.set()

    bench.work = work
    bench.accept("1", "2", "3", "4", "5")
    relay(bench.deliveries, bench.store, NOW)
    (batch,) = bench.store.waiting_tasks(10)
    bench.attempts.attempt(batch)
    assert bench.store.waiting_tasks(10) == (batch,)  # none of them has failed


# ── the catch-up scan ────────────────────────────────────────────────────────────────────────────────────────────


class Listing:
    """A ticket system that lists changed tickets, and may break off."""

    def __init__(self, *changed: tuple[str, datetime], breaks: bool = False) -> None:
        self.changed, self.breaks = changed, breaks
        self.asked: list[datetime] = []

    def changed_since(self, since: datetime) -> Iterator[ChangedTicket]:
        self.asked.append(since)
        for ticket, at in self.changed:
            if at >= since:
                yield ChangedTicket(id=ticket, updated_at=at)
        if self.breaks:
            raise OutcomeUnknown("desk", "list changed tickets", "the connection broke")


def scanned(bench: Bench, listing: Listing) -> list[str]:
    """Scan; the ids of the tickets that are then waiting for work."""
    scan("desk", listing, bench.store, back=timedelta(hours=1), now=NOW)  # type: ignore[arg-type]
    return [task.args["ticket"] for task in bench.store.waiting_tasks(100)]


def ago(**by: float) -> datetime:
    return NOW - timedelta(**by)


def test_the_first_scan_looks_back_as_far_as_set_and_the_next_from_the_newest_seen(bench: Bench) -> None:
    listing = Listing(("1", ago(hours=2)), ("2", ago(minutes=30)), ("3", ago(minutes=10)))
    assert scanned(bench, listing) == ["2", "3"]
    assert scanned(bench, listing) == ["2", "3"]  # none of them twice
    assert listing.asked == [ago(hours=1), ago(minutes=10)]


def test_a_ticket_changed_again_is_work_again(bench: Bench) -> None:
    scanned(bench, Listing(("1", ago(minutes=30))))
    assert scanned(bench, Listing(("1", ago(minutes=5)))) == ["1", "1"]


def test_a_scan_that_breaks_off_keeps_what_it_saw_and_starts_over_from_the_same_place(bench: Bench) -> None:
    broken = Listing(("1", ago(minutes=30)), breaks=True)
    with pytest.raises(OutcomeUnknown):
        scanned(bench, broken)
    whole = Listing(("1", ago(minutes=30)), ("2", ago(minutes=20)))
    assert scanned(bench, whole) == ["1", "2"]
    assert whole.asked == broken.asked


def test_a_moment_still_to_come_does_not_hide_what_changes_until_then(bench: Bench) -> None:
    scanned(bench, Listing(("1", NOW + timedelta(days=365))))
    assert scanned(bench, Listing(("2", NOW))) == ["1", "2"]


def test_an_empty_scan_goes_on_from_where_it_looked(bench: Bench) -> None:
    empty = Listing()
    scanned(bench, empty)
    bench.clock.now += timedelta(days=1)
    scanned(bench, empty)
    assert empty.asked == [ago(hours=1), ago(hours=1)]


# ── what goes on for ever ────────────────────────────────────────────────────────────────────────────────────────


def test_news_is_looked_for_often_while_there_is_some_and_more_rarely_at_rest() -> None:
    at_work, seldom, at_rest = (news_pause(quiet) for quiet in (0.0, 0.7, 3600.0))
    assert news_pause(0.2) == at_work  # as at some events a second
    assert at_work < seldom < at_rest <= 0.1  # a lone event waits no longer than that


@pytest.mark.parametrize("error", [StorageError("locked"), KeyError("bug"), DOWN])
def test_a_round_that_fails_is_told_and_the_next_one_is_done(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail() -> int:
        raise error

    assert bench.engine()._unharmed("relay", fail) == 0
    assert "relay." in caplog.text
    assert bench.engine()._unharmed("relay", lambda: 7) == 7


def test_a_lock_that_cannot_be_had_is_said_with_its_place(bench: Bench, tmp_path: Path) -> None:
    locks = open_locks(f"sqlite:///{tmp_path / 'missing' / 'engine.sqlite'}")
    with pytest.raises(SettingsError, match=r"cannot open .*missing.*No such file"):
        bench.engine(locks).start()
