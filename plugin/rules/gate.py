"""Rules 1 and 2: whether Unblock may be pressed, and if not, why."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import ngettext

from plugin import checklist as checklists
from plugin.checklist import Checklist
from plugin.model import AccountStatus, Agent, Case, GivenAnswer, Looked, Role, Sending, SignIn
from plugin.rules.answers import values_of
from plugin.rules.reading import refers_to_security
from plugin.rules.states import PRESSING


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
    refuted: Mapping[str, Looked],
    is_limit_reached: bool = False,
    compromise_reasons: Sequence[str],
    while_sign_in_disabled: bool,
) -> Gate:
    """Rules 1 and 2: everything that keeps Unblock closed for this agent now.

    `answers` are those that count, `refuted` the items that are not so (`rules.refuted`).
    """
    reasons = [
        *_against_agent(agent),
        *_against_state(case),
        *([limit_reached()] if is_limit_reached else []),
        *_against_reading(case.status, compromise_reasons, while_sign_in_disabled),
    ]
    if case.status is not None:
        reasons += _against_looks(checklist, refuted)
        reasons += _against_checklist(checklist, answers, case.status, relied=relied, refuted=refuted)
    return Gate(reasons=tuple(reasons))


def limit_reached() -> str:
    """Why nobody here can release an account that was unblocked too often."""
    words: str = _("Microsoft refuses to unblock this account again; only Microsoft Support can release it.")
    return words


def _against_agent(agent: Agent) -> list[str]:
    if agent.role is Role.VIEWER:
        return [_("You are signed in as a viewer; only agents may answer the checklist and unblock.")]
    return [] if agent.login else [_("The ticket system did not say who you are.")]


def _against_state(case: Case) -> list[str]:
    if case.state in PRESSING:
        return []
    return [_("The case is “%(state)s”; there is nothing to unblock now.", state=_(case.state.value))]


def _against_reading(
    status: AccountStatus | None, compromise_reasons: Sequence[str], while_sign_in_disabled: bool
) -> list[str]:
    if status is None or status.sending is Sending.UNKNOWN:
        return [_("The sending status could not be read, so nobody knows whether the account is blocked.")]
    if status.sending is Sending.NOT_BLOCKED:
        return [_("Microsoft does not list the account as blocked.")]
    if status.sign_in.state is SignIn.UNKNOWN:
        return [" ".join((_("Whether the sign-in is disabled could not be read."), status.failure)).strip()]
    if refers_to_security(status, compromise_reasons):
        return [
            _(
                "The sign-in is disabled: %(reason)s. Do not re-enable it; refer to Security.",
                reason=status.sign_in.reason,
            )
        ]
    if status.sign_in.state is SignIn.DISABLED and not while_sign_in_disabled:
        return [_("The sign-in is still disabled. Enable it first in your site's own tool, then refresh.")]
    return []


def _against_looks(checklist: Checklist, refuted: Mapping[str, Looked]) -> list[str]:
    return [
        _("“%(item)s” is not so. %(finding)s", item=item.text, finding=refuted[item.id].finding)
        for item in checklist.items
        if item.id in refuted
    ]


def _against_checklist(
    checklist: Checklist,
    answers: Mapping[str, GivenAnswer],
    status: AccountStatus,
    *,
    relied: bool,
    refuted: Collection[str],
) -> list[str]:
    values = values_of(answers)
    lead = checklists.leads(checklist, values, sign_in=status.sign_in)
    if lead is not None:
        return [lead.because]
    unanswered = checklists.missing(checklist, values, sign_in=status.sign_in)
    missing = [item for item in unanswered if item.id not in refuted]
    if relied or not missing:
        return []
    return [
        ngettext(
            "%(num)s of the checklist's required items is not answered yet.",
            "%(num)s of the checklist's required items are not answered yet.",
            len(missing),
        )
    ]
