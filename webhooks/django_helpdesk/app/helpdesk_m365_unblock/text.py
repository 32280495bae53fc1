"""A note's HTML → what django-helpdesk keeps, which is text that it shows as Markdown. Pure.

Whatever stands in the note shows as it stands there: none of it becomes a link, a heading or a list of its own.
"""

import re
from html.parser import HTMLParser

INLINE = re.compile(r"[\\`*_\[\]{}]")
ENTITY = re.compile(r"&(?=#?\w+;)")
LEADING = re.compile(r"(?m)^( *)(?:([#>+-])|([=~])|(\d+)([.)]))")
BLOCKS = {"p", "div", "ul", "ol", "h1", "h2", "h3", "h4", "blockquote"}
MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*"}


def markdown(body_html: str) -> str:
    """For a note to agents: lists, bold and links stay."""
    return _read(_Markdown(), body_html)


def plain(body_html: str) -> str:
    """For a reply, which is mailed as it is: paragraphs and lines stay."""
    return _read(_Writer(), body_html)


def _read(writer: "_Writer", body_html: str) -> str:
    writer.feed(body_html)
    writer.close()
    return writer.text()


class _Writer(HTMLParser):
    """Collects blocks; ``inline`` is what a tag within a line becomes, ``written`` what a text becomes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._blocks: list[tuple[str, str]] = []  # what stands before a block, and the block
        self._lead = ""
        self._line = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS or tag == "li":
            self._end_block()
            self._lead = "- " if tag == "li" else ""
        elif tag == "br":
            self._line = self._line.rstrip() + "\n"
        else:
            self._line += self.inline(tag, dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS or tag == "li":
            self._end_block()
        else:
            self._line += self.inline(tag, None)

    def handle_data(self, data: str) -> None:
        words = re.sub(r"\s+", " ", data)
        if not self._line or self._line.endswith("\n"):
            words = words.lstrip()
        self._line += self.written(words)

    def inline(self, tag: str, attributes: dict[str, str | None] | None) -> str:  # noqa: ARG002
        return ""

    def written(self, words: str) -> str:
        return words

    def _end_block(self) -> None:
        if self._line.strip():
            self._blocks.append((self._lead, self._line.strip()))
        self._lead = self._line = ""

    def text(self) -> str:
        self._end_block()
        together = ""
        for number, (lead, block) in enumerate(self._blocks):
            between = "\n" if lead and number and self._blocks[number - 1][0] else "\n\n"
            together += (between if number else "") + lead + self.shown(block).replace("\n", "\n" + " " * len(lead))
        return together

    def shown(self, block: str) -> str:
        return block


class _Markdown(_Writer):
    def __init__(self) -> None:
        super().__init__()
        self._links: list[str | None] = []

    def inline(self, tag: str, attributes: dict[str, str | None] | None) -> str:
        if tag in MARKS:
            return MARKS[tag]
        if tag != "a":
            return ""
        if attributes is not None:
            self._links.append(_address(attributes.get("href") or ""))
            return "[" if self._links[-1] else ""
        address = self._links.pop() if self._links else None
        return f"]({address})" if address else ""

    def written(self, words: str) -> str:
        return ENTITY.sub("&amp;", INLINE.sub(r"\\\g<0>", words)).replace("<", "&lt;")

    def shown(self, block: str) -> str:
        return LEADING.sub(_escape_leading, block)


def _address(href: str) -> str | None:
    """Of the web only; what would end the link in Markdown is percent-encoded."""
    if not re.match(r"https?://", href):
        return None
    return re.sub(r"[\s()<>\\]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), href)


def _escape_leading(found: re.Match[str]) -> str:
    space, mark, line, digits, point = found.groups()
    if mark:
        return f"{space}\\{mark}"
    return f"{space}&#{ord(line)};" if line else f"{space}{digits}\\{point}"
