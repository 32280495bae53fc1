"""What an attempt at a task is done for and which requests it makes, wherever in the program they are made.

The context goes with the thread, so that neither adapters nor decisions have to hand it on. Outside an attempt, as in
the web process, nothing is kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from plugin.model import Call

MOST_CALLS = 200
"""So many requests of one attempt are kept, the first ones."""


@dataclass(kw_only=True, slots=True)
class Trace:
    """One attempt's cause and requests."""

    cause: str
    calls: list[Call] = field(default_factory=list)


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


@contextmanager
def tracing(cause: str) -> Iterator[Trace]:
    """Keep what is called for and requested within this block."""
    trace = Trace(cause=cause)
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def keep(call: Call) -> None:
    """Add a request to the attempt that makes it."""
    trace = _current.get()
    if trace is not None and len(trace.calls) < MOST_CALLS:
        trace.calls.append(call)


def current_cause() -> str:
    """What the attempt that is under way is done for; empty outside one."""
    trace = _current.get()
    return trace.cause if trace is not None else ""
