"""Events as operators read them, and as other programs do. Secrets, bodies and whole mail addresses are in none of it.

What is kept holds no bodies. Messages of errors may still repeat what somebody sent: a token, an address, a control
character for the terminal.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from plugin.event_search import Retried
from plugin.events import State, Step, Work
from plugin.log import masked
from plugin.model import Call, TaskRecord
from plugin.refusals import NOT_FOR_PEOPLE

HEADINGS = ("ID", "RECEIVED", "SOURCE", "TICKET", "KIND", "STATE", "ATTEMPTS", "LAST ERROR")
MOST_OF_ERROR = 80  # characters of an error in a list
SHOWN_FIRST, SHOWN_LAST = 2, 5
"""So many attempts at one task are shown at the beginning and at the end, where all of them would be too many."""

DOING = {
    "handle": "read the ticket and look the account up",
    "reread": "read the account again",
    "annotate": "show the case on the ticket",
    "post": "post a text on the ticket",
    "unblock": "ask to unblock the listed addresses",
    "recheck": "look whether the addresses are still listed",
    "follow_up": "look again at the end of the 24 hours",
}
"""What the workflow's tasks do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Teller:
    """Tells of events, with moments in the organisation's zone. `secrets` are those of the settings."""

    zone: tzinfo
    now: datetime
    secrets: Collection[str]

    # ── for people ───────────────────────────────────────────────────────────────────────────────────────────────────

    def table(self, works: Sequence[Work]) -> Iterator[str]:
        """One line an event, under headings."""
        rows = [HEADINGS, *(self._row(work) for work in works)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
        for row in rows:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    def _row(self, work: Work) -> tuple[str, ...]:
        state, error = self.state(work.state, work.telling), self.said(work.error)
        cut = error if len(error) <= MOST_OF_ERROR else error[: MOST_OF_ERROR - 1] + "…"
        where = (self.clean(work.source), self.clean(work.ticket), work.kind)
        return (self.clean(work.id), self.when(work.received_at), *where, state, str(work.attempts), cut)

    def story(self, work: Work, *, all_attempts: bool = False) -> Iterator[str]:
        """One event with every step, attempt, request and answer."""
        yield self.clean(work.id)
        yield f"  {work.kind}, {self.clean(work.source)} ticket {self.clean(work.ticket)}"
        yield f"  received {self.when(work.received_at)} (times are of {self.zone})"
        yield f"  {self.state(work.state, work.telling)}"
        if not work.steps and work.is_relayed:
            yield "  Its steps are no longer kept."
        for number, step in enumerate(work.steps, 1):
            yield ""
            yield from self._step(number, step, all_attempts=all_attempts)

    def _step(self, number: int, step: Step, *, all_attempts: bool) -> Iterator[str]:
        task = step.last.task
        yield f"{number}. {task.name}: {DOING.get(task.name, task.name)} — {self.state(step.state, step)}"
        yield f"   {self.clean(task.base)}"
        left_out = len(step.attempts) - SHOWN_FIRST - SHOWN_LAST
        for place, attempt in enumerate(step.attempts):
            if left_out <= 0 or all_attempts or not SHOWN_FIRST <= place < SHOWN_FIRST + left_out:
                yield from self._attempt(attempt)
            elif place == SHOWN_FIRST:
                yield f"   … {left_out} attempts more; --all-attempts shows them"

    def _attempt(self, record: TaskRecord) -> Iterator[str]:
        task = record.task
        anew = ", retried by an operator" if task.attempt and task.counted_from == task.attempt else ""
        yield f"   attempt {task.attempt + 1}{anew}, {self._life(record)}"
        if record.starts > 1:
            yield f"     its worker ended in the middle {record.starts - 1} times, and it was begun again"
        for call in record.calls:
            yield f"     {self._call(call)}"
        if record.error:
            yield f"     {self.said(record.error)}"

    def _life(self, record: TaskRecord) -> str:
        if record.started_at is None:
            return record.outcome.value if record.outcome else self._waiting(record.task.not_before)
        by = f", {record.worker}" if record.worker else ""
        if record.ended_at is None or record.outcome is None:
            return f"{self.when(record.started_at)}{by}: under way"
        seconds = (record.ended_at - record.started_at).total_seconds()
        return f"{self.when(record.started_at)}, {seconds:.2f} s{by}: {record.outcome.value}"

    def _call(self, call: Call) -> str:
        sent = f" (sent {self.clean(call.sent)})" if call.sent else ""
        status = f"{call.status}, " if call.status is not None else ""
        request = f"{self.when(call.at)} {call.system}: {call.method} {self.clean(call.path)}{sent}"
        return f"{request} → {status}{self.said(call.answer)}, {call.seconds * 1000:.0f} ms"

    def state(self, state: State, step: Step | None) -> str:
        """A state in words; `step` is the one that it comes from."""
        match state:
            case State.FAILING if step is not None and not step.is_under_way:
                return f"tried again {self._at(step.until)}"
            case State.FAILING | State.WORKING:
                return "being worked on"
            case State.WAITING:
                return self._waiting(step.until if step else None)
            case State.COVERED:
                return "covered by a later event"
            case _:
                return state.value

    def _waiting(self, until: datetime | None) -> str:
        return f"waiting until {self.when(until)}" if until and until > self.now else "waiting for its turn"

    def _at(self, until: datetime | None) -> str:
        return f"at {self.when(until)}" if until and until > self.now else "now"

    def retried(self, retried: Retried) -> str:
        """What a retry came to."""
        work = retried.work
        if retried.put:
            attempts = ", ".join(f"{task.base} (attempt {task.attempt + 1})" for task in retried.put)
            return self.clean(f"{work.id}: tried again: {attempts}")
        if retried.meant:
            return f"{self.clean(work.id)}: somebody else has just had it tried again"
        return f"{self.clean(work.id)}: nothing to retry; it is {self.state(work.state, work.telling)}"

    def when(self, at: datetime | None) -> str:
        """A moment, such as ``2026-11-24 08:05:01``."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M:%S}" if at else "-"

    def clean(self, text: str) -> str:
        """A text of ours on one line, without the settings' secrets and without whole mail addresses."""
        for secret in self.secrets:
            text = text.replace(secret, "…")
        return masked("".join(c if c.isprintable() else " " for c in text))

    def said(self, text: str) -> str:
        """What went wrong, without anything else in it that looks like a secret."""
        text = self.clean(text)
        for pattern in NOT_FOR_PEOPLE:
            text = pattern.sub("…", text)
        return text

    # ── for programs ─────────────────────────────────────────────────────────────────────────────────────────────────

    def as_json(self, work: Work, *, with_steps: bool = False) -> dict[str, Any]:
        """One event for other programs; the form is a promise (docs/events.md)."""
        event = {
            "id": self.clean(work.id),
            "received_at": _iso(work.received_at),
            "source": self.clean(work.source),
            "ticket": self.clean(work.ticket),
            "kind": work.kind,
            "state": work.state.value,
            "next_at": _iso(work.telling.until) if work.telling else None,
            "attempts": work.attempts,
            "error": self.said(work.error),
        }
        return event | {"steps": [self._step_as_json(step) for step in work.steps]} if with_steps else event

    def _step_as_json(self, step: Step) -> dict[str, Any]:
        return {
            "task": self.clean(step.last.task.base),
            "name": step.last.task.name,
            "state": step.state.value,
            "next_at": _iso(step.until),
            "attempts": step.made,
            "log": [self._attempt_as_json(record) for record in step.attempts],
        }

    def _attempt_as_json(self, record: TaskRecord) -> dict[str, Any]:
        task = record.task
        return {
            "attempt": task.attempt + 1,
            "retried_by_operator": task.attempt > 0 and task.counted_from == task.attempt,
            "not_before": _iso(task.not_before),
            "started_at": _iso(record.started_at),
            "ended_at": _iso(record.ended_at),
            "starts": record.starts,
            "worker": record.worker,
            "outcome": record.outcome.name.lower() if record.outcome else None,
            "error": self.said(record.error),
            "requests": [self._call_as_json(call) for call in record.calls],
        }

    def _call_as_json(self, call: Call) -> dict[str, Any]:
        return {
            "at": _iso(call.at),
            "system": call.system,
            "doing": self.said(call.doing),
            "method": call.method,
            "path": self.clean(call.path),
            "sent": self.clean(call.sent),
            "status": call.status,
            "answer": self.said(call.answer),
            "milliseconds": round(call.seconds * 1000),
        }


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
