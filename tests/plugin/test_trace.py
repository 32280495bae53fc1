"""What is kept of an attempt's requests, and what work called for within it is done for."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from plugin.model import Call
from plugin.trace import MOST_CALLS, current_cause, keep, tracing

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)


def call(doing: str) -> Call:
    return Call(at=NOW, system="desk", doing=doing, method="GET", path="/", sent="", status=200, answer="", seconds=0.1)


def test_requests_within_are_kept_in_order_and_those_outside_are_not() -> None:
    keep(call("before"))
    with tracing("handle:evt_1") as trace:
        keep(call("first"))
        keep(call("second"))
    keep(call("after"))
    assert [kept.doing for kept in trace.calls] == ["first", "second"]


def test_only_the_first_of_very_many_requests_are_kept() -> None:
    with tracing("handle:evt_1") as trace:
        for number in range(MOST_CALLS + 5):
            keep(call(str(number)))
    assert [kept.doing for kept in trace.calls] == [str(number) for number in range(MOST_CALLS)]


def test_cause_is_known_within_and_gone_afterwards_also_after_an_error() -> None:
    assert current_cause() == ""
    with tracing("handle:evt_1"):
        assert current_cause() == "handle:evt_1"
        with tracing("scan:desk"):
            assert current_cause() == "scan:desk"
        assert current_cause() == "handle:evt_1"
    with pytest.raises(LookupError), tracing("handle:evt_2"):
        raise LookupError
    assert current_cause() == ""


def test_attempts_in_threads_of_one_pool_keep_to_themselves() -> None:
    both_begun = threading.Barrier(2, timeout=10)

    def attempt(name: str) -> tuple[str, list[str]]:
        with tracing(name) as trace:
            both_begun.wait()
            keep(call(f"of {name}"))
            both_begun.wait()
            return current_cause(), [kept.doing for kept in trace.calls]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(attempt, ["a", "b"])) == [("a", ["of a"]), ("b", ["of b"])]
        assert list(pool.map(lambda _: current_cause(), range(2))) == ["", ""]
