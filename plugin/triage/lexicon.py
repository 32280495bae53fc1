"""Which of very many fragments, in many languages at once, stand in a text: found in one pass over its words."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from plugin.triage.plain import folded

Words = Mapping[str, Iterable[str]]  # fragments by language
WORD = re.compile(r"[a-z0-9]+|[^\W_a-z0-9]+|[§#]")  # Latin words inside other scripts begin without a space
NOT_LATIN = re.compile(r"[^\x00-\u024f\s]")
_Row = tuple[str, bool, str]  # a folded fragment, whether it ends a word too, its concept
INITIALS = (4, 2, 1)  # so many first characters a fragment is looked up by: the most that it has


@dataclass(frozen=True, slots=True)
class Found:
    """A fragment found in a folded text."""

    concept: str
    start: int
    end: int


class Lexicon:
    """Concepts, each with its fragments.

    A fragment begins a word unless a star says that it may stand anywhere, as in scripts without spaces; one that ends
    in a space ends a word too.
    """

    def __init__(self, concepts: Mapping[str, Words]) -> None:
        self._begins: dict[str, list[_Row]] = {}
        self._anywhere: dict[str, list[_Row]] = {}
        self._inside: list[_Row] = []  # of words in Latin letters: few
        for concept, by_language in concepts.items():
            for fragment in (fragment for group in by_language.values() for fragment in group):
                text = folded(fragment.removeprefix("*"))
                row = (text, fragment.endswith(" "), concept)
                if fragment.startswith("*") and text.isascii():
                    self._inside.append(row)
                    continue
                index = self._anywhere if fragment.startswith("*") else self._begins
                initials = next(text[:n] for n in INITIALS if len(text) >= n)
                index.setdefault(initials, []).append(row)

    def find(self, text: str) -> list[Found]:
        """All fragments in a text that is folded."""
        found: list[Found] = []
        for fragment, _, concept in self._inside:
            place = text.find(fragment)
            if place >= 0:
                found.append(Found(concept, place, place + len(fragment)))
        for match in WORD.finditer(text):
            _at(self._begins, text, match.start(), found)
        if not text.isascii():
            for match in NOT_LATIN.finditer(text):
                _at(self._anywhere, text, match.start(), found)
        return found

    def names(self, text: str) -> frozenset[str]:
        """The concepts in a text that is folded."""
        return frozenset(found.concept for found in self.find(text))


def _at(index: Mapping[str, list[_Row]], text: str, place: int, found: list[Found]) -> None:
    for length in INITIALS:
        for fragment, ends_word, concept in index.get(text[place : place + length], ()):
            end = place + len(fragment)
            if text.startswith(fragment, place) and not (ends_word and text[end : end + 1].isalnum()):
                found.append(Found(concept, place, end))
