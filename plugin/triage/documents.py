"""A file or a record as a ticket: a saved mail (.eml, .msg), a text, or a line of JSON with subject and body."""

import codecs
import re
from collections.abc import Mapping
from typing import Any

from plugin.model import AttachedFile, Said, TicketText
from plugin.triage.accounts import header_address
from plugin.triage.decoding import decoded_text
from plugin.triage.mail import Mail, read_mail, read_msg
from plugin.triage.outlook import is_outlook
from plugin.triage.room import Room

HEADER = re.compile(rb"(?:From |[A-Za-z][A-Za-z0-9-]{1,60}:)")
FOUND_IN_MAILS = re.compile(
    rb"^(?:received|return-path|delivered-to|message-id|mime-version|content-type|date|from|to|subject):",
    re.IGNORECASE | re.MULTILINE,
)
MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # lone surrogates that carry no byte
FIELDS = ("subject", "body", "attachment_eml", "requester")
HEAD = 4_000  # bytes in which a mail shows that it is one


class NoTicket(ValueError):
    """A record that cannot be read as a ticket; its words say what is wrong with it."""


def of_file(content: bytes) -> TicketText:
    """A saved mail with what is in it, or a text; a customer's own mail speaks in its writer's words too."""
    if is_outlook(content):
        return _of_mail(read_msg(content, Room()), content, "message.msg")
    if _is_mail(content):
        return _of_mail(read_mail(content, Room()), content, "message.eml")
    return TicketText(subject="", said=(Said(text=_text(content)),))


def of_record(record: Any) -> TicketText:
    """A record of subject, body, attachment_eml and requester, each a text or missing; `NoTicket` where it is none."""
    if not isinstance(record, Mapping):
        raise NoTicket("is not a JSON object")
    fields = {name: record.get(name) for name in FIELDS}
    for name, value in fields.items():
        if value is not None and not isinstance(value, str):
            raise NoTicket(f"{name} must be a text")
    mail = fields["attachment_eml"] or ""
    content = mail.encode("utf-8", "surrogateescape" if _is_escaped(mail) else "replace")
    file = AttachedFile(filename="attachment.eml", content_type="message/rfc822", content=content)
    return TicketText(
        subject=fields["subject"] or "",
        said=(Said(text=fields["body"] or "", files=(file,) if mail else ()),),
        requester=fields["requester"] or "",
    )


def _of_mail(mail: Mail, content: bytes, name: str) -> TicketText:
    file = AttachedFile(filename=name, content_type="message/rfc822", content=content)
    if mail.is_report:
        return TicketText(subject="", said=(Said(text="", files=(file,)),))
    return TicketText(
        subject=mail.subject, said=(Said(text=mail.text, files=(file,)),), requester=header_address(mail.author)
    )


def _is_mail(content: bytes) -> bool:
    head = content[:HEAD].removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
    if HEADER.match(head) is None:
        return False
    headers = re.split(rb"\r?\n\r?\n|\r\r", head, maxsplit=1)[0]
    return len({found.lower() for found in FOUND_IN_MAILS.findall(headers)}) > 1


def _is_escaped(text: str) -> bool:
    """Whether the only lone surrogates are those by which Python carries bytes that are no UTF-8."""
    return NO_BYTE.search(text) is None


def _text(content: bytes) -> str:
    for mark, charset in MARKS:
        if content.startswith(mark):
            return decoded_text(content[len(mark) if charset == "utf-8" else 0 :], charset)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return decoded_text(content, "cp1252")
    return decoded_text(content, "utf-8")
