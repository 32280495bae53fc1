"""Lets harmless HTML through and nothing else: what a note may look like on a page of the desk."""

import re
from html import escape
from html.parser import HTMLParser

from markupsafe import Markup

_TEXT = {"p", "b", "strong", "i", "em", "u", "code", "pre", "blockquote", "span", "div", "a", "time"}
_LISTS = {"ul", "ol", "li", "dl", "dt", "dd"}
_TABLES = {"table", "caption", "thead", "tbody", "tr", "th", "td"}
_VOID = {"br", "hr"}
_ALLOWED = _TEXT | _LISTS | _TABLES | _VOID
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}  # all become h4, below the headings of the page
_DROPPED_WHOLE = {"script", "style", "template", "title", "textarea", "iframe", "noscript", "svg", "math", "object"}
_ATTRIBUTES = {"a": "href", "time": "datetime", "th": "scope"}
_WEB_LINK = re.compile(r"https?://[^\s\x00-\x20\"'<>\\]+", re.IGNORECASE)


def sanitise(html: str) -> Markup:
    """The HTML with a small set of tags kept, links to http and https only, every tag closed, all else escaped."""
    cleaner = _Cleaner()
    cleaner.feed(html)
    cleaner.close()
    return Markup(cleaner.result())  # noqa: S704 - built from escaped text and allowed tags only


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._open: list[str] = []
        self._dropping: list[str] = []

    def result(self) -> str:
        return "".join(self._out) + "".join(f"</{tag}>" for tag in reversed(self._open))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED_WHOLE:
            self._dropping.append(tag)
        if self._dropping:
            return
        kept = "h4" if tag in _HEADINGS else tag
        if kept not in _ALLOWED | {"h4"}:
            return
        self._out.append(f"<{kept}{_attributes(kept, dict(attrs))}>")
        if kept not in _VOID:
            self._open.append(kept)

    def handle_endtag(self, tag: str) -> None:
        if self._dropping:
            if tag == self._dropping[-1]:
                self._dropping.pop()
            return
        kept = "h4" if tag in _HEADINGS else tag
        while kept in self._open:
            closed = self._open.pop()
            self._out.append(f"</{closed}>")
            if closed == kept:
                return

    def handle_data(self, data: str) -> None:
        if not self._dropping:
            self._out.append(escape(data))


def _attributes(tag: str, given: dict[str, str | None]) -> str:
    name = _ATTRIBUTES.get(tag, "")
    value = given.get(name)
    if value is None or (tag == "a" and not _WEB_LINK.fullmatch(value)):
        return ""
    rel = ' rel="noopener noreferrer nofollow" target="_blank"' if tag == "a" else ""
    return f' {name}="{escape(value)}"{rel}'
