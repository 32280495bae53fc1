"""Codes as people say them in a voicemail or on the telephone: "five dot one dot eight", "fünf eins acht"."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice

from plugin.triage.knowledge import data
from plugin.triage.plain import folded

REPLY = "550"  # the SMTP reply code before the enhanced one
SHORTEST = 3  # digits of an enhanced status code
MAX_SPOKEN = 50  # rows of numbers that are looked at in one text


def spoken_in(text: str) -> Iterator[tuple[str, bool]]:
    """The codes that are said in words, in their order, and whether the dots are said as well.

    A row of numbers is taken as a whole, so that a part of a telephone number is no code.
    """
    said = folded(text)
    if not _may_hold_one(said):
        return
    for match in islice(_row().finditer(said), MAX_SPOKEN):
        numbers = _number().findall(match[0])
        dots = len(_dot().findall(match[0]))
        digits = "".join(_digits().get(number, number) for number in numbers)
        digits = digits.removeprefix(REPLY) if len(digits) > len(REPLY) else digits
        is_written = dots == 0 and all(map(str.isdecimal, numbers))
        is_code = digits.startswith("5") and len(digits) >= SHORTEST
        if is_code and not is_written and not said[: match.start()].rstrip(" .:").endswith(_not_behind()):
            yield f"{digits[0]}.{digits[1]}.{digits[2:]}", dots > 1


def _may_hold_one(said: str) -> bool:
    """Whether a five is said, or a dot beside one that is written; quick to say no."""
    return any(map(said.__contains__, _fives())) or ("5" in said and any(map(said.__contains__, _dots())))


@cache
def _fives() -> tuple[str, ...]:
    return tuple(word for word, digits in _digits().items() if digits.startswith("5"))


@cache
def _dots() -> tuple[str, ...]:
    return tuple(map(folded, data("spoken.json")["dots"]))


@cache
def _digits() -> dict[str, str]:
    """What each number is in digits."""
    return {folded(word): digits for digits, words in data("spoken.json")["numbers"].items() for word in words}


@cache
def _not_behind() -> tuple[str, ...]:
    return tuple(map(folded, data("spoken.json")["not_behind"]))


@cache
def _number() -> re.Pattern[str]:
    return re.compile(rf"{_either(_digits())}|(?<!\d)\d{{1,3}}(?!\d)")


@cache
def _dot() -> re.Pattern[str]:
    return re.compile(_either(_dots()))


@cache
def _row() -> re.Pattern[str]:
    """Numbers one behind the other, with or without dots between them."""
    gap = rf"(?: ?(?:{_dot().pattern}) ?|, ?| ?[-–·・、] ?| )?"
    return re.compile(rf"(?:{_number().pattern})(?:{gap}(?:{_number().pattern})){{2,9}}")


def _either(words: Iterable[str]) -> str:
    """An expression for any of the words, the longest first; in scripts with spaces as words of their own."""
    ordered = sorted(words, key=len, reverse=True)
    spaced = "|".join(re.escape(word) for word in ordered if not _is_unspaced(word))
    unspaced = "|".join(re.escape(word) for word in ordered if _is_unspaced(word))
    return rf"(?:(?<![^\W\d_])(?:{spaced})(?![^\W\d_])|(?:{unspaced})(?![\u11a8-\u11ff]))"  # syllables are whole


def _is_unspaced(word: str) -> bool:
    return word[0] >= "\u1100"
