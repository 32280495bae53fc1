"""How events become work: accepted ones by the relay, lost ones by the catch-up scan. Each is a task in the outbox.

Most tickets are not about mail. Of those whose event says so, nothing is left to do: no batch, no workflow, no request.

Both may run again after a crash: a task's id says what it is for, so the same work is put there once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from plugin.model import Outcome, Task
from plugin.naming import HANDLING, ticket_lane
from plugin.ports import TicketSystem
from plugin.store.cases import CaseStore
from plugin.store.deliveries import DeliveryStore, StoredEvent
from plugin.store.marks import SCAN_ENDED

BATCH = 25
"""Events handed over at once: one workflow of one step for all of them."""

MOST_JUDGED = 10_000
"""Bytes of a body that is judged here, where every event waits for it; a longer one is for the worker."""

CREATED = "ticket.created"

Judge = Callable[[str, str, bytes], bool]
"""Whether an event may be left alone, by its source, its ticket and its delivery's body (`plugin.settling`)."""


def never(_source: str, _ticket: str, _body: bytes) -> bool:
    """The judge that leaves every event to the worker."""
    return False


KNOWN = frozenset(field.name for field in fields(Task))


def relay(deliveries: DeliveryStore, store: CaseStore, now: datetime, leaves_alone: Judge = never) -> int:
    """Put accepted events into the outbox, one batch, and remember how far; how many there were.

    An event whose own words settle it is there already ended, where it is all that is known of its ticket.
    """
    events = deliveries.events_after(int(store.mark("relayed") or 0), BATCH)
    if not events:
        return 0
    last = {(row.event.source, row.event.ticket): _handling(row) for row in events}
    covered = [task for task in map(_handling, events) if task not in last.values()]
    covering = {task.lane for task in covered}
    ordinary = {task.id for task in _ordinary(deliveries, events, leaves_alone) if task.lane not in covering}
    with store.change() as change:
        concerned = change.concerned([task for task in last.values() if task.id in ordinary]) if ordinary else ()
        settled = [task for task in last.values() if task.id in ordinary and task.lane not in concerned]
        members = [task for task in last.values() if task not in settled]
        if members:
            change.put_batch(_batch(events, members), members, at=now)
        change.put_ended(covered, Outcome.COVERED, at=now)
        change.put_ended(settled, Outcome.SETTLED, at=now)
        change.set_mark("relayed", str(events[-1].seq))
    return len(events)


def _ordinary(deliveries: DeliveryStore, events: Sequence[StoredEvent], leaves_alone: Judge) -> Iterator[Task]:
    """The tasks of the events of new tickets that can be left alone by what they bring, if they have no others."""
    created = {row.id: row for row in events if row.event.kind == CREATED}
    bodies = deliveries.bodies(created, at_most=MOST_JUDGED) if created and leaves_alone is not never else {}
    for id_, body in bodies.items():
        event = created[id_].event
        if leaves_alone(event.source, event.ticket, body):
            yield _handling(created[id_])


def _batch(events: Sequence[StoredEvent], members: Sequence[Task]) -> Task:
    return Task(
        id=f"events:{events[0].seq}-{events[-1].seq}",
        name="handle_events",
        args={"tasks": [row_of(task) for task in members]},
    )


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
