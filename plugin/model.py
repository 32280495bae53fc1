"""The words of the product. Imports nothing of ours; everything else imports this.

Enum values are the words on the agent's screen. Moments named ``…_at`` are aware UTC datetimes; ids are ``str``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

# ── the ticket system's side ─────────────────────────────────────────────────────────────────────────────────────


class Visibility(StrEnum):
    """Who reads a text. A note never has a default for this."""

    INTERNAL = "internal"  # agents only
    PUBLIC = "public"  # sent to the requester


class Role(StrEnum):
    """What an agent may do here; decided by the ticket system, carried by the launch token."""

    VIEWER = "viewer"
    AGENT = "agent"  # may answer and unblock
    SUPERVISOR = "supervisor"  # may also override


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One webhook request as it came: the bytes are kept because the signature is over them."""

    source: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    received_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketEvent:
    """Something happened to a ticket. A hint only: the ticket itself is read by the API before anything is decided."""

    source: str
    ticket: str
    kind: str  # ticket.created, ticket.replied, ticket.updated
    key: str  # the same event twice has the same key, whatever delivery carries it


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """What a delivery says: its id at the sender, and the events in it that are for us (none for an unknown kind)."""

    delivery_id: str
    events: tuple[TicketEvent, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody on a ticket."""

    email: str = ""
    name: str = ""
    is_agent: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """A file on a ticket, not yet fetched."""

    filename: str
    content_type: str = ""
    size: int | None = None
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One entry of a ticket's conversation."""

    id: str
    author: Person
    text: str
    content_type: str = "text/plain"
    visibility: Visibility = Visibility.PUBLIC
    created_at: datetime | None = None
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticket:
    """A ticket with its messages, oldest first. Everything in it was written by strangers."""

    source: str
    id: str
    subject: str
    requester: Person
    messages: tuple[Message, ...]
    tags: frozenset[str] = frozenset()
    fields: Mapping[str, str | None] = field(default_factory=dict)
    status: str = ""
    queue: str = ""
    url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """A text to put on a ticket. The same key on the same ticket is one note, however often it is sent."""

    key: str
    visibility: Visibility
    subject: str
    body_html: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """A named person at the help desk, as the ticket system vouched for them."""

    login: str
    name: str
    email: str
    role: Role
    source: str  # the ticket system that vouched

    def as_json(self) -> dict[str, str]:
        """For journal rows and task arguments."""
        return {
            "login": self.login,
            "name": self.name,
            "email": self.email,
            "role": self.role.value,
            "source": self.source,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Agent":
        """The reverse of `as_json`."""
        return cls(
            login=data["login"],
            name=data["name"],
            email=data["email"],
            role=Role(data["role"]),
            source=data["source"],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """A verified launch token: this agent is looking at this ticket now (contract: docs/launch-token.md)."""

    agent: Agent
    ticket: str
    jti: str
    expires_at: datetime


# ── what a ticket says ───────────────────────────────────────────────────────────────────────────────────────────


class Label(StrEnum):
    """What a bounce means."""

    SENDER_BLOCKED = "sender_blocked"
    TENANT_BLOCKED = "tenant_blocked"
    SENDING_LIMIT = "sending_limit"
    NOT_BLOCKED = "not_blocked"


class Confidence(StrEnum):
    """How sure triage is. Unsure never opens an unblock path by itself."""

    CERTAIN = "certain"
    LIKELY = "likely"
    UNSURE = "unsure"


class Origin(StrEnum):
    """Where a candidate account was found."""

    REPORT = "report"  # the sender of the refused message, as the bounce names it
    TEXT = "text"  # an address or NetID written in a message
    REQUESTER = "requester"  # whoever opened the ticket


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An account that a ticket may be about: a mail address or a NetID, in lower case."""

    account: str
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class AttachedFile:
    """An attachment with its bytes."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """One message as triage reads it."""

    text: str
    content_type: str = "text/plain"
    by_agent: bool = False
    files: tuple[AttachedFile, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketText:
    """All that triage may know of a ticket."""

    subject: str
    said: tuple[Said, ...]
    requester: str = ""  # mail address; empty where unknown
    opened_by_agent: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What triage makes of one refusal, and what it rests on."""

    label: Label
    confidence: Confidence
    code: str | None  # enhanced status code, such as 5.1.8 (RFC 3463)
    candidates: tuple[Candidate, ...]  # most telling first, no account twice with the same origin
    rule: str  # name of the rule that decided
    evidence: tuple[str, ...]  # the words it rests on, each at most 200 characters


# ── Microsoft's side ─────────────────────────────────────────────────────────────────────────────────────────────


class Sending(StrEnum):
    """Microsoft's sending block, over all addresses of an account. A failed read is Unknown, never Not Blocked."""

    BLOCKED = "Blocked"
    NOT_BLOCKED = "Not Blocked"
    UNKNOWN = "Unknown"


class SignIn(StrEnum):
    """The security team's own switch; another block with another owner."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why Microsoft blocked an address, as far as its reason string tells."""

    SPAM = "outbound spam"
    POLICY_LIMIT = "sending limit of the organisation's policy"
    RECIPIENT_LIMIT = "recipient rate limit"
    UNKNOWN = "not said"


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockedAddress:
    """One listed address. `address` is the key to hand back, verbatim."""

    address: str
    reason: str = ""  # Microsoft's string, untouched
    cause: Cause = Cause.UNKNOWN
    blocked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInState:
    """Whether the security team lets the person sign in."""

    state: SignIn
    reason: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountStatus:
    """An account as the mail tenant told it at `checked_at`."""

    tenant: str
    netid: str  # the account's own id in the tenant; the same for each of its addresses
    display_name: str
    primary_address: str
    addresses: tuple[str, ...]
    sending: Sending
    blocked: tuple[BlockedAddress, ...]
    sign_in: SignInState
    checked_at: datetime
    failure: str = ""  # what failed, where something is Unknown


class Answer(StrEnum):
    """What Microsoft's side said to an unblock."""

    REQUESTED = "asked"  # accepted, not yet confirmed
    NOT_BLOCKED = "was not blocked"  # read again before it is believed
    LIMIT = "unblock limit reached: Microsoft Support only"
    REFUSED = "refused"  # every answer nobody knows


@dataclass(frozen=True, kw_only=True, slots=True)
class UnblockAnswer:
    """The answer and the words it came in, redacted for people."""

    answer: Answer
    detail: str = ""


# ── the case ─────────────────────────────────────────────────────────────────────────────────────────────────────


class CaseState(StrEnum):
    """Where one account's matter on one ticket stands, in the desk's words."""

    RECEIVED = "Received"
    NEEDS_PERSON = "Needs a person"
    NOT_BLOCKED = "Not blocked"
    SENDING_LIMIT = "Sending limit"
    TENANT_BLOCKED = "Tenant blocked"
    REFER_TO_SECURITY = "Refer to Security"
    BULK_SENDER = "Bulk sender"
    CHECKLIST_OPEN = "Checklist open"
    READY = "Ready"
    UNBLOCKING = "Unblocking"
    UNBLOCKED = "Unblocked"
    STILL_BLOCKED = "Still blocked"
    OUTCOME_UNKNOWN = "Asked, outcome unknown"
    REFUSED = "Refused"
    CLOSED = "Closed"
    OVERDUE = "Overdue"
