"""Reports that Outlook saved: a .msg file as attachment, inside another mail, and with mails inside it."""

import base64
from collections.abc import Callable

import pytest

from plugin.model import AttachedFile, Attachment, Finding, Label
from plugin.triage import wanted
from plugin.triage.documents import of_file
from tests.plugin.triage import compound
from tests.plugin.triage.compound import text

Found = Callable[..., tuple[Finding, ...]]
Attached = Callable[..., AttachedFile]
KIND = "application/vnd.ms-outlook"


def saved(*properties: dict[str, bytes], inside: compound.Tree | None = None) -> bytes:
    tree: dict[str, bytes | compound.Tree] = {name: value for some in properties for name, value in some.items()}
    return compound.message({**tree, **(inside or {})})


@pytest.fixture
def report(report_text: Callable[[str], str]) -> bytes:
    """A block notice as Outlook saves it."""
    return saved(
        text("001A", "REPORT.IPM.Note.NDR"),
        text("0037", "Undeliverable: minutes"),
        text("1000", report_text("microsoft-5.1.8.eml")),
        text("0C1A", "Microsoft Outlook"),
    )


def test_a_saved_report_is_read(report: bytes, found: Found) -> None:
    (finding,) = found("see attached", AttachedFile(filename="Undeliverable.msg", content_type=KIND, content=report))
    assert (finding.label, finding.code) == (Label.SENDER_BLOCKED, "5.1.8")
    assert finding.candidates[0].account == "bbadger@example.edu"


def test_a_saved_report_is_read_inside_a_mail(report: bytes, found: Found) -> None:
    mail = (
        b"From: b@example.edu\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nhere\n"
        b'--x\nContent-Type: application/octet-stream; name="report.msg"\nContent-Transfer-Encoding: base64\n\n'
        + base64.encodebytes(report) + b"\n--x--\n"
    )  # fmt: skip
    (finding,) = found("", AttachedFile(filename="a.eml", content_type="message/rfc822", content=mail))
    assert (finding.label, finding.code) == (Label.SENDER_BLOCKED, "5.1.8")


def test_a_mail_attached_to_a_saved_message_is_read(found: Found, attached: Attached) -> None:
    mail = attached("microsoft-5.7.705.eml").content
    file = {**text("3707", "bounce.eml"), "__substg1.0_37010102": mail}
    content = saved(text("001A", "IPM.Note"), text("1000", "see below"), inside={"__attach_version1.0_#00000000": file})
    (finding,) = found("", AttachedFile(filename="m.msg", content_type="", content=content))
    assert (finding.label, finding.code) == (Label.TENANT_BLOCKED, "5.7.705")


def test_a_message_embedded_in_a_saved_message_is_read(found: Found, report_text: Callable[[str], str]) -> None:
    inner = {**text("001A", "REPORT.IPM.Note.NDR"), **text("1000", report_text("microsoft-5.1.90.eml"))}
    file = {"__substg1.0_3701000D": inner}
    content = saved(text("1000", "fyi"), inside={"__attach_version1.0_#00000000": file})
    (finding,) = found("", AttachedFile(filename="m.msg", content_type=KIND, content=content))
    assert (finding.label, finding.code) == (Label.SENDING_LIMIT, "5.1.90")


def test_the_machines_words_stand_with_the_recipient(found: Found) -> None:
    said = (
        "<BN8PR06MB5921.namprd06.prod.outlook.com #5.1.8 smtp;550 5.1.8 Access denied, bad outbound sender AS(42004)>"
    )
    content = saved(text("001A", "REPORT.IPM.Note.NDR"), inside={"__recip_version1.0_#00000000": text("0C1B", said)})
    (finding,) = found("", AttachedFile(filename="m.msg", content_type=KIND, content=content))
    assert (finding.label, finding.code) == (Label.SENDER_BLOCKED, "5.1.8")


def test_rich_text_alone_is_said_to_be_unread(found: Found) -> None:
    content = saved({"__substg1.0_10090102": b"LZFu"})
    (finding,) = found("", AttachedFile(filename="m.msg", content_type=KIND, content=content))
    assert "rich text" in finding.evidence[-1]


@pytest.mark.parametrize("cut", [9, 600, 2000, 5000])
def test_a_broken_file_does_no_harm(cut: int, report: bytes, found: Found) -> None:
    (finding,) = found("", AttachedFile(filename="m.msg", content_type=KIND, content=report[:cut]))
    assert finding.label is Label.NOT_BLOCKED


def test_a_saved_message_is_worth_fetching_and_is_known_as_a_document(report: bytes) -> None:
    assert wanted(
        Attachment(filename="x.msg", content_type="application/octet-stream", size=5000, url="https://desk/1")
    )
    assert wanted(Attachment(filename="x", content_type=KIND, size=5000, url="https://desk/1"))
    assert of_file(report).said[0].files
