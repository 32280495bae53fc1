"""The words of the product. Imports nothing of ours; everything else imports this.

Enum values are the words on the agent's screen. Moments named ``…_at`` are aware UTC datetimes; ids are ``str``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

PROGRAM = "m365-unblock"
"""Who did it, where no person did: in journals, and as the author of what was verified."""

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
    """A file on a ticket."""

    filename: str
    content_type: str = ""
    size: int | None = None
    url: str
    content: bytes | None = field(default=None, repr=False)  # its bytes, where they came with the ticket


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


class AccountCheck(StrEnum):
    """What of an account the mail tenant may be able to look at by itself, where a checklist item names it."""

    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - after the block
    SESSIONS_ENDED = "sessions_ended"  # after the block
    NO_FORWARDING = "no_forwarding"
    NO_SUSPICIOUS_RULES = "no_suspicious_rules"  # of the inbox, hidden ones too
    SIGN_IN_ENABLED = "sign_in_enabled"
    MFA_METHODS = "mfa_methods"  # listed, for the agent to go through with the customer
    APP_CONSENTS = "app_consents"  # the same


class Verdict(StrEnum):
    """What came of looking."""

    VERIFIED = "verified"
    NOT_SO = "not so"
    LISTED = "to be gone through with the customer"
    NOT_LOOKED = "could not check"  # never taken for verified: the agent's word with a reason stands in


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """One look at an account, for agents only: strangers choose some of the names in it."""

    check: AccountCheck
    verdict: Verdict
    finding: str  # in words: what was found, or why nobody could look
    items: tuple[str, ...] = ()  # each rule, method or app that the finding is about
    looked_at: datetime


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One account's matter on one ticket."""

    id: str
    source: str
    ticket: str
    account: str  # the account's id in the tenant; empty while nobody has settled it
    state: CaseState
    round: int  # counts the blocks: listed again after a release is a new round with a new checklist
    opened_by: str  # "triage", or the login of the agent who opened it by hand
    created_at: datetime
    updated_at: datetime
    version: int  # rises with every change; an older copy is never written over a newer one
    finding: Finding | None = None
    status: AccountStatus | None = None
    question: str = ""  # what a person is asked: which account, or to look where the program could not
    candidates: tuple[str, ...] = ()
    reason: str = ""  # why the case is where it is, in words for agents
    unreadable_since: datetime | None = None
    asked_at: datetime | None = None  # the last pressing of Unblock that was carried out
    unblocked_at: datetime | None = None  # when the last release of this round was confirmed
    escalate_after: datetime | None = None
    complained_at: datetime | None = None  # a customer's message since the release says that mail still fails
    answers_after: datetime | None = None  # checklist answers up to here no longer count; it only ever moves on
    relied_on: str = ""  # the earlier case whose checklist an agent relies on (rule 3)
    escalated_at: datetime | None = None  # when an agent handed it to the Office 365 team, with the evidence
    escalated_by: str = ""  # that agent, as the journal names them
    ticket_url: str = ""  # where people see the ticket in its own system, where that is known

    @property
    def reference(self) -> str:
        """The ticket as other systems are told of it, such as ``rt:4711``."""
        return f"{self.source}:{self.ticket}"


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenAnswer:
    """One answered checklist item: what, by whom, when, and to which checklist."""

    item: str
    value: Mapping[str, Any]
    agent: str  # name and login, as the journal shows it
    answered_at: datetime
    checklist: str  # id
    checklist_version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """One address that Microsoft was asked to unblock (rule 4: unique over tenant, address and block)."""

    tenant: str
    account: str  # the account it was listed for
    address: str  # the listed key, verbatim
    block: str  # which block of that address: its blocked_at, or a stand-in where Microsoft gives none
    case: str
    round: int
    agent: str
    press: str  # the task of the pressing that asked, so that a repeat of it asks nothing again
    asked_at: datetime
    times: int = 1  # more than one only where a named agent decided so
    answer: Answer | None = None  # None: nobody knows whether it arrived
    detail: str = ""
    answered_at: datetime | None = None
    released_at: datetime | None = None  # when a reading no longer listed it


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalEntry:
    """Something that happened to a case, and who did it."""

    at: datetime
    actor: str  # an agent's name and login, or "m365-unblock"
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """Work to be done by the worker, at least once. The same id twice is one task."""

    id: str
    name: str  # a function of the workflow
    args: Mapping[str, Any]  # JSON; everything the task depends on
    lane: str = ""  # tasks of one lane run one at a time; empty: no lane
    not_before: datetime | None = None
    attempt: int = 0
    cause: str = ""  # the `base` of what it is done for, such as ``handle:evt_…``; empty for a cause of its own
    crashes: int = 0  # how often the worker has ended while it ran; more than none is a suspect, which runs alone
    counted_from: int = 0  # the attempt with which an operator had it begin anew; giving up is counted from there

    @property
    def base(self) -> str:
        """The id without the number of the attempt: the same for all attempts."""
        return self.id.removesuffix(f"~{self.attempt}") if self.attempt else self.id

    def next(self, not_before: datetime | None) -> "Task":
        """The next attempt."""
        attempt = self.attempt + 1
        return replace(self, id=f"{self.base}~{attempt}", attempt=attempt, not_before=not_before)

    @property
    def failures(self) -> int:
        """How many attempts have failed since it was called for, or since an operator had it begin anew."""
        return self.attempt - self.counted_from

    def anew(self) -> "Task":
        """The next attempt, at once, as the first that counts. A suspect stays one: it must not take others along."""
        again = self.next(None)
        return replace(again, counted_from=again.attempt, crashes=min(self.crashes, 1))


class Outcome(StrEnum):
    """How one attempt at a task ended."""

    DONE = "done"
    AGAIN = "failed, tried again"
    CRASHED = "ended its worker, tried again"
    COVERED = "covered by a later event of the same ticket"
    SETTLED = "settled by its event, which shows no sign of mail trouble; ticket not read"
    SPLIT = "split"  # a batch that ended its worker: each event goes its own way
    RETRIED = "not waited for: retried by an operator"
    DEAD = "dead"  # nobody tries it again by itself


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request to another system and its answer, without bodies and secrets."""

    at: datetime
    system: str
    doing: str
    method: str
    path: str  # without the query, mail addresses masked
    sent: str  # what the body was, such as ``312 bytes: key, visibility``; empty without one
    status: int | None  # None where no answer came
    answer: str  # its size, or what was wrong
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRecord:
    """One attempt at a task, as it is kept."""

    task: Task
    handed_at: datetime | None = None  # when the engine had it on disk
    starts: int = 0  # more than one: its worker ended in the middle
    started_at: datetime | None = None
    worker: str = ""
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    error: str = ""
    calls: tuple[Call, ...] = ()
