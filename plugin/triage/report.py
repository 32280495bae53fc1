"""Who refused, and for what: reads one report, machine part first, and says what it means.

**Who refused decides.** A code or a sentence alone does not: another mail system answers ``501 5.1.8 Sender address
rejected``, and Microsoft's own report quotes it under the sentence that it uses for blocked accounts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plugin.model import Confidence, Label
from plugin.triage.hosts import framed, refused_elsewhere
from plugin.triage.knowledge import Phrase, Refusal, is_english, is_microsoft, phrases, refusals
from plugin.triage.mail import Status
from plugin.triage.plain import Skeleton, evidence, excerpt, skeleton
from plugin.triage.replies import (
    Statement,
    enhanced,
    meant,
    said_by_others,
    scanned_in,
    statements_in,
)

RANK = (Label.SENDER_BLOCKED, Label.TENANT_BLOCKED, Label.SENDING_LIMIT, Label.NOT_BLOCKED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What one report means."""

    label: Label
    confidence: Confidence
    code: str | None
    rule: str
    evidence: str
    is_prose: bool = False  # rests on a sentence for people alone


def judge_statuses(statuses: Iterable[Status]) -> Verdict | None:
    """What a delivery status (RFC 3464) means; None where it does not say."""
    return _strongest(verdict for status in statuses if (verdict := _judge_status(status)) is not None)


def _judge_status(status: Status) -> Verdict | None:
    statements = statements_in(f"{status.diagnostic}\n", skeleton(status.diagnostic))
    known = next((s for s in statements if s.refusal is not None), None)
    code = enhanced(status.code)
    words = evidence(f"Status: {status.code} Diagnostic-Code: {status.diagnostic}")
    if status.remote and not is_microsoft(status.remote):
        return _not_ours("refused-by-another-system", code, f"{status.remote}: {words}")
    if known is not None and known.refusal is not None:
        return Verdict(
            label=known.refusal.label,
            confidence=_as_sure_as(known.refusal, Confidence.CERTAIN),
            code=meant(known.refusal, known.code or code),
            rule="delivery-status",
            evidence=words,
        )
    alone = next((r for r in refusals() if r.believed_alone and code and r.has(code)), None)
    if alone is not None and is_microsoft(status.reporting) and not said_by_others(status.diagnostic):
        return _by_code(alone, code, "delivery-status-without-text", words)
    if code is None or (alone is not None and not said_by_others(status.diagnostic)):
        return None
    return _not_ours("other-refusal", code, words)


def judge_text(text: str, domains: Sequence[str]) -> Verdict | None:
    """What a report in text form means; None where nothing in it is an answer of a mail system."""
    bones = skeleton(text)
    statements = statements_in(text, bones)
    known = [
        (s, s.refusal) for s in statements if s.refusal is not None and not refused_elsewhere(text, s.place, domains)
    ]
    if known:
        return _known(*min(known, key=lambda pair: (RANK.index(pair[1].label), pair[0].code is None, pair[0].place)))
    elsewhere = any(refused_elsewhere(text, s.place, domains) for s in statements)
    if not elsewhere and framed(text) and not any(said_by_others(s.words) for s in statements):
        alone = next(((s, r) for s in statements for r in refusals() if _stands_alone(s, r)), None)
        if alone is not None:
            return _by_code(alone[1], alone[0].code, "code-in-microsoft-report", alone[0].words)
    other = next((s for s in statements if _is_other_refusal(s, text, elsewhere=elsewhere)), None)
    if other is not None:
        return _not_ours("other-refusal", other.code, other.words)
    return _judge_phrases(text, bones, statements)


def _known(statement: Statement, refusal: Refusal) -> Verdict:
    is_whole = statement.code is not None and not statement.is_translated
    told = "translated-reply" if statement.is_translated else "microsoft-reply"
    return Verdict(
        label=refusal.label,
        confidence=_as_sure_as(refusal, Confidence.CERTAIN if is_whole else Confidence.LIKELY),
        code=meant(refusal, statement.code),
        rule=told if statement.code else f"{told}-without-code",
        evidence=statement.words,
    )


def _judge_phrases(text: str, bones: Skeleton, statements: list[Statement]) -> Verdict | None:
    letters = bones.letters
    phrase = next((phrase for phrase in phrases() if phrase.fragment in letters), None)
    if phrase is None:
        return None
    return _phrase_verdict(phrase, text, bones.place(letters.find(phrase.fragment)), statements)


def _phrase_verdict(phrase: Phrase, text: str, place: int, statements: list[Statement]) -> Verdict:
    ours = [refusal for refusal in refusals() if refusal.label is phrase.label]
    code = next((s.code for s in statements for r in ours if _fits(s, r)), None)
    code = code or next((seen for seen in scanned_in(text) for r in ours if seen in r.codes), None)
    sure = phrase.confirmed or (code is not None and framed(text))
    return Verdict(
        label=phrase.label,
        confidence=Confidence.LIKELY if sure else Confidence.UNSURE,
        code=code,
        rule=f"phrase-{phrase.lang}" if phrase.confirmed else f"unconfirmed-phrase-{phrase.lang}",
        evidence=excerpt(text, place - 60, place + 120),
        is_prose=True,
    )


def _fits(statement: Statement, refusal: Refusal) -> bool:
    return statement.code is not None and refusal.has(statement.code)


def _stands_alone(statement: Statement, refusal: Refusal) -> bool:
    """A code that is believed without its known text: translated, or none; not what other systems say."""
    if not (refusal.believed_alone and statement.smtp and _fits(statement, refusal)):
        return False
    return not (statement.has_text and is_english(statement.words))


def _is_other_refusal(statement: Statement, text: str, *, elsewhere: bool) -> bool:
    """A whole answer of a mail system that means something else; one of our codes in mere prose is none."""
    if not statement.smtp or not (statement.has_text or elsewhere):
        return False
    is_our_code = any(refusal.believed_alone and _fits(statement, refusal) for refusal in refusals())
    return not is_our_code or elsewhere or said_by_others(statement.words) or framed(text)


def _strongest(verdicts: Iterable[Verdict]) -> Verdict | None:
    return min(verdicts, key=lambda verdict: RANK.index(verdict.label), default=None)


def _as_sure_as(refusal: Refusal, most: Confidence) -> Confidence:
    return most if refusal.confirmed else Confidence.UNSURE


def _by_code(refusal: Refusal, code: str | None, rule: str, words: str) -> Verdict:
    """A verdict that rests on a code without its known text."""
    confidence = _as_sure_as(refusal, Confidence.LIKELY)
    return Verdict(label=refusal.label, confidence=confidence, code=code, rule=rule, evidence=words)


def bounce_of_another_kind(words: str) -> Verdict:
    """For a mail from a mail system that gives no reason of Microsoft's."""
    return _not_ours("other-bounce", None, words)


def _not_ours(rule: str, code: str | None, words: str) -> Verdict:
    return Verdict(
        label=Label.NOT_BLOCKED, confidence=Confidence.CERTAIN, code=code, rule=rule, evidence=evidence(words)
    )
