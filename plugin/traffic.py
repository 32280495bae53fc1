"""The worker's requests to other systems: at most so many at once to each, counted over all workers.

A system that was away for an hour comes back to a thousand things that wait for it; this is what keeps them from all
coming at once. The web process, where an agent waits for each request, goes without.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from plugin import computing
from plugin.http import Traffic
from plugin.model import Call
from plugin.store.locks import Locks

LOOK_AGAIN_AFTER = 0.05  # seconds, for room that other workers hold


class LimitedTraffic(Traffic):
    """At most `at_once` requests to a system; others wait. `told`: see `plugin.http.Traffic`."""

    def __init__(self, locks: Locks, at_once: Mapping[str, int], told: Callable[[Call], None]) -> None:
        super().__init__(told)
        self._locks = locks
        self._at_once = at_once
        self._rooms = {system: threading.BoundedSemaphore(many) for system, many in at_once.items()}

    @contextmanager
    def slot(self, system: str) -> Iterator[None]:
        """Room among this worker's requests first, then among those of all."""
        with computing.held(self._rooms[system]):
            name = self._take(system)
            try:
                yield
            finally:
                self._locks.free(name)

    def _take(self, system: str) -> str:
        pause = threading.Event()
        while True:
            for number in range(self._at_once[system]):
                name = f"request {system} {number}"
                if self._locks.take(name):
                    return name
            with computing.waiting():
                pause.wait(LOOK_AGAIN_AFTER)
