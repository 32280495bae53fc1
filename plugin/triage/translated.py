"""Microsoft's answers in other languages: known by words that stand close together."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from plugin.triage.knowledge import Refusal, data, refusals_by
from plugin.triage.plain import skeleton

BEFORE, AFTER = 60, 80  # letters around the first words of an answer in which its other words stand
MAX_PLACES = 20  # of the first words of one answer in one language

_Either = tuple[str, ...]  # skeletons of which one must be there


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One of Microsoft's answers in one language."""

    refusal: Refusal
    first: str  # skeleton
    beside: tuple[_Either, ...]


def answers_in(letters: str) -> Iterator[tuple[Refusal, int, int]]:
    """The refusals that a text's skeleton tells in other words, and the first and last letter of each."""
    known = _by_first(is_ascii=letters.isascii())
    for first in [first for first in known if first in letters]:
        rows, place = known[first], letters.find(first)
        for _ in range(MAX_PLACES):
            if place < 0:
                break
            end = place + len(first)
            around = letters[max(0, place - BEFORE) : end + AFTER]
            answer = next((row for row in rows if all(any(map(around.__contains__, one)) for one in row.beside)), None)
            if answer is not None:
                yield answer.refusal, place, end - 1
            place = letters.find(first, end)


@cache
def _by_first(*, is_ascii: bool) -> dict[str, list[Answer]]:
    """The answers by their first words; only those in Latin letters where a text has no others."""
    found: dict[str, list[Answer]] = {}
    for answer in _answers():
        if answer.first.isascii() or not is_ascii:
            found.setdefault(answer.first, []).append(answer)
    return found


def _answers() -> Iterator[Answer]:
    words = data("translated.json")["words"]
    for row in data("translated.json")["answers"]:
        refusal = next(known for known in refusals_by(row["code"]) if row["code"] in known.codes)
        for lang, firsts in words[row["first"]].items():
            beside = tuple(_either(words, names.split("|"), lang) for names in row["with"])
            for first in firsts:
                yield Answer(refusal=refusal, first=skeleton(first).letters, beside=beside)


def _either(words: dict[str, dict[str, list[str]]], names: list[str], lang: str) -> _Either:
    said = (text for name in names for text in words[name].get(lang, words[name].get("any", ())))
    return tuple(skeleton(text).letters for text in said)
