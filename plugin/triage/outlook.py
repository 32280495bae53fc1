"""Messages that Outlook saves as a file (.msg): a compound file with one stream for each property ([MS-OXMSG] §2).

`olefile` reads the compound file; here are only the properties that triage asks for, by their numbers ([MS-OXPROPS]).
"""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # of compound files ([MS-CFB] §2.2)
MAX_FILE = 8 * 1024 * 1024  # bytes of one .msg file that are read
MAX_STREAMS = 2_000  # entries of its directory
MAX_PROPERTY = 1024 * 1024  # bytes of one property
MAX_ATTACHMENTS = 20
MAX_RECIPIENTS = 50

MESSAGE_CLASS, SUBJECT, BODY, HTML, REPORT_TEXT = "001A", "0037", "1000", "1013", "1001"
HEADERS, DISPLAY_TO, FROM_NAME, FROM_ADDRESS, FROM_SMTP = "007D", "0E04", "0C1A", "0C1F", "5D01"
RICH_TEXT = "1009"
RECIPIENT_SMTP, RECIPIENT_ADDRESS, SUPPLEMENTARY = "39FE", "3003", "0C1B"
FILE_NAME, LONG_FILE_NAME, MIME_TAG, DATA = "3704", "3707", "370E", "3701"


@dataclass(frozen=True, kw_only=True, slots=True)
class OutlookFile:
    """What lies in a message, in Outlook's terms."""

    name: str = ""
    kind: str = ""
    content: bytes = b""
    message: "OutlookMessage | None" = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OutlookMessage:
    """A message as Outlook saves it."""

    is_report: bool = False
    author: str = ""
    recipient: str = ""
    subject: str = ""
    text: str = ""
    html: bytes = b""
    headers: str = ""  # of the transport, as they came
    files: tuple[OutlookFile, ...] = field(default=())
    cut: tuple[str, ...] = ()


def is_outlook(content: bytes) -> bool:
    """Whether these are a .msg file's bytes."""
    return content.startswith(MAGIC)


def read_outlook(content: bytes, depth: int) -> OutlookMessage | None:
    """A .msg file's message with those inside it, so many levels deep; None where the bytes are none or are broken."""
    import olefile  # no other mail needs it

    logging.getLogger("olefile").setLevel(logging.CRITICAL)  # it logs what is odd in a stranger's file
    if len(content) > MAX_FILE:
        return OutlookMessage(cut=(f"a .msg file of more than {MAX_FILE} bytes was not read",))
    try:
        with olefile.OleFileIO(io.BytesIO(content)) as file:
            entries = file.listdir(streams=True, storages=False)[:MAX_STREAMS]
            return _Storage(file, [tuple(entry) for entry in entries], ()).message(depth)
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError, AttributeError, MemoryError):
        return None  # whatever a made-up file can provoke in its reader


class _Storage:
    """One message's, recipient's or attachment's streams."""

    def __init__(self, file: Any, paths: list[tuple[str, ...]], prefix: tuple[str, ...]) -> None:
        self._file = file
        self._prefix = prefix
        depth = len(prefix)
        self._below = [path for path in paths if path[:depth] == prefix]
        self._own = {path[depth]: path for path in self._below if len(path) == depth + 1}

    def message(self, depth: int) -> OutlookMessage:
        """The message in this storage."""
        recipients = list(self._storages("__recip_version1.0_", MAX_RECIPIENTS))
        text, html = self.text(BODY) or self.text(REPORT_TEXT), self._bytes(HTML)
        supplements = [more for recipient in recipients if (more := recipient.text(SUPPLEMENTARY))]
        is_unread = not text and not html and self._has(RICH_TEXT)
        addresses = (recipient.text(RECIPIENT_SMTP) or recipient.text(RECIPIENT_ADDRESS) for recipient in recipients)
        return OutlookMessage(
            is_report=self.text(MESSAGE_CLASS).upper().startswith("REPORT."),
            author=f"{self.text(FROM_NAME)} <{self.text(FROM_SMTP) or self.text(FROM_ADDRESS)}>",
            recipient=next(filter(None, addresses), ""),
            subject=self.text(SUBJECT),
            text="\n".join([text, *supplements] if text or not html else supplements),
            html=html,
            headers=self.text(HEADERS),
            files=tuple(file.attached(depth) for file in self._storages("__attach_version1.0_", MAX_ATTACHMENTS)),
            cut=("a .msg file's text is in rich text only, which was not read",) if is_unread else (),
        )

    def attached(self, depth: int) -> OutlookFile:
        """The attachment in this storage; a message inside is a storage of its own ([MS-OXMSG] §2.2.2.1)."""
        inner = (*self._prefix, "__substg1.0_3701000D")
        is_message = any(path[: len(inner)] == inner for path in self._below)
        return OutlookFile(
            name=self.text(LONG_FILE_NAME) or self.text(FILE_NAME),
            kind=self.text(MIME_TAG),
            content=self._bytes(DATA),
            message=_Storage(self._file, self._below, inner).message(depth - 1) if is_message and depth > 0 else None,
        )

    def text(self, number: str) -> str:
        """A property of text; in an old file its characters are those of the sender's code page."""
        unicode = self._read(f"__substg1.0_{number}001F")
        if unicode:
            return unicode.decode("utf-16-le", "replace").rstrip("\0 ")
        return self._read(f"__substg1.0_{number}001E").decode("cp1252", "replace").rstrip("\0 ")

    def _bytes(self, number: str) -> bytes:
        return self._read(f"__substg1.0_{number}0102") or self.text(number).encode("utf-8", "replace")

    def _has(self, number: str) -> bool:
        return f"__substg1.0_{number}0102" in self._own

    def _read(self, name: str) -> bytes:
        path = self._own.get(name)
        if path is None:
            return b""
        with self._file.openstream(list(path)) as stream:
            return bytes(stream.read(MAX_PROPERTY))

    def _storages(self, name: str, most: int) -> Iterator["_Storage"]:
        depth = len(self._prefix)
        names = dict.fromkeys(path[depth] for path in self._below if len(path) > depth + 1)
        for inner in [found for found in names if found.startswith(name)][:most]:
            yield _Storage(self._file, self._below, (*self._prefix, inner))
