"""Rule 5: what the 24 hours ended with, and who may say what about them."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from plugin.model import AccountStatus, Asking, Case, CaseState, Sending
from plugin.rules.asking import is_new_block
from plugin.rules.kept import kept


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
        kept("The 24 hours are over and mail still fails, or the account is still listed."),
    ),
    ClockEnd.NEW_BLOCK: (
        CaseState.CHECKLIST_OPEN,
        kept("Microsoft has listed the account again since; this is a new block."),
    ),
}
"""The state and the reason that each end of the clock leads to."""

ESCALATING = frozenset({CaseState.OVERDUE, CaseState.REFUSED})
"""States whose next step is the Office 365 team: the 24 hours are over, or Microsoft's side said no."""


def may_complain(case: Case) -> bool:
    """Whether it means something that the customer still cannot send: released, and nobody has said so yet."""
    is_released = case.state in (CaseState.UNBLOCKED, CaseState.CLOSED) and case.unblocked_at is not None
    return is_released and case.complained_at is None


def is_clock_over(case: Case, now: datetime) -> bool:
    """Whether the hour has come before which nothing is escalated."""
    return case.escalate_after is not None and now >= case.escalate_after


def is_complaint_due(case: Case, now: datetime) -> bool:
    """A complaint after the end of the clock: the account is read again, and the case becomes Overdue."""
    has_complained = case.state in (CaseState.UNBLOCKED, CaseState.CLOSED) and case.complained_at is not None
    return has_complained and is_clock_over(case, now)


def may_escalate(case: Case) -> bool:
    """Whether an agent may hand the case to the Office 365 team: once."""
    return case.state in ESCALATING and case.escalated_at is None
