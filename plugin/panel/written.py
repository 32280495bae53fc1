"""The notes of a case as the panel shows them: which one tells the result, and what each says, as plain lines. Pure."""

from html.parser import HTMLParser

from plugin.desk import CaseView, Written
from plugin.model import Visibility


def result_note(view: CaseView) -> Written | None:
    """The newest note for agents since Unblock was pressed."""
    pressed = view.case.asked_at
    if pressed is None:
        return None
    since = [
        written
        for written in view.notes
        if written.note.visibility is Visibility.INTERNAL
        and (written.posted_at is None or written.posted_at >= pressed)
    ]
    return since[-1] if since else None


def lines(html: str) -> tuple[str, ...]:
    """The text of a note, one line for each of its blocks; markup goes no further than here."""
    reader = _Lines()
    reader.feed(html)
    reader.close()
    return tuple(line for line in (" ".join(line.split()) for line in "".join(reader.text).split("\n")) if line)


class _Lines(HTMLParser):
    BLOCKS = frozenset({"p", "div", "li", "br", "h1", "h2", "h3", "h4", "tr", "ul", "ol", "dt", "dd", "table"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in self.BLOCKS:
            self.text.append("\n")
        if tag == "li":
            self.text.append("• ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.BLOCKS:
            self.text.append("\n")

    def handle_data(self, data: str) -> None:
        self.text.append(data.replace("\n", " "))
