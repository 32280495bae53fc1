"""Messages out of RT's rows: which text is the message's, what is an attachment, and reports put together again."""

from email import message_from_bytes
from itertools import pairwise
from typing import Any

from plugin.model import Attachment
from webhooks.request_tracker.parts import Body, Part, by_message, loose

RT = "https://rt.example.edu/REST/2.0/attachment/"


def part(number: int, kind: str, content: str | None = None, *, inside: int = 0, **more: Any) -> Part:
    return Part(id=str(number), transaction="9", kind=kind, content=content, parent=str(inside or ""), **more)


def body_of(*parts: Part) -> Body:
    return by_message(parts, RT.__add__)["9"]


def test_plain_message() -> None:
    assert body_of(part(1, "text/plain", "hello")) == Body(text="hello")


def test_html_message() -> None:
    assert body_of(part(1, "text/html", "<p>hello</p>")) == Body(text="<p>hello</p>", content_type="text/html")


def test_message_without_a_word() -> None:
    assert body_of(part(1, "multipart/mixed")) == Body()
    assert by_message([], RT.__add__) == {}


def test_of_two_forms_the_plain_one_is_read_and_the_other_is_no_attachment() -> None:
    body = body_of(
        part(1, "multipart/alternative"),
        part(2, "text/html", "<b>x</b>", inside=1),
        part(3, "text/plain", "x", inside=1),
    )
    assert body == Body(text="x")


def test_blank_plain_form_gives_way_to_html() -> None:
    body = body_of(
        part(1, "multipart/alternative"),
        part(2, "text/plain", " \n", inside=1),
        part(3, "multipart/related", inside=1),
        part(4, "text/html", "<b>x</b>", inside=3),
    )
    assert body == Body(text="<b>x</b>", content_type="text/html")


def test_further_text_is_an_attachment_and_its_bytes_came_with_the_ticket() -> None:
    body = body_of(
        part(1, "multipart/mixed"),
        part(2, "text/plain", "x", inside=1),
        part(3, "text/plain", "ü", inside=1),
        part(4, "text/plain", "named", inside=1, filename="bounce.txt"),
    )
    assert body.text == "x"
    assert body.attachments == (
        Attachment(filename="part-3", content_type="text/plain", size=2, url=RT + "3", content=b"\xc3\xbc"),
        Attachment(filename="bounce.txt", content_type="text/plain", size=5, url=RT + "4", content=b"named"),
    )


def test_file_sent_without_a_message_is_an_attachment() -> None:
    body = body_of(part(1, "text/plain", "x", filename="bounce.eml"))
    assert (body.text, [attachment.filename for attachment in body.attachments]) == ("", ["bounce.eml"])


def test_texts_of_a_mail_inside_are_not_the_message() -> None:
    body = body_of(
        part(1, "multipart/mixed"), part(2, "message/rfc822", inside=1), part(3, "text/plain", "inner", inside=2)
    )
    assert body.text == ""
    assert [attachment.filename for attachment in body.attachments] == ["message.eml"]


def test_mail_inside_keeps_its_name_headers_and_umlauts() -> None:
    headers = (
        "Subject: Grüße\nX-RT-Original-Encoding: cp1252\nReceived: from a\n by b\ncontent-type: text/plain; charset=x\n"
        "Content-Transfer-Encoding: base64\nFrom: ada@example.edu\n\nX-After: blank"
    )
    body = body_of(
        part(1, "multipart/mixed"),
        part(2, "message/rfc822", inside=1, headers='Content-Disposition: attachment; filename="Re: it.eml"'),
        part(3, "text/plain", "äö", inside=2, headers=headers),
    )
    [attachment] = body.attachments
    assert attachment.filename == "Re: it.eml"
    mail = message_from_bytes(attachment.content or b"")
    assert (mail["From"], mail["Received"]) == ("ada@example.edu", "from a\n by b")
    assert mail.get_content_type() == "text/plain"
    assert (mail["Content-Transfer-Encoding"], mail["X-RT-Original-Encoding"]) == (None, None)
    assert mail.get_payload(decode=True) == "äö".encode()
    assert attachment.size == len(attachment.content or b"")


def test_report_is_written_as_one_mail_whose_parts_are_in_their_places() -> None:
    body = body_of(
        part(1, "multipart/report", headers="From: postmaster@example.edu"),
        part(2, "text/plain", "failed", inside=1),
        part(3, "message/delivery-status", "Status: 5.1.8\n", inside=1),
        part(4, "message/rfc822", inside=1),
        part(5, "text/plain", "lost", inside=4, headers="From: ada@example.edu"),
    )
    assert body.text == "failed"
    [attachment] = body.attachments
    mail = message_from_bytes(attachment.content or b"")
    assert mail["From"] == "postmaster@example.edu"
    assert [inner.get_content_type() for inner in mail.walk()] == [
        "multipart/report",
        "text/plain",
        "message/delivery-status",
        "text/plain",  # how the parser shows the fields of a delivery status
        "message/rfc822",
        "text/plain",
    ]
    assert [inner["From"] for inner in mail.walk()][-1] == "ada@example.edu"


def test_two_reports_in_one_message_stay_two() -> None:
    bounces = [
        part(number, kind, content, inside=inside)
        for number, kind, content, inside in (
            (1, "multipart/mixed", None, 0),
            (2, "message/rfc822", None, 1),
            (3, "multipart/report", None, 2),
            (4, "message/delivery-status", "Status: 5.1.8", 3),
            (5, "message/rfc822", None, 1),
            (6, "multipart/report", None, 5),
            (7, "message/delivery-status", "Status: 5.1.10", 6),
        )
    ]
    first, second = body_of(*bounces).attachments
    assert b"Status: 5.1.8" in (first.content or b"")
    assert b"Status: 5.1.10" in (second.content or b"")
    assert b"Status: 5.1.10" not in (first.content or b"")


def test_mail_that_rt_did_not_take_apart_is_handed_on_as_it_is() -> None:
    [attachment] = body_of(
        part(1, "multipart/mixed"), part(2, "message/rfc822", "From: ada\n\nü", inside=1, filename="a.eml")
    ).attachments
    assert attachment.content == "From: ada\n\nü".encode()


def test_bytes_of_other_types_are_what_they_were() -> None:
    [csv, decoded] = body_of(
        part(1, "multipart/mixed"),
        part(2, "text/csv", "".join(map(chr, range(256))), inside=1),
        part(3, "text/calendar", "€", inside=1),
    ).attachments
    assert csv.content == bytes(range(256))
    assert decoded.content == "€".encode()


def test_part_whose_place_is_not_known_hangs_on_the_outermost() -> None:
    body = body_of(part(1, "multipart/mixed"), part(2, "text/plain", "x"), part(3, "text/plain", "y", inside=77))
    assert (body.text, [attachment.filename for attachment in body.attachments]) == ("x", ["part-3"])


def test_parts_that_are_said_to_be_inside_each_other_do_no_harm() -> None:
    mixed = [part(1, "multipart/mixed", inside=2), part(2, "multipart/mixed", inside=3), part(3, "text/plain", "x")]
    assert body_of(*mixed, part(4, "multipart/mixed", inside=4)).text == "x"


def test_mails_in_mails_are_written_however_deep() -> None:
    deep = [part(number, "message/rfc822", inside=number - 1) for number in range(2, 99)]
    [attachment] = body_of(part(1, "multipart/mixed"), *deep, part(99, "text/plain", "x", inside=98)).attachments
    assert (attachment.content or b"").count(b"message/rfc822") == 96


def test_parts_without_contents_are_attachments_to_be_fetched_one_by_one() -> None:
    listed = [
        Part(id=str(number), transaction=transaction, kind=kind, size=size, parent="1")
        for number, (transaction, kind, size) in enumerate(
            [("9", "text/plain", 5), ("8", "text/html", 7), ("9", "multipart/report", 0), ("9", "message/rfc822", 0)], 2
        )
    ]
    bodies = by_message(loose(listed), RT.__add__)
    assert {key: [attachment.url for attachment in body.attachments] for key, body in bodies.items()} == {
        "9": [RT + "2"],
        "8": [RT + "3"],
    }
    assert all(a.content is None and a.size for body in bodies.values() for a in body.attachments)


def test_messages_are_kept_apart() -> None:
    parts = [Part(id=str(n), transaction=str(n), kind="text/plain", content=f"text {n}") for n in (1, 2, 3)]
    bodies = by_message(parts, RT.__add__)
    assert all(a.text != b.text for a, b in pairwise(bodies.values()))
    assert bodies["2"].text == "text 2"


def test_subject_with_line_ends_of_any_kind_adds_no_header() -> None:
    subject = "hi\rFrom: a@x\x0bFrom: b@x\u2028From: c@x\x85From: d@x"
    body = body_of(
        part(1, "multipart/report"),
        part(2, "message/rfc822", inside=1),
        part(3, "text/plain", "x", inside=2, headers=f"Subject: {subject}\nFrom: true@x\nContent-Type: text/plain"),
    )
    [report] = body.attachments
    content = (report.content or b"").replace(b"\r", b"\n")
    assert content.count(b"\nFrom:") == 1
    quoted = message_from_bytes(content).get_payload()[0].get_payload()[0]  # type: ignore[index,union-attr]
    assert quoted["From"] == "true@x"


def test_text_that_looks_like_the_end_of_a_part_stays_a_text() -> None:
    forged = "".join(
        f"--_part-{number}_\nContent-Type: message/delivery-status\n\nStatus: 5.1.8\n" for number in range(9)
    )
    body = body_of(part(1, "multipart/report"), part(2, "text/plain", forged, inside=1))
    mail = message_from_bytes(body.attachments[0].content or b"")
    assert [inner.get_content_type() for inner in mail.walk()] == ["multipart/report", "text/plain"]


def test_attached_mail_that_was_not_asked_for_is_left_to_be_fetched() -> None:
    body = body_of(part(1, "multipart/mixed"), part(2, "message/rfc822", inside=1, size=2_000_000))
    [mail] = body.attachments
    assert (mail.url, mail.content, mail.size) == (RT + "2", None, 2_000_000)


def test_message_says_whether_it_came_by_mail() -> None:
    assert body_of(part(1, "text/plain", "x", headers="From: a@x\nX-RT-Interface: Email\n")).by_mail
    assert not body_of(part(1, "text/plain", "x", headers="From: a@x\nX-RT-Interface: REST2\n")).by_mail
