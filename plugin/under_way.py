"""What a worker is at: how much of what, and that it is at one task of a lane at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from plugin.model import Task


class UnderWay:
    """The tasks that this process runs, or has come to and not begun because of their lane."""

    def __init__(self) -> None:
        self.has_ended = threading.Event()  # one of them has, since somebody cleared this
        self._lanes: dict[str, str] = {}  # by the task's id; empty: it has no lane
        self._taken: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def running(self, task: Task) -> Iterator[None]:
        """Run a task within, once its lane is free."""
        with self._changed:
            self._lanes[task.id] = task.lane
            self._changed.wait_for(lambda: task.lane not in self._taken)
            if task.lane:
                self._taken.add(task.lane)
        try:
            yield
        finally:
            with self._changed:
                self._lanes.pop(task.id, None)
                self._taken.discard(task.lane)
                self._changed.notify_all()
            self.has_ended.set()

    def has(self, task_id: str) -> bool:
        """Whether the task is one of them."""
        with self._changed:
            return task_id in self._lanes

    def batches(self) -> int:
        """How many of them have no lane."""
        with self._changed:
            return list(self._lanes.values()).count("")

    def in_lanes(self) -> int:
        """How many have one."""
        with self._changed:
            return sum(lane != "" for lane in self._lanes.values())
