"""The states of a case in groups: what is shown of each, and what may be done in it."""

from collections.abc import Sequence

from plugin.model import Case, CaseState
from plugin.rules.kept import kept

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

CONNECTOR_BLOCKED = "5.7.711"
"""The enhanced status code with which Microsoft refuses what comes by a blocked connector ("bad inbound connector")."""

BY_CONNECTOR = kept("Microsoft has blocked a connector of the organisation, not an account.")
"""Why such a case is where it is; which connector stands behind it, where that is known."""

PRESSING = ANSWERING | AFTER_ASKING
"""States in which Unblock can be pressed at all."""


OVER = frozenset(
    {
        CaseState.NOT_BLOCKED,
        CaseState.SENDING_LIMIT,
        CaseState.TENANT_BLOCKED,
        CaseState.REFER_TO_SECURITY,
        CaseState.CLOSED,
        CaseState.OVERDUE,
    }
)
"""States in which nothing is left to do here: not for the program, and for an agent only if something new happens."""


def ticket_state(cases: Sequence[Case]) -> Case | None:
    """The case that gives the ticket its one state tag and its fields."""
    return min(
        cases,
        key=lambda case: (_is_idle(case), URGENCY.index(case.state), -case.updated_at.timestamp()),
        default=None,
    )


def _is_idle(case: Case) -> bool:
    """Opened for a ticket that could not be checked, which then could after all: nothing waits for it any more."""
    return case.state is CaseState.RECEIVED and case.finding is None and not case.account
