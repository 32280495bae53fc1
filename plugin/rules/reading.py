"""What a reading of an account means for its case (rules 2, 5 and 7)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from plugin.model import AccountStatus, Asking, Case, CaseState, Finding, Label, Sending, SignIn
from plugin.rules.answers import counts_from, latest
from plugin.rules.asking import is_new_block
from plugin.rules.kept import kept
from plugin.rules.states import AFTER_ASKING, AFTER_RELEASE, ALL_CLEAR, ANSWERING, SEEMED_OVER

SUPPORT_ONLY = frozenset({"5.7.501", "5.7.502", "5.7.503"})  # banned senders; facts: Exchange Online NDR codes


def first_state(
    finding: Finding | None, status: AccountStatus, compromise_reasons: Sequence[str]
) -> tuple[CaseState, str]:
    """The state of a case after its account was read, and why, in words for agents."""
    if status.sending is Sending.UNKNOWN:
        return CaseState.RECEIVED, status.failure or kept("The sending status could not be read.")
    if status.sending is Sending.BLOCKED:
        if refers_to_security(status, compromise_reasons):
            return CaseState.REFER_TO_SECURITY, f"The sign-in is disabled: {status.sign_in.reason}."
        return CaseState.CHECKLIST_OPEN, ""
    return _state_of_unlisted(finding)


def _state_of_unlisted(finding: Finding | None) -> tuple[CaseState, str]:
    if finding is not None and finding.label is Label.TENANT_BLOCKED:
        return CaseState.TENANT_BLOCKED, kept("Microsoft refuses the whole organisation, not this account.")
    if finding is not None and finding.label is Label.SENDING_LIMIT:
        return CaseState.SENDING_LIMIT, kept("A sending limit was reached; the account is not blocked.")
    if finding is not None and finding.code in SUPPORT_ONLY:
        return (
            CaseState.NEEDS_PERSON,
            f"The bounce says {finding.code} (banned sender), but the account is not on Microsoft's list: "
            "only Microsoft Support can release it.",
        )
    return CaseState.NOT_BLOCKED, kept("Microsoft does not list the account as blocked.")


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
            return CaseState.CHECKLIST_OPEN, kept("Microsoft has listed the account again since; this is a new block.")
        if case.state in AFTER_ASKING and status.sending is Sending.NOT_BLOCKED:
            return CaseState.UNBLOCKED, ""
        if case.state in AFTER_RELEASE and status.sending is Sending.BLOCKED:
            state = CaseState.STILL_BLOCKED if case.state is CaseState.UNBLOCKED else CaseState.OVERDUE
            return state, kept("Microsoft lists the account by the same block again; the release did not hold.")
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
    is_unknown = status.sending is Sending.UNKNOWN
    if not is_unknown and waits_for_its_clock(case):
        case = replace(case, state=CaseState.UNBLOCKED)
    state, reason = after_reading(case, status, askings, compromise_reasons)
    unreadable = (case.unreadable_since or now) if is_unknown else None
    read = replace(
        case,
        question=case.question if is_unknown else "",
        status=status,
        reason=reason,
        unreadable_since=unreadable,
        answers_after=latest(case.answers_after, counts_from(status), _newly_disabled(case, status, now)),
    )
    return entered(read, state, reason, follow_up_after=follow_up_after, now=now)


def waits_for_its_clock(case: Case) -> bool:
    """Released, and handed to a person since because nobody could read the account at the end of the 24 hours."""
    return case.state is CaseState.NEEDS_PERSON and case.escalate_after is not None


def _newly_disabled(case: Case, status: AccountStatus, now: datetime) -> datetime | None:
    """A disabling without a time began at the latest when it was first seen."""
    was_enabled = case.status is not None and case.status.sign_in.state is SignIn.ENABLED
    is_timeless = status.sign_in.state is SignIn.DISABLED and status.sign_in.since is None
    return now if was_enabled and is_timeless else None


def entered(case: Case, state: CaseState, reason: str, *, follow_up_after: timedelta, now: datetime) -> Case:
    """The case in a state, with the clock of a release started or a new round opened where that is what it means."""
    changed = replace(case, state=state, reason=reason)
    if state is CaseState.UNBLOCKED and case.state is not CaseState.UNBLOCKED:
        begun = replace(changed, unblocked_at=now, escalate_after=now + follow_up_after, complained_at=None)
        return replace(begun, escalated_at=None, escalated_by="")
    if state is CaseState.STILL_BLOCKED and case.state is CaseState.UNBLOCKED:
        return replace(changed, unblocked_at=None, escalate_after=None, complained_at=None)
    if state is CaseState.CHECKLIST_OPEN and case.state in SEEMED_OVER:
        return replace(
            changed,
            round=case.round + 1,
            answers_after=latest(case.answers_after, now),
            escalate_after=None,
            complained_at=None,
            escalated_at=None,
            escalated_by="",
            relied_on="",
        )
    return changed


def is_answering(case: Case, compromise_reasons: Sequence[str]) -> bool:
    """Whether answers decide where the case goes; one that referred it to Security may be taken back."""
    if case.state is not CaseState.REFER_TO_SECURITY:
        return case.state in ANSWERING
    return case.status is not None and not refers_to_security(case.status, compromise_reasons)
