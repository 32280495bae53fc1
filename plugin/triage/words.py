"""What a customer says in their own words, without a report: concepts found in sentences, and rules over concepts."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from plugin.model import Confidence, Label
from plugin.triage.knowledge import data, refusals, refusals_by
from plugin.triage.lexicon import Lexicon
from plugin.triage.plain import clean, evidence, folded, unquoted_lines
from plugin.triage.replies import codes_in, scanned_in
from plugin.triage.report import RANK, Verdict

MAX_WORDS = 20_000  # characters of one message's own words that are weighed
WRAPPED = 50  # characters; a longer line that goes on below was broken by a mail program
SENTENCE = re.compile(r"[.!;]+(?=\s|$)|(?<=\?)(?=[^!-~])|[。！]|\n")  # a question keeps its mark
LINE_END = re.compile(rf"(?<=[^\n]{{{WRAPPED}}})\n(?=[^\W\d_])")

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
    unless: frozenset[str]  # not in the sentence of `one`
    none_of: frozenset[str]
    strong: bool  # holds beside a report that says otherwise

    @property
    def concepts(self) -> frozenset[str]:
        """All that the rule names."""
        return frozenset[str]().union(*self.one, *self.near, *self.text, self.unless, self.none_of)

    def holds(self, sentences: Sequence[frozenset[str]], whole: frozenset[str]) -> bool:
        if not self.none_of.isdisjoint(whole) or not _has(whole, self.text):
            return False
        if not _has(whole, self.one) or not _has(whole, self.near):
            return False
        plain = (found for found in sentences if not self.unless & found)
        if not any(_has(found, self.one) for found in plain):
            return False
        return not self.near or any(_has(found, self.near) for found in _pairs(sentences))


def _found_in(text: str, kind: str) -> list[frozenset[str]]:
    """The concepts in each sentence that rules of a kind know, and whether it is a question."""
    lines = LINE_END.sub(" ", text[:MAX_WORDS])
    said = [folded(sentence) for sentence in SENTENCE.split(lines)]
    names = _concepts(kind).names
    found = [names(one) | QUESTION if ASKS.search(one) else names(one) for one in said]
    off = {name for name, other in data("words.json")["cancelled"].items() if any(other in one for one in found)}
    return [one - off for one in found] if off else found


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
            unless=frozenset(row.get("unless", ())),
            none_of=_each(row["none"]),
            strong=row.get("strong", False),
        )
        for row in data("words.json")[kind]
    )


@cache
def _concepts(kind: str) -> Lexicon:
    words = data("words.json")
    known = set(words["cancelled"].values())
    if kind == "rules":
        known |= {*words["code_context"], *words["code_context_long"], *_each(words["code_none"])}
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
            return Verdict(
                label=rule.label,
                confidence=rule.confidence,
                code=code_of(text, rule.label),
                rule=rule.name,
                evidence=evidence(text),
            )
    return None if beside_other_report else _bare_code(text, whole)


def somebody_elses(text: str) -> str | None:
    """By which rule the writer tells of somebody outside, whose account is not ours to unblock; None if by none."""
    return _name_of(_rules("somebody_else"), _found_in(text, "somebody_else"))


def no_matter(text: str, *, about_a_case: bool) -> str | None:
    """By which rule the writer says that nothing is blocked now: it is over, or asked in general; None if by none.

    Whoever says in the same words that mail fails, or that something else does, is not taken to say so. Where a report
    or the writer names an account of ours only the plainest rules count.
    """
    found = _found_in(text, "asides")
    rules = [rule for rule in _rules("asides") if rule.strong or not about_a_case]
    name = _name_of(rules, found)
    return None if name is None or complains(text) else name


def _name_of(rules: Iterable[_Rule], sentences: Sequence[frozenset[str]]) -> str | None:
    whole = frozenset[str]().union(*sentences)
    return next((rule.name for rule in rules if rule.holds(sentences, whole)), None)


def code_of(text: str, label: Label) -> str | None:
    """A code in a writer's words that goes with a label."""
    exact = (code.text for code in codes_in(text) if any(refusal.label is label for refusal in refusals_by(code.text)))
    named = _named_codes(label)
    return next(exact, None) or next((code for code in scanned_in(text) if code in named), None)


@cache
def _named_codes(label: Label) -> frozenset[str]:
    """The codes of a label but those that only lie in a range."""
    return frozenset(code for refusal in refusals() if refusal.label is label for code in refusal.codes)


@cache
def _numbered() -> re.Pattern[str]:
    """A number that is said to be one of an invoice, an article or the like."""
    nouns = "|".join(map(re.escape, data("words.json")["numbered"]))
    return re.compile(rf"(?<![a-z])(?:{nouns})\s?(?:no|nr|n°|nº|№|#|号|號)?[.:]?\s?\d[\d.]+", re.IGNORECASE)


def _bare_code(text: str, whole: frozenset[str]) -> Verdict | None:
    """A code that the writer gives without its text, in words about mail."""
    words = data("words.json")
    told = whole & set(words["code_context"]) or any(code.smtp for code in codes_in(text))
    if not told and whole & set(words["code_context_long"]):
        told = any(len(code.text.rpartition(".")[2]) >= LONG_DETAIL for code in codes_in(text))
    if not told or whole & _each(words["code_none"]):
        return None
    text_of_codes = _numbered().sub("", text)
    codes = {label: code for label in RANK if (code := code_of(text_of_codes, label)) is not None}
    for label, code in codes.items():
        if any(refusal.believed_alone and refusal.label is label for refusal in refusals_by(code)):
            return Verdict(
                label=label, confidence=Confidence.UNSURE, code=code, rule="code-in-words", evidence=evidence(text)
            )
    return None


# ── does mail still fail? ────────────────────────────────────────────────────────────────────────────────────────


@cache
def _complaints() -> tuple[Lexicon, tuple[str, ...]]:
    rows = data("complaints.json")
    lexicon = Lexicon({name: rows[name] for name in ("recovered", "fails")})
    return lexicon, tuple(folded(text) + " " for text in rows["unless"])


def complains(text: str) -> bool:
    """Whether unquoted words say that mail (still) fails; "no longer bounces" and "if it still bounces" do not."""
    lexicon, unless = _complaints()
    for sentence in SENTENCE.split(LINE_END.sub(" ", unquoted_lines(clean(text))[:MAX_WORDS])):
        said = folded(sentence)
        if not f"{said} ".startswith(unless) and _fails(lexicon, said):
            return True
    return False


def _fails(lexicon: Lexicon, said: str) -> bool:
    """Whether a fragment of failing stands outside those of recovering."""
    found = lexicon.find(said)
    recovered = [(f.start, f.end) for f in found if f.concept == "recovered"]
    return any(
        f.concept == "fails" and not any(start < f.end and f.start < end for start, end in recovered) for f in found
    )
