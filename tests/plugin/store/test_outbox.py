"""The life of a task on disk: called for, handed over, begun, ended, and found again when it is lost."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugin.errors import StorageError
from plugin.model import Call, Outcome, Task, TaskRecord
from plugin.store import migrations
from plugin.store.cases import CaseStore
from plugin.store.engine import open_engine
from plugin.store.outbox import Ended, Outbox
from plugin.trace import tracing

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
HANDLE = Task(id="handle:evt_1", name="handle", args={"source": "desk", "ticket": "7"}, lane="ticket desk:7")
SHOW = Task(id="annotate:c1:2", name="annotate", args={"case": "c1"}, lane="ticket desk:7")
CALL = Call(
    at=NOW,
    system="desk",
    doing="read ticket 7",
    method="GET",
    path="/api/tickets/7",
    sent="",
    status=502,
    answer="answered 502",
    seconds=0.25,
)


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    migrations.upgrade("cases", url)
    engine = open_engine(url, busy_seconds=0.05)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: sa.Engine) -> CaseStore:
    return CaseStore(engine)


@pytest.fixture
def outbox(engine: sa.Engine) -> Outbox:
    return Outbox(engine)


def put(store: CaseStore, *tasks: Task, handed_at: datetime | None = NOW) -> None:
    with store.change() as change:
        for task in tasks:
            change.put_task(task)
        if handed_at is not None:
            change.handed(tasks, handed_at)


def record(outbox: Outbox, task: Task) -> TaskRecord:
    return next(record for record in outbox.attempts(task) if record.task.id == task.id)


def test_attempt_is_kept_with_who_began_it_and_when_and_how_often(store: CaseStore, outbox: Outbox) -> None:
    put(store, HANDLE)
    assert outbox.begin([HANDLE], worker="worker-1", at=NOW) == {HANDLE.id: 1}
    assert outbox.begin([HANDLE], worker="worker-2", at=LATER) == {HANDLE.id: 2}
    kept = record(outbox, HANDLE)
    assert (kept.starts, kept.worker, kept.started_at, kept.handed_at) == (2, "worker-2", LATER, NOW)
    assert (kept.outcome, kept.ended_at) == (None, None)


def test_attempt_that_has_ended_or_is_not_kept_says_so_when_it_is_begun(store: CaseStore, outbox: Outbox) -> None:
    put(store, HANDLE)
    outbox.begin([HANDLE], worker="worker-1", at=NOW)
    outbox.end([Ended(task=HANDLE, outcome=Outcome.DONE)], at=NOW)
    assert outbox.begin([HANDLE, SHOW], worker="worker-1", at=LATER) == {HANDLE.id: 0, SHOW.id: 1}
    assert record(outbox, HANDLE).starts == 1


def test_end_is_kept_with_its_reason_and_its_requests_and_the_next_attempt_waits(
    store: CaseStore, outbox: Outbox
) -> None:
    put(store, HANDLE)
    outbox.begin([HANDLE], worker="worker-1", at=NOW)
    again = HANDLE.next(LATER)
    ended = Ended(task=HANDLE, outcome=Outcome.AGAIN, error="desk: answered 502", calls=(CALL, CALL))
    outbox.end([ended], at=NOW, then=[again])
    kept = record(outbox, HANDLE)
    assert (kept.outcome, kept.error, kept.ended_at) == (Outcome.AGAIN, "desk: answered 502", NOW)
    assert kept.calls == (CALL, CALL)
    assert store.waiting_tasks(10) == (again,)
    assert [kept.task.attempt for kept in outbox.attempts(again)] == [0, 1]


def test_very_long_reason_is_cut(store: CaseStore, outbox: Outbox) -> None:
    put(store, HANDLE)
    outbox.end([Ended(task=HANDLE, outcome=Outcome.DEAD, error="x" * 10_000)], at=NOW)
    assert record(outbox, HANDLE).error == "x" * 4000


def test_work_called_for_within_an_attempt_has_its_cause(store: CaseStore, outbox: Outbox) -> None:
    put(store, HANDLE)
    with tracing(HANDLE.base):
        put(store, SHOW)
    put(store, replace(SHOW, id="annotate:c2:1"))
    assert [kept.task.id for kept in outbox.records([HANDLE.base])] == [HANDLE.id, SHOW.id]
    assert record(outbox, SHOW).task.cause == HANDLE.base


def test_next_attempt_keeps_the_cause_of_the_first(store: CaseStore, outbox: Outbox) -> None:
    with tracing(HANDLE.base):
        put(store, SHOW)
    task = record(outbox, SHOW).task
    outbox.end([Ended(task=task, outcome=Outcome.AGAIN)], at=NOW, then=[task.next(LATER)])
    (waiting,) = store.waiting_tasks(10)
    assert waiting.cause == HANDLE.base


def test_what_the_engine_has_had_for_long_comes_page_by_page_without_what_has_ended_or_is_in_a_batch(
    store: CaseStore, outbox: Outbox
) -> None:
    tasks = [replace(SHOW, id=f"annotate:c{number}:1") for number in range(5)]
    put(store, *tasks)
    put(store, HANDLE, handed_at=LATER)
    put(store, replace(SHOW, id="annotate:waiting:1"), handed_at=None)
    outbox.end([Ended(task=tasks[1], outcome=Outcome.DONE)], at=NOW)
    with store.change() as change:
        change.put_batch(replace(HANDLE, id="events:1-1"), [replace(HANDLE, id="handle:evt_2")], at=NOW)
    first = outbox.open_with_engine(handed_before=LATER, after=0, limit=2)
    rest = outbox.open_with_engine(handed_before=LATER, after=first[-1][0], limit=10)
    assert [kept.task.id for _, kept in first + rest] == [tasks[number].id for number in (0, 2, 3, 4)]


def test_tasks_that_the_engine_has_lost_are_handed_over_again(store: CaseStore, outbox: Outbox) -> None:
    put(store, HANDLE, SHOW)
    outbox.forget_handing([HANDLE.id])
    assert store.waiting_tasks(10) == (HANDLE,)


def test_dead_are_those_whose_last_attempt_is_dead_the_newest_first(store: CaseStore, outbox: Outbox) -> None:
    put(store, HANDLE, SHOW)
    for task in (HANDLE, SHOW):
        outbox.end([Ended(task=task, outcome=Outcome.DEAD, error="bug")], at=NOW)
    assert [kept.task.id for kept in outbox.dead(10)] == [SHOW.id, HANDLE.id]
    assert [kept.task.id for kept in outbox.dead(1)] == [SHOW.id]
    outbox.retry([HANDLE], LATER)
    assert [kept.task.id for kept in outbox.dead(10)] == [SHOW.id]


def test_attempts_are_counted_from_where_an_operator_had_it_begin_anew(store: CaseStore, outbox: Outbox) -> None:
    put(store, HANDLE)
    outbox.end([Ended(task=HANDLE, outcome=Outcome.DEAD, error="bug")], at=NOW)
    (anew,) = outbox.retry([HANDLE], LATER)
    (waiting,) = store.waiting_tasks(10)
    assert anew == HANDLE
    assert [kept.task.attempt for kept in outbox.attempts(waiting)] == [1]


def test_worker_is_remembered_by_when_it_was_last_seen(outbox: Outbox) -> None:
    outbox.seen("worker-1", NOW)
    outbox.seen("worker-2", NOW)
    outbox.seen("worker-1", LATER)
    assert outbox.workers() == {"worker-1": LATER, "worker-2": NOW}


def test_locked_database_is_a_storage_error_that_keeps_nothing_of_it_by_halves(tmp_path: Path) -> None:
    file = tmp_path / "cases.sqlite"
    migrations.upgrade("cases", f"sqlite:///{file}")
    engine = open_engine(f"sqlite:///{file}", busy_seconds=0.05)
    outbox, store = Outbox(engine), CaseStore(engine)
    put(store, HANDLE)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="cases database: could not begin tasks: database is locked"):
        outbox.begin([HANDLE], worker="worker-1", at=NOW)
    other.execute("ROLLBACK")
    other.execute("CREATE TRIGGER t BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'cut'); END")
    with pytest.raises(StorageError, match="cases database: could not end tasks: cut"):
        outbox.end([Ended(task=HANDLE, outcome=Outcome.AGAIN)], at=NOW, then=[HANDLE.next(LATER)])
    other.execute("DROP TRIGGER t")
    other.close()
    assert store.waiting_tasks(10) == ()
    assert record(outbox, HANDLE).outcome is None
    engine.dispose()


def test_version_of_a_database_is_another_one_once_anybody_has_changed_it(store: CaseStore, engine: sa.Engine) -> None:
    version = store.version()
    if engine.dialect.name != "sqlite":
        assert version.now() is None
        return
    first = version.now()
    assert version.now() == first is not None
    put(store, HANDLE)
    assert version.now() != first
    version.close()


def test_database_that_cannot_be_asked_has_no_version(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'missing' / 'cases.sqlite'}", busy_seconds=0.05)
    assert CaseStore(engine).version().now() is None


# ── what a lone worker begins itself ─────────────────────────────────────────────────────────────────────────────


def in_lane(id_: str, lane: str = "a", not_before: datetime | None = None) -> Task:
    return replace(SHOW, id=id_, lane=lane, not_before=not_before)


def next_in_lanes(store: CaseStore, now: datetime = NOW) -> list[str]:
    return [task.id for task in store.waiting_in_free_lanes(10, now)]


def test_first_of_each_lane_comes_and_what_waits_for_a_time_and_what_has_no_lane(store: CaseStore) -> None:
    tasks = in_lane("a1"), in_lane("b1", "b"), in_lane("a2"), in_lane("a3", "a", LATER), in_lane("free", "", NOW)
    put(store, *tasks, handed_at=None)
    assert next_in_lanes(store) == ["a1", "b1", "a3", "free"]


def test_what_still_waits_for_its_time_holds_up_nothing_and_what_is_due_does(store: CaseStore) -> None:
    put(store, in_lane("first", "a", LATER), in_lane("second"), handed_at=None)
    assert next_in_lanes(store, NOW) == ["first", "second"]
    assert next_in_lanes(store, LATER) == ["first"]


def test_next_of_a_lane_comes_once_the_one_before_has_ended(store: CaseStore, outbox: Outbox) -> None:
    put(store, in_lane("first"))
    put(store, in_lane("second"), handed_at=None)
    assert next_in_lanes(store) == []
    outbox.begin([in_lane("first")], worker="worker-1", at=NOW)
    assert next_in_lanes(store) == []
    outbox.end([Ended(task=in_lane("first"), outcome=Outcome.DONE)], at=NOW)
    assert next_in_lanes(store) == ["second"]


def test_what_the_engine_keeps_until_its_time_holds_up_its_lane_only_while_it_runs(
    store: CaseStore, outbox: Outbox
) -> None:
    put(store, in_lane("recheck", "a", LATER))
    put(store, in_lane("press"), handed_at=None)
    assert next_in_lanes(store, NOW) == next_in_lanes(store, LATER) == ["press"]
    outbox.begin([in_lane("recheck")], worker="worker-1", at=LATER)
    assert next_in_lanes(store, LATER) == []


def test_what_began_before_it_was_handed_over_comes_again_and_holds_up_its_lane(
    store: CaseStore, outbox: Outbox
) -> None:
    put(store, in_lane("first"), in_lane("second"), handed_at=None)
    outbox.begin([in_lane("first")], worker="worker-1", at=NOW)
    assert next_in_lanes(store) == ["first"]


def test_two_of_a_lane_that_were_begun_and_are_to_be_handed_over_again_come_one_after_the_other(
    store: CaseStore, outbox: Outbox
) -> None:
    tasks = [in_lane("first"), in_lane("second")]
    put(store, *tasks)
    outbox.begin(tasks, worker="worker-1", at=NOW)
    outbox.forget_handing(["first", "second"])
    assert next_in_lanes(store) == ["first"]


def test_batch_does_not_take_along_what_the_engine_has_just_begun(store: CaseStore, outbox: Outbox) -> None:
    batch = Task(id="events:1-1", name="handle_events", args={"tasks": []})
    put(store, HANDLE)
    look = Task(id="look:c1:2", name="look", args={"case": "c1"}, lane="account bbadger", cause=HANDLE.base)
    put(store, look, replace(look, id="look:c2:2", lane="account other"), handed_at=None)
    outbox.begin([look], worker="worker-1", at=NOW)
    assert [task.id for task in outbox.take_along([HANDLE], batch=batch, worker="worker-1", at=NOW)] == ["look:c2:2"]
