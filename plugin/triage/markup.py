"""HTML to text: what a reader would see, with line breaks where blocks end and the targets of links kept."""

import re
from html.parser import HTMLParser

from plugin.triage.plain import MAX_TEXT

BLOCKS = frozenset(
    ("p", "div", "br", "tr", "li", "table", "pre", "blockquote", "h1", "h2", "h3", "h4", "hr", "ul", "ol")
)
UNSEEN = frozenset(("script", "style", "head", "title", "template"))
MAX_MARKUP = 3 * MAX_TEXT
HEAD = 20_000  # characters in which HTML shows that it is HTML
MAX_LINK = 300
MAX_UNSEEN = 50  # open elements inside one that is not shown
TAG = re.compile(r"<(?:html|body|div|p|br|span|table|font|pre)(?:\s[^<>]{0,500})?/?>", re.IGNORECASE)
HIDDEN = re.compile(r"display\s{0,3}:\s{0,3}none|font-size\s{0,3}:\s{0,3}0(?![.\d])|visibility\s{0,3}:\s{0,3}hidden")
# The parser takes quadratic time over tags that never end, so only those that do are left to it; nor is an address in
# angle brackets a tag.
STRAY = re.compile(r"<(?!/?[a-zA-Z][a-zA-Z0-9:-]{0,40}(?:[\s/][^<>]{0,2000})?>)")
VOID = frozenset(("br", "hr", "img", "meta", "link", "input", "col", "area", "base", "wbr", "source", "embed", "param"))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen: list[str] = []  # open elements from the outermost unseen one inwards

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        deep = len(self._unseen) >= MAX_UNSEEN
        if (
            tag not in VOID
            and not deep
            and (self._unseen or tag in UNSEEN or HIDDEN.search(given.get("style", "")[:MAX_LINK]))
        ):
            self._unseen.append(tag)
        if tag in BLOCKS:
            self.pieces.append("\n")
        if tag == "td":
            self.pieces.append("\t")
        link = given.get("href", "")
        if tag == "a" and not self._unseen and link.lower().startswith("http"):
            self.pieces.append(f" <{link[:MAX_LINK]}> ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unseen:
            while self._unseen.pop() != tag:
                pass
        elif tag in ("body", "html"):
            self._unseen.clear()
        if tag in BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data)


def looks_like_html(text: str) -> bool:
    """Whether a text that is not said to be HTML is HTML all the same."""
    return TAG.search(text[:HEAD]) is not None


def html_to_text(markup: str) -> str:
    """What a reader would see of it."""
    reader = _Reader()
    reader.feed(STRAY.sub("&lt;", _without_comments(markup[:MAX_MARKUP])))
    reader.close()
    return "".join(reader.pieces)


def _without_comments(markup: str) -> str:
    pieces: list[str] = []
    end = 0
    while (start := markup.find("<!--", end)) >= 0:
        pieces.append(markup[end:start])
        end = markup.find("-->", start) + 3
        if end < 3:
            return "".join(pieces)
    return "".join([*pieces, markup[end:]])
