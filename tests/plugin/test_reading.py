"""Of a ticket, triage reads what the customer and the agents said to each other, and the reports worth fetching."""

import logging

import pytest

from plugin.errors import Denied, NotFound, PermanentError, Unreachable
from plugin.model import AttachedFile, Attachment, Message, Person, Ticket, Visibility
from plugin.reading import MOST_FILES, text_of

REPORT = "message/rfc822"


class Files:
    """A ticket system of which only attachments are fetched."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.fetched: list[str] = []

    def fetch(self, attachment: Attachment) -> bytes:
        self.fetched.append(attachment.filename)
        if self.error is not None and attachment.filename == "bad.eml":
            raise self.error
        return attachment.filename.encode()


def file(name: str, kind: str = REPORT, size: int | None = 10) -> Attachment:
    return Attachment(filename=name, content_type=kind, size=size, url=f"https://desk.example.edu/{name}")


def message(
    text: str, *files: Attachment, is_agent: bool = False, visibility: Visibility = Visibility.PUBLIC
) -> Message:
    return Message(
        id=text,
        author=Person(email="a@b.example", is_agent=is_agent),
        text=text,
        visibility=visibility,
        attachments=files,
    )


def ticket(*messages: Message, is_agent: bool = False) -> Ticket:
    requester = Person(email="bucky@example.edu", is_agent=is_agent)
    return Ticket(source="desk", id="7", subject="Undeliverable", requester=requester, messages=messages)


def test_what_was_said_comes_in_its_order_with_who_said_it() -> None:
    read = text_of(Files(), ticket(message("one"), message("two", is_agent=True), message("three")))  # type: ignore[arg-type]
    assert [(said.text, said.by_agent) for said in read.said] == [("one", False), ("two", True), ("three", False)]
    assert (read.subject, read.requester, read.opened_by_agent) == ("Undeliverable", "bucky@example.edu", False)


def test_internal_notes_and_their_files_are_not_what_the_customer_says() -> None:
    files = Files()
    internal = message("note", file("note.eml"), visibility=Visibility.INTERNAL)
    assert [said.text for said in text_of(files, ticket(message("one"), internal)).said] == ["one"]  # type: ignore[arg-type]
    assert files.fetched == []


def test_only_what_looks_like_a_report_is_fetched() -> None:
    files = Files()
    attached = (file("photo.png", "image/png"), file("report.eml"), file("huge.eml", size=10**9))
    (said,) = text_of(files, ticket(message("one", *attached))).said  # type: ignore[arg-type]
    assert said.files == (AttachedFile(filename="report.eml", content_type=REPORT, content=b"report.eml"),)
    assert files.fetched == ["report.eml"]


def test_of_too_many_files_those_of_the_newest_messages_are_fetched() -> None:
    files = Files()
    old = message("old", *(file(f"old{number}.eml") for number in range(MOST_FILES)))
    new = message("new", *(file(f"new{number}.eml") for number in range(MOST_FILES - 2)))
    read = text_of(files, ticket(old, new))  # type: ignore[arg-type]
    assert [len(said.files) for said in read.said] == [2, MOST_FILES - 2]
    assert len(files.fetched) == MOST_FILES


@pytest.mark.parametrize("kind", [NotFound, Denied, PermanentError])
def test_a_file_that_cannot_be_had_is_left_out_and_that_is_logged(
    kind: type[PermanentError], caplog: pytest.LogCaptureFixture
) -> None:
    files = Files(kind("desk", "fetch attachment", "no"))
    with caplog.at_level(logging.WARNING):
        (said,) = text_of(files, ticket(message("one", file("bad.eml"), file("good.eml")))).said  # type: ignore[arg-type]
    assert [it.filename for it in said.files] == ["good.eml"]
    assert "attachment.left_out source=desk ticket=7" in caplog.text


def test_a_desk_that_is_down_is_an_error_so_that_the_ticket_is_read_again_later() -> None:
    with pytest.raises(Unreachable):
        text_of(Files(Unreachable("desk", "fetch", "down")), ticket(message("one", file("bad.eml"))))  # type: ignore[arg-type]
