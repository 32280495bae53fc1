"""Hostile tickets: nothing in one raises, and nothing takes long."""

import time

import pytest

from plugin.model import AttachedFile, Finding, Said, TicketText
from plugin.triage import still_fails, triage

DOMAINS = ("example.edu",)
MOST_SECONDS = 5.0  # many times what it takes, and little beside what running away would take
MANY = 200_000


def read(text: str, content: bytes, kind: str) -> tuple[Finding, ...]:
    said = Said(
        text=text, content_type=kind, files=(AttachedFile(filename="a.eml", content_type=kind, content=content),)
    )
    still_fails(said, DOMAINS)
    return triage(TicketText(subject=text[:300], said=(said,), requester=text[:40]), DOMAINS)


def assert_well_formed(findings: tuple[Finding, ...]) -> None:
    assert 1 <= len(findings) <= 20
    for finding in findings:
        assert all(len(words) <= 200 for words in finding.evidence)
        assert len(finding.candidates) <= 30
        assert all(candidate.account == candidate.account.lower() for candidate in finding.candidates)
        assert len(set(finding.candidates)) == len(finding.candidates)


@pytest.mark.parametrize(
    "piece",
    ["a", "5.", "550 5.1.8 ", "Access denied, bad outbound sender\n", "access denied, banned sender\n", "a@", "a.", ">",
     "mx.a.example said: ", "mx.a.example\n", "From: Microsoft Outlook <postmaster@x.example>\nTo: a@example.edu\n",
     "<", "<a ", "<!--", "<![", "<div>", "<?", "</i>", "&#x41", "=3D", "=\n", "\n", "ﷺ", "\u0301", "netid ", ": "],
)  # fmt: skip
def test_endless_repetition_takes_no_endless_time(piece: str) -> None:
    text = piece * (MANY // len(piece))
    started = time.perf_counter()
    assert_well_formed(read(text, text.encode(), "text/html"))
    assert_well_formed(read("", b"Content-Type: text/html\nFrom: " + text.encode(), "message/rfc822"))
    assert time.perf_counter() - started < MOST_SECONDS


@pytest.mark.parametrize(
    "content",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(5000)),
        b"Content-Type: message/rfc822\n\n" * 5000,
        b"Content-Type: multipart/digest; boundary=x\n\n" + b"--x\n\n" * MANY,
        b"Content-Type: message/delivery-status\n\n" + b"Final-Recipient: rfc822; a@b.c\nStatus: 5.1.8\n\n" * 20_000,
        b"Content-Type: text/plain; " + b'a="b;' * MANY,
        b"Content-Type: text/plain\n" + b' ;a="x\n' * MANY,
        b"From: " + b"(" * MANY,
        b"From: " + b"=?utf-8?q?" * MANY,
        b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + b"QUFB" * MANY,
        *(b"Content-Type: text/plain; charset=%s\n\n" % name + bytes(range(256)) * 500
          for name in (b"undefined", b"punycode", b"idna", b"unicode_escape", b"zlib", b"utf-7", b"nonesuch")),
        b"Content-Transfer-Encoding: x-uuencode\n\nbegin 666 x\n" + b"M" * MANY,
        b"x" * 20_000_000,
    ],
    ids=range(18),
)  # fmt: skip
def test_a_malformed_mail_neither_raises_nor_takes_long(content: bytes) -> None:
    started = time.perf_counter()
    assert_well_formed(read("", content, "message/rfc822"))
    assert time.perf_counter() - started < MOST_SECONDS


def test_what_was_cut_is_said_in_the_evidence() -> None:
    files = (AttachedFile(filename="a.eml", content_type="message/rfc822", content=b""),) * 20
    said = (Said(text="550 5.1.8 Access denied, bad outbound sender\n" * 20_000, files=files), *[Said(text="x")] * 100)
    (finding,) = triage(TicketText(subject="", said=said), DOMAINS)
    assert finding.evidence[1:] == (
        "only the first and the newest 29 messages were read",
        "only the first 10 attachments were read",
        "long texts were read in part",
    )


def test_a_mail_that_was_cut_says_so() -> None:
    content = b"Status: 5.1.8\nDiagnostic-Code: smtp;550 5.1.8 Access denied, bad outbound sender\n\n" + b"\n" * 50_000
    (finding,) = read("", content, "message/delivery-status")
    assert finding.evidence[-1] == "only the first 10000 lines of mails were read"
