"""What a customer says in their own words, without a report: concepts found in sentences, and rules over concepts."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from plugin.model import Confidence, Label
from plugin.triage.knowledge import data, refusals
from plugin.triage.plain import clean, evidence, folded, unquoted_lines
from plugin.triage.replies import CODE
from plugin.triage.report import Verdict

MAX_WORDS = 20_000  # characters of one message's own words that are weighed
SENTENCE = re.compile(r"[.!?;。！？\n]+(?=\s|$)|[。！？]")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    name: str
    label: Label
    confidence: Confidence
    all_of: frozenset[str]
    none_of: frozenset[str]
    together: bool  # all within one sentence
    strong: bool  # holds beside a report that says otherwise


@cache
def _rules() -> tuple[_Rule, ...]:
    return tuple(
        _Rule(
            name=row["name"],
            label=Label(row["label"]),
            confidence=Confidence(row["confidence"]),
            all_of=frozenset(row["all"]),
            none_of=frozenset(row["none"]),
            together=row.get("together", False),
            strong=row.get("strong", False),
        )
        for row in data("words.json")["rules"]
    )


def _pattern(by_language: Mapping[str, Iterable[str]]) -> re.Pattern[str]:
    """One alternation of literals; a fragment begins a word unless a star says that it may stand anywhere."""
    fragments = [fragment for group in by_language.values() for fragment in group]
    anywhere = [re.escape(folded(text[1:])) for text in fragments if text.startswith("*")]
    begins = [re.escape(folded(text) + " " * text.endswith(" ")) for text in fragments if not text.startswith("*")]
    return re.compile(rf"(?<!\w)(?:{'|'.join(begins) or '(?!)'})|{'|'.join(anywhere) or '(?!)'}")


@cache
def _concepts() -> dict[str, re.Pattern[str]]:
    concepts: dict[str, Any] = data("words.json")["concepts"]
    return {name: _pattern(by_language) for name, by_language in concepts.items()}


def _found(text: str) -> frozenset[str]:
    return frozenset(name for name, pattern in _concepts().items() if pattern.search(text))


def judge_words(text: str, *, beside_other_report: bool) -> Verdict | None:
    """What a message's own words say; None if they say nothing of a refused sender.

    Beside a report of another refusal only the name of Microsoft's list or alert counts.
    """
    text = text[:MAX_WORDS]
    whole = _found(folded(text) + " ")
    sentences = [_found(folded(sentence) + " ") for sentence in SENTENCE.split(text)]
    for rule in _rules():
        held = any(rule.all_of <= found for found in sentences) if rule.together else rule.all_of <= whole
        if held and not rule.none_of & whole and (rule.strong or not beside_other_report):
            code = _code_of(text, rule.label)
            return Verdict(
                label=rule.label, confidence=rule.confidence, code=code, rule=rule.name, evidence=evidence(text)
            )
    return None if beside_other_report else _bare_code(text, whole)


def _code_of(text: str, label: Label) -> str | None:
    for match in CODE.finditer(text):
        code = f"{match['class']}.{int(match['subject'])}.{int(match['detail'])}"
        if any(refusal.label is label and refusal.has(code) for refusal in refusals()):
            return code
    return None


def _bare_code(text: str, whole: frozenset[str]) -> Verdict | None:
    """A code that the writer gives without its text, in words about mail."""
    words = data("words.json")
    if not whole & set(words["code_context"]) or whole & set(words["code_none"]):
        return None
    for refusal in refusals():
        if refusal.believed_alone and (code := _code_of(text, refusal.label)) and refusal.has(code):
            return Verdict(
                label=refusal.label,
                confidence=Confidence.UNSURE,
                code=code,
                rule="code-in-words",
                evidence=evidence(text),
            )
    return None


# ── does mail still fail? ────────────────────────────────────────────────────────────────────────────────────────


@cache
def _complaints() -> tuple[re.Pattern[str], re.Pattern[str], tuple[str, ...]]:
    rows = data("complaints.json")
    return _pattern(rows["recovered"]), _pattern(rows["fails"]), tuple(folded(text) + " " for text in rows["unless"])


def complains(text: str) -> bool:
    """Whether unquoted words say that mail (still) fails; "no longer bounces" and "if it still bounces" do not."""
    recovered, fails, unless = _complaints()
    for sentence in SENTENCE.split(unquoted_lines(clean(text))[:MAX_WORDS]):
        said = recovered.sub(" ", folded(sentence) + " ")
        if not said.startswith(unless) and fails.search(said):
            return True
    return False
