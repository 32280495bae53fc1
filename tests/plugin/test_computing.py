"""One thread computes at a time, goes on until it waits, and nothing can stand still by it."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from plugin import computing

LONG = 10.0  # seconds; then something is wrong
LONGER = 60.0  # so patient are those that must not go on without their turn
SHORT = 0.1  # the same; what would happen has by then


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


class Computing:
    """A thread in its turn, until it is told to wait or to end."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.has_turn = threading.Event()
        self.may_end = threading.Event()
        self.done: Future[Any] = threads.submit(self._compute)

    def _compute(self) -> None:
        with computing.turn(LONGER):
            self.has_turn.set()
            assert self.may_end.wait(LONG)

    def end(self) -> None:
        self.may_end.set()
        self.done.result(LONG)


def test_the_next_one_computes_once_the_first_is_done(threads: ThreadPoolExecutor) -> None:
    first = Computing(threads)
    assert first.has_turn.wait(LONG)
    second = Computing(threads)
    assert not second.has_turn.wait(SHORT)
    first.end()
    assert second.has_turn.wait(LONG)
    second.end()


def test_others_compute_while_one_waits_and_it_goes_on_in_its_turn(threads: ThreadPoolExecutor) -> None:
    answer, goes_on = threading.Event(), threading.Event()

    def ask() -> None:
        with computing.turn(LONGER):
            with computing.waiting():
                assert answer.wait(LONG)
            goes_on.set()

    asking = threads.submit(ask)
    other = Computing(threads)
    assert other.has_turn.wait(LONG)
    answer.set()
    assert not goes_on.wait(SHORT)
    other.end()
    asking.result(LONG)


def test_a_lock_that_another_one_holds_is_waited_for_without_the_turn(threads: ThreadPoolExecutor) -> None:
    """Or its holder could not go on where it needs its turn for that."""
    room, is_held, may_free = threading.BoundedSemaphore(1), threading.Event(), threading.Event()

    def hold() -> None:
        with computing.turn(LONGER), computing.held(room):
            is_held.set()
            with computing.waiting():
                assert may_free.wait(LONG)

    def want() -> bool:
        with computing.turn(LONGER), computing.held(room):
            return True

    holding = threads.submit(hold)
    assert is_held.wait(LONG)
    wanting = threads.submit(want)
    other = Computing(threads)
    assert other.has_turn.wait(LONG)
    assert not wanting.done()
    other.end()
    may_free.set()
    holding.result(LONG)
    assert wanting.result(LONG)


def test_a_lock_that_is_not_freed_in_time_is_not_had() -> None:
    lock = threading.Lock()
    assert computing.acquire(lock, 0.01)
    with computing.turn(LONGER):
        assert not computing.acquire(lock, 0.01)


def test_nothing_stands_still_where_the_one_who_computes_waits_for_another(threads: ThreadPoolExecutor) -> None:
    """As where somebody has forgotten to say that a lock is waited for."""
    lock, is_held, answered = threading.Lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with computing.turn(), lock:
            is_held.set()
            with computing.waiting():
                assert answered.wait(LONG)

    def want() -> None:
        with computing.turn():
            answered.set()
            with lock:
                pass

    holding = threads.submit(hold)
    assert is_held.wait(LONG)
    wanting = threads.submit(want)
    holding.result(LONG)
    wanting.result(LONG)


def test_who_went_on_without_has_a_turn_again_after_the_next_waiting(threads: ThreadPoolExecutor) -> None:
    first = Computing(threads)
    assert first.has_turn.wait(LONG)
    impatient, may_wait, waited = threading.Event(), threading.Event(), threading.Event()
    may_end = threading.Event()

    def go_on() -> None:
        with computing.turn(SHORT):
            impatient.set()
            assert may_wait.wait(LONG)
            with computing.waiting():
                pass
            waited.set()
            assert may_end.wait(LONG)

    second = threads.submit(go_on)
    assert impatient.wait(LONG)
    first.end()
    may_wait.set()
    assert waited.wait(LONG)
    third = Computing(threads)
    assert not third.has_turn.wait(SHORT)
    may_end.set()
    second.result(LONG)
    third.end()


def test_outside_of_a_turn_waiting_is_just_waiting() -> None:
    with computing.waiting():
        pass
    with computing.turn(LONGER):
        pass


def test_a_turn_ends_with_its_block_however_that_ends(threads: ThreadPoolExecutor) -> None:
    with pytest.raises(ValueError, match="in a turn"), computing.turn(LONGER):
        raise ValueError("in a turn")
    next_one = Computing(threads)
    assert next_one.has_turn.wait(LONG)
    next_one.end()
