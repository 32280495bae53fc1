"""A text's lines, and what each of them is: a mail's header, a report's first sentence, a trace of transport."""

import re
from collections.abc import Iterator
from functools import cache, cached_property

from plugin.triage.knowledge import layout
from plugin.triage.plain import places_of, skeleton

MAX_LINES = 10_000
MAX_INTROS = 100  # first sentences of reports that are looked at in one text
TRACES = ("Received:", "DSN", "Status code")
HEADER = re.compile(r"^[ \t*]{0,4}([^\W\d_][^:\n：]{0,30}?)[ \t*]{0,3}[:：][ \t*]{0,3}(.*)$")
RAW_HEADER = re.compile(
    r"^(?:[\w-]{0,20}Return-Path|Received|Delivered-To|From|To|Date|Subject|Message-ID|MIME-Version|X-[\w-]{1,60}|Content-Type):",
    re.IGNORECASE,
)


def apart(text: str) -> str:
    """The text with each header on a line of its own, where they were written or scanned into one: "To: a; From: b"."""
    return _inline_header().sub("\n", text) if ";" in text or "|" in text else text


@cache
def _inline_header() -> re.Pattern[str]:
    names = layout()
    either = "|".join(map(re.escape, sorted(names.from_names | names.to_names | names.date_names)))
    return re.compile(rf"[;|][ \t]{{0,3}}(?=(?:{either})[ \t]{{0,3}}[:：])", re.IGNORECASE)


class Lines(list[str]):
    """A text's lines, with what each of them is found out once."""

    def __init__(self, text: str) -> None:
        super().__init__(text.split("\n")[:MAX_LINES])
        self._text = text
        self.fields = [_field(line) if ":" in line or "：" in line else None for line in self]
        self.numbers = [number for number, field in enumerate(self.fields) if field is not None]

    @cached_property
    def intros(self) -> list[int]:
        """The lines in which a report's first sentence begins, wherever it was broken."""
        bones = skeleton(self._text)
        letters = bones.letters
        intros = layout().ascii_intros if letters.isascii() else layout().intros
        found = [intro for intro in intros if intro in letters]
        if not found:
            return []
        places = sorted(place for intro in found for place in places_of(intro, letters))
        lines = dict.fromkeys(self._text.count("\n", 0, bones.place(place)) for place in places[:MAX_INTROS])
        return [number for number in lines if number < len(self)]

    def is_trace(self, number: int) -> bool:
        """Whether a From line below this one is the refused message's, where no first sentence comes before them."""
        bare = self[number].strip()
        if bare.startswith(TRACES):
            return True
        return bare.endswith((":", "：")) and len(bare) < 60 and skeleton(bare).letters in layout().originals

    def begins_raw_mail(self, number: int) -> bool:
        """Whether two lines from here on are headers as mails have them when they travel."""
        if ":" not in self[number]:
            return False
        two = self[number : number + 2]
        return len(two) > 1 and all(":" in line and RAW_HEADER.match(line) is not None for line in two)

    def folded(self, number: int) -> str:
        """The line after a header's, where it goes on with that."""
        after = self[number + 1] if number + 1 < len(self) else ""
        return after if after.startswith((" ", "\t", "<")) and self.fields[number + 1] is None else ""

    def authors(self) -> Iterator[str]:
        """The From lines of forwarded mails' headers."""
        for number, field in enumerate(self.fields):
            if field is not None and field[0] == "from" and (author := self.header_block(number).get("from")):
                yield author

    def header_block(self, number: int) -> dict[str, str]:
        """The fields of a forwarded mail's header that begins at this line; empty if none does."""
        first = self.fields[number]
        if first is None or first[0] != "from":
            return {}
        block = dict([first])
        for field in self.fields[number + 1 : number + 6]:
            if field is not None and field[0] not in block:
                block[field[0]] = field[1]
        return block if len(block) > 1 else {}


def _field(line: str) -> tuple[str, str] | None:
    """A forwarded mail's header line as (from | to | date, value)."""
    match = HEADER.match(line[:500])
    if match is None:
        return None
    name = match[1].casefold().strip()
    names = layout()
    for kind, known in (("from", names.from_names), ("to", names.to_names), ("date", names.date_names)):
        if name in known:
            return kind, match[2]
    return None
