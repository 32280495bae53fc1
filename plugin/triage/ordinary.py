"""Whether a text shows no sign of mail trouble at all, so that nobody needs to read the ticket to see what it is."""

from collections.abc import Sequence
from functools import cache

from plugin.model import TicketText
from plugin.triage.complaints import complains
from plugin.triage.decision import NOTHING, triage
from plugin.triage.knowledge import data, mentions_microsoft
from plugin.triage.lexicon import Lexicon
from plugin.triage.plain import clean, folded
from plugin.triage.readings import plain_text
from plugin.triage.replies import codes_in, scanned_in
from plugin.triage.room import Room
from plugin.triage.spoken import spoken_in


def is_ordinary(ticket: TicketText, domains: Sequence[str]) -> bool:
    """Whether triage finds nothing, and nothing in the ticket comes near anything that it looks for.

    Without a sign no rule over words holds; a report in words that nobody knows has a code, or a host of Microsoft's.
    """
    room = Room()
    texts = [clean(ticket.subject), *(plain_text(said, room) for said in ticket.said)]
    if room.cut or any(said.files for said in ticket.said) or any(map(_has_sign, texts)):
        return False
    findings = triage(ticket, domains)
    return all(finding.rule == NOTHING and not finding.evidence for finding in findings)


def _has_sign(text: str) -> bool:
    """Whether a text speaks of mail, of a refusal or of a limit, or holds what may be a code."""
    if _signs().names(folded(text)) or mentions_microsoft(text):
        return True
    if next(codes_in(text), None) is not None or next(spoken_in(text), None) is not None:
        return True
    return any(code.startswith("5") for code in scanned_in(text)) or complains(text)


@cache
def _signs() -> Lexicon:
    words = data("words.json")
    return Lexicon({name: words["concepts"][name] for name in words["signs"]})
