"""The notes and replies of the procedure: which template speaks when, and the public reply's way to the ticket."""

import re
from collections.abc import Mapping
from datetime import tzinfo
from enum import StrEnum
from functools import partial
from html import unescape
from pathlib import Path

from plugin.errors import SettingsError
from plugin.model import CaseState, Note, Visibility
from plugin.notes.discretion import says_too_much
from plugin.notes.facts import Facts
from plugin.notes.markup import anchor, paragraphs
from plugin.notes.samples import samples
from plugin.notes.templating import check_links, check_overrides, note_templates, render, reply_templates

__all__ = ["NoteKind", "ReplyKind", "Texts", "public_note", "says_too_much"]

PUBLIC_SUBJECT = "Your email"  # tells nothing (rule 6)


class NoteKind(StrEnum):
    """The occasions of a note for agents."""

    STATUS = "status"
    RESULT = "result"
    EARLY_COMPLAINT = "early-complaint"
    FOLLOW_UP = "follow-up"
    ESCALATION = "escalation"
    BULK_SENDER = "bulk-sender"
    NOT_ASKED = "not-asked"
    REPLY_NOT_SENT = "reply-not-sent"


class ReplyKind(StrEnum):
    """The replies to the customer."""

    CUSTOMER = "customer"
    BULK_SENDER = "bulk-sender"


TEMPLATES: Mapping[NoteKind, Mapping[CaseState, str]] = {
    NoteKind.STATUS: {
        CaseState.NEEDS_PERSON: "status-needs-person.html",
        CaseState.NOT_BLOCKED: "status-not-blocked.html",
        CaseState.SENDING_LIMIT: "status-sending-limit.html",
        CaseState.TENANT_BLOCKED: "status-tenant-blocked.html",
        CaseState.REFER_TO_SECURITY: "status-refer-to-security.html",
        CaseState.CHECKLIST_OPEN: "status-blocked.html",
        CaseState.READY: "status-blocked.html",
    },
    NoteKind.RESULT: {
        CaseState.UNBLOCKED: "result-unblocked.html",
        CaseState.STILL_BLOCKED: "result-still-blocked.html",
        CaseState.OUTCOME_UNKNOWN: "result-outcome-unknown.html",
        CaseState.REFUSED: "result-refused.html",
    },
    NoteKind.FOLLOW_UP: {
        CaseState.CLOSED: "follow-up-closed.html",
        CaseState.OVERDUE: "follow-up-overdue.html",
    },
    NoteKind.EARLY_COMPLAINT: dict.fromkeys(CaseState, "early-complaint.html"),
    NoteKind.ESCALATION: dict.fromkeys(CaseState, "escalation.html"),
    NoteKind.BULK_SENDER: dict.fromkeys(CaseState, "bulk-sender.html"),
    NoteKind.NOT_ASKED: dict.fromkeys(CaseState, "not-asked.html"),
    NoteKind.REPLY_NOT_SENT: dict.fromkeys(CaseState, "reply-not-sent.html"),
}
"""Any other state has nothing of its own to say on that occasion; ``case-state.html`` names it and claims nothing."""

RESTS_ON_A_READING = frozenset(
    {CaseState.RECEIVED, CaseState.NOT_BLOCKED, CaseState.SENDING_LIMIT, CaseState.CHECKLIST_OPEN, CaseState.READY}
)
"""States whose status note says what Microsoft lists; without a reading it may not (rule 7)."""


def template_for(kind: NoteKind, facts: Facts) -> str:
    """The name of the template that speaks on this occasion."""
    is_unclear = facts.state is CaseState.NEEDS_PERSON and bool(facts.question)
    needs_reading = facts.state in RESTS_ON_A_READING or facts.state is CaseState.NEEDS_PERSON
    if kind is NoteKind.STATUS and needs_reading and not is_unclear and not facts.is_readable:
        return "status-unreadable.html"
    return TEMPLATES[kind].get(facts.state, "case-state.html")


class Texts:
    """Writes notes and replies from the built-in templates and those that a site puts in their place.

    Every template is tried at start against made-up cases; `SettingsError` names file and line of a broken one.
    """

    def __init__(self, *, overrides: Path | None, links: Mapping[str, str], zone: tzinfo) -> None:
        check_links(links)
        check_overrides(overrides)
        self._notes = note_templates(overrides, links, zone)
        self._replies = reply_templates(overrides, links)
        self._try_all()

    def note(self, kind: NoteKind, *, key: str, facts: Facts) -> Note:
        """The note for agents on this occasion; never public. Its first line is the subject too."""
        name = template_for(kind, facts)
        body = render(self._notes, name, facts=facts, panel=partial(anchor, facts.panel_url))
        subject = unescape(re.sub(r"<[^>]*>", "", body.partition("\n")[0])).strip()
        if not subject:
            raise SettingsError(f"{name}: the template's first line must be its heading; it is empty")
        return Note(key=key, visibility=Visibility.INTERNAL, subject=subject, body_html=body)

    def reply(self, kind: ReplyKind) -> str:
        """The plain text of a reply to the customer, for an agent to see and edit; nothing of the case is in it."""
        return render(self._replies, f"reply-{kind.value}.txt")

    def _try_all(self) -> None:
        for facts in samples():
            for note in NoteKind:
                self.note(note, key="sample", facts=facts)
        for reply in ReplyKind:
            name, text = f"reply-{reply.value}.txt", self.reply(reply)
            if not text:
                raise SettingsError(f"{name}: the template is empty, and so would be the reply; write one or remove it")
            words = says_too_much(text, None, None)
            if words:
                raise SettingsError(
                    f"{name}: the template or a link in it says {', '.join(words)}; a reply to the "
                    "customer never names addresses, reasons or findings, since the attacker may be reading it"
                )


def public_note(key: str, text: str) -> Note:
    """The agent's final text as it goes to the customer: escaped, in paragraphs, with no markup of ours but those."""
    return Note(key=key, visibility=Visibility.PUBLIC, subject=PUBLIC_SUBJECT, body_html=paragraphs(text))
