"""A message's text cut into the customer's own words and the reports pasted below them, with who each report is to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from plugin.triage.accounts import header_address
from plugin.triage.knowledge import is_mailer, layout
from plugin.triage.plain import QUOTE, skeleton, unquoted, unwrapped

MAX_LINES = 20_000
HEADER = re.compile(r"^[ \t*]{0,4}([^\W\d_][^:\n：]{0,30}?)[ \t*]{0,3}[:：][ \t*]{0,3}(.*)$")
RAW_HEADER = re.compile(
    r"^(?:[\w-]{0,20}Return-Path|Received|Delivered-To|From|To|Date|Subject|Message-ID|MIME-Version|X-[\w-]{1,60}|Content-Type):",
    re.IGNORECASE,
)
RAW_MAIL = re.compile(
    r"^(?:Content-Type:[ \t]*(?:multipart/|message/)|Content-Transfer-Encoding:[ \t]*(?:base64|quoted-printable))",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A report in text form: a copy of a bounce with what belongs to it."""

    text: str
    author: str = ""  # From line of a forwarded header above the report
    recipient: str = ""  # address of the To line there: whose mail bounced
    sender: str = ""  # address of the From line in the original message's headers
    recipients: tuple[str, ...] = ()  # addresses the refused message went to


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """A message's text, taken apart."""

    words: str  # the writer's own, without quoted lines and what stands below them
    sections: tuple[Section, ...]  # of the whole text
    above: str = ""  # what stands above a mail that was pasted with its headers
    raw: str = ""  # what may be such a mail; a report's copy of the refused mail's headers looks like one too


def take_apart(text: str) -> Parts:
    """Split cleaned text into own words, reports and a pasted raw mail."""
    plain = unquoted(text)
    raw_at = _raw_mail_at(plain)
    lines = unwrapped(plain).split("\n")[:MAX_LINES]
    return Parts(
        words=own_words(text),
        sections=tuple(_section(block) for block in _blocks(lines)),
        above=plain[:raw_at] if raw_at is not None else "",
        raw=plain[raw_at:] if raw_at is not None else "",
    )


def has_mail_headers(text: str) -> bool:
    """Whether a text holds the MIME headers of a mail that was pasted as it came."""
    return RAW_MAIL.search(text) is not None


def _raw_mail_at(text: str) -> int | None:
    """Where a mail with its MIME headers begins in a pasted text."""
    match = RAW_MAIL.search(text)
    if match is None:
        return None
    place = 0
    for line in text[: match.end()].split("\n"):
        if RAW_HEADER.match(line):
            return place
        place += len(line) + 1
    return match.start()


def own_words(text: str) -> str:
    """The writer's words: up to the first report, forwarded header or reply line, without quoted lines."""
    kept: list[str] = []
    lines = text.split("\n")[:MAX_LINES]
    for number, line in enumerate(lines):
        raw_mail_begins = RAW_HEADER.match(line) and number + 1 < len(lines) and RAW_HEADER.match(lines[number + 1])
        if raw_mail_begins or _is_intro(line) or _is_reply_line(line) or _header_block(lines, number):
            break
        if not QUOTE.match(line):
            kept.append(line)
    return "\n".join(kept)


def fresh_text(text: str) -> str:
    """What is new in a reply: without quoted lines and older messages, with a bounce that was forwarded in it."""
    kept: list[str] = []
    lines = text.split("\n")[:MAX_LINES]
    for number, line in enumerate(lines):
        block = _header_block(lines, number)
        if (block and not _is_mail_system(block.get("from", ""))) or _says_who_wrote(line):
            break
        if not QUOTE.match(line):
            kept.append(line)
    return "\n".join(kept)


def _is_intro(line: str) -> bool:
    bones = skeleton(line[:300]).letters
    return any(intro in bones for intro in layout().intros)


def _is_reply_line(line: str) -> bool:
    bones = skeleton(line[:120]).letters
    marked = line.lstrip().startswith(("-----", "_____"))
    return _says_who_wrote(line) or (marked and any(word in bones for word in layout().reply_lines))


def _says_who_wrote(line: str) -> bool:
    low = line[:400].casefold().rstrip()
    return low.endswith(layout().wrote) and any(c.isdigit() for c in low)


def _field(line: str) -> tuple[str, str] | None:
    """A forwarded mail's header line as (from | to | date, value)."""
    match = HEADER.match(line[:500])
    if match is None:
        return None
    name = match[1].casefold().strip()
    names = layout()
    for kind, known in (("from", names.from_names), ("to", names.to_names), ("date", names.date_names)):
        if name in known:
            return kind, match[2]
    return None


def _header_block(lines: list[str], number: int) -> dict[str, str]:
    """The fields of a forwarded mail's header that begins at this line; empty if none does."""
    first = _field(lines[number])
    if first is None or first[0] != "from":
        return {}
    block = dict([first])
    for line in lines[number + 1 : number + 6]:
        field = _field(line)
        if field is not None and field[0] not in block:
            block[field[0]] = field[1]
    return block if len(block) > 1 else {}


def _is_mail_system(author: str) -> bool:
    return is_mailer(header_address(author)) or "microsoft outlook" in author.casefold()


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """The text cut where another report begins: at its forwarded header, else at its first sentence."""
    block: list[str] = []
    begun = False  # the block's report has had its first sentence
    for number, line in enumerate(lines):
        is_header = _is_mail_system(_header_block(lines, number).get("from", ""))
        is_intro = _is_intro(line)
        if begun and (is_header or is_intro):
            yield block
            block, begun = [], False
        begun = begun or is_intro
        block.append(line)
    yield block


def _section(lines: list[str]) -> Section:
    author = recipient = sender = ""
    recipients: list[str] = []
    for number, line in enumerate(lines):
        field = _field(line)
        if field is None:
            continue
        kind, value = field
        address = header_address(value)
        if kind == "from" and _is_mail_system(value):
            author = value
            recipient = header_address(_header_block(lines, number).get("to", "")) or recipient
        elif kind == "from" and address and _is_original(lines, number):
            sender = sender or address
        elif kind == "to" and address and address != recipient:
            recipients.append(address)
    return Section(
        text="\n".join(lines), author=author, recipient=recipient, sender=sender, recipients=tuple(recipients)
    )


def _is_original(lines: list[str], number: int) -> bool:
    """Whether a From line belongs to the refused message: below the report's first sentence or its Received lines."""
    above = lines[:number]
    return any(_is_intro(line) or line.lstrip().startswith(("Received:", "DSN", "Status code")) for line in above) or (
        _field(lines[number]) is not None and "address" in lines[number][:40].casefold()
    )
