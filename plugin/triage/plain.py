"""Text as it can be compared: pasted, quoted, wrapped, scanned and disguised text brought to one form.

Everything here is linear in the length of its input, and `clean` cuts the input first.
"""

import quopri
import re
import unicodedata
from dataclasses import dataclass

MAX_TEXT = 200_000  # characters of one message or file that are read
MAX_LINE = 4_000  # characters of one line that are read
MAX_EVIDENCE = 200  # characters of one piece of evidence
LONG_WORD = 40  # characters; a longer one is cut
LEFT_OUT = "…"  # never in a text that was read, where `clean` has made it three dots
STRAIGHT = str.maketrans({"’": "'", "‘": "'", "´": "'", "`": "'", "“": '"', "”": '"', "‑": "-", "–": "-", "—": "-"})
UNDIVIDED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})  # accents that NFKD leaves
ELISION = re.compile(r"(?<!\w)([cdjlmnst]|qu|un|dell|nell|sull|all|dall)'(?=\w)")
LOOKALIKES = str.maketrans({"0": "o", "1": "l"})
QUOTE = re.compile(r"^[ \t]{0,8}(?:[>|][ \t]?)+")
ESCAPES = re.compile(r"(?:=[0-9A-F]{2}){1,200}")


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Letters and digits of a text, in one case and without accents, each with its place in the text."""

    letters: str
    places: tuple[int, ...]


def clean(text: str) -> str:
    """One form for compatible characters, no invisible ones, plain line ends, cut to what is read."""
    text = unicodedata.normalize("NFKC", text[:MAX_TEXT]).translate(STRAIGHT)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\x85", "\n")
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cf", "Cc", "Cs", "Co", "Cn"))
    return "\n".join(line[:MAX_LINE] for line in text[:MAX_TEXT].split("\n"))


def unquoted(text: str) -> str:
    """Without the marks that mail programs put before quoted lines."""
    return "\n".join(QUOTE.sub("", line) for line in text.split("\n"))


def unquoted_lines(text: str) -> str:
    """Only the lines that are not quoted."""
    return "\n".join(line for line in text.split("\n") if not QUOTE.match(line))


def unwrapped(text: str) -> str:
    """Quoted-printable undone where a raw mail was pasted."""
    lines = text.split("\n")
    if "=3D" not in text and sum(line.endswith("=") for line in lines) < 3:
        return text
    return ESCAPES.sub(_decoded, text.replace("=\n", ""))


def _decoded(match: re.Match[str]) -> str:
    return quopri.decodestring(match[0].encode("ascii")).decode("utf-8", "replace")


def skeleton(text: str) -> Skeleton:
    """The text's skeleton; digits that scanners take for letters count as letters inside words."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for letter in unicodedata.normalize("NFKD", character.casefold()).translate(UNDIVIDED):
            if letter.isalnum():
                letters.append(letter)
                places.append(place)
    return Skeleton("".join(letters).translate(LOOKALIKES), tuple(places))


def folded(text: str) -> str:
    """One case, no accents, no apostrophes, one space between words, so that short fragments can be looked for."""
    flat = ELISION.sub(r"\1 ", unicodedata.normalize("NFKD", text.casefold()).translate(UNDIVIDED))
    flat = "".join(c for c in flat if not unicodedata.combining(c) and c != "'")
    return " ".join(flat.split())


def evidence(text: str) -> str:
    """A piece of a stranger's text as one short line of whole words; where the rest is left out it says so."""
    line = " ".join(text.split())
    if len(line) <= MAX_EVIDENCE:
        return line
    kept = line[: MAX_EVIDENCE - 1]
    whole = kept[: kept.rfind(" ") + 1]
    return (whole if len(kept) - len(whole) < LONG_WORD else kept) + LEFT_OUT
