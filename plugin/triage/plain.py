"""Text as it can be compared: pasted, quoted, wrapped, scanned and disguised text brought to one form.

Everything here is linear in the length of its input, and `clean` cuts the input first.
"""

import quopri
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import accumulate

MAX_TEXT = 60_000  # characters of one message or file that are read
MAX_LINE = 4_000  # characters of one line that are read
MAX_EVIDENCE = 200  # characters of one piece of evidence
LONG_WORD = 40  # characters; a longer one is cut
STRETCH = 512  # characters
LEFT_OUT = "…"  # never in a text that was read, where `clean` has made it three dots
STRAIGHT = {ord(c): "'" for c in "’‘´`"} | {ord(c): '"' for c in "“”"} | {ord(c): "-" for c in "‑–—"}
UNDIVIDED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})  # accents that NFKD leaves
ELISION = re.compile(r"(?<!\w)([cdjlmnst]|qu|un|dell|nell|sull|all|dall)'(?=\w)")
LOOKALIKES = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "8": "b"})  # what scanners take for each other
# Letters of other alphabets drawn like Latin ones (Unicode's confusables); both sides of a comparison become Latin.
HOMOGLYPHS = str.maketrans("авгеѕзікмһнорстухјԁԛԝαβεικνορτυχ", "abreszikmhhopctyxjdqwabeikvoptux")
NEW_LINES = "\r\v\f\x85\u2028\u2029"
UNSEEN = ("Cf", "Cc", "Cs", "Co", "Cn")  # categories: formats such as zero-width and bidi marks, controls, unassigned
QUOTE = re.compile(r"^[ \t]{0,8}(?:[>|»›:][ \t]?)+")
ANY_QUOTE = re.compile(r"^[ \t]*[>|»›:]", re.MULTILINE)
QUOTED = tuple(">|»›:")
ESCAPES = re.compile(r"(?:=[0-9A-F]{2}){1,200}")


class _Letters(dict[int, str | None]):
    """Each character's letters and digits in one case and without accents, worked out when it is first met.

    None is nothing: `str.translate` is many times faster with it than with an empty text.
    """

    def __missing__(self, code: int) -> str | None:
        flat = unicodedata.normalize("NFKD", chr(code).casefold()).translate(UNDIVIDED).translate(HOMOGLYPHS)
        self[code] = "".join(c for c in flat if c.isalnum()).translate(LOOKALIKES) or None
        return self[code]


class _Seen(dict[int, str | None]):
    """Each character as it is shown: nothing for the invisible ones, which split words that a reader sees whole."""

    def __missing__(self, code: int) -> str | None:
        character = "\n" if chr(code) in NEW_LINES else chr(code)
        unseen = character not in "\n\t" and unicodedata.category(character) in UNSEEN
        self[code] = None if unseen else STRAIGHT.get(code, character)
        return self[code]


class _Unmarked(dict[int, str | None]):
    """Each character but accents and other marks that are set on the one before."""

    def __missing__(self, code: int) -> str | None:
        self[code] = None if unicodedata.combining(chr(code)) else chr(code)
        return self[code]


LETTERS = _Letters()
UNMARKED = _Unmarked()
SEEN = _Seen()


class Skeleton:
    """Letters and digits of a text, in one case and without accents, each with its place in the text."""

    def __init__(self, text: str) -> None:
        self.letters = text.translate(LETTERS)
        self._text = text

    @cached_property
    def _marks(self) -> list[int]:
        """How many letters come before each stretch of the text."""
        stretches = (self._text[at : at + STRETCH] for at in range(0, len(self._text), STRETCH))
        return list(accumulate((len(stretch.translate(LETTERS)) for stretch in stretches), initial=0))

    def place(self, number: int) -> int:
        """Where in the text the letter of this number comes from."""
        stretch = min(bisect_right(self._marks, number), len(self._marks) - 1) - 1
        seen = self._marks[stretch]
        first, last = stretch * STRETCH, min((stretch + 1) * STRETCH, len(self._text))
        while last - first > 1:
            middle = (first + last) // 2
            more = len(self._text[first:middle].translate(LETTERS))
            first, last, seen = (first, middle, seen) if seen + more > number else (middle, last, seen + more)
        return first


def clean(text: str) -> str:
    """One form for compatible characters, no invisible ones, plain line ends, cut to what is read."""
    text = unicodedata.normalize("NFKC", text[:MAX_TEXT])[:MAX_TEXT]
    text = text.replace("\r\n", "\n").translate(SEEN)
    return text if len(text) <= MAX_LINE else "\n".join(line[:MAX_LINE] for line in text.split("\n"))


def is_quoted(line: str) -> bool:
    """Whether a line has the marks that mail programs put before quoted ones."""
    return line.lstrip(" \t").startswith(QUOTED)


def unquoted(text: str) -> str:
    """Without the marks that mail programs put before quoted lines."""
    if ANY_QUOTE.search(text) is None:
        return text
    return "\n".join(QUOTE.sub("", line) if is_quoted(line) else line for line in text.split("\n"))


def unquoted_lines(text: str) -> str:
    """Only the lines that are not quoted."""
    return "\n".join(line for line in text.split("\n") if not is_quoted(line))


def unwrapped(text: str) -> str:
    """Quoted-printable undone where a raw mail was pasted, and blanks as links have them."""
    text = text.replace("%20", " ")
    if "=3D" not in text and text.count("=\n") < 3:
        return text
    return ESCAPES.sub(_decoded, text.replace("=\n", ""))


def _decoded(match: re.Match[str]) -> str:
    return quopri.decodestring(match[0].encode("ascii")).decode("utf-8", "replace")


@lru_cache(maxsize=4)
def skeleton(text: str) -> Skeleton:
    """The text's skeleton; digits that scanners take for letters count as letters inside words."""
    return Skeleton(text)


def places_of(piece: str, text: str) -> Iterator[int]:
    """Everywhere that a piece stands in a text."""
    place = text.find(piece)
    while place >= 0:
        yield place
        place = text.find(piece, place + len(piece))


def folded(text: str) -> str:
    """One case, no accents, no apostrophes, one space between words, so that short fragments can be looked for."""
    flat = text.casefold()
    if not flat.isascii():
        flat = unicodedata.normalize("NFKD", flat).translate(UNDIVIDED).translate(UNMARKED)
    if "'" in flat:
        flat = ELISION.sub(r"\1 ", flat).replace("'", "")
    return " ".join(flat.split())


def evidence(text: str) -> str:
    """A piece of a stranger's text as one short line of whole words; where the rest is left out it says so."""
    line = " ".join(text.split())
    if len(line) <= MAX_EVIDENCE:
        return line
    kept = line[: MAX_EVIDENCE - 1]
    whole = kept[: kept.rfind(" ") + 1]
    return (whole if len(kept) - len(whole) < LONG_WORD else kept) + LEFT_OUT


def excerpt(text: str, start: int, end: int) -> str:
    """A place in a text, widened to whole words, as one short line that shows where something was left out."""
    start = min(max(0, start), len(text))
    end = min(max(start, end), len(text))
    if text[start : start + 1].strip():
        start -= len(re.findall(r"\S*\Z", text[max(0, start - LONG_WORD) : start])[0])
    if text[end - 1 : end].strip():
        end += len(re.findall(r"\A\S*", text[end : end + LONG_WORD])[0])
    before = LEFT_OUT if text[:start].strip() else ""
    after = LEFT_OUT if text[end:].strip() else ""
    return evidence(f"{before} {text[start:end]} {after}")
