"""A message as RT keeps it: one row for each MIME part, mails inside mails taken apart too. Pure.

RT decodes every part and drops the boundaries, so a report in a mail (RFC 3464) is a handful of rows. Triage reads
mails, because only a whole report says whose mail was refused: so the rows are put together again.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

from plugin.model import Attachment

REPLACED = re.compile(r"content-(type|transfer-encoding|length)|x-rt-.*|rt-.*", re.IGNORECASE)
DECODED = ("text/plain", "text/html", "message/rfc822")  # RT::I18N::IsTextualContentType
NAMED = re.compile(r"\b(?:file)?name=\"?([^\";\r\n]{1,200})", re.IGNORECASE)

BREAKS = re.compile(r"[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")  # RT decodes encoded words, so a subject may hold these
BY_MAIL = re.compile(
    r"^x-rt-interface:[ \t]*email[ \t]*$", re.IGNORECASE | re.MULTILINE
)  # put there by RT's mail gateway

AddressOf = Callable[[str], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A row of RT's table of attachments."""

    id: str
    transaction: str
    kind: str  # its type without parameters, in lower case
    filename: str = ""
    size: int | None = None
    parent: str = ""
    headers: str = ""
    content: str | None = None  # None: none, or not asked for


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """What a message says, and what hangs on it."""

    text: str = ""
    content_type: str = "text/plain"
    attachments: tuple[Attachment, ...] = ()
    by_mail: bool = False  # then its author is only what the mail claims


class Parts:
    """The parts of one message, outermost first."""

    def __init__(self, parts: Iterable[Part], address_of: AddressOf) -> None:
        self._parts = sorted(parts, key=lambda part: int(part.id))
        self._address_of = address_of
        self._around: dict[str, Part] = {}
        self._inside: dict[str, list[Part]] = {}
        for number, part in enumerate(self._parts[1:], 1):
            # RT writes a part after the one it is in; one whose place was not told hangs on the outermost.
            around = next((outer for outer in self._parts[:number] if outer.id == part.parent), self._parts[0])
            self._around[part.id] = around
            self._inside.setdefault(around.id, []).append(part)

    def body(self) -> Body:
        """The first text that says something, and every other part as an attachment."""
        if not self._parts:
            return Body()
        outermost = self._parts[0]
        text = next((part for part in self._texts(outermost) if (part.content or "").strip()), None)
        beside = self._alternatives_to(text) if text else ()
        return Body(
            text=text.content or "" if text else "",
            content_type=text.kind if text else "text/plain",
            attachments=tuple(self._attachments(outermost, {part.id for part in beside})),
            by_mail=BY_MAIL.search(outermost.headers) is not None,
        )

    def _texts(self, part: Part) -> Iterator[Part]:
        """The texts that a mail program would show, not those of mails inside; plain text before its alternatives."""
        if part.kind in ("text/plain", "text/html") and not part.filename:
            yield part
        elif part.kind.startswith("multipart/"):
            inside = self._inside.get(part.id, [])
            is_choice = part.kind == "multipart/alternative"
            for inner in sorted(inside, key=lambda inner: is_choice and inner.kind != "text/plain"):
                yield from self._texts(inner)

    def _alternatives_to(self, text: Part) -> Iterable[Part]:
        """The text itself, and where it is one of several forms, all of them."""
        around = self._around.get(text.id)
        while around is not None and around.kind != "multipart/alternative":
            around = self._around.get(around.id)
        return self._inside[around.id] if around else (text,)

    def _attachments(self, part: Part, said: set[str]) -> Iterator[Attachment]:
        if part.kind == "multipart/report":
            yield self._mail(part, "report.eml")
        elif part.id in said:
            return
        elif part.kind.startswith("multipart/"):
            for inner in self._inside.get(part.id, []):
                yield from self._attachments(inner, said)
        elif self._is_taken_apart(part):
            named = NAMED.search(part.headers)  # RT loses the name of an attached mail, but keeps the header
            for mail in self._inside.get(part.id, [])[:1]:
                yield self._mail(mail, named[1].strip() if named else "message.eml")
        else:
            yield self._leaf(part)

    def _mail(self, part: Part, filename: str) -> Attachment:
        content = self._written(part)
        return Attachment(
            filename=filename,
            content_type="message/rfc822",
            size=len(content),
            url=self._address_of(part.id),
            content=content,
        )

    def _leaf(self, part: Part) -> Attachment:
        content = None if part.content is None else _bytes(part)
        return Attachment(
            filename=part.filename or f"part-{part.id}",
            content_type=part.kind,
            size=part.size if content is None else len(content),
            url=self._address_of(part.id),
            content=content,
        )

    def _is_taken_apart(self, part: Part) -> bool:
        return part.kind == "message/rfc822" and not part.content and part.id in self._inside

    def _written(self, part: Part) -> bytes:
        """A part with its headers, as it may have been mailed; what was not asked for is left out."""
        inside = self._inside.get(part.id, [])
        kind = part.kind
        if part.kind.startswith("multipart/"):
            written = [self._written(inner) for inner in inside]
            # Nobody can write the hash of a text into that text, so nobody can end a part from within.
            boundary = f"_part-{sha256(b''.join(written)).hexdigest()[:32]}_"
            kind += f'; boundary="{boundary}"'
            body = b"".join(b"--%s\n%s\n" % (boundary.encode(), inner) for inner in written)
            body += b"--%s--\n" % boundary.encode()
        elif self._is_taken_apart(part):
            body = b"".join(self._written(inner) for inner in inside[:1])
        else:
            kind += "; charset=utf-8" if part.kind in DECODED else ""
            body = _bytes(part)
        headers = "\n".join([*_kept(part.headers), f"Content-Type: {kind}", "", ""])
        return headers.encode("utf-8", "replace") + body


def by_message(parts: Iterable[Part], address_of: AddressOf) -> dict[str, Body]:
    """The bodies of messages, by the ids of their transactions."""
    rows: dict[str, list[Part]] = {}
    for part in parts:
        rows.setdefault(part.transaction, []).append(part)
    return {transaction: Parts(belonging, address_of).body() for transaction, belonging in rows.items()}


def loose(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts of which nothing but a list could be had, each by itself, to be fetched."""
    seen: set[str] = set()
    for part in parts:
        if part.transaction not in seen:
            seen.add(part.transaction)
            yield Part(id="0", transaction=part.transaction, kind="multipart/mixed")
        if part.size and not part.kind.startswith("multipart/"):
            yield replace(part, parent="")


def _bytes(part: Part) -> bytes:
    """A leaf's bytes. RT gives what it does not take for text as one character for each byte."""
    content = part.content or ""
    if part.kind not in DECODED:
        try:
            return content.encode("latin-1")
        except UnicodeEncodeError:
            pass  # another release of RT decoded it after all
    return content.encode("utf-8", "replace")


def _kept(headers: str) -> Iterator[str]:
    """The lines of a part's headers, without those that described how it came, and without RT's own."""
    keep = False
    for line in (BREAKS.sub(" ", given) for given in headers.split("\n")):
        if not line.startswith((" ", "\t")):
            keep = bool(line.strip()) and REPLACED.fullmatch(line.partition(":")[0].strip()) is None
        if keep:
            yield line
