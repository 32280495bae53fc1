"""The two ports. Adapters fit them; the workflow and the doors know nothing else of other systems."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from plugin.model import (
    AccountCheck,
    AccountStatus,
    Agent,
    Attachment,
    BlockedAddress,
    Delivery,
    Launch,
    Looked,
    Note,
    Parsed,
    Ticket,
    UnblockAnswer,
    Verdict,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Abilities:
    """What a ticket system can do, as declared in plugin.json under its name."""

    notes_by_key: bool  # a note can be found by its key
    one_note_per_key: bool  # a note sent twice with the same key is one note, by the system's own doing
    tags: bool
    fields: bool
    panel: bool
    scan: bool  # changed tickets can be listed, for catching up
    checklist: bool = False  # it has a checklist of its own on tickets, where ours can be seen


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedTicket:
    """A row of the catch-up scan."""

    id: str
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step of our checklist as the ticket system's own shows it: to be seen, ticking it there does nothing."""

    text: str
    is_done: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketChange:
    """What is to be written on a ticket at once."""

    note: Note | None = None
    tags: frozenset[str] | None = None  # exactly these of the promised tags (plugin.json); None leaves them alone
    fields: Mapping[str, str | None] = field(default_factory=dict)  # by their promised names; None clears
    checklist: tuple[Step, ...] | None = None  # exactly these steps of ours, in order; None leaves it alone


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that a set-up needs, looked at in the real system."""

    what: str
    ok: bool
    remedy: str = ""  # what to do where it is not


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice(Check):
    """A check that may fail without anything being wrong."""


class TicketSystem(Protocol):
    """One configured ticket system (a *source*), in both directions.

    Every call may raise `RemoteError`; a ticket that is gone is `NotFound`.
    """

    @property
    def name(self) -> str:
        """The source's name in the settings."""

    @property
    def abilities(self) -> Abilities:
        """What it can do."""

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Raise `DeliveryRefused` (401) unless the system sent these bytes, and lately."""

    def parse(self, delivery: Delivery) -> Parsed:
        """Read a verified delivery; raise `DeliveryRefused` (400, 415, 422) if it is no proper event."""

    def read_ticket(self, ticket: str) -> Ticket:
        """The ticket as it is now; under another id than asked for where it was merged into that one."""

    def fetch(self, attachment: Attachment) -> bytes:
        """An attachment's bytes; only from the system's own origin, capped in size and time."""

    def has_note(self, ticket: str, key: str) -> bool:
        """Whether a note with this key is on the ticket."""

    def write(self, ticket: str, change: TicketChange) -> tuple[str, ...]:
        """Put note, tags and fields on the ticket, in one call where the system can.

        `RemoteError` where the note is not there, or where nothing could be written. What of tags, fields and checklist
        the system would not take is no error: it is returned in words, for the log.
        """

    def changed_since(self, since: datetime) -> Iterator[ChangedTicket]:
        """Tickets changed since a moment, oldest change first."""

    def open_panel(self, token: str, ticket: str, now: datetime) -> Launch:
        """Verify a launch token for this ticket; raise `NotAllowed` with words for the agent if it is no good."""

    def check(self) -> Iterator[Check]:
        """What the source needs to work; never raises `RemoteError`: a look that fails is a check that is not ok."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """How a frame gets to the panel where the ticket system posts a launch token that does not say for which ticket.

    `script` runs in the page that answers. It learns the ticket from the page around the frame and goes on: its element
    ``#opening`` has the panel's address without the ticket, the token, and words for when it cannot.
    """

    script: bytes
    scripts_of_the_system: tuple[str, ...] = ()  # addresses of scripts that come before it


@runtime_checkable
class OpensByForm(Protocol):
    """What a ticket system is besides where it opens its frames by POST /panel/<source>, the token in a form."""

    opening: Opening


@runtime_checkable
class TellsWholeTickets(Protocol):
    """What a ticket system is besides where an event of a new ticket may bring all that there is to read in it."""

    def ticket_in(self, body: bytes) -> Ticket | None:
        """The ticket in a verified delivery's body, as `read_ticket` would read it; None where anything may be missing.

        What an event leaves out is not there to be judged: no list of attachments is not an empty one.
        """


class MailTenant(Protocol):
    """The side that knows accounts and asks Microsoft."""

    @property
    def name(self) -> str:
        """The tenant's name in the settings."""

    def status(self, account: str) -> AccountStatus:
        """The account behind a NetID or any of its addresses; `NotFound` if there is none, else `RemoteError`."""

    def unblock(
        self, status: AccountStatus, blocked: BlockedAddress, *, agent: Agent, ticket: str, key: str
    ) -> UnblockAnswer:
        """Ask Microsoft to unblock one listed address, once.

        `ticket` is such as ``rt:4711``; `key` marks this one asking. Raises `Unreachable` or `Throttled` only where the
        other side surely did nothing, `OutcomeUnknown` where it may have; every answer nobody knows is
        `Answer.REFUSED`.
        """

    def check(self) -> Iterator[Check]:
        """What the tenant needs to work; as `TicketSystem.check`."""


@runtime_checkable
class AccountChecks(Protocol):
    """What a mail tenant is besides where it can look at accounts for a checklist's items; not every one can."""

    def can_look(self, status: AccountStatus) -> bool:
        """Whether it can look at this account at all; where it cannot, items are answered by people alone."""

    def look(self, status: AccountStatus, checks: Sequence[AccountCheck], since: datetime | None) -> Iterator[Looked]:
        """Look at these things of an account, one after the other, each once its turn has come.

        `since` is when the block began, where anybody knows. Never raises `RemoteError`: a look that fails is
        `Verdict.NOT_LOOKED`, with what failed.
        """


@runtime_checkable
class BlockedConnectors(Protocol):
    """What a mail tenant is besides where it can tell which of the organisation's connectors Microsoft has blocked."""

    def blocked_connectors(self) -> tuple[str, ...]:
        """Each by its name, in words; `RemoteError` where they cannot be read."""


def can_look(tenant: MailTenant, status: AccountStatus) -> bool:
    """Whether a checklist's items can check themselves on this account."""
    return isinstance(tenant, AccountChecks) and tenant.can_look(status)


def look(
    tenant: MailTenant, status: AccountStatus, checks: Sequence[AccountCheck], since: datetime | None
) -> Iterator[Looked]:
    """`AccountChecks.look` of any tenant; one that cannot look says so."""
    if isinstance(tenant, AccountChecks):
        return tenant.look(status, checks, since)
    unable, why, at = Verdict.NOT_LOOKED, f"{tenant.name} cannot look at accounts.", status.checked_at
    return iter([Looked(check=check, verdict=unable, finding=why, looked_at=at) for check in checks])


def blocked_connectors(tenant: MailTenant) -> tuple[str, ...]:
    """`BlockedConnectors.blocked_connectors` of any tenant; none of one that cannot tell."""
    return tenant.blocked_connectors() if isinstance(tenant, BlockedConnectors) else ()
