"""What became of an event: the work done for it, step by step, in words for operators.

An event's work is the task that handles it and everything that was called for in doing so. Work with a cause of its
own, such as an agent's press of Unblock or a ticket found by the catch-up scan, goes by the id of its first task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from plugin.model import Outcome, TaskRecord
from plugin.naming import shown_as
from plugin.store.deliveries import Received


class State(StrEnum):
    """How far a task or all the work for an event has come. The worst first: that of a task counts for the whole."""

    DEAD = "dead"  # nobody tries it again by itself
    FAILING = "failing"  # has failed and is tried again
    WORKING = "working"
    WAITING = "waiting"  # for its turn, or for a moment
    COVERED = "covered"  # by a later event of the same ticket
    DONE = "done"


OPEN = frozenset({State.FAILING, State.WORKING, State.WAITING})
NARROW = OPEN | {State.DEAD}
"""States of few events, which are found without going through all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One task and its attempts, the last one at the end; in a list the first, the last but one and the last."""

    attempts: tuple[TaskRecord, ...]

    @property
    def last(self) -> TaskRecord:
        """The newest attempt."""
        return self.attempts[-1]

    @property
    def state(self) -> State:
        """How far the task has come."""
        last = self.last
        if last.outcome is Outcome.DEAD:
            return State.DEAD
        if last.ended_at is not None:
            return State.COVERED if last.outcome is Outcome.COVERED else State.DONE
        if last.task.failures:
            return State.FAILING
        return State.WORKING if self.is_under_way else State.WAITING

    @property
    def is_under_way(self) -> bool:
        """Whether an attempt has begun and not ended; its worker may be gone, and then another one takes it over."""
        return self.last.starts > 0 and self.last.ended_at is None

    @property
    def until(self) -> datetime | None:
        """What moment it waits for, past or to come."""
        return self.last.task.not_before if self.state in OPEN and not self.is_under_way else None

    @property
    def made(self) -> int:
        """How many attempts were made."""
        return self.last.task.attempt + (self.last.starts > 0 or self.last.ended_at is not None)

    @property
    def error(self) -> str:
        """The last thing that went wrong."""
        return next((attempt.error for attempt in reversed(self.attempts) if attempt.error), "")

    @property
    def may_be_retried(self) -> bool:
        """Whether an operator can have it tried again: it is dead, or has failed and waits."""
        return self.state is State.DEAD or (self.state is State.FAILING and not self.is_under_way)


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """All that is done for one reason."""

    cause: str  # the id of its first task
    received_at: datetime | None  # None: called for this very moment
    source: str
    ticket: str
    kind: str  # an event's kind; the first word of the id of work with a cause of its own
    is_relayed: bool  # until then nothing is done yet
    steps: tuple[Step, ...]

    @property
    def id(self) -> str:
        """The id that operators use."""
        return shown_as(self.cause)

    @property
    def state(self) -> State:
        """How far all of it has come."""
        if not self.steps:  # what is long done is forgotten before its event is
            return State.DONE if self.is_relayed else State.WAITING
        # A covered event has one task, and never another one.
        return min((step.state for step in self.steps), key=list(State).index)

    @property
    def telling(self) -> Step | None:
        """The step that the state comes from."""
        return next((step for step in self.steps if step.state is self.state), None)

    @property
    def attempts(self) -> int:
        """How many attempts were made at the task that took the most."""
        return max((step.made for step in self.steps), default=0)

    @property
    def error(self) -> str:
        """The last thing that went wrong where the state comes from, or else anywhere."""
        steps = (*((self.telling,) if self.telling else ()), *reversed(self.steps))
        return next((step.error for step in steps if step.error), "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What an operator wants to see."""

    state: State | None = None
    source: str = ""
    ticket: str = ""
    since: datetime | None = None
    limit: int = 50

    def fits(self, work: Work) -> bool:
        """Whether this is wanted."""
        return (
            self.state in (None, work.state)
            and self.source in ("", work.source)
            and self.ticket in ("", work.ticket)
            and not self.is_too_old(work)
        )

    def is_too_old(self, work: Work) -> bool:
        """Whether it came in before."""
        return self.since is not None and work.received_at is not None and work.received_at < self.since


def work_of(
    cause: str,
    steps: Sequence[tuple[TaskRecord, ...]],
    event: Received | None,
    tickets: Mapping[str, tuple[str, str]],
    relayed: int,
) -> Work:
    """The work for a cause: its tasks' attempts, the event if it is one, and the tickets of the cases named in it.

    `relayed` is how far accepted events have become tasks.
    """
    first = steps[0][0] if steps else None
    args = first.task.args if first else {}
    if event is not None:
        source, ticket = event.event.source, event.event.ticket
    else:
        source, ticket = tickets.get(args.get("case", ""), (args.get("source", ""), args.get("ticket", "")))
    return Work(
        cause=cause,
        received_at=event.received_at if event else first.handed_at if first else None,
        source=source,
        ticket=ticket,
        kind=event.event.kind if event else cause.partition(":")[0],
        is_relayed=event is None or event.seq <= relayed,
        steps=tuple(Step(attempts=attempts) for attempts in steps),
    )
