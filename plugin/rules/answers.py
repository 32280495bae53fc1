"""Rule 3: which answers count, for the case they were given to and for a later one, and where they lead."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from plugin import checklist as checklists
from plugin.checklist import Checklist, Lead, Road
from plugin.model import AccountStatus, Case, CaseState, GivenAnswer, SignIn


def latest(*moments: datetime | None) -> datetime | None:
    """The last of some moments that may be missing."""
    return max((moment for moment in moments if moment is not None), default=None)


def counts_from(status: AccountStatus) -> datetime | None:
    """Answers count from here on: after every current block, and after the disabling of the sign-in."""
    disabled = status.sign_in.since if status.sign_in.state is SignIn.DISABLED else None
    return latest(disabled, *(blocked.blocked_at for blocked in status.blocked))


def standing(
    answers: Sequence[GivenAnswer], checklist: Checklist, status: AccountStatus, *, after: datetime | None = None
) -> dict[str, GivenAnswer]:
    """The answers that still count: given to this checklist, after every current block and the sign-in's disabling.

    `after` is what the case has seen before: an earlier block, a disabling that was lifted, the start of its round.
    """
    newest = latest(counts_from(status), after)
    return {
        answer.item: answer
        for answer in answers
        if (answer.checklist, answer.checklist_version) == (checklist.id, checklist.version)
        and (newest is None or answer.answered_at > newest)
    }


def may_rely_on(
    earlier: Mapping[str, GivenAnswer], checklist: Checklist, status: AccountStatus, *, now: datetime, window: timedelta
) -> bool:
    """Rule 3: an earlier case's checklist counts for this one; never where a block or a disabling has no time.

    `earlier` are its answers that count for the account as it is now.
    """
    if any(blocked.blocked_at is None for blocked in status.blocked):
        return False
    if status.sign_in.state is SignIn.DISABLED and status.sign_in.since is None:
        return False
    if not _complete(checklist, earlier, status):
        return False
    return now - max(answer.answered_at for answer in earlier.values()) <= window


def values_of(answers: Mapping[str, GivenAnswer]) -> dict[str, Mapping[str, object]]:
    """What was answered, by item, as the checklist's questions take it."""
    return {item: answer.value for item, answer in answers.items()}


def _complete(checklist: Checklist, answers: Mapping[str, GivenAnswer], status: AccountStatus) -> bool:
    return bool(answers) and checklists.is_complete(checklist, values_of(answers), sign_in=status.sign_in)


def answered_state(
    case: Case, checklist: Checklist, answers: Mapping[str, GivenAnswer], *, relied: bool
) -> tuple[CaseState, Lead | None]:
    """The state after an answer: open, ready, or the road that an answer leads to."""
    if case.status is None:
        return CaseState.CHECKLIST_OPEN, None
    lead = checklists.leads(checklist, values_of(answers), sign_in=case.status.sign_in)
    if lead is not None and lead.road is Road.REFER_TO_SECURITY:
        return CaseState.REFER_TO_SECURITY, lead
    if lead is not None and lead.road is Road.BULK_SENDER:
        return CaseState.BULK_SENDER, lead
    if lead is None and (relied or _complete(checklist, answers, case.status)):
        return CaseState.READY, None
    return CaseState.CHECKLIST_OPEN, lead
