"""Names and values of marks that more than one module speaks of."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

from plugin.model import Case, CaseState

SCANNED = "scanned "
"""Before a source's name: how far its catch-up scan has got."""

SCAN_ENDED = "scan ended "
"""Before a source's name: when it was last scanned to the end."""

RELAYED = "relayed"
"""The number of the last event that the relay has put into the outbox."""

SHOWN = "shown "
"""Before a ticket's fingerprint: which tag and fields the ticket shows."""


def shown(source: str, ticket: str) -> str:
    """The mark of what a ticket shows."""
    return SHOWN + sha256(repr((source, ticket)).encode()).hexdigest()[:20]


def forgotten(case_id: str) -> str:
    """The mark of how far a case had come that housekeeping has forgotten."""
    return f"forgotten {case_id}"


def remains(case: Case) -> str:
    """What stays of a forgotten case: nothing of whom or what it was about."""
    moments = (case.unblocked_at, case.escalate_after)
    told = ("-" if moment is None else str(int(moment.timestamp())) for moment in moments)
    return " ".join((case.state.name, str(case.round), str(case.version), *told))


def brought_back(case: Case, value: str | None) -> Case:
    """A new case, going on where the forgotten one of its id had come to.

    Its notes and its tasks have the names that come after those of before, so that nothing is posted a second time and
    nothing that is new goes without its note.
    """
    if value is None:
        return case
    state, round_, version, *moments = value.split()
    unblocked_at, escalate_after = (None if told == "-" else datetime.fromtimestamp(int(told), UTC) for told in moments)
    return replace(
        case,
        state=CaseState[state],
        round=int(round_),
        version=int(version),
        unblocked_at=unblocked_at,
        escalate_after=escalate_after,
    )
