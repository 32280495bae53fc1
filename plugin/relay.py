"""How events become work: accepted ones by the relay, lost ones by the catch-up scan. Each is a task in the outbox.

Both may run again after a crash: a task's id says what it is for, so the same work is put there once.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from plugin.model import Task
from plugin.naming import HANDLING, ticket_lane
from plugin.ports import TicketSystem
from plugin.store.cases import CaseStore
from plugin.store.deliveries import DeliveryStore, StoredEvent
from plugin.store.marks import SCAN_ENDED

BATCH = 25
"""Events handed over at once: one workflow of one step for all of them."""

KNOWN = frozenset(field.name for field in fields(Task))


def relay(deliveries: DeliveryStore, store: CaseStore, now: datetime) -> int:
    """Put accepted events into the outbox, one batch, and remember how far; how many there were."""
    events = deliveries.events_after(int(store.mark("relayed") or 0), BATCH)
    if not events:
        return 0
    last = {(row.event.source, row.event.ticket): _handling(row) for row in events}
    members = list(last.values())
    batch = Task(
        id=f"events:{events[0].seq}-{events[-1].seq}",
        name="handle_events",
        args={"tasks": [row_of(task) for task in members]},
    )
    covered = [task for task in map(_handling, events) if task not in members]
    with store.change() as change:
        change.put_batch(batch, members, covered=covered, at=now)
        change.set_mark("relayed", str(events[-1].seq))
    return len(events)


def _handling(row: StoredEvent) -> Task:
    event = row.event
    return Task(
        id=f"{HANDLING}{row.id}",
        name="handle",
        args={"source": event.source, "ticket": event.ticket},
        lane=ticket_lane(event.source, event.ticket),
    )


def scan(source: str, system: TicketSystem, store: CaseStore, *, back: timedelta, now: datetime) -> int:
    """Catch up: a task for every ticket changed since the last scan, so that a lost event is made good."""
    mark = f"scanned {source}"
    since = datetime.fromisoformat(store.mark(mark) or (now - back).isoformat())
    newest, found = since, 0
    for changed in system.changed_since(since):
        task = Task(
            id=f"scan:{source}:{changed.id}:{changed.updated_at.isoformat()}",
            name="handle",
            args={"source": source, "ticket": changed.id},
            lane=ticket_lane(source, changed.id),
        )
        with store.change() as change:
            change.put_task(task)
        # A moment that is still to come would hide every change until then.
        newest, found = max(newest, min(changed.updated_at, now)), found + 1
    with store.change() as change:
        change.set_mark(mark, newest.isoformat())
        change.set_mark(f"{SCAN_ENDED}{source}", now.isoformat())
    return found


def row_of(task: Task) -> dict[str, Any]:
    """A task as JSON."""
    return asdict(task) | {"not_before": task.not_before.isoformat() if task.not_before else None}


def task_of(row: Mapping[str, Any]) -> Task:
    """The reverse of `row_of`; what a newer or older version says more or less of a task is left out."""
    not_before = datetime.fromisoformat(row["not_before"]) if row["not_before"] else None
    return Task(**{name: row[name] for name in KNOWN if name in row} | {"not_before": not_before})
