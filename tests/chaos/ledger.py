"""What really happened in a run, as the other systems and the people saw it; the promises are checked against this."""

from dataclasses import dataclass, field
from datetime import datetime

from tests.chaos.doors import Fault


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The tenant told of an account, and the answer arrived whole."""

    number: int
    at: datetime
    netid: str
    told: str  # the sending status, weighed as rule 7 has it
    sign_in: str  # "enabled", or why it is disabled
    tickets: tuple[str, ...]  # on whose behalf it was asked


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A request to unblock that came as far as the tenant's door, whatever became of it there."""

    number: int
    at: datetime
    netid: str
    address: str
    block: int | None  # which listing of the address, None where none was listed
    blocked_at: datetime | None
    sign_in: str
    fault: Fault
    is_late: bool = False


@dataclass(frozen=True, kw_only=True)
class Press:
    """An agent pressed Unblock, and it was taken."""

    number: int
    at: datetime
    netid: str
    case: str
    from_state: str
    is_complete: bool  # by the agents' own record
    completed_from: datetime | None  # the oldest of the answers that it rests on


@dataclass(kw_only=True)
class Filed:
    """A ticket that a customer filed."""

    ticket: str
    expects_note: bool
    opened: int  # when, by the number that `Ledger.said` counts with
    replies: list[str] = field(default_factory=list)  # texts that agents sent to the customer


@dataclass(kw_only=True)
class Ledger:
    """Everything that counts, in order."""

    heard: list[Heard] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    presses: list[Press] = field(default_factory=list)
    answers: dict[tuple[str, str], datetime] = field(default_factory=dict)  # passing ones, by case and item
    filed: dict[str, Filed] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)  # when each ticket was last read by the plugin
    said: dict[str, int] = field(default_factory=dict)  # when a customer last said something on it
    complained: dict[str, datetime] = field(default_factory=dict)
    late_notes: set[str] = field(default_factory=set)  # keys of notes that the desk was late with
    deaths: int = 0
    requests: int = 0
    commits: int = 0
    dead_tasks: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # promises broken on the way, in words

    listings: list[object] = field(default_factory=list)

    def block_of(self, entry: object) -> int:
        """A number for a listing of an address, the same for the same one."""
        for number, known in enumerate(self.listings):
            if known is entry:
                return number
        self.listings.append(entry)
        return len(self.listings) - 1
