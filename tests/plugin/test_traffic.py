"""At most so many requests at once to a system, in this worker and over all of them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plugin.model import Call
from plugin.store.locks import FileLocks
from plugin.trace import tracing
from plugin.traffic import LimitedTraffic

CALL = Call(
    at=datetime(2026, 11, 24, 14, 5, tzinfo=UTC),
    system="desk",
    doing="read ticket 7",
    method="GET",
    path="/api/tickets/7",
    sent="",
    status=200,
    answer="312 bytes",
    seconds=0.02,
)


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[FileLocks]:
    locks = FileLocks(tmp_path / "engine.lock")
    yield locks
    locks.close()


class Counted:
    """Threads that each take a slot, stay until they may leave, and are counted."""

    def __init__(self, traffic: LimitedTraffic, system: str, many: int) -> None:
        self._changing = threading.Lock()
        self.inside = self.most = self.done = 0
        self.may_leave = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self._pool = ThreadPoolExecutor(many)
        self.all = [self._pool.submit(self._go, traffic, system) for _ in range(many)]

    def _go(self, traffic: LimitedTraffic, system: str) -> None:
        with traffic.slot(system):
            with self._changing:
                self.inside += 1
                self.most = max(self.most, self.inside)
            self.entered.release()
            assert self.may_leave.acquire(timeout=20)
            with self._changing:
                self.inside -= 1
                self.done += 1

    def close(self) -> None:
        for _ in self.all:
            self.may_leave.release()
        for future in self.all:
            future.result(20)
        self._pool.shutdown()


def test_no_more_than_the_limit_are_inside_and_everyone_gets_in(locks: FileLocks) -> None:
    counted = Counted(LimitedTraffic(locks, {"desk": 3}, lambda _call: None), "desk", 12)
    for _ in range(3):
        assert counted.entered.acquire(timeout=10)
    assert not counted.entered.acquire(timeout=0.3)  # the fourth waits
    counted.may_leave.release()
    assert counted.entered.acquire(timeout=10)
    counted.close()
    assert (counted.most, counted.done) == (3, 12)


def test_one_system_that_is_full_holds_up_no_other(locks: FileLocks) -> None:
    traffic = LimitedTraffic(locks, {"desk": 1, "campus": 1}, lambda _call: None)
    with traffic.slot("desk"), traffic.slot("campus"):
        pass
    counted = Counted(traffic, "desk", 2)
    assert counted.entered.acquire(timeout=10)
    with traffic.slot("campus"):
        assert counted.inside == 1
    counted.close()


def test_room_that_other_workers_hold_is_waited_for(locks: FileLocks) -> None:
    for number in range(2):
        assert locks.take(f"request desk {number}")  # as the locks of two requests of another worker would be
    counted = Counted(LimitedTraffic(locks, {"desk": 2}, lambda _call: None), "desk", 1)
    assert not counted.entered.acquire(timeout=0.3)
    locks.free("request desk 1")
    assert counted.entered.acquire(timeout=10)
    counted.close()
    assert locks.take("request desk 1")  # given back, for whoever comes next


def test_request_that_fails_gives_its_room_back(locks: FileLocks) -> None:
    traffic = LimitedTraffic(locks, {"desk": 1}, lambda _call: None)
    for _ in range(3):
        with pytest.raises(ConnectionError), traffic.slot("desk"):
            raise ConnectionError


def test_request_is_kept_with_its_attempt_and_told(locks: FileLocks) -> None:
    told: list[Call] = []
    traffic = LimitedTraffic(locks, {"desk": 1}, told.append)
    with tracing("handle:evt_1") as trace:
        traffic.done(CALL)
    assert (trace.calls, told) == ([CALL], [CALL])
