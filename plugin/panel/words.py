"""What the panel says of a case: the next step, where each address is, how an answer reads, when things were. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from html.parser import HTMLParser

from plugin.checklist import Item
from plugin.desk import CaseView, Written
from plugin.model import AccountStatus, Answer, Asking, BlockedAddress, Case, CaseState, GivenAnswer, Visibility
from plugin.panel import states

SETTLES_WITHIN = timedelta(minutes=2)
"""So long after a change its note may still be on the way to the ticket."""


def next_step(view: CaseView) -> str:
    """One thing to do now."""
    if view.case.state is CaseState.NEEDS_PERSON and not view.case.account:
        return "Say which account this is about: choose one, or type it."
    if view.case.state is CaseState.CHECKLIST_OPEN:
        left = left_to_answer(view)
        if left:
            return (
                f"Go through the checklist with the customer: {left} required {'item' if left == 1 else 'items'} left."
            )
        return view.gate.reasons[0] if view.gate.reasons else "Press Unblock."
    if view.case.state is CaseState.READY and view.gate.reasons:
        return view.gate.reasons[0]
    if view.case.state is CaseState.REFUSED and any(asking.answer is Answer.LIMIT for asking in view.askings):
        return states.LIMIT_REACHED
    return states.STEPS[view.case.state]


def left_to_answer(view: CaseView) -> int:
    """Required items without an answer that counts."""
    if view.relied:
        return 0
    return sum(item.required and item.id not in view.answers for item in view.items)


def unblock_words(status: AccountStatus) -> str:
    """What the button says; it begins with “Unblock”."""
    if not status.blocked:
        return "Unblock"
    more = len(status.blocked) - 1
    return f"Unblock {status.blocked[0].address}" + (f" and {more} more" if more else "")


def is_moving(views: Sequence[CaseView], now: datetime) -> bool:
    """Whether something will change by itself within moments, so that the page had better follow."""
    return any(view.case.state in states.MOVING or _awaits_note(view, now) for view in views)


def _awaits_note(view: CaseView, now: datetime) -> bool:
    if now - view.case.updated_at > SETTLES_WITHIN:
        return False
    is_untold = view.case.asked_at is not None and result_note(view) is None
    return is_untold or any(written.posted_at is None for written in view.notes)


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
            progress=progress(asked[address], view.case) if address in asked else "",
            tone=_tone(asked[address], view.case) if address in asked else "",
        )
        for address in dict.fromkeys([*listed, *asked])
    )


def progress(asking: Asking, case: Case) -> str:
    """How far the asking for one address is."""
    if asking.released_at is not None:
        return "Not Blocked"
    if asking.answer in (Answer.REFUSED, Answer.LIMIT):
        return f"refused: {asking.detail or asking.answer}"
    if asking.answer is None and case.state is CaseState.UNBLOCKING:
        return "asked, no answer yet"
    if asking.answer is None:
        return f"outcome unknown: {asking.detail or 'no clear answer came to the request'}"
    if asking.answer is Answer.NOT_BLOCKED:
        return "Microsoft says it was not blocked; read again before that is believed"
    return "waiting for Microsoft" if case.state is CaseState.UNBLOCKING else "asked, still listed"


def _tone(asking: Asking, case: Case) -> str:
    if asking.released_at is not None:
        return "good"
    return "wait" if case.state is CaseState.UNBLOCKING else "stop"


# ── the checklist ────────────────────────────────────────────────────────────────────────────────────────────────


def stale_words(answer: GivenAnswer, case: Case) -> str:
    """Why an answer no longer counts."""
    status = case.status
    blocks = [blocked.blocked_at for blocked in status.blocked if blocked.blocked_at] if status else []
    if any(answer.answered_at <= moment for moment in blocks):
        return "given before Microsoft's newest block: confirm again"
    if status and status.sign_in.since and answer.answered_at <= status.sign_in.since:
        return "given before the sign-in was disabled: confirm again"
    if case.answers_after and answer.answered_at <= case.answers_after:
        return "given about the earlier block: confirm again"
    return "given to another version of this checklist: confirm again"


def answer_words(item: Item, value: Mapping[str, object]) -> str:
    """An answer as people say it."""
    spoken = {True: "yes", False: "no"}
    given = [spoken[part] if isinstance(part, bool) else str(part) for part in value.values() if part != ""]
    return "done" if item.kind == "done" else ", ".join(given)


# ── notes and moments ────────────────────────────────────────────────────────────────────────────────────────────


def result_note(view: CaseView) -> Written | None:
    """The newest note for agents since Unblock was pressed."""
    pressed = view.case.asked_at
    if pressed is None:
        return None
    since = [
        written
        for written in view.notes
        if written.note.visibility is Visibility.INTERNAL
        and (written.posted_at is None or written.posted_at >= pressed)
    ]
    return since[-1] if since else None


def lines(html: str) -> tuple[str, ...]:
    """The text of a note, one line for each of its blocks; markup goes no further than here."""
    reader = _Lines()
    reader.feed(html)
    reader.close()
    return tuple(line for line in (" ".join(line.split()) for line in "".join(reader.text).split("\n")) if line)


class _Lines(HTMLParser):
    BLOCKS = frozenset({"p", "div", "li", "br", "h1", "h2", "h3", "h4", "tr", "ul", "ol", "dt", "dd", "table"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in self.BLOCKS:
            self.text.append("\n")
        if tag == "li":
            self.text.append("• ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.BLOCKS:
            self.text.append("\n")

    def handle_data(self, data: str) -> None:
        self.text.append(data.replace("\n", " "))


def short(moment: datetime, zone: tzinfo, now: datetime) -> str:
    """The hour alone where it is today's, such as “14:05”; else “Mon 23 Nov, 14:05”."""
    local = moment.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M}"
    return f"{local:%a} {local.day} {local:%b, %H:%M}"
