"""How much of one ticket is read. What a stranger wrote or attached takes no more of our time than this, however it is
made, and what was left out for it is said."""

import re
from collections.abc import Iterator

from plugin.triage.plain import MAX_TEXT

MAX_CHARACTERS = 150_000  # of all texts of a ticket together; each may have MAX_TEXT
MARKUP = 3  # characters of HTML that count as one of text
MAX_TAGS = 15_000  # of all texts in HTML
MAX_BYTES = 1024 * 1024  # of all mails together, each layer of an encoding counted anew
MAX_LINES = 10_000  # of all mails together
MAX_MARKS = 60  # mentions of boundaries and embedded messages in them, which bound parts and depth
MAX_LINE_BYTES = 20_000
MAX_HEADER_BYTES = 4_096  # of one header with its folded lines
MARKS = (b"boundary", b"message/", b"multipart/")
MARK = re.compile(b"|".join(MARKS))
FOLDS = (b" ", b"\t")  # with which a line begins that belongs to the header before it
HEADER_NAME = re.compile(rb"[!-9;-~]{1,80}:")


class Room:
    """What is left to read of one ticket."""

    def __init__(self) -> None:
        self._characters = MAX_CHARACTERS
        self._tags = MAX_TAGS
        self._bytes = MAX_BYTES
        self._lines = MAX_LINES
        self._marks = MAX_MARKS
        self._cut: dict[str, None] = {}

    @property
    def cut(self) -> tuple[str, ...]:
        """What was left out so far, in words."""
        return tuple(self._cut)

    @property
    def is_full(self) -> bool:
        """Whether nothing more is read."""
        if self._characters and self._bytes and self._lines:
            return False
        self.note("what came after that was not read")
        return True

    def note(self, what: str) -> None:
        """Something else was left out."""
        self._cut[what] = None

    def text(self, text: str) -> str:
        """As much of a text as is read."""
        return self._taken(text, 1)

    def markup(self, markup: str) -> str:
        """As much of a text in HTML as is read."""
        markup = self._taken(markup, MARKUP)
        pieces = markup.split("<", self._tags)
        if len(pieces) > self._tags:
            self.note("long texts were read in part")
            pieces.pop()
        self._tags -= len(pieces) - 1
        return "<".join(pieces)

    def _taken(self, text: str, share: int) -> str:
        most = min(MAX_TEXT, self._characters) * share
        if len(text) > most:
            self.note("long texts were read in part")
        taken = text[:most]
        self._characters -= len(taken) // share
        return taken

    def mail(self, content: bytes) -> bytes:
        """As much of a mail's bytes as the parser can take without trouble."""
        if len(content) > self._bytes:
            self.note("large mails were read in part")
        content = content[: self._bytes]
        self._bytes -= len(content)
        lines = self._marked(content).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if len(lines) > self._lines:
            self.note(f"only the first {MAX_LINES} lines of mails were read")
        lines = lines[: self._lines]
        self._lines -= len(lines)
        return b"\n".join(_short_headers(lines))

    def _marked(self, content: bytes) -> bytes:
        low = content.lower()
        marks = sum(low.count(word) for word in MARKS)
        if marks <= self._marks:
            self._marks -= marks
            return content
        for match in MARK.finditer(low):
            self._marks -= 1
            if self._marks < 0:
                self.note(f"only the parts up to the {MAX_MARKS}th boundary were read")
                return content[: match.start()]
        return content


def _short_headers(lines: list[bytes]) -> Iterator[bytes]:
    """Lines of a bearable length, and folded headers too; body lines that begin with a space suffer no harm."""
    folded = sum(len(line) for line in lines if line[:1] in FOLDS)
    if folded + max(map(len, lines), default=0) <= MAX_HEADER_BYTES:
        yield from lines
        return
    folded = 0
    for line in lines:
        is_folded = line[:1] in FOLDS
        folded = folded + len(line) if is_folded else len(line)
        if not is_folded or folded <= MAX_HEADER_BYTES:
            if len(line) > MAX_HEADER_BYTES:
                line = line[: MAX_HEADER_BYTES if HEADER_NAME.match(line) else MAX_LINE_BYTES]
            yield line
