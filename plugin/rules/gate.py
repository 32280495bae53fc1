"""Rules 1 to 3: which answers count, and whether Unblock may be pressed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from plugin import checklist as checklists
from plugin.checklist import Checklist, Lead, Road
from plugin.model import AccountStatus, Agent, Case, CaseState, GivenAnswer, Role, Sending, SignIn
from plugin.rules.reading import refers_to_security
from plugin.rules.states import PRESSING


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
