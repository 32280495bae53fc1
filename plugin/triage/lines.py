"""A text's lines, and what each of them is: a mail's header, a report's first sentence, a trace of transport."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate

from plugin.triage.knowledge import layout
from plugin.triage.plain import skeleton

MAX_LINES = 10_000
TRACES = ("Received:", "DSN", "Status code")
HEADER = re.compile(r"^[ \t*]{0,4}([^\W\d_][^:\n：]{0,30}?)[ \t*]{0,3}[:：][ \t*]{0,3}(.*)$")
RAW_HEADER = re.compile(
    r"^(?:[\w-]{0,20}Return-Path|Received|Delivered-To|From|To|Date|Subject|Message-ID|MIME-Version|X-[\w-]{1,60}|Content-Type):",
    re.IGNORECASE,
)


class Lines(list[str]):
    """A text's lines, with what each of them is found out once."""

    def __init__(self, text: str) -> None:
        super().__init__(text.split("\n")[:MAX_LINES])
        self.fields = [_field(line) for line in self]

    @cached_property
    def intros(self) -> list[int]:
        """The lines in which a report's first sentence begins, wherever it was broken."""
        bones = [skeleton(line).letters for line in self]
        letters = "".join(bones)
        places = sorted(place for intro in layout().intros for place in _all_places(letters, intro))
        starts = list(accumulate(map(len, bones), initial=0)) if places else []
        return list(dict.fromkeys(bisect_right(starts, place) - 1 for place in places))

    @cached_property
    def traces(self) -> list[int]:
        """The lines below which a From line is the refused message's, where no first sentence comes before them."""
        return [number for number, line in enumerate(self) if _is_trace(line)]

    def begins_raw_mail(self, number: int) -> bool:
        """Whether two lines from here on are headers as mails have them when they travel."""
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


def _is_trace(line: str) -> bool:
    bare = line.strip()
    if bare.startswith(TRACES):
        return True
    return bare.endswith((":", "：")) and len(bare) < 60 and skeleton(bare).letters in layout().originals


def _all_places(text: str, piece: str) -> Iterator[int]:
    place = text.find(piece)
    while place >= 0:
        yield place
        place = text.find(piece, place + len(piece))


def _field(line: str) -> tuple[str, str] | None:
    """A forwarded mail's header line as (from | to | date, value)."""
    if ":" not in line and "：" not in line:
        return None
    match = HEADER.match(line[:500])
    if match is None:
        return None
    name = match[1].casefold().strip()
    names = layout()
    for kind, known in (("from", names.from_names), ("to", names.to_names), ("date", names.date_names)):
        if name in known:
            return kind, match[2]
    return None
