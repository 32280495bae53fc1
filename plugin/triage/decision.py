"""Triage itself: from a ticket's text to findings, and the two smaller questions about attachments and complaints."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from plugin.model import Attachment, Confidence, Finding, Label, Said, TicketText
from plugin.triage.accounts import candidates, named_in
from plugin.triage.complaints import complains
from plugin.triage.plain import clean, evidence, unquoted
from plugin.triage.readings import plain_text, readings_of
from plugin.triage.report import RANK
from plugin.triage.room import Room
from plugin.triage.sections import fresh_text, own_words
from plugin.triage.sentences import MAX_WORDS
from plugin.triage.weighing import FILE_NAMES, Reading
from plugin.triage.words import code_of

MAX_FETCH = 5 * 1024 * 1024  # bytes of an attachment that is worth fetching
MAIL_KINDS = ("message/rfc822", "message/delivery-status", "message/global", "application/vnd.ms-outlook")
MAX_MESSAGES = 30  # of one ticket: the first, and the newest
MAX_FILES = 10  # of all messages together
MAX_FINDINGS = 20
SURE = tuple(Confidence)
NOTHING = "nothing-of-ours"  # the rule of a finding that rests on nothing


def triage(ticket: TicketText, domains: Sequence[str]) -> tuple[Finding, ...]:
    """What a ticket says about refused senders: one finding for each account or report, most serious first.

    There is always one finding; those of other matters are left out where there is a refused sender. Pure, and bounded
    in time and memory whatever the ticket holds; what was left out for that is said in the evidence.
    """
    room = Room()
    said = _bounded(ticket, room)
    readings: list[Reading] = []
    words: list[str] = []
    writers: list[str] = []
    texts: list[str] = []
    for number, message in enumerate(said):
        found, own = readings_of(message, clean(room.text(ticket.subject)) if number == 0 else "", domains, room)
        readings += found
        words += own.own
        writers += own.writers
        texts.append(own.whole)
    positive = [reading for reading in readings if reading.verdict.label is not Label.NOT_BLOCKED]
    named = _named(readings, words, writers, texts, domains) if positive else ()
    kept = _distinct(positive) if positive else readings[:1]
    kept = [_with_code(reading, "\n".join(words)) for reading in kept[:MAX_FINDINGS]]
    findings = [_finding(reading, named, room.cut, ticket, domains) for reading in kept]
    return tuple(findings) or (_nothing(room.cut, ticket, domains),)


def wanted(attachment: Attachment) -> bool:
    """Whether an attachment may be a mail report and is worth fetching."""
    kind = attachment.content_type.lower().split(";")[0].strip()
    named = attachment.filename.lower().endswith(FILE_NAMES)
    is_text = kind in MAIL_KINDS or kind.startswith("text/")
    is_small = attachment.size is None or 0 < attachment.size <= MAX_FETCH
    return is_small and (is_text or (named and kind in ("", "application/octet-stream", "application/x-eml")))


def still_fails(said: Said, domains: Sequence[str]) -> bool:
    """Whether a customer's message says that mail (still) fails: a new report of a refusal, or words to that effect."""
    if said.by_agent:
        return False
    room = Room()
    text = fresh_text(plain_text(said, room))
    if complains(own_words(text)):
        return True
    fresh = replace(said, text=text, content_type="text/plain", files=said.files[:MAX_FILES])
    readings, _ = readings_of(fresh, "", domains, room)
    return any(
        r.verdict.label is not Label.NOT_BLOCKED and r.verdict.confidence is not Confidence.UNSURE for r in readings
    )


# ── what of a ticket is read ─────────────────────────────────────────────────────────────────────────────────────


def _bounded(ticket: TicketText, room: Room) -> list[Said]:
    """The customer's messages as far as they are read.

    An agent's words count only where the agent opened the ticket for a customer.
    """
    said = [m for n, m in enumerate(ticket.said) if not m.by_agent or (ticket.opened_by_agent and n == 0)]
    kept = said[:1] + said[1:][-(MAX_MESSAGES - 1) :]
    if len(kept) < len(said):
        room.note(f"only the first and the newest {MAX_MESSAGES - 1} messages were read")
    files = MAX_FILES
    read: list[Said] = []
    for message in kept:
        if len(message.files) > files:
            room.note(f"only the first {MAX_FILES} attachments were read")
        read.append(replace(message, files=message.files[:files]) if len(message.files) > files else message)
        files -= len(read[-1].files)
    return read


# ── from readings to findings ────────────────────────────────────────────────────────────────────────────────────


def _distinct(readings: Iterable[Reading]) -> list[Reading]:
    """One reading for each account and label, the surest; those that name no account join one that does."""
    ordered = sorted(readings, key=lambda r: (RANK.index(r.verdict.label), SURE.index(r.verdict.confidence)))
    named = {r.verdict.label for r in ordered if r.sender}
    kept: dict[tuple[Label, str], Reading] = {}
    for reading in ordered:
        if reading.sender or reading.verdict.label not in named:
            kept.setdefault((reading.verdict.label, reading.sender), reading)
    return list(kept.values())


def _named(
    readings: Sequence[Reading],
    words: Sequence[str],
    writers: Sequence[str],
    texts: Sequence[str],
    domains: Sequence[str],
) -> tuple[str, ...]:
    """Accounts that the text names; where neither it nor a report names one, those who wrote or signed in it.

    A signature below a pasted report counts where it is the only address of ours there.
    """
    besides = frozenset(address for reading in readings for address in reading.recipients)
    named = named_in(words, domains, besides)
    if named or any(reading.sender for reading in readings if reading.verdict.label is not Label.NOT_BLOCKED):
        return named
    if wrote := named_in(writers, domains, besides):
        return wrote
    signed = named_in(map(unquoted, texts), domains, besides)
    return signed if len(signed) == 1 else ()


def _with_code(reading: Reading, words: str) -> Reading:
    """Where a refusal's code is not in the report, a person may have written it beside it, or in the subject."""
    verdict = reading.verdict
    if verdict.label is Label.NOT_BLOCKED or verdict.code is not None:
        return reading
    return replace(reading, verdict=replace(verdict, code=code_of(words[:MAX_WORDS], verdict.label)))


def _finding(
    reading: Reading, named: tuple[str, ...], cut: tuple[str, ...], ticket: TicketText, domains: Sequence[str]
) -> Finding:
    verdict = reading.verdict
    return Finding(
        label=verdict.label,
        confidence=verdict.confidence,
        code=verdict.code,
        candidates=candidates(reading.sender, named, ticket.requester, domains),
        rule=verdict.rule,
        evidence=tuple(evidence(words) for words in (verdict.evidence, *cut) if words),
    )


def _nothing(cut: tuple[str, ...], ticket: TicketText, domains: Sequence[str]) -> Finding:
    return Finding(
        label=Label.NOT_BLOCKED,
        confidence=Confidence.LIKELY,
        code=None,
        candidates=candidates("", (), ticket.requester, domains),
        rule=NOTHING,
        evidence=cut,
    )
