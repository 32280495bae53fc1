"""Mails and mail reports (RFC 3464) taken apart, within bounds: what a stranger attached cannot exhaust us or raise.

Only the standard library's parser touches MIME, with the old lenient policy (compat32), and only after the bytes were
cut to a size, a number of lines, a length of line and of header, and a number of parts. Transfer encodings and
character sets are left to `plugin.triage.decoding`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import message_from_string
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message

from plugin.triage.accounts import header_address
from plugin.triage.decoding import decoded_bytes, decoded_text
from plugin.triage.markup import html_to_text
from plugin.triage.plain import clean

MAX_BYTES = 1024 * 1024
MAX_LINES = 20_000
MAX_PARTS = 100
MAX_LINE_BYTES = 20_000
MAX_HEADER_BYTES = 4_096  # of one header with its folded lines
MAX_MARKS = 40  # mentions of a boundary or an embedded message, which bound parts and depth
MAX_DEPTH = 5  # mails inside mails
MAX_STATUSES = 50
MARK = re.compile(rb"boundary|message/|multipart/", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """One recipient's fields of a delivery status (RFC 3464 §2.3)."""

    code: str
    diagnostic: str
    reporting: str  # host names, empty where not given
    remote: str
    recipient: str
    action: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """A mail as triage reads it."""

    author: str = ""  # the From header as written
    recipient: str = ""  # address of the To header
    subject: str = ""
    text: str = ""
    is_report: bool = False  # multipart/report or a delivery status inside
    statuses: tuple[Status, ...] = ()
    inner: tuple["Mail", ...] = ()  # mails inside this one
    headers_of_original: str = ""  # From of a text/rfc822-headers part
    cut: tuple[str, ...] = ()  # what was left out, in words


def read_mail(content: bytes, depth: int = 0) -> Mail:
    """A mail's bytes taken apart; never raises on what is in them."""
    content, cut = _tamed(content)
    mail = _mail(_parsed(content), depth)
    return replace(mail, cut=cut + mail.cut)


def read_status(content: bytes) -> Mail:
    """A delivery status that comes without its mail."""
    return read_mail(b"Content-Type: message/delivery-status\n\n" + content)


def _parsed(content: bytes) -> Message:
    """Bytes stand as characters of the same number: given bytes, the parser would decode them as the stranger says."""
    return message_from_string(content.decode("latin-1"))


def _tamed(content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The bytes cut to what the parser can take without trouble, and what was cut."""
    cut = [f"only the first {MAX_BYTES} bytes of the mail were read"] if len(content) > MAX_BYTES else []
    marks = [match.start() for _, match in zip(range(MAX_MARKS + 1), MARK.finditer(content[:MAX_BYTES]), strict=False)]
    end = marks[MAX_MARKS] if len(marks) > MAX_MARKS else MAX_BYTES
    if len(marks) > MAX_MARKS:
        cut.append(f"only the parts up to the {MAX_MARKS}th boundary were read")
    lines = re.split(rb"\r\n|\r|\n", content[:end])
    if len(lines) > MAX_LINES:
        cut.append(f"only the first {MAX_LINES} lines of the mail were read")
    return b"\n".join(_short_headers(lines[:MAX_LINES])), tuple(cut)


def _short_headers(lines: list[bytes]) -> Iterator[bytes]:
    """Lines of a bearable length, and folded headers too; body lines that begin with a space suffer no harm."""
    folded = 0
    for line in lines:
        is_folded = line[:1] in (b" ", b"\t")
        folded = folded + len(line) if is_folded else len(line)
        if not is_folded or folded <= MAX_HEADER_BYTES:
            is_header = re.match(rb"[!-9;-~]{1,80}:", line) is not None
            yield line[: MAX_HEADER_BYTES if is_header else MAX_LINE_BYTES]


def _mail(message: Message, depth: int) -> Mail:
    """A parsed message; parts of embedded messages belong to those."""
    parts = [part for _, part in zip(range(MAX_PARTS), _parts(message), strict=False)]
    texts = _text(parts)
    statuses = tuple(status for part in parts if _kind(part) == "message/delivery-status" for status in _statuses(part))
    inner = tuple(mail for part in parts for mail in _embedded(part, depth))
    report_type = message.get_content_type() == "multipart/report"
    cut = ("mails nested deeper were not read",) if depth >= MAX_DEPTH and any(map(_is_mail, parts)) else ()
    return Mail(
        author=_header(message, "from"),
        recipient=header_address(_header(message, "to")),
        subject=_header(message, "subject"),
        text=texts,
        is_report=report_type or bool(statuses),
        statuses=statuses[:MAX_STATUSES],
        inner=inner,
        headers_of_original=_original_headers(parts),
        cut=cut,
    )


def _parts(message: Message) -> Iterator[Message]:
    """The message's leaf parts, embedded messages unopened."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        payload = part.get_payload()
        if isinstance(payload, list) and part.get_content_maintype() != "message":
            waiting += [inner for inner in reversed(payload) if isinstance(inner, Message)]
        else:
            yield part


def _kind(part: Message) -> str:
    return part.get_content_type()


def _is_mail(part: Message) -> bool:
    name = _header(part, "content-disposition") + _header(part, "content-type")
    return _kind(part) == "message/rfc822" or (_kind(part).startswith("application/") and ".eml" in name.lower())


def _embedded(part: Message, depth: int) -> Iterator[Mail]:
    if not _is_mail(part) or depth >= MAX_DEPTH:
        return
    payload = part.get_payload()
    if not isinstance(payload, list):
        yield read_mail(_content(part), depth + 1)
    for message in payload if isinstance(payload, list) else ():
        if not isinstance(message, Message):
            continue
        if _encoding(part) in ("base64", "quoted-printable") and not message.keys():
            # RFC 2046 forbids encoding a whole message; mail programs do it all the same.
            yield read_mail(decoded_bytes(_raw(message), _encoding(part)), depth + 1)
        else:
            yield _mail(message, depth + 1)


def _statuses(part: Message) -> Iterator[Status]:
    payload = part.get_payload()
    blocks = [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []
    reporting = next((_host(_header(block, "reporting-mta")) for block in blocks if block["reporting-mta"]), "")
    for block in blocks:
        if block["status"] or block["diagnostic-code"] or block["final-recipient"]:
            recipient = _header(block, "final-recipient") or _header(block, "original-recipient")
            yield Status(
                code=_header(block, "status")[:40],
                diagnostic=_header(block, "diagnostic-code"),
                reporting=reporting,
                remote=_host(_header(block, "remote-mta")),
                recipient=header_address(recipient.replace(";", " ")),
                action=_header(block, "action").lower(),
            )


def _host(value: str) -> str:
    return value.rpartition(";")[2].split("(")[0].strip().strip("[]").lower()[:253]


def _original_headers(parts: list[Message]) -> str:
    for part in parts:
        if _kind(part) in ("text/rfc822-headers", "message/rfc822-headers"):
            payload = part.get_payload()
            inner = payload[0] if isinstance(payload, list) and payload else None
            message = inner if isinstance(inner, Message) else _parsed(_content(part)[:MAX_LINE_BYTES])
            return header_address(_header(message, "from"))
    return ""


def _text(parts: list[Message]) -> str:
    """What a reader sees: the plain texts, or the HTML where no plain text says anything."""
    plain = [_readable(part) for part in parts if _kind(part) == "text/plain"]
    if not any(text.strip() for text in plain):
        plain = [html_to_text(_readable(part)) for part in parts if _kind(part) == "text/html"]
    return clean("\n".join(plain))


def _readable(part: Message) -> str:
    match = re.search(
        r"charset\s{0,3}=\s{0,3}[\"']?([A-Za-z0-9_.:-]{1,40})", _header(part, "content-type"), re.IGNORECASE
    )
    return decoded_text(_content(part), match[1] if match else "utf-8")


def _encoding(part: Message) -> str:
    return _header(part, "content-transfer-encoding").strip().lower()


def _content(part: Message) -> bytes:
    return decoded_bytes(_raw(part), _encoding(part))


def _raw(part: Message) -> bytes:
    payload = part.get_payload()
    return payload.encode("latin-1", "replace") if isinstance(payload, str) else b""


def _header(message: Message, name: str) -> str:
    """A header's value in plain text; encoded words are decoded where they can be."""
    value = message.get(name)
    raw = str(value)[:MAX_HEADER_BYTES].encode("latin-1", "replace").decode("utf-8", "replace") if value else ""
    if "=?" not in raw:
        return clean(raw).replace("\n", " ").strip()
    try:
        pieces = decode_header(raw)
    except (HeaderParseError, ValueError):
        return clean(raw).replace("\n", " ").strip()
    words = [piece if isinstance(piece, str) else decoded_text(piece, charset or "utf-8") for piece, charset in pieces]
    return clean("".join(words)).replace("\n", " ").strip()
