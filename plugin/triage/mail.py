"""Mails and mail reports (RFC 3464) taken apart, within bounds: what a stranger attached cannot exhaust us or raise.

Only the standard library's parser touches MIME, with the old lenient policy (compat32), and only after `Room` has cut
the bytes to a size, a number of lines, a length of line and of header, and a number of parts. Transfer encodings and
character sets are left to `plugin.triage.decoding`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.feedparser import FeedParser
from email.message import Message
from email.policy import compat32
from itertools import islice

from plugin.triage.accounts import header_address
from plugin.triage.decoding import decoded_bytes, decoded_header, decoded_text
from plugin.triage.markup import html_to_text
from plugin.triage.outlook import OutlookFile, OutlookMessage, is_outlook, read_outlook
from plugin.triage.plain import clean
from plugin.triage.room import MAX_HEADER_BYTES, MAX_LINE_BYTES, Room

MAX_PARTS = 100
MAX_DEPTH = 5  # mails inside mails
MAX_STATUSES = 50
GLOBAL = re.compile(r"message/global(-delivery-status|-headers)?(?![\w-])", re.IGNORECASE)
BOUNDARY = re.compile(r"^--([^\s\"\\]{1,70})[ \t]*\nContent-", re.IGNORECASE | re.MULTILINE)  # RFC 2046 §5.1.1
CHARSET = re.compile(r"charset\s{0,3}=\s{0,3}[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)


Parts = list[tuple[str, Message]]  # leaf parts, each with its content type


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


def read_mail(content: bytes, room: Room, depth: int = 0) -> Mail:
    """A mail's bytes taken apart; never raises on what is in them."""
    return _mail(_parsed(room.mail(content)), room, depth)


def read_status(content: bytes, room: Room) -> Mail:
    """A delivery status that comes without its mail."""
    return read_mail(b"Content-Type: message/delivery-status\n\n" + content, room)


def read_msg(content: bytes, room: Room, depth: int = 0) -> Mail:
    """A .msg file's bytes taken apart; empty where they are not one."""
    message = read_outlook(content, MAX_DEPTH - depth)
    return Mail() if message is None else _of_outlook(message, room, depth)


def _of_outlook(message: OutlookMessage, room: Room, depth: int) -> Mail:
    for words in message.cut:
        room.note(words)
    headers = _parsed(room.mail(message.headers.encode("utf-8", "replace")))
    text = room.text(message.text)
    if message.html and not text.strip():
        text += html_to_text(room.markup(decoded_text(message.html, "utf-8")))
    return Mail(
        author=_header(headers, "from") or clean(message.author),
        recipient=header_address(_header(headers, "to") or message.recipient),
        subject=clean(message.subject),
        text=clean(text),
        is_report=message.is_report,
        inner=tuple(mail for file in message.files if (mail := _of_outlook_file(file, room, depth)) is not None),
    )


def _of_outlook_file(file: OutlookFile, room: Room, depth: int) -> Mail | None:
    if file.message is not None:
        return _of_outlook(file.message, room, depth + 1)
    kind = file.kind.lower()
    if depth < MAX_DEPTH and is_outlook(file.content):
        return read_msg(file.content, room, depth + 1)
    if kind == "message/delivery-status":
        return read_status(file.content, room)
    if depth < MAX_DEPTH and (kind == "message/rfc822" or file.name.lower().endswith(".eml")):
        return read_mail(file.content, room, depth + 1)
    return None


def _parsed(content: bytes) -> Message:
    """Bytes stand as characters of the same number: given bytes, the parser would decode them as the stranger says."""
    text = content.decode("latin-1")
    message = _fed(GLOBAL.sub(_older, text) if "/global" in text else text)
    body = message.get_payload()
    if not isinstance(body, str) or message.get_content_maintype() != "multipart":
        return message
    first = BOUNDARY.search(body)
    if first is None:
        return message
    # Its boundary was lost from the header, as on the way through a form; the parts are still told apart by it.
    message.replace_header("Content-Type", f'{message.get_content_type()}; boundary="{first[1]}"')
    headers = "".join(f"{name}: {value}\n" for name, value in message.items())
    return _fed(f"{headers}\n{body}")


def _fed(text: str) -> Message:
    parser = FeedParser(policy=compat32)
    parser.feed(text)
    return parser.close()


def _older(match: re.Match[str]) -> str:
    """The type that the parser knows of one for mail in UTF-8 (RFC 6533), which is laid out the same."""
    return {"-delivery-status": "message/delivery-status", "-headers": "text/rfc822-headers"}.get(
        (match[1] or "").lower(), "message/rfc822"
    )


def _mail(message: Message, room: Room, depth: int) -> Mail:
    """A parsed message; parts of embedded messages belong to those."""
    parts = [(_kind(part), part) for part in islice(_parts(message), MAX_PARTS)]
    texts = _text(parts, room)
    statuses = tuple(status for kind, part in parts if kind == "message/delivery-status" for status in _statuses(part))
    inner = tuple(mail for kind, part in parts for mail in _embedded(kind, part, room, depth))
    report_type = message.get_content_type() == "multipart/report"
    if depth >= MAX_DEPTH and any(_is_mail(kind, part) for kind, part in parts):
        room.note("mails nested deeper were not read")
    return Mail(
        author=_header(message, "from"),
        recipient=header_address(_header(message, "to")),
        subject=_header(message, "subject"),
        text=texts,
        is_report=report_type or bool(statuses),
        statuses=statuses[:MAX_STATUSES],
        inner=inner,
        headers_of_original=_original_headers(parts),
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


def _is_mail(kind: str, part: Message) -> bool:
    if kind in ("message/rfc822", "application/vnd.ms-outlook"):
        return True
    if not kind.startswith("application/"):
        return False
    name = _header(part, "content-disposition") + _header(part, "content-type")
    return any(ending in name.lower() for ending in (".eml", ".msg"))


def _embedded(kind: str, part: Message, room: Room, depth: int) -> Iterator[Mail]:
    if not _is_mail(kind, part) or depth >= MAX_DEPTH:
        return
    payload = part.get_payload()
    if not isinstance(payload, list):
        content = _content(part)
        yield read_msg(content, room, depth + 1) if is_outlook(content) else read_mail(content, room, depth + 1)
    for message in payload if isinstance(payload, list) else ():
        if not isinstance(message, Message):
            continue
        if _encoding(part) in ("base64", "quoted-printable") and not message.keys():
            # RFC 2046 forbids encoding a whole message; mail programs do it all the same.
            yield read_mail(decoded_bytes(_raw(message), _encoding(part)), room, depth + 1)
        else:
            yield _mail(message, room, depth + 1)


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


def _original_headers(parts: Parts) -> str:
    for kind, part in parts:
        if kind in ("text/rfc822-headers", "message/rfc822-headers"):
            payload = part.get_payload()
            inner = payload[0] if isinstance(payload, list) and payload else None
            message = inner if isinstance(inner, Message) else _parsed(_content(part)[:MAX_LINE_BYTES])
            return header_address(_header(message, "from"))
    return ""


def _text(parts: Parts, room: Room) -> str:
    """What a reader sees: the plain texts, or the HTML where no plain text says anything."""
    plain = [room.text(_readable(part)) for kind, part in parts if kind == "text/plain"]
    if not any(text.strip() for text in plain):
        plain = [html_to_text(room.markup(_readable(part))) for kind, part in parts if kind == "text/html"]
    return clean("\n".join(plain))


def _readable(part: Message) -> str:
    match = CHARSET.search(_header(part, "content-type"))
    return decoded_text(_content(part), match[1] if match else "utf-8")


def _encoding(part: Message) -> str:
    return _header(part, "content-transfer-encoding").strip().lower()


def _content(part: Message) -> bytes:
    return decoded_bytes(_raw(part), _encoding(part))


def _raw(part: Message) -> bytes:
    payload = part.get_payload()
    return payload.encode("latin-1", "replace") if isinstance(payload, str) else b""


def _header(message: Message, name: str) -> str:
    """A header's value in plain text."""
    value = message.get(name)
    return decoded_header(str(value)[:MAX_HEADER_BYTES]) if value else ""
