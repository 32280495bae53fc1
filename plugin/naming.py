"""Names that must come out the same on every repeat: case ids, note keys, task ids, lanes."""

from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from plugin.model import Case, Task

LONGEST_IN_LANE = 250  # characters; a lane has 300

HANDLING = "handle:"
"""Before an event's id, the id of the task that handles it."""


def case_id_of(source: str, ticket: str, account: str) -> str:
    """The id of an account's case on a ticket; the same after a lost database, so that no note is posted anew."""
    return sha256(f"{source}\x00{ticket}\x00{account}".encode()).hexdigest()[:20]


def note_key(case: Case, what: str) -> str:
    """The key of a note: one per case, round and occasion."""
    return f"m365-unblock/{case.id}/{case.round}/{what}"


def ticket_lane(source: str, ticket: str) -> str:
    """Writes to one ticket go one at a time, in order."""
    return f"ticket {source}:{ticket}"


def account_lane(case: Case) -> str:
    """Work on one account goes one at a time, whatever ticket it came from."""
    if not case.account:
        return ticket_lane(case.source, case.ticket)
    return f"account {case.account[:LONGEST_IN_LANE]}"  # two that are the same that far wait for each other: no harm


def shown_as(cause: str) -> str:
    """What operators call all that was done for one reason: the event's id, or the id of a task of its own cause."""
    return cause.removeprefix(HANDLING) if cause.startswith(f"{HANDLING}evt_") else cause


def annotation(case: Case) -> Task:
    """Show this version of the case on its ticket."""
    return Task(
        id=f"annotate:{case.id}:{case.version}",
        name="annotate",
        args={"case": case.id, "version": case.version},
        lane=ticket_lane(case.source, case.ticket),
    )


def mending(case: Case, at: datetime) -> Task:
    """Show the case again, after somebody changed by hand what it had shown."""
    return replace(annotation(case), id=f"mend:{case.id}:{at.isoformat()}")


def progress(case: Case, at: datetime) -> Task:
    """Show the case again, after an answer that may have left its state as it was."""
    return replace(annotation(case), id=f"progress:{case.id}:{at.isoformat()}")


def posting(case: Case, key: str) -> Task:
    """Put a note that is meant to be on the ticket there."""
    return Task(
        id=f"post:{key}", name="post", args={"case": case.id, "key": key}, lane=ticket_lane(case.source, case.ticket)
    )


def reread(case: Case) -> Task:
    """Read the account again until it can be read; an agent has settled it, so no event would.

    While it cannot be read this is one task, however many events call for it.
    """
    since = case.unreadable_since
    occasion = f"unreadable-{since:%Y%m%dT%H%M%S.%f}" if since is not None else str(case.version)
    return Task(id=f"reread:{case.id}:{occasion}", name="reread", args={"case": case.id}, lane=account_lane(case))


def first_look(case: Case) -> Task:
    """Look at the account for the checklist's items, so that the agent who opens the ticket sees what was found."""
    return Task(id=f"look:{case.id}:{case.version}", name="look", args={"case": case.id}, lane=account_lane(case))


def follow_up(case: Case) -> Task:
    """Look again when the clock of the release has run out."""
    return Task(
        id=f"follow-up:{case.id}:{case.version}",
        name="follow_up",
        args={"case": case.id, "round": case.round},
        lane=account_lane(case),
        not_before=case.escalate_after,
    )
