"""Tickets made to exhaust whoever reads them, each a name with a subject, a text and an attached file."""

import base64
from collections.abc import Iterator
from email.message import EmailMessage
from typing import NamedTuple

MUCH = 2_000_000  # characters or bytes of one input, and more than any cap
REFUSAL = "550 5.1.8 Access denied, bad outbound sender AS(42004)\n"
INTRO = "Delivery has failed to these recipients or groups:\n"


class Hostile(NamedTuple):
    """One such ticket."""

    name: str
    text: str = ""
    content: bytes = b""
    kind: str = "message/rfc822"
    subject: str = ""


PIECES = (
    "a", "5.", "5.1.", "5.1.8 ", "550 5.1.8 ", REFUSAL, "access denied, banned sender\n", "a@", "a.", "a@b.",
    "@", ">", "> ", "mx.a.example said: ", "mx.a.example\n", "a.a.a.a.a.a.a.a.a ", "mx.example x:\n",
    "Remote-MTA: dns; mx.a.example\n", "From: Microsoft Outlook <postmaster@x.example>\nTo: a@example.edu\n",
    "From: a@example.edu\n", "To: a@example.edu\n", "From: a\n" * 3 + "\n", INTRO,
    INTRO + "From: a@example.edu\n", "Von: a\nAn: b\n", "<", "<a ", "<a href=", "<!--", "<![", "<div>",
    "<div style='display:none'>", "<?", "</i>", "&#x41", "&", "&amp;", "=3D", "=\n", "=3D=\n", "\n", "\r",
    " \n", "ﷺ", "\u0301", "a\u0301", "\u200b", "\u202e", "netid ", "netid: a", "netid is ab1 ", ": ",
    "http://a", "http://a.example/ click ", "x-y: z\n", "Content-Type: multipart/mixed; boundary=x\n",
    "Received: from a\n", "-----Original Message-----\n", "On 1 x wrote:\n", "send blocked microsoft spam. ",
    "blocked\n", "送信ブロック", "送", "가", "а", "user restricted from sending email ", "{", "\\", "\x00",
    "a@example.edu ", "５．１．８", "\u2028", "limit recipients ", "é", "ß", "İ", "𝐚", "｡", "_", "1.", "0.0.0.0 ",
    "[", "(", "''", "5 1 8 ", "l . l . l ", "5\n.\n1\n.\n", "spam abuse detected ", "Status: 5.1.8\n",
    "Final-Recipient: rfc822; a@b.c\nStatus: 5.1.8\n\n", "five ", "five dot ", "五", "오", "five one eight. ",
    "; To: a@example.edu", "From: a@example.edu\nTo: b\n\nblocked from sending\n",
)  # fmt: skip


def hostile() -> Iterator[Hostile]:
    """All of them."""
    yield from _repeated()
    yield from _addresses()
    yield from _structures()
    yield from _encodings()


def _repeated() -> Iterator[Hostile]:
    for piece in PIECES:
        text = piece * (MUCH // len(piece))
        yield Hostile(f"text {piece[:20]!r}", text=text)
        yield Hostile(f"html {piece[:20]!r}", text="<html><body>" + text)
        yield Hostile(f"file {piece[:20]!r}", content=text.encode(), kind="text/plain")
        yield Hostile(f"mail {piece[:20]!r}", content=b"From: a\nContent-Type: text/html\n\n" + text.encode())
        yield Hostile(f"head {piece[:20]!r}", content=b"From: " + text.encode())
        yield Hostile(
            f"raw {piece[:20]!r}", text="From: a\nTo: b\nContent-Type: multipart/report; boundary=b\n\n" + text
        )
        yield Hostile(
            f"status {piece[:20]!r}", content=b"Diagnostic-Code: " + text.encode(), kind="message/delivery-status"
        )
        yield Hostile(f"subject {piece[:20]!r}", subject=text)


def _addresses() -> Iterator[Hostile]:
    many = "".join(f"user{n}@example.edu " for n in range(MUCH // 20))
    yield Hostile("many addresses", text="blocked by Microsoft from sending mail: " + many)
    yield Hostile("many netids", text="".join(f"netid: user{n}\n" for n in range(MUCH // 16)))
    yield Hostile(
        "many recipients", text=INTRO + "".join(f"To: user{n}@example.edu\n" for n in range(MUCH // 24)) + REFUSAL
    )
    yield Hostile("many reports", text="".join(f"{INTRO}{REFUSAL}From: u{n}@example.edu\n" for n in range(MUCH // 130)))
    yield Hostile("many words", text=" ".join(f"w{n}" for n in range(MUCH // 7)))
    yield Hostile("every character", text="".join(chr(n) for n in range(1, 0x110000) if not 0xD800 <= n < 0xE000))


def _structures() -> Iterator[Hostile]:
    parts = b"".join(b"--b\nContent-Type: text/plain\n\nx\n" for _ in range(MUCH // 32))
    yield Hostile("many parts", content=b"Content-Type: multipart/mixed; boundary=b\n\n" + parts)
    yield Hostile("empty parts", content=b"Content-Type: multipart/digest; boundary=b\n\n" + b"--b\n\n" * (MUCH // 5))
    yield Hostile("deep multiparts", content=b"".join(_level(n) for n in range(20_000)))
    yield Hostile("deep messages", content=b"Content-Type: message/rfc822\n\n" * 50_000)
    yield Hostile("long boundary", content=b"Content-Type: multipart/mixed; boundary=" + b"b" * MUCH + b"\n\n")
    yield Hostile("many parameters", content=b"Content-Type: text/plain; " + b'a="b;' * (MUCH // 5))
    yield Hostile(
        "parameter parts", content=b"Content-Type: text/plain; " + b"".join(b"a*%d=b;" % n for n in range(MUCH // 9))
    )
    yield Hostile("many headers", content=b"".join(b"X-%d: y\n" % n for n in range(MUCH // 9)))
    yield Hostile("folded header", content=b"From: a\n" + b" b\n" * (MUCH // 3))
    yield Hostile("encoded words", content=b"Subject: " + b"=?utf-8?q?a?= " * (MUCH // 14))
    yield Hostile("open encoded words", content=b"From: " + b"=?utf-8?q?" * (MUCH // 10))
    yield Hostile(
        "many statuses",
        content=b"Status: 5.1.8\nFinal-Recipient: rfc822; a@b.c\n\n" * 40_000,
        kind="message/delivery-status",
    )
    bomb = EmailMessage()
    bomb.set_content("x")
    for _ in range(8):
        outer = EmailMessage()
        outer.set_content("y" * 50_000)
        outer.add_attachment(bomb)
        bomb = outer
    yield Hostile("mails in mails", content=bomb.as_bytes())


def _level(number: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number)


def _encodings() -> Iterator[Hostile]:
    encoded = base64.encodebytes(REFUSAL.encode() * (MUCH // len(REFUSAL)))
    yield Hostile("base64", content=b"Content-Type: text/html\nContent-Transfer-Encoding: base64\n\n" + encoded)
    inner = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
    for _ in range(6):
        inner = (
            b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
            + base64.encodebytes(inner * 100)[:MUCH]
        )
    yield Hostile("base64 in base64", content=inner)
    yield Hostile(
        "quoted-printable",
        content=b"Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n" + b"=3D" * (MUCH // 3),
    )
    for charset in (
        "utf-7",
        "utf-16",
        "idna",
        "punycode",
        "unicode_escape",
        "iso-2022-kr",
        "hz",
        "big5",
        "gb18030",
        "undefined",
    ):
        yield Hostile(
            f"charset {charset}",
            content=f"Content-Type: text/plain; charset={charset}\n\n".encode() + bytes(range(256)) * (MUCH // 256),
        )
    yield Hostile("zeros", content=bytes(20_000_000))
    yield Hostile(
        "compound file",
        content=b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(range(256)) * (MUCH // 256),
        kind="application/vnd.ms-outlook",
    )
