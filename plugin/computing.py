"""One thread of a worker computes at a time; the others wait: for answers, for the disk, or for their turn.

Python runs one thread at a time anyway. Left to itself it changes to another one at each statement of the database and
each piece of an answer, as soon as there are others that could go on: with dozens of tickets at work that took a
seventh of a worker's CPU, and more on a busy machine. Here a thread goes on until it has something to wait for.

A turn is a courtesy and no lock: who has waited `PATIENCE` for it goes on without. So nothing can stand still by it,
whatever its holder waits for.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

PATIENCE = 1.0
"""Seconds. In its turn a thread computes for a few milliseconds."""

_one = threading.Lock()


class _Mine(threading.local):
    patience: float | None = None  # None outside of `turn`
    has_it = False


_mine = _Mine()


class Lock(Protocol):
    """Of `threading`: what one thread or some may hold."""

    def acquire(self, blocking: bool = ..., timeout: Any = ...) -> bool:
        """Hold it; False if that could not be."""

    def release(self) -> None:
        """Hold it no longer."""


@contextmanager
def turn(patience: float = PATIENCE) -> Iterator[None]:
    """Compute in turn with the other threads that do; not within another turn."""
    _mine.patience = patience
    _take()
    try:
        yield
    finally:
        _give()
        _mine.patience = None


@contextmanager
def waiting() -> Iterator[None]:
    """Let others have their turn while this thread waits for something; it may be in none itself."""
    if _mine.patience is None:
        yield
        return
    _give()
    try:
        yield
    finally:
        _take()


def acquire(lock: Lock, timeout: float | None = None) -> bool:
    """Acquire a lock, within so many seconds or for ever; while that has to be waited for, others have their turn."""
    if lock.acquire(blocking=False):
        return True
    with waiting():
        return lock.acquire() if timeout is None else lock.acquire(timeout=timeout)


@contextmanager
def held(lock: Lock) -> Iterator[None]:
    """Hold a lock for a block, in the same way."""
    acquire(lock)
    try:
        yield
    finally:
        lock.release()


def _take() -> None:
    _mine.has_it = _one.acquire(timeout=_mine.patience or 0)


def _give() -> None:
    if _mine.has_it:
        _mine.has_it = False
        _one.release()
