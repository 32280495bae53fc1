"""What the panel says of a case: the next step, where each address is, how an answer reads, when things were. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from babel.dates import format_datetime
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _

from plugin import rules
from plugin.desk import CaseView
from plugin.model import AccountStatus, Answer, Asking, BlockedAddress, Case, CaseState, GivenAnswer
from plugin.panel import states
from plugin.panel.written import result_note

SETTLES_WITHIN = timedelta(minutes=2)
"""So long after a change its note may still be on the way to the ticket."""


def next_step(view: CaseView, now: datetime) -> str:
    """One thing to do now."""
    case = view.case
    if case.state is CaseState.NEEDS_PERSON and not case.account:
        return str(_("Say which account this is about: choose one, or type it."))
    if case.state is CaseState.CHECKLIST_OPEN:
        return _step_of_checklist(view)
    if case.state is CaseState.READY and view.gate.reasons:
        return view.gate.reasons[0]
    if case.escalated_at is not None and case.state in rules.ESCALATING:
        return str(states.WITH_OFFICE365)
    if case.state is CaseState.REFUSED and any(asking.answer is Answer.LIMIT for asking in view.askings):
        return str(states.LIMIT_REACHED)
    if rules.is_complaint_due(case, now):
        return str(states.READ_AGAIN)
    if case.state is CaseState.UNBLOCKED and case.complained_at is not None:
        return str(states.TOO_EARLY)
    return str(states.STEPS[case.state])


def _step_of_checklist(view: CaseView) -> str:
    left = left_to_answer(view)
    if left:
        return str(
            ngettext(
                "Go through the checklist with the customer: %(num)s required item left.",
                "Go through the checklist with the customer: %(num)s required items left.",
                left,
            )
        )
    return view.gate.reasons[0] if view.gate.reasons else str(states.STEPS[CaseState.READY])


def left_to_answer(view: CaseView) -> int:
    """Required items without an answer that counts."""
    if view.relied:
        return 0
    return sum(item.required and item.id not in view.answers for item in view.items)


def unblock_words(status: AccountStatus) -> str:
    """What the button says; it begins with “Unblock”."""
    if not status.blocked:
        return str(_("Unblock"))
    first, more = status.blocked[0].address, len(status.blocked) - 1
    if not more:
        return str(_("Unblock %(address)s", address=first))
    return str(
        ngettext("Unblock %(address)s and %(num)s more", "Unblock %(address)s and %(num)s more", more, address=first)
    )


def told(text: str, case: Case) -> str:
    """Why a case is where it is, or what is asked about it: kept in English, told in the reader's language."""
    if not text:
        return ""
    if text.endswith(rules.PUT_BACK) and text != rules.PUT_BACK:
        return f"{told(text.removesuffix(rules.PUT_BACK).strip(), case)} {_(rules.PUT_BACK)}"
    if text.startswith(f"{rules.BY_CONNECTOR} "):
        return f"{_(rules.BY_CONNECTOR)} {text.removeprefix(rules.BY_CONNECTOR).strip()}"
    reason = case.status.sign_in.reason if case.status else None
    if reason and text == f"The sign-in is disabled: {reason}.":
        return str(_("The sign-in is disabled: %(reason)s.", reason=reason))
    return str(_(text))


# ── what moves ───────────────────────────────────────────────────────────────────────────────────────────────────

PAUSES = {"moving": 3, "shared": 5, "still": 20}
"""Seconds between two looks of an open page: at what moves by itself, at work that agents share, at all else."""


def pause(views: Sequence[CaseView], now: datetime) -> int:
    """Seconds until the page looks again."""
    if is_moving(views, now):
        return PAUSES["moving"]
    return PAUSES["shared" if any(view.case.state in states.WORKED_ON for view in views) else "still"]


def is_moving(views: Sequence[CaseView], now: datetime) -> bool:
    """Whether something will change by itself within moments, so that the page had better follow."""
    return any(view.case.state in states.MOVING or _awaits_something(view, now) for view in views)


def _awaits_something(view: CaseView, now: datetime) -> bool:
    if now - view.case.updated_at > SETTLES_WITHIN:
        return False
    is_untold = view.case.asked_at is not None and result_note(view) is None
    is_unposted = any(written.posted_at is None for written in view.notes)
    return is_untold or is_unposted or rules.is_complaint_due(view.case, now)


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True, slots=True)
class AddressLine:
    """One address: how it is listed, what was asked about it, and how far that is."""

    address: str
    listed: BlockedAddress | None
    asking: Asking | None
    progress: str
    tone: str


def address_lines(view: CaseView) -> tuple[AddressLine, ...]:
    """The listed addresses, then those asked about that are listed no longer."""
    listed = {blocked.address: blocked for blocked in view.case.status.blocked} if view.case.status else {}
    # One that was released and is listed all the same has a newer block, which nobody has asked about yet.
    asked = {row.address: row for row in view.askings if row.released_at is None or row.address not in listed}
    return tuple(
        AddressLine(
            address=address,
            listed=listed.get(address),
            asking=asked.get(address),
            progress=progress(asked.get(address), view.case),
            tone=_tone(asked.get(address), view.case),
        )
        for address in dict.fromkeys([*listed, *asked])
    )


def progress(asking: Asking | None, case: Case) -> str:
    """How far the asking for one address is; empty where nothing is asked."""
    is_under_way = case.state is CaseState.UNBLOCKING
    if asking is None:
        return str(_("about to be asked")) if is_under_way else ""
    if asking.released_at is not None:
        return str(states.OFF_THE_LIST)
    if asking.answer in (Answer.REFUSED, Answer.LIMIT):
        return _refused(asking)
    if asking.answer is None and is_under_way:
        return str(_("asked, no answer yet"))
    if asking.answer is None:
        return str(_("outcome unknown: %(why)s", why=asking.detail or _("no clear answer came to the request")))
    if asking.answer is Answer.NOT_BLOCKED:
        return str(_("Microsoft says it was not blocked; read again before that is believed"))
    return str(_("waiting for Microsoft")) if is_under_way else str(_("asked, still listed"))


def _refused(asking: Asking) -> str:
    if asking.detail:
        return str(_("refused: %(why)s", why=asking.detail))
    if asking.answer is Answer.LIMIT:
        return str(_("refused: unblock limit reached: Microsoft Support only"))
    return str(_("refused"))


def _tone(asking: Asking | None, case: Case) -> str:
    if asking is not None and asking.released_at is not None:
        return "good"
    return "wait" if case.state is CaseState.UNBLOCKING else "stop"


# ── the checklist ────────────────────────────────────────────────────────────────────────────────────────────────


def stale_words(answer: GivenAnswer, case: Case) -> str:
    """Why an answer no longer counts."""
    status = case.status
    blocks = [blocked.blocked_at for blocked in status.blocked if blocked.blocked_at] if status else []
    if any(answer.answered_at <= moment for moment in blocks):
        return str(_("given before Microsoft's newest block: confirm again"))
    if status and status.sign_in.since and answer.answered_at <= status.sign_in.since:
        return str(_("given before the sign-in was disabled: confirm again"))
    if case.answers_after and answer.answered_at <= case.answers_after:
        return str(_("given about the earlier block: confirm again"))
    return str(_("given to another version of this checklist: confirm again"))


# ── moments ──────────────────────────────────────────────────────────────────────────────────────────────────────


def short(moment: datetime, zone: tzinfo, now: datetime) -> str:
    """The hour alone where it is today's, such as “14:05”; else “Mon 23 Nov, 14:05”."""
    local = moment.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M}"
    return format_datetime(local, "EEE d MMM, HH:mm", locale=get_locale() or "en")


def exact(moment: datetime, zone: tzinfo) -> str:
    """Weekday, date, time and zone, such as “Tue 24 Nov 2026, 14:05 CST”, as in notes."""
    local = moment.astimezone(zone)
    name = local.strftime("%Z")
    told_zone = name if name[:1] not in "+-" else f"UTC{name}"
    return f"{format_datetime(local, 'EEE d MMM yyyy, HH:mm', locale=get_locale() or 'en')} {told_zone}"
