"""A note's HTML as the wiki markup that the service desk takes, in which nothing but what we mean is markup. Pure.

Notes quote tickets, and a ticket was written by a stranger: whatever could be markup in a text loses its meaning.
"""

import re
from html.parser import HTMLParser

BLOCKS = frozenset({"p", "div", "ul", "ol", "table", "tr", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"})
UNSEEN = frozenset({"script", "style", "head", "title"})
ADDRESS = re.compile(r"(https?://|mailto:)[\w.~:/?#@&=+%,;-]+", re.ASCII)
PLAIN_ADDRESS = re.compile(r"(https?://[\w.~:/?#@&=+%,;-]+)", re.ASCII)
ALWAYS = re.compile(r"[{}\[\]|!]")
AT_EDGES = re.compile(r"(?<!\w)[*_+^~?#-]|[*_+^~?#-](?!\w)")
AT_LINE_START = re.compile(r"^(?=(?:h[1-6]|bq)\.)", re.MULTILINE)
BACKSLASH = "\N{REVERSE SOLIDUS OPERATOR}"  # a backslash takes meanings away, and two of them end a line
IN_WORDS = str.maketrans("[]{}|!^*\\", "()()/.''/")  # a link's words end at the first of some of these
NOTHING = "\N{ZERO WIDTH SPACE}"


def from_html(html: str) -> str:
    """The same text, with its paragraphs, lists, bold words and links."""
    writer = _Writer()
    writer.feed(html)
    writer.close()
    lines = [line.strip(" ") for line in writer.text().split("\n")]
    return AT_LINE_START.sub(NOTHING, re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip())


def escaped(text: str) -> str:
    """A text of one line in which no sign is markup; an address of the web stays what it is."""
    parts = PLAIN_ADDRESS.split(text.replace("\\", BACKSLASH))
    return "".join(part if number % 2 else _escaped(part) for number, part in enumerate(parts))


def _escaped(text: str) -> str:
    return AT_EDGES.sub(_taken_away, ALWAYS.sub(_taken_away, text))


def _taken_away(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def _link(words: str, href: str) -> str:
    """A link, or the bare words where the address is none that Jira would surely take whole."""
    if not words or not ADDRESS.fullmatch(href):
        return escaped(words)
    return f"[{words.translate(IN_WORDS)}|{href}]"


class _Writer(HTMLParser):
    """Writes as it reads; what is bold or linked is gathered first."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._gathered: list[list[str]] = [[]]
        self._hrefs: list[str] = []
        self._unseen = 0

    def text(self) -> str:
        """All of it, whatever was left open."""
        return "".join(part for parts in self._gathered for part in parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in UNSEEN:
            self._unseen += 1
        elif tag in BLOCKS:
            self._write("\n\n")
        elif tag == "li":
            self._write("\n* ")
        elif tag == "br":
            self._write("\n")
        elif tag in ("strong", "b", "a"):
            self._gathered.append([])
            self._hrefs.append(dict(attrs).get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in BLOCKS:
            self._write("\n\n")
        elif tag in ("strong", "b", "a") and self._hrefs:
            words, href = "".join(self._gathered.pop()).strip(), self._hrefs.pop()
            bold = f"*{words}*" if words else ""
            self._write(_link(words, href) if href else words if tag == "a" else bold)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._write(self._as_written(re.sub(r"\s+", " ", data)))

    def _as_written(self, text: str) -> str:
        # What becomes the words of a link is escaped with it.
        return text if self._hrefs and self._hrefs[-1] else escaped(text)

    def _write(self, text: str) -> None:
        self._gathered[-1].append(text)
