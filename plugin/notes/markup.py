"""How words written by strangers, moments and addresses come into a note: inert, exact, and only as http(s) links."""

import re
import unicodedata
from datetime import datetime, timedelta, tzinfo
from urllib.parse import urlsplit

from markupsafe import Markup, escape

LONGEST = 400  # characters of one value
TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})  # marks that turn reading direction
LINKED = re.compile(r":(?=//)|(?<![\w@])www\.|\.(?=[a-z]{2,63}(?:[/?#]|:\d))", re.IGNORECASE)
"""Where a ticket system sees a link in bare text: the colon of ``http://``, ``www.``, the dot before ``com/``."""


def inert(text: str) -> str:
    """One line of plain text that no ticket system turns into a link; still to be escaped."""
    line = " ".join("".join(" " if _is_control(character) else character for character in text).split())
    shown = line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
    return LINKED.sub(lambda found: f"{found[0][:-1]}[{found[0][-1]}]", shown)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"} or unicodedata.bidirectional(character) in TURNS


def is_web_address(url: str) -> bool:
    """Whether it may become a link."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not re.search(r"[\s\"<>\\]", url)


def anchor(url: str, words: str) -> Markup:
    """A link, or the bare words where the address is none of the web's."""
    if not is_web_address(url):
        return escape(inert(words))
    return Markup('<a href="{}">{}</a>').format(url, inert(words))


def paragraphs(text: str) -> Markup:
    """Plain text as paragraphs; blank lines part them, other line breaks stay."""
    lines = "".join(
        character for character in text.replace("\r\n", "\n") if character == "\n" or not _is_control(character)
    )
    parts = [part.strip() for part in re.split(r"\n\s*\n", lines)]
    return Markup("\n").join(
        Markup("<p>{}</p>").format(Markup("<br>").join(part.split("\n"))) for part in parts if part
    )


def moment(at: datetime, zone: tzinfo) -> str:
    """Weekday, date, time and zone, such as ``Tue 24 Nov 2026, 14:05 CST``."""
    local = at.astimezone(zone)
    name = local.strftime("%Z")
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M} {'UTC' if name[:1] in '+-' else ''}{name}"


def deadline(at: datetime, zone: tzinfo) -> str:
    """The same, rounded up to the minute: whoever waits until then has waited long enough."""
    return moment(whole_minute_after(at), zone)


def whole_minute_after(at: datetime) -> datetime:
    """The first whole minute that is not before a moment."""
    return (at + timedelta(minutes=1, microseconds=-1)).replace(second=0, microsecond=0)
