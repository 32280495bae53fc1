"""Microsoft's answers in other languages: known by words that stand close together."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

from plugin.triage.knowledge import Refusal, data, refusals_by
from plugin.triage.plain import places_of, skeleton

BEFORE, AFTER = 60, 80  # letters around the first words of an answer in which its other words stand
MAX_PLACES = 20  # of the first words of one answer in one language

_Either = tuple[str, ...]  # skeletons of which one must be there


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One of Microsoft's answers in one language."""

    refusal: Refusal
    first: str  # skeleton
    beside: tuple[_Either, ...]

    def is_in(self, around: str) -> bool:
        """Whether its other words stand in a skeleton."""
        return all(any(words in around for words in either) for either in self.beside)


def answers_in(letters: str) -> Iterator[tuple[Refusal, int, int]]:
    """The refusals that a text's skeleton tells in other words, and the first and last letter of each."""
    known = _in_ascii() if letters.isascii() else _by_first()
    for first in [first for first in known if first in letters]:
        for place in islice(places_of(first, letters), MAX_PLACES):
            end = place + len(first)
            around = letters[max(0, place - BEFORE) : end + AFTER]
            answer = next((one for one in known[first] if one.is_in(around)), None)
            if answer is not None:
                yield answer.refusal, place, end - 1


@cache
def _by_first() -> dict[str, list[Answer]]:
    """The answers by their first words."""
    found: dict[str, list[Answer]] = {}
    for answer in _answers():
        found.setdefault(answer.first, []).append(answer)
    return found


@cache
def _in_ascii() -> dict[str, list[Answer]]:
    """Those of them that a text without other letters may hold."""
    return {first: answers for first, answers in _by_first().items() if first.isascii()}


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
