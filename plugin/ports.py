"""The two ports. Adapters fit them; the workflow and the doors know nothing else of other systems."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from plugin.model import (
    AccountStatus,
    Agent,
    Attachment,
    BlockedAddress,
    Delivery,
    Launch,
    Note,
    Parsed,
    Ticket,
    UnblockAnswer,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Abilities:
    """What a ticket system can do, as declared in plugin.json under its name."""

    notes_by_key: bool  # a note can be found by its key
    tags: bool
    fields: bool
    panel: bool
    scan: bool  # changed tickets can be listed, for catching up


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedTicket:
    """A row of the catch-up scan."""

    id: str
    updated_at: datetime


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
        """The ticket as it is now."""

    def fetch(self, attachment: Attachment) -> bytes:
        """An attachment's bytes; only from the system's own origin, capped in size and time."""

    def has_note(self, ticket: str, key: str) -> bool:
        """Whether a note with this key is on the ticket."""

    def add_note(self, ticket: str, note: Note) -> None:
        """Put the note on the ticket."""

    def change_tags(self, ticket: str, *, add: frozenset[str], remove: frozenset[str]) -> None:
        """Add and remove tags; adding a present one or removing an absent one is no error."""

    def change_fields(self, ticket: str, fields: Mapping[str, str | None]) -> None:
        """Set fields by their promised names; None clears."""

    def changed_since(self, since: datetime) -> Iterator[ChangedTicket]:
        """Tickets changed since a moment, oldest change first."""

    def open_panel(self, token: str, ticket: str, now: datetime) -> Launch:
        """Verify a launch token for this ticket; raise `NotAllowed` with words for the agent if it is no good."""


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
