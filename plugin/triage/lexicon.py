"""Which of very many fragments, in many languages at once, stand in a text: found in one pass over its words."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from plugin.triage.plain import folded

Words = Mapping[str, Iterable[str]]  # fragments by language
WORD = re.compile(r"[a-z0-9]+|[^\W_a-z0-9]+|[§#]")  # Latin words inside other scripts begin without a space
NOT_LATIN = re.compile(r"[^\x00-\u024f\s]")
_Row = tuple[str, bool, str]  # a folded fragment, whether it ends a word too, its concept
INITIALS = (6, 4, 2, 1)  # so many first characters a fragment is looked up by: the most that it has
MAX_KEPT = 20_000  # beginnings of words of which the fragments are kept


@dataclass(frozen=True, slots=True)
class Found:
    """A fragment found in a folded text."""

    concept: str
    start: int
    end: int


class _Index(dict[str, tuple[_Row, ...]]):
    """The fragments that may begin where a text goes on with some characters, worked out when these are first met."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, list[_Row]] = {}

    def add(self, row: _Row) -> None:
        initials = next(row[0][:n] for n in INITIALS if len(row[0]) >= n)
        self._rows.setdefault(initials, []).append(row)

    def __missing__(self, beginning: str) -> tuple[_Row, ...]:
        initials = dict.fromkeys(beginning[:length] for length in INITIALS)
        rows = tuple(row for first in initials for row in self._rows.get(first, ()))
        if len(self) < MAX_KEPT:
            self[beginning] = rows
        return rows


class Lexicon:
    """Concepts, each with its fragments.

    A fragment begins a word unless a star says that it may stand anywhere, as in scripts without spaces; one that ends
    in a space ends a word too.
    """

    def __init__(self, concepts: Mapping[str, Words]) -> None:
        self._begins, self._anywhere = _Index(), _Index()
        self._inside: list[_Row] = []  # of words in Latin letters: few
        for concept, by_language in concepts.items():
            for fragment in (fragment for group in by_language.values() for fragment in group):
                text = folded(fragment.removeprefix("*"))
                row = (text, fragment.endswith(" "), concept)
                if fragment.startswith("*") and text.isascii():
                    self._inside.append(row)
                else:
                    (self._anywhere if fragment.startswith("*") else self._begins).add(row)

    def find(self, text: str) -> list[Found]:
        """All fragments in a text that is folded."""
        found = [Found(row[2], place, place + len(row[0])) for row in self._inside if (place := text.find(row[0])) >= 0]
        for place, rows in self._places(text):
            for fragment, ends_word, concept in rows:
                end = place + len(fragment)
                if text.startswith(fragment, place) and not (ends_word and text[end : end + 1].isalnum()):
                    found.append(Found(concept, place, end))
        return found

    def names(self, text: str) -> frozenset[str]:
        """The concepts in a text that is folded."""
        names = {concept for fragment, _, concept in self._inside if fragment in text}
        for place, rows in self._places(text):
            for fragment, ends_word, concept in rows:
                if concept in names or not text.startswith(fragment, place):
                    continue
                end = place + len(fragment)
                if not (ends_word and text[end : end + 1].isalnum()):
                    names.add(concept)
        return frozenset(names)

    def _places(self, text: str) -> Iterator[tuple[int, tuple[_Row, ...]]]:
        """Where a fragment may begin, with those that may."""
        longest = INITIALS[0]
        patterns = ((WORD, self._begins),) if text.isascii() else ((WORD, self._begins), (NOT_LATIN, self._anywhere))
        for pattern, index in patterns:
            for match in pattern.finditer(text):
                place = match.start()
                if rows := index[text[place : place + longest]]:
                    yield place, rows
