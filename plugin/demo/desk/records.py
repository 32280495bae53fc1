"""What the desk keeps: people, files, messages, tickets, sent mail, and what happened. All of it immutable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

FIELDS = ("Sending Status", "Blocked Addresses", "Case State", "Unblocked At", "Escalate After")


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody on a ticket."""

    email: str
    name: str
    is_agent: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """An attachment, as it was uploaded."""

    id: str
    filename: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One entry of a conversation. `key` and `subject` are those of a note that came by the API."""

    id: str
    author: Person
    text: str
    content_type: str
    visibility: str  # internal or public
    created_at: datetime
    files: tuple[File, ...] = ()
    key: str | None = None
    subject: str = ""
    mailed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """One ticket, messages oldest first. `customer_key` opens the requester's own view."""

    id: str
    subject: str
    requester: Person
    customer_key: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    messages: tuple[Message, ...] = ()
    tags: tuple[str, ...] = ()
    fields: Mapping[str, str | None] = field(default_factory=lambda: dict.fromkeys(FIELDS))
    status: str = "open"
    queue: str = "Help Desk"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """A mail that the desk sent to a requester."""

    ticket: str
    to: str
    subject: str
    body: str
    content_type: str
    sent_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """What a change was: ticket.created, ticket.replied or ticket.updated, by whom, with which message."""

    kind: str
    ticket: Ticket
    actor: Person
    at: datetime
    message: Message | None = None
