"""The rules of the procedure as pure decisions: what a reading means, when Unblock may be pressed, what the clock says.

Nothing here reads or writes anything. The rules are numbered as in docs/procedure.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from plugin import checklist as checklists
from plugin.checklist import Checklist, Lead, Road
from plugin.model import (
    AccountStatus,
    Agent,
    Answer,
    Asking,
    BlockedAddress,
    Candidate,
    Case,
    CaseState,
    Confidence,
    Finding,
    GivenAnswer,
    Label,
    Origin,
    Role,
    Sending,
    SignIn,
)

SUPPORT_ONLY = frozenset({"5.7.501", "5.7.502", "5.7.503"})  # banned senders; facts: Exchange Online NDR codes

TAG_OF = {
    CaseState.NEEDS_PERSON: "m365-needs-person",
    CaseState.NOT_BLOCKED: "m365-not-blocked",
    CaseState.SENDING_LIMIT: "m365-sending-limit",
    CaseState.TENANT_BLOCKED: "m365-tenant-blocked",
    CaseState.REFER_TO_SECURITY: "m365-refer-to-security",
    CaseState.BULK_SENDER: "m365-blocked",
    CaseState.CHECKLIST_OPEN: "m365-blocked",
    CaseState.READY: "m365-blocked",
    CaseState.UNBLOCKING: "m365-blocked",
    CaseState.UNBLOCKED: "m365-unblocked",
    CaseState.CLOSED: "m365-unblocked",
    CaseState.STILL_BLOCKED: "m365-still-blocked",
    CaseState.OUTCOME_UNKNOWN: "m365-still-blocked",
    CaseState.REFUSED: "m365-still-blocked",
    CaseState.OVERDUE: "m365-overdue",
}
"""The state tag of each state; `RECEIVED` has none yet."""

URGENCY = (
    CaseState.OVERDUE,
    CaseState.OUTCOME_UNKNOWN,
    CaseState.REFUSED,
    CaseState.STILL_BLOCKED,
    CaseState.REFER_TO_SECURITY,
    CaseState.NEEDS_PERSON,
    CaseState.UNBLOCKING,
    CaseState.READY,
    CaseState.CHECKLIST_OPEN,
    CaseState.BULK_SENDER,
    CaseState.TENANT_BLOCKED,
    CaseState.RECEIVED,
    CaseState.UNBLOCKED,
    CaseState.SENDING_LIMIT,
    CaseState.NOT_BLOCKED,
    CaseState.CLOSED,
)
"""Which of several cases on one ticket gives the ticket its one state tag: the one that most needs somebody."""

AFTER_RELEASE = frozenset({CaseState.UNBLOCKED, CaseState.CLOSED, CaseState.OVERDUE})
AFTER_ASKING = frozenset({CaseState.STILL_BLOCKED, CaseState.OUTCOME_UNKNOWN, CaseState.REFUSED})
SEEMED_OVER = AFTER_RELEASE | AFTER_ASKING | {CaseState.UNBLOCKING, CaseState.NOT_BLOCKED, CaseState.SENDING_LIMIT}
"""States after which an open checklist means another block."""

ALL_CLEAR = frozenset({CaseState.NOT_BLOCKED, CaseState.SENDING_LIMIT})
"""States that say the account may send; a reading that says nothing takes them back."""

ANSWERING = frozenset({CaseState.CHECKLIST_OPEN, CaseState.READY, CaseState.BULK_SENDER})
"""States in which the checklist can be answered."""

PRESSING = ANSWERING | AFTER_ASKING
"""States in which Unblock can be pressed at all."""


# ── whose account ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """The account is clear."""

    status: AccountStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Unclear:
    """A person must say which account it is; `question` is for agents only."""

    question: str
    candidates: tuple[str, ...]


def settle(
    finding: Finding, known: Mapping[str, AccountStatus | None], *, opened_by_agent: bool = False
) -> Settled | Unclear:
    """Whose account a finding is about; `known` has each candidate's account, None where there is no such account.

    The sender named by the report and the requester must be one account, or an agent is asked: anyone can open a ticket
    with a forged report that names a colleague. An agent who opens the ticket for a customer counts as having looked.
    """
    names = tuple(dict.fromkeys(candidate.account for candidate in finding.candidates))
    if finding.confidence is Confidence.UNSURE:
        return Unclear(question="The ticket may be about a blocked sender, but that is not sure.", candidates=names)
    if not names:
        return Unclear(question="The ticket names no account of ours.", candidates=())
    reported, written, asking = (_accounts(finding.candidates, origin, known) for origin in Origin)
    if opened_by_agent:
        asking = {}  # an agent who writes for a customer is not the one whose mail fails
    named = reported or written
    if len(named) > 1:
        return Unclear(question="Several accounts are named.", candidates=names)
    if not named and not asking:
        return Unclear(question="None of the addresses belongs to an account that is known.", candidates=names)
    if named and not opened_by_agent and set(named) != set(asking):
        return Unclear(question=_disagreement(asking), candidates=names)
    return Settled(status=next(iter((named or asking).values())))


def _accounts(
    candidates: Sequence[Candidate], origin: Origin, known: Mapping[str, AccountStatus | None]
) -> dict[str, AccountStatus]:
    """The different accounts behind the candidates of one origin, by their id."""
    found = [known.get(candidate.account) for candidate in candidates if candidate.origin is origin]
    return {status.netid: status for status in found if status is not None}


def _disagreement(asking: Mapping[str, AccountStatus]) -> str:
    if not asking:
        return "The requester's own address belongs to no account; the account is only named in what they sent."
    return "The account named is not the requester's. A colleague may be reporting, or the report may be forged."


# ── what a reading means ─────────────────────────────────────────────────────────────────────────────────────────


def first_state(
    finding: Finding | None, status: AccountStatus, compromise_reasons: Sequence[str]
) -> tuple[CaseState, str]:
    """The state of a case after its account was read, and why, in words for agents."""
    if status.sending is Sending.UNKNOWN:
        return CaseState.RECEIVED, status.failure or "The sending status could not be read."
    if status.sending is Sending.BLOCKED:
        if refers_to_security(status, compromise_reasons):
            return CaseState.REFER_TO_SECURITY, f"The sign-in is disabled: {status.sign_in.reason}."
        return CaseState.CHECKLIST_OPEN, ""
    return _state_of_unlisted(finding)


def _state_of_unlisted(finding: Finding | None) -> tuple[CaseState, str]:
    if finding is not None and finding.label is Label.TENANT_BLOCKED:
        return CaseState.TENANT_BLOCKED, "Microsoft refuses the whole organisation, not this account."
    if finding is not None and finding.label is Label.SENDING_LIMIT:
        return CaseState.SENDING_LIMIT, "A sending limit was reached; the account is not blocked."
    if finding is not None and finding.code in SUPPORT_ONLY:
        return (
            CaseState.NEEDS_PERSON,
            f"The bounce says {finding.code} (banned sender), but the account is not on Microsoft's list: "
            "only Microsoft Support can release it.",
        )
    return CaseState.NOT_BLOCKED, "Microsoft does not list the account as blocked."


def refers_to_security(status: AccountStatus, compromise_reasons: Sequence[str]) -> bool:
    """Rule 2: disabled for a reason that can be read and is not compromise."""
    sign_in = status.sign_in
    return sign_in.state is SignIn.DISABLED and sign_in.reason is not None and sign_in.reason not in compromise_reasons


def after_reading(
    case: Case, status: AccountStatus, askings: Sequence[Asking], compromise_reasons: Sequence[str]
) -> tuple[CaseState, str]:
    """Where a reading moves a case outside the recheck, which alone moves an `UNBLOCKING` one."""
    if status.sending is Sending.UNKNOWN and case.state in ALL_CLEAR:
        return first_state(case.finding, status, compromise_reasons)
    if case.state is CaseState.UNBLOCKING or status.sending is Sending.UNKNOWN:
        return case.state, case.reason
    if case.state in AFTER_RELEASE or case.state in AFTER_ASKING:
        if is_new_block(status, askings):
            return CaseState.CHECKLIST_OPEN, "Microsoft has listed the account again since; this is a new block."
        if case.state in AFTER_ASKING and status.sending is Sending.NOT_BLOCKED:
            return CaseState.UNBLOCKED, ""
        return case.state, case.reason
    return first_state(case.finding, status, compromise_reasons)


def moved(
    case: Case,
    status: AccountStatus,
    askings: Sequence[Asking],
    *,
    compromise_reasons: Sequence[str],
    follow_up_after: timedelta,
    now: datetime,
) -> Case:
    """The case after a reading, everything that hangs on its new state included."""
    state, reason = after_reading(case, status, askings, compromise_reasons)
    unreadable = (case.unreadable_since or now) if status.sending is Sending.UNKNOWN else None
    read = replace(case, status=status, reason=reason, unreadable_since=unreadable)
    return entered(read, state, reason, follow_up_after=follow_up_after, now=now)


def entered(case: Case, state: CaseState, reason: str, *, follow_up_after: timedelta, now: datetime) -> Case:
    """The case in a state, with the clock of a release started or a new round opened where that is what it means."""
    changed = replace(case, state=state, reason=reason)
    if state is CaseState.UNBLOCKED and case.state is not CaseState.UNBLOCKED:
        return replace(changed, unblocked_at=now, escalate_after=now + follow_up_after, complained_at=None)
    if state is CaseState.CHECKLIST_OPEN and case.state in SEEMED_OVER:
        # `unblocked_at` stays: answers given before it were about the earlier block.
        return replace(changed, round=case.round + 1, escalate_after=None, complained_at=None, relied_on="")
    return changed


def is_answering(case: Case, compromise_reasons: Sequence[str]) -> bool:
    """Whether answers decide where the case goes; one that referred it to Security may be taken back."""
    if case.state is not CaseState.REFER_TO_SECURITY:
        return case.state in ANSWERING
    return case.status is not None and not refers_to_security(case.status, compromise_reasons)


def is_new_block(status: AccountStatus, askings: Sequence[Asking]) -> bool:
    """Rule 5: an address is listed by a block that nobody has asked about yet. `askings` are all of the account's."""
    asked = {(asking.address, asking.block) for asking in askings}
    return any((blocked.address, block_of(blocked, askings)) not in asked for blocked in status.blocked)


# ── the checklist and Unblock ────────────────────────────────────────────────────────────────────────────────────


def standing(
    answers: Sequence[GivenAnswer], checklist: Checklist, status: AccountStatus, *, after: datetime | None = None
) -> dict[str, GivenAnswer]:
    """The answers that still count: given to this checklist, after every current block and the sign-in's disabling.

    `after` is the last confirmed release: what was answered before it was about an earlier block.
    """
    moments = [blocked.blocked_at for blocked in status.blocked] + [after]
    if status.sign_in.state is SignIn.DISABLED:
        moments.append(status.sign_in.since)
    newest = max((moment for moment in moments if moment is not None), default=None)
    return {
        answer.item: answer
        for answer in answers
        if (answer.checklist, answer.checklist_version) == (checklist.id, checklist.version)
        and (newest is None or answer.answered_at > newest)
    }


def may_rely_on(
    earlier: Sequence[GivenAnswer], checklist: Checklist, status: AccountStatus, *, now: datetime, window: timedelta
) -> bool:
    """Rule 3: an earlier case's checklist counts for this one; never where Microsoft gives no time for a block."""
    if any(blocked.blocked_at is None for blocked in status.blocked):
        return False
    counting = standing(earlier, checklist, status)
    if not _complete(checklist, counting, status):
        return False
    return now - max(answer.answered_at for answer in counting.values()) <= window


def _values(answers: Mapping[str, GivenAnswer]) -> dict[str, Mapping[str, object]]:
    return {item: answer.value for item, answer in answers.items()}


def _complete(checklist: Checklist, answers: Mapping[str, GivenAnswer], status: AccountStatus) -> bool:
    return bool(answers) and checklists.is_complete(checklist, _values(answers), sign_in=status.sign_in)


def answered_state(
    case: Case, checklist: Checklist, answers: Mapping[str, GivenAnswer], *, relied: bool
) -> tuple[CaseState, Lead | None]:
    """The state after an answer: open, ready, or the road that an answer leads to."""
    if case.status is None:
        return CaseState.CHECKLIST_OPEN, None
    lead = checklists.leads(checklist, _values(answers), sign_in=case.status.sign_in)
    if lead is not None and lead.road is Road.REFER_TO_SECURITY:
        return CaseState.REFER_TO_SECURITY, lead
    if lead is not None and lead.road is Road.BULK_SENDER:
        return CaseState.BULK_SENDER, lead
    if lead is None and (relied or _complete(checklist, answers, case.status)):
        return CaseState.READY, None
    return CaseState.CHECKLIST_OPEN, lead


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """Whether Unblock may be pressed, and if not, why, in words for the agent."""

    reasons: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Open only where nothing speaks against it."""
        return not self.reasons


def gate(
    case: Case,
    agent: Agent,
    checklist: Checklist,
    answers: Mapping[str, GivenAnswer],
    *,
    relied: bool,
    compromise_reasons: Sequence[str],
    while_sign_in_disabled: bool,
) -> Gate:
    """Rules 1 and 2: everything that keeps Unblock closed for this agent now. `answers` are the standing ones."""
    reasons = [
        *_against_agent(agent),
        *_against_state(case),
        *_against_reading(case.status, compromise_reasons, while_sign_in_disabled),
    ]
    if case.status is not None:
        reasons += _against_checklist(checklist, answers, case.status, relied=relied)
    return Gate(reasons=tuple(reasons))


def _against_agent(agent: Agent) -> list[str]:
    if agent.role is Role.VIEWER:
        return ["You are signed in as a viewer; only agents may answer the checklist and unblock."]
    return [] if agent.login else ["The ticket system did not say who you are."]


def _against_state(case: Case) -> list[str]:
    return [] if case.state in PRESSING else [f"The case is “{case.state}”; there is nothing to unblock now."]


def _against_reading(
    status: AccountStatus | None, compromise_reasons: Sequence[str], while_sign_in_disabled: bool
) -> list[str]:
    if status is None or status.sending is Sending.UNKNOWN:
        return ["The sending status could not be read, so nobody knows whether the account is blocked."]
    if status.sending is Sending.NOT_BLOCKED:
        return ["Microsoft does not list the account as blocked."]
    if status.sign_in.state is SignIn.UNKNOWN:
        return [f"Whether the sign-in is disabled could not be read. {status.failure}".strip()]
    if refers_to_security(status, compromise_reasons):
        return [f"The sign-in is disabled: {status.sign_in.reason}. Do not re-enable it; refer to Security."]
    if status.sign_in.state is SignIn.DISABLED and not while_sign_in_disabled:
        return ["The sign-in is still disabled. Enable it first in your site's own tool, then refresh."]
    return []


def _against_checklist(
    checklist: Checklist, answers: Mapping[str, GivenAnswer], status: AccountStatus, *, relied: bool
) -> list[str]:
    values = _values(answers)
    lead = checklists.leads(checklist, values, sign_in=status.sign_in)
    if lead is not None:
        return [lead.because]
    missing = checklists.missing(checklist, values, sign_in=status.sign_in)
    if relied or not missing:
        return []
    return [f"{len(missing)} of the checklist's required items are not answered yet."]


# ── asking and watching ──────────────────────────────────────────────────────────────────────────────────────────


def block_of(blocked: BlockedAddress, earlier: Sequence[Asking]) -> str:
    """The third part of an asking's unique key: which block of this address it is.

    Where Microsoft gives no time, each confirmed release starts a new block, so a second ticket cannot ask again for
    the same one.
    """
    if blocked.blocked_at is not None:
        return blocked.blocked_at.isoformat()
    releases = sum(asking.released_at is not None for asking in earlier if asking.address == blocked.address)
    return f"no time given, after {releases} releases"


class Watch(Enum):
    """What to do after a look at the account."""

    GO_ON = "look again later"
    RELEASED = "every asked address is off the list"
    NEW_BLOCK = "the asked ones are off the list, another address has been listed since"
    STILL_BLOCKED = "the time is up and an asked address is still listed"
    OUTCOME_UNKNOWN = "the time is up and nobody knows whether the asking arrived, or what the list says"
    REFUSED = "Microsoft's side said no"


def still_listed(askings: Sequence[Asking], status: AccountStatus) -> tuple[Asking, ...]:
    """The askings whose very block is on the list now."""
    listed = {(blocked.address, block_of(blocked, askings)) for blocked in status.blocked}
    return tuple(asking for asking in askings if (asking.address, asking.block) in listed)


def watch(askings: Sequence[Asking], status: AccountStatus, *, is_time_up: bool) -> Watch:
    """Rules 4 and 7: what a reading says of the account's askings. Only a clear reading ever means released."""
    if status.sending is Sending.UNKNOWN:
        return Watch.OUTCOME_UNKNOWN if is_time_up else Watch.GO_ON
    pending = still_listed(askings, status)
    if not pending:
        return Watch.NEW_BLOCK if status.blocked else Watch.RELEASED
    if all(asking.answer in (Answer.REFUSED, Answer.LIMIT) for asking in pending):
        return Watch.REFUSED
    if not is_time_up:
        return Watch.GO_ON
    return Watch.OUTCOME_UNKNOWN if any(asking.answer is None for asking in pending) else Watch.STILL_BLOCKED


def outcome(asking: Asking) -> str:
    """What became of one asking, in words."""
    if asking.released_at is not None:
        return "Not Blocked"
    if asking.answer is None:
        return "outcome unknown: no clear answer came"
    if asking.answer in (Answer.REQUESTED, Answer.NOT_BLOCKED):
        return "waiting for Microsoft"
    return f"{asking.answer.value}: {asking.detail}" if asking.detail else asking.answer.value


def may_ask_again(before: Asking, press: str, from_state: CaseState) -> bool:
    """Rule 4: only an agent who presses again on a case that ended without a release may have it asked anew."""
    decided = before.press != press and from_state in AFTER_ASKING
    return decided and before.released_at is None and before.answer is not Answer.LIMIT


RESULTS = {
    Watch.RELEASED: (CaseState.UNBLOCKED, ""),
    Watch.NEW_BLOCK: (
        CaseState.CHECKLIST_OPEN,
        "Microsoft has listed another block since; go through the checklist again.",
    ),
    Watch.STILL_BLOCKED: (CaseState.STILL_BLOCKED, "Microsoft was asked, but still lists the account."),
    Watch.OUTCOME_UNKNOWN: (
        CaseState.OUTCOME_UNKNOWN,
        "Microsoft was asked, but no clear answer came. Look in the admin site before you press Unblock again.",
    ),
    Watch.REFUSED: (CaseState.REFUSED, "Microsoft's side refused the unblock."),
}
"""The state and the reason that each end of the watching leads to."""


def pause(attempt: int, *, first: timedelta, at_most: timedelta) -> timedelta:
    """The pause before the next attempt: doubling, capped."""
    return min(first * (1 << min(attempt, 20)), at_most)


class ClockEnd(Enum):
    """What the follow-up finds."""

    CLOSED = "not listed, and nobody complained"
    OVERDUE = "still listed, or mail still fails"
    NEW_BLOCK = "listed again by a newer block"
    UNKNOWN = "could not be read"


def at_clock_end(case: Case, status: AccountStatus, askings: Sequence[Asking]) -> ClockEnd:
    """Rule 5: what the 24 hours ended with."""
    if status.sending is Sending.UNKNOWN:
        return ClockEnd.UNKNOWN
    if is_new_block(status, askings):
        return ClockEnd.NEW_BLOCK
    if status.sending is Sending.BLOCKED or case.complained_at is not None:
        return ClockEnd.OVERDUE
    return ClockEnd.CLOSED


CLOCK_ENDS = {
    ClockEnd.CLOSED: (CaseState.CLOSED, ""),
    ClockEnd.OVERDUE: (
        CaseState.OVERDUE,
        "The 24 hours are over and mail still fails, or the account is still listed.",
    ),
    ClockEnd.NEW_BLOCK: (
        CaseState.CHECKLIST_OPEN,
        "Microsoft has listed the account again since; this is a new block.",
    ),
}
"""The state and the reason that each end of the clock leads to."""


def ticket_state(cases: Sequence[Case]) -> Case | None:
    """The case that gives the ticket its one state tag and its fields."""
    return min(cases, key=lambda case: (URGENCY.index(case.state), -case.updated_at.timestamp()), default=None)
