"""Triage itself: from a ticket's text to findings, and the two smaller questions about attachments and complaints."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from plugin.model import Attachment, Confidence, Finding, Label, Said, TicketText
from plugin.triage.accounts import candidates, named_in
from plugin.triage.plain import MAX_TEXT, clean, evidence
from plugin.triage.readings import TEXT_NAMES, Reading, plain_text, readings_of
from plugin.triage.report import RANK
from plugin.triage.sections import fresh_text, own_words
from plugin.triage.words import complains

MAX_FETCH = 5 * 1024 * 1024  # bytes of an attachment that is worth fetching
MAX_MESSAGES = 30  # of one ticket: the first, and the newest
MAX_CHARACTERS = 2 * MAX_TEXT  # of all messages together
MAX_FILES = 10  # of all messages together
MAX_FINDINGS = 20
SURE = tuple(Confidence)


def triage(ticket: TicketText, domains: Sequence[str]) -> tuple[Finding, ...]:
    """What a ticket says about refused senders: one finding for each account or report, most serious first.

    There is always one finding; those of other matters are left out where there is a refused sender. Pure, and bounded
    in time and memory whatever the ticket holds; what was left out for that is said in the evidence.
    """
    said, cut = _bounded(ticket)
    readings: list[Reading] = []
    words: list[str] = []
    for number, message in enumerate(said):
        found, own = readings_of(message, clean(ticket.subject) if number == 0 else "", domains)
        readings += found
        words += own
    positive = [reading for reading in readings if reading.verdict.label is not Label.NOT_BLOCKED]
    besides = frozenset(address for reading in readings for address in reading.recipients)
    named = named_in(words, domains, besides)
    kept = _distinct(positive) if positive else readings[:1]
    findings = [_finding(reading, named, cut, ticket, domains) for reading in kept[:MAX_FINDINGS]]
    return tuple(findings) or (_nothing(cut, ticket, domains),)


def wanted(attachment: Attachment) -> bool:
    """Whether an attachment may be a mail report and is worth fetching."""
    kind = attachment.content_type.lower().split(";")[0].strip()
    named = attachment.filename.lower().endswith(TEXT_NAMES)
    is_text = kind in ("message/rfc822", "message/delivery-status", "message/global") or kind.startswith("text/")
    is_small = attachment.size is None or 0 < attachment.size <= MAX_FETCH
    return is_small and (is_text or (named and kind in ("", "application/octet-stream", "application/x-eml")))


def still_fails(said: Said, domains: Sequence[str]) -> bool:
    """Whether a customer's message says that mail (still) fails: a new report of a refusal, or words to that effect."""
    if said.by_agent:
        return False
    text = fresh_text(plain_text(said))
    if complains(own_words(text)):
        return True
    fresh = replace(said, text=text, content_type="text/plain", files=said.files[:MAX_FILES])
    readings, _ = readings_of(fresh, "", domains)
    return any(
        r.verdict.label is not Label.NOT_BLOCKED and r.verdict.confidence is not Confidence.UNSURE for r in readings
    )


# ── what of a ticket is read ─────────────────────────────────────────────────────────────────────────────────────


def _bounded(ticket: TicketText) -> tuple[list[Said], tuple[str, ...]]:
    """The customer's messages as far as they are read, and what was left out.

    An agent's words count only where the agent opened the ticket for a customer.
    """
    said = [m for n, m in enumerate(ticket.said) if not m.by_agent or (ticket.opened_by_agent and n == 0)]
    kept = said[:1] + said[1:][-(MAX_MESSAGES - 1) :]
    characters, files = MAX_CHARACTERS, MAX_FILES
    read: list[Said] = []
    for message in kept:
        read.append(replace(message, text=message.text[:characters], files=message.files[:files]))
        characters -= min(characters, len(message.text), MAX_TEXT)
        files -= len(read[-1].files)
    cut = []
    if len(kept) < len(said):
        cut.append(f"only the first and the newest {MAX_MESSAGES - 1} messages were read")
    if any(len(a.text) < len(b.text) or len(b.text) > MAX_TEXT for a, b in zip(read, kept, strict=True)):
        cut.append("long messages were read in part")
    if any(len(a.files) < len(b.files) for a, b in zip(read, kept, strict=True)):
        cut.append(f"only the first {MAX_FILES} attachments were read")
    return read, tuple(cut)


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
        evidence=tuple(evidence(words) for words in (verdict.evidence, *reading.cut, *cut) if words),
    )


def _nothing(cut: tuple[str, ...], ticket: TicketText, domains: Sequence[str]) -> Finding:
    return Finding(
        label=Label.NOT_BLOCKED,
        confidence=Confidence.LIKELY,
        code=None,
        candidates=candidates("", (), ticket.requester, domains),
        rule="nothing-of-ours",
        evidence=cut,
    )
