"""A worker's count of what it is at, and that tasks of a lane take turns."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from plugin.model import Task
from plugin.under_way import UnderWay

TASK = Task(id="look:c1:1", name="look", args={}, lane="account bbadger")
OTHER = replace(TASK, id="unblock:c1:2")
BATCH = Task(id="events:1-2", name="handle_events", args={"tasks": []})


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_tasks_are_counted_until_they_end_however_they_end() -> None:
    under_way = UnderWay()
    with under_way.running(TASK), under_way.running(BATCH), under_way.running(replace(BATCH, id="events:3-4")):
        assert (under_way.in_lanes(), under_way.batches()) == (1, 2)
        assert under_way.has(TASK.id)
    assert (under_way.in_lanes(), under_way.batches()) == (0, 0)
    assert not under_way.has(TASK.id)
    with pytest.raises(KeyError), under_way.running(TASK):
        raise KeyError
    assert under_way.in_lanes() == 0
    assert under_way.has_ended.is_set()


def test_second_task_of_a_lane_waits_for_the_first_and_takes_room_meanwhile() -> None:
    under_way, began = UnderWay(), threading.Event()

    def second() -> None:
        with under_way.running(OTHER):
            began.set()

    with under_way.running(TASK):
        waiting = in_thread(second)
        while under_way.in_lanes() < 2:
            assert waiting.is_alive()
        assert not began.wait(0.05)
    assert began.wait(5)
    waiting.join(5)


def test_tasks_of_other_lanes_and_batches_do_not_wait() -> None:
    under_way, met = UnderWay(), threading.Barrier(4, timeout=5)

    def run(task: Task) -> None:
        with under_way.running(task):
            met.wait()

    tasks = TASK, replace(OTHER, lane="ticket desk:7"), BATCH, replace(BATCH, id="events:3-4")
    threads = [in_thread(lambda task=task: run(task)) for task in tasks]  # type: ignore[misc]
    for thread in threads:
        thread.join(5)
    assert not met.broken
