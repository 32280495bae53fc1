"""What becomes of tasks whose worker ends in the middle of them, and of those that are given up."""

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plugin import trace
from plugin.attempts import ALONE, BUGS_FORGIVEN, CRASHES_FORGIVEN, ENDS_FORGIVEN, Stopped
from plugin.errors import StorageError
from plugin.model import Call, Outcome, Task, TaskRecord
from plugin.relay import relay
from plugin.store.locks import held
from plugin.trace import tracing
from tests.plugin.test_engine import DOWN, NOW, TASK, Bench, until


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def ran(bench: Bench) -> list[str]:
    """The tickets of the tasks that were run, in order."""
    ran: list[str] = []
    bench.work = lambda args: ran.append(args["ticket"])
    return ran


def crash(bench: Bench, *tasks: Task) -> None:
    """The worker begins these and ends in the middle."""
    bench.outbox.begin(tasks, worker="worker-1", at=NOW)


def record_of(bench: Bench, task: Task) -> TaskRecord:
    return next(record for record in bench.outbox.attempts(task) if record.task.id == task.id)


def in_thread(bench: Bench, task: Task) -> tuple[threading.Thread, list[BaseException]]:
    """Attempt a task beside the test; what it raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            bench.attempts.attempt(task)
        except Stopped as stopped:
            raised.append(stopped)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


# ── a worker that ends ───────────────────────────────────────────────────────────────────────────────────────────


def test_task_whose_worker_has_ended_some_times_is_begun_again(bench: Bench, ran: list[str]) -> None:
    bench.put(TASK)
    for _ in range(ENDS_FORGIVEN - 1):
        crash(bench, TASK)
    assert bench.next_of(TASK) is None
    assert ran == ["7"]
    record = record_of(bench, TASK)
    assert (record.outcome, record.starts) == (Outcome.DONE, ENDS_FORGIVEN)


def test_task_whose_worker_ends_again_and_again_becomes_a_suspect_and_is_not_run(
    bench: Bench, ran: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    bench.put(TASK)
    for _ in range(ENDS_FORGIVEN):
        crash(bench, TASK)
    suspect = bench.next_of(TASK)
    assert ran == []
    assert suspect is not None
    assert (suspect.crashes, suspect.lane, suspect.args) == (1, TASK.lane, TASK.args)
    assert suspect.not_before is not None
    assert suspect.not_before > NOW
    assert record_of(bench, TASK).outcome is Outcome.CRASHED
    assert "task.suspect" in caplog.text


def test_suspect_is_given_up_after_its_last_try_with_growing_pauses_until_then(
    bench: Bench, ran: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    suspect: Task | None = replace(TASK, crashes=1)
    pauses = []
    for _ in range(CRASHES_FORGIVEN - 1):
        assert suspect is not None
        bench.put(suspect)
        crash(bench, suspect)
        suspect = bench.next_of(suspect)
        assert suspect is not None
        assert suspect.not_before is not None
        pauses.append(suspect.not_before - NOW)
    assert pauses == sorted(pauses)
    assert pauses[-1] > 10 * pauses[0]
    assert bench.given_up == []
    assert suspect is not None
    crash(bench, suspect)
    assert bench.next_of(suspect) is None
    assert ran == []
    ((given_up, why),) = bench.given_up
    assert given_up == suspect.id
    assert "the worker ended" in why
    assert record_of(bench, suspect).outcome is Outcome.DEAD
    assert [record.levelname for record in caplog.records].count("CRITICAL") == 1


def test_suspect_that_ends_nobody_is_done(bench: Bench, ran: list[str]) -> None:
    assert bench.next_of(replace(TASK, crashes=4)) is None
    assert ran == ["7"]


def test_suspect_waits_for_another_one_and_has_not_begun_meanwhile(bench: Bench, ran: list[str]) -> None:
    suspect = replace(TASK, crashes=2)
    bench.put(suspect)
    with held(bench.locks, ALONE):
        thread, _ = in_thread(bench, suspect)
        thread.join(0.5)
        assert thread.is_alive()
        assert record_of(bench, suspect).starts == 0  # a worker that ended now would not count against it
    thread.join(10)
    assert ran == ["7"]
    assert bench.locks.take(ALONE)  # and it has given its place back


def test_suspect_that_waits_when_the_worker_stops_is_left_for_the_next_start(bench: Bench, ran: list[str]) -> None:
    suspect = replace(TASK, crashes=2)
    bench.put(suspect)
    with held(bench.locks, ALONE):
        thread, raised = in_thread(bench, suspect)
        bench.attempts.stopping.set()
        thread.join(10)
    assert len(raised) == 1
    assert ran == []
    assert record_of(bench, suspect).outcome is None


def test_others_run_while_a_suspect_does(bench: Bench, ran: list[str]) -> None:
    with held(bench.locks, ALONE):
        assert bench.next_of(TASK) is None
    assert ran == ["7"]


def test_batch_whose_worker_has_ended_is_taken_apart_and_nothing_of_it_is_run_together(
    bench: Bench, ran: list[str]
) -> None:
    bench.accept("1", "2", "3")
    relay(bench.deliveries, bench.store, NOW)
    (batch,) = bench.store.waiting_tasks(10)
    with bench.store.change() as change:
        change.handed([batch], NOW)
    crash(bench, batch)
    bench.attempts.attempt(batch)
    assert ran == []
    alone = bench.store.waiting_tasks(10)
    assert [(task.name, task.args["ticket"], task.lane, task.not_before, task.crashes) for task in alone] == [
        ("handle", ticket, f"ticket desk:{ticket}", NOW, 0) for ticket in ("1", "2", "3")
    ]
    assert record_of(bench, batch).outcome is Outcome.SPLIT
    assert {record.outcome for record in bench.outbox.within(batch.id)} == {Outcome.CRASHED}
    for task in alone:
        bench.attempts.attempt(task)
    assert ran == ["1", "2", "3"]


def called_for(ticket: str, lane: str = "") -> Task:
    """Work that handling a ticket calls for."""
    return Task(
        id=f"show:{ticket}", name="work", args={"ticket": f"show {ticket}"}, lane=lane or f"ticket desk:{ticket}"
    )


def call_for(bench: Bench, ran: list[str], *tasks: Task) -> None:
    """From now on handling a ticket calls for these."""

    def work(args: Mapping[str, Any]) -> None:
        ran.append(args["ticket"])
        with bench.store.change() as change:
            for task in tasks:
                if task.args["ticket"] == f"show {args['ticket']}":
                    change.put_task(task)

    bench.work = work


def relayed(bench: Bench, *tickets: str) -> Task:
    """The batch of these tickets' events, which the engine has."""
    bench.accept(*tickets)
    relay(bench.deliveries, bench.store, NOW)
    (batch,) = (task for task in bench.store.waiting_tasks(10) if task.name == "handle_events")
    with bench.store.change() as change:
        change.handed([batch], NOW)
    return batch


def test_batch_takes_along_what_its_events_call_for(bench: Bench, ran: list[str]) -> None:
    call_for(bench, ran, called_for("1"), called_for("2"))
    batch = relayed(bench, "1", "2")
    bench.attempts.attempt(batch)
    assert sorted(ran) == ["1", "2", "show 1", "show 2"]
    assert bench.store.waiting_tasks(10) == ()
    record = record_of(bench, called_for("1"))
    assert (record.outcome, record.starts, record.task.cause) == (
        Outcome.DONE,
        1,
        record_of(bench, batch_member(bench)).task.id,
    )


def batch_member(bench: Bench) -> Task:
    """The first event's task."""
    event = bench.deliveries.events_after(0, 1)[0]
    return replace(TASK, id=f"handle:{event.id}", name="handle")


def test_what_is_called_for_in_a_lane_with_something_under_way_is_left_to_the_engine(
    bench: Bench, ran: list[str]
) -> None:
    bench.put(replace(TASK, lane="account bbadger"))
    call_for(bench, ran, called_for("1", lane="account bbadger"))
    bench.attempts.attempt(relayed(bench, "1"))
    assert ran == ["1"]
    assert [task.id for task in bench.store.waiting_tasks(10)] == ["show:1"]


def test_engine_gets_nothing_of_a_lane_in_which_a_batch_is_at_work(bench: Bench, ran: list[str]) -> None:
    relayed(bench, "1")
    with bench.store.change() as change:
        change.put_task(called_for("1"))
        change.put_task(called_for("2"))
    assert [task.id for task in bench.store.waiting_tasks(10)] == ["show:2"]


def test_what_fails_of_what_a_batch_has_taken_along_is_tried_again_on_its_own(bench: Bench, ran: list[str]) -> None:
    call_for(bench, ran, called_for("1"))
    handle = bench.work

    def work(args: Mapping[str, Any]) -> None:
        handle(args)
        if args["ticket"] == "show 1":
            raise DOWN

    bench.work = work
    bench.attempts.attempt(relayed(bench, "1"))
    (again,) = bench.store.waiting_tasks(10)
    assert (again.base, again.attempt, again.lane) == ("show:1", 1, "ticket desk:1")


def test_batch_whose_worker_has_ended_puts_back_what_it_had_taken_along(bench: Bench, ran: list[str]) -> None:
    call_for(bench, ran, called_for("1"))
    batch = relayed(bench, "1")
    member = batch_member(bench)
    crash(bench, batch, member)
    with tracing(member.id), bench.store.change() as change:
        change.put_task(called_for("1"))
    assert bench.outbox.take_along([member], batch=batch, worker="worker-1", at=NOW) == [
        replace(called_for("1"), cause=member.id)
    ]
    bench.attempts.attempt(batch)
    assert ran == []
    waiting = bench.store.waiting_tasks(10)
    assert [(task.base, task.attempt) for task in waiting] == [(member.id, 1), ("show:1", 1)]


def test_attempt_that_has_ended_is_not_run_again_by_an_engine_that_has_not_heard_of_it(
    bench: Bench, ran: list[str]
) -> None:
    bench.put(TASK)
    bench.attempts.attempt(TASK)
    bench.attempts.attempt(TASK)
    assert ran == ["7"]


# ── giving up ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_failures_of_an_outage_do_not_use_up_what_bugs_are_forgiven(bench: Bench) -> None:
    bench.put(TASK)
    bench.fail(DOWN)
    task = TASK
    for _ in range(3 * BUGS_FORGIVEN):
        again = bench.next_of(task)
        assert again is not None
        task = again
    bench.fail(KeyError("surprise"))
    for _ in range(BUGS_FORGIVEN):
        again = bench.next_of(task)
        assert again is not None
        task = again
    assert bench.given_up == []
    assert bench.next_of(task) is None
    assert [task_id for task_id, _ in bench.given_up] == [task.id]


def test_telling_of_a_dead_task_waits_until_the_cases_database_takes_it(bench: Bench) -> None:
    tries: list[str] = []

    def give_up(task: Task, why: str) -> None:
        tries.append(why)
        if len(tries) == 1:
            raise StorageError("full")

    bench.attempts._give_up = give_up
    bench.fail(DOWN)
    dead = replace(TASK, id="work:1~900", attempt=900)
    bench.put(dead)
    assert bench.next_of(dead) is None
    assert len(tries) == 2
    assert record_of(bench, dead).outcome is Outcome.DEAD


def test_task_whose_telling_fails_is_dead_all_the_same_and_both_are_in_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def give_up(task: Task, why: str) -> None:
        raise LookupError("no such case")

    bench.attempts._give_up = give_up
    bench.fail(DOWN)
    dead = replace(TASK, id="work:1~900", attempt=900)
    bench.put(dead)
    assert bench.next_of(dead) is None
    assert record_of(bench, dead).outcome is Outcome.DEAD
    assert "task.dead " in caplog.text
    assert "task.dead_untold" in caplog.text


def test_error_that_is_kept_holds_no_whole_address(bench: Bench) -> None:
    bench.put(TASK)
    bench.fail(KeyError("bucky.badger@example.edu"))
    bench.next_of(TASK)
    record = record_of(bench, TASK)
    assert "bucky.badger" not in record.error
    assert "b…@example.edu" in record.error


def test_requests_of_an_attempt_are_kept_with_it_and_not_with_the_next(bench: Bench) -> None:
    call = Call(
        at=NOW,
        system="desk",
        doing="read ticket 7",
        method="GET",
        path="/api/tickets/7",
        sent="",
        status=200,
        answer="312 bytes",
        seconds=0.02,
    )

    def work(_args: Mapping[str, Any]) -> None:
        trace.keep(call)
        raise DOWN

    bench.work = work
    bench.put(TASK)
    again = bench.next_of(TASK)
    bench.work = lambda _args: None
    assert again is not None
    assert again.not_before is not None
    assert again.not_before - NOW >= timedelta(seconds=1)
    bench.attempts.attempt(again)
    assert [record.calls for record in bench.outbox.attempts(TASK)] == [(call,), ()]


def test_nothing_is_logged_of_a_task_that_is_done(
    bench: Bench, ran: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        bench.put(TASK)
        bench.next_of(TASK)
    assert caplog.records == []
    until(lambda: ran == ["7"])
