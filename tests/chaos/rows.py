"""The workflow engine's rows, as far as the plugin relies on them (DBOS Transact 3.4, `plugin.engine`).

A task's id is there once. One of a lane runs at a time: the oldest of those that had to wait until they were due, or
the oldest of the others, whichever is come to first. Whoever recovers a worker's work queues it anew.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plugin.model import Task
from plugin.relay import row_of, task_of

AT_ONCE = 4
"""Tasks without a lane that a worker runs at once."""


@dataclass(kw_only=True)
class Row:
    """One workflow of the engine."""

    number: int
    said: dict[str, Any]
    due: datetime | None
    worker: Any = None  # who is at it

    @property
    def task(self) -> Task:
        """The task, as the engine hands it out."""
        return task_of(self.said)


class Rows:
    """The engine's database."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._open: dict[str, Row] = {}

    def enqueue(self, task: Task) -> None:
        """Take a task; one that was here is ignored."""
        if task.id not in self._known:
            self._open[task.id] = Row(number=len(self._known), said=row_of(task), due=task.not_before)
            self._known.add(task.id)

    def end(self, row: Row) -> None:
        """The worker has come to the task's end."""
        del self._open[row.said["id"]]

    def runnable(self, now: datetime) -> list[Row]:
        """What a worker may take now."""
        busy = {row.said["lane"] for row in self._open.values() if row.worker is not None}
        first: dict[tuple[str, bool], Row] = {}
        free: list[Row] = []
        for row in self._open.values():
            lane = row.said["lane"]
            if row.worker is not None or (row.due is not None and row.due > now):
                continue
            if not lane:
                free.append(row)
            elif lane not in busy:
                first.setdefault((lane, row.due is None), row)
        return [*first.values(), *free[:AT_ONCE]]

    def running(self) -> list[Row]:
        """What somebody is at, living or dead."""
        return [row for row in self._open.values() if row.worker is not None]

    def recover(self) -> list[Row]:
        """What dead workers left is queued anew."""
        left = [row for row in self.running() if row.worker.is_dead]
        for row in left:
            row.worker = None
        return left

    def next_due(self, now: datetime) -> datetime | None:
        """When the next of those that wait for a later moment is due."""
        return min((row.due for row in self._open.values() if row.due is not None and row.due > now), default=None)
