"""Rule 5: what the 24 hours ended with."""

from collections.abc import Sequence
from enum import Enum

from plugin.model import AccountStatus, Asking, Case, CaseState, Sending
from plugin.rules.asking import is_new_block


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
