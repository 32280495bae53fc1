"""What a customer says in their own words, without a report: concepts found in sentences, and rules over concepts."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from plugin.model import Confidence, Label
from plugin.triage.complaints import complains
from plugin.triage.knowledge import data, refusals, refusals_by
from plugin.triage.lexicon import Lexicon
from plugin.triage.plain import evidence, folded
from plugin.triage.replies import codes_in, scanned_in
from plugin.triage.report import RANK, Verdict
from plugin.triage.sentences import MAX_WORDS, sentences_in
from plugin.triage.spoken import spoken_in

LONG_DETAIL = 3  # digits; a last number as long as this is seldom one of a version, section or address
ASKS = re.compile(r"(?:\?|か|吗|嗎|呢|까|나요|가요)\Z")  # East Asian scripts often leave the mark out
QUESTION = frozenset({"question"})  # a concept that is no fragment but the sentence's mark

Wanted = tuple[frozenset[str], ...]  # of each set, one concept


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    name: str
    label: Label
    confidence: Confidence
    one: Wanted  # in one sentence
    near: Wanted  # in one sentence or two neighbouring ones
    text: Wanted  # anywhere
    unless: frozenset[str]  # not in a sentence of `one` or `near`
    none_of: frozenset[str]
    strong: bool  # holds beside a report that says otherwise
    weak: bool  # holds only where no mail system's whole answer stands

    @property
    def concepts(self) -> frozenset[str]:
        """All that the rule names."""
        return frozenset[str]().union(*self.one, *self.near, *self.text, self.unless, self.none_of)

    def holds(self, sentences: Sequence[frozenset[str]], whole: frozenset[str]) -> bool:
        if not self.none_of.isdisjoint(whole) or not _has(whole, self.text):
            return False
        if not _has(whole, self.one) or not _has(whole, self.near):
            return False
        plain = [found for found in sentences if not self.unless & found] if self.unless else sentences
        if not any(_has(found, self.one) for found in plain):
            return False
        return not self.near or any(_has(found, self.near) for found in _pairs(plain))


def _found_in(text: str, kind: str) -> list[frozenset[str]]:
    """The concepts in each sentence that rules of a kind know, and whether it is a question."""
    said = _folded_sentences(text)
    names = _concepts(kind).names
    found = [names(one) | QUESTION if ASKS.search(one) else names(one) for one in said]
    off = {name for name, other in data("words.json")["cancelled"].items() if any(other in one for one in found)}
    return [one - off for one in found] if off else found


@lru_cache(maxsize=4)
def _folded_sentences(text: str) -> tuple[str, ...]:
    """They are weighed by several kinds of rules, one after the other."""
    return tuple(map(folded, sentences_in(text)))


def _pairs(sentences: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    return [one | other for one, other in zip(sentences, [*sentences[1:], frozenset()], strict=True)]


def _has(found: frozenset[str], wanted: Wanted) -> bool:
    return not any(map(found.isdisjoint, wanted))


def _wanted(names: Iterable[str]) -> Wanted:
    return tuple(frozenset(name.split("|")) for name in names)


def _each(names: Iterable[str]) -> frozenset[str]:
    """The concepts that are named, those of a group one by one."""
    groups = data("words.json")["groups"]
    return frozenset(concept for name in names for concept in groups.get(name, (name,)))


@cache
def _rules(kind: str) -> tuple[_Rule, ...]:
    return tuple(
        _Rule(
            name=row["name"],
            label=Label(row.get("label", Label.NOT_BLOCKED)),
            confidence=Confidence(row.get("confidence", Confidence.LIKELY)),
            one=_wanted(row.get("one", ())),
            near=_wanted(row.get("near", ())),
            text=_wanted(row.get("text", ())),
            unless=_each(row.get("unless", ())),
            none_of=_each(row["none"]),
            strong=row.get("strong", False),
            weak=row.get("weak", False),
        )
        for row in data("words.json")[kind]
    )


@cache
def _concepts(kind: str) -> Lexicon:
    words = data("words.json")
    known = set(words["cancelled"].values())
    if kind == "rules":
        known |= {*words["code_context"], *words["code_context_long"], *words["code_context_spoken"]}
        known |= _each((*words["code_none"], *words["code_unless"]))
    known = known.union(*(rule.concepts for rule in _rules(kind)))
    return Lexicon({name: fragments for name, fragments in words["concepts"].items() if name in known})


def judge_words(text: str, *, beside_other_report: bool) -> Verdict | None:
    """What a message's own words say; None if they say nothing of a refused sender.

    Beside a report of another refusal only the name of Microsoft's list or alert counts.
    """
    text = text[:MAX_WORDS]
    sentences = _found_in(text, "rules")
    whole = frozenset[str]().union(*sentences)
    for rule in _rules("rules"):
        if (rule.strong or not beside_other_report) and rule.holds(sentences, whole):
            verdict = Verdict(
                label=rule.label,
                confidence=rule.confidence,
                code=code_of(text, rule.label),
                rule=rule.name,
                evidence=evidence(text),
            )
            by_code = None if verdict.code else _bare_code(_beside_no_number(text, sentences), whole)
            return by_code or verdict  # a code says more exactly what was refused than words do
    return None if beside_other_report else _bare_code(_beside_no_number(text, sentences), whole)


def somebody_elses(text: str) -> str | None:
    """By which rule the writer tells of somebody outside, whose account is not ours to unblock; None if by none."""
    return _name_of(_rules("somebody_else"), _found_in(text, "somebody_else"))


def no_matter(text: str, *, about_a_case: bool, beside_answer: bool) -> str | None:
    """By which rule the writer says that nothing is blocked now: it is over, or asked in general; None if by none.

    Whoever says in the same words that mail fails, or that something else does, is not taken to say so. Where a report
    or the writer names an account of ours only the plainest rules count; beside a mail system's whole answer not the
    weakest.
    """
    found = _found_in(text, "asides")
    rules = (rule for rule in _rules("asides") if not (rule.weak and beside_answer))
    rules = (rule for rule in rules if rule.strong or not about_a_case)
    name = _name_of(rules, found)
    return None if name is None or complains(text) else name


def _name_of(rules: Iterable[_Rule], sentences: Sequence[frozenset[str]]) -> str | None:
    whole = frozenset[str]().union(*sentences)
    return next((rule.name for rule in rules if rule.holds(sentences, whole)), None)


def code_of(text: str, label: Label, *, is_alone: bool = False) -> str | None:
    """A code in a writer's words that goes with a label; one said in words, and alone, only with its dots."""
    exact = (code.text for code in codes_in(text) if any(refusal.label is label for refusal in refusals_by(code.text)))
    named = _named_codes(label)
    scanned = (code for code in scanned_in(text) if code in named)
    spoken = (code for code, has_dots in spoken_in(text) if code in named and (has_dots or not is_alone))
    return next(exact, None) or next(scanned, None) or next(spoken, None)


@cache
def _named_codes(label: Label) -> frozenset[str]:
    """The codes of a label but those that only lie in a range."""
    return frozenset(code for refusal in refusals() if refusal.label is label for code in refusal.codes)


@cache
def _numbered() -> re.Pattern[str]:
    """A number that is said to be one of an invoice, an article or the like."""
    nouns = "|".join(map(re.escape, data("words.json")["numbered"]))
    return re.compile(rf"(?<![a-z])(?:{nouns})\s?(?:no|nr|n°|nº|№|#|号|號)?[.:]?\s?\d[\d.]+", re.IGNORECASE)


def _beside_no_number(text: str, found: Sequence[frozenset[str]]) -> str:
    """The text; where it tells of numbers of another kind, such as a version's, only what it says of mail returned."""
    off = _each(data("words.json")["code_unless"])
    if all(map(off.isdisjoint, found)):
        return text
    said = zip(sentences_in(text), found, strict=True)
    return "\n".join(sentence for sentence, concepts in said if "returns" in concepts and off.isdisjoint(concepts))


def _bare_code(text: str, whole: frozenset[str]) -> Verdict | None:
    """A code that the writer gives without its text, in words about mail."""
    words = data("words.json")
    told = whole & set(words["code_context"]) or any(code.smtp for code in codes_in(text))
    if not told and whole & set(words["code_context_long"]):
        told = any(len(code.text.rpartition(".")[2]) >= LONG_DETAIL for code in codes_in(text))
    if not told or whole & _each(words["code_none"]):
        return None
    text_of_codes = _numbered().sub("", text)
    is_alone = whole.isdisjoint(words["code_context_spoken"])
    codes = {label: code for label in RANK if (code := code_of(text_of_codes, label, is_alone=is_alone)) is not None}
    for label, code in codes.items():
        if any(refusal.believed_alone and refusal.label is label for refusal in refusals_by(code)):
            return Verdict(
                label=label, confidence=Confidence.UNSURE, code=code, rule="code-in-words", evidence=evidence(text)
            )
    return None
