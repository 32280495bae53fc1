"""A message's text cut into the customer's own words and the reports pasted below them, with who each report is to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from plugin.triage.accounts import header_address
from plugin.triage.knowledge import is_mailer, is_role, layout
from plugin.triage.lines import RAW_HEADER, Lines, apart
from plugin.triage.plain import is_quoted, skeleton, unquoted, unwrapped

MAX_SECTIONS = 40  # reports in one text; what comes after the last belongs to it
DIGIT = re.compile(r"\d")
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
    is_report: bool = False  # has a report's first sentence, or is from a mail system


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """What a person wrote in a mail that was forwarded or pasted."""

    author: str  # the address of the From line; empty if it has none
    words: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """A message's text, taken apart."""

    words: str  # the writer's own, without quoted lines and what stands below them
    writers: tuple[str, ...]  # From lines of people's mails that were forwarded or pasted
    sections: tuple[Section, ...]  # of the whole text
    above: str = ""  # what stands above a mail that was pasted with its headers
    raw: str = ""  # what may be such a mail; a report's copy of the refused mail's headers looks like one too


def take_apart(text: str) -> Parts:
    """Split cleaned text into own words, reports and a pasted raw mail."""
    plain = unquoted(text)
    raw_at = _raw_mail_at(plain)
    whole = Lines(text)
    undone = apart(unwrapped(plain))
    read = whole if undone == text else Lines(undone)
    return Parts(
        words=_own_words(whole),
        writers=tuple(author for author in whole.authors() if not _is_mail_system(author)),
        sections=tuple(_section(read, *ends) for ends in _blocks(read)),
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
    return _own_words(Lines(text))


def _own_words(lines: Lines) -> str:
    kept: list[str] = []
    ends = lines.intros[0] if lines.intros else len(lines)
    for number, line in enumerate(lines[:ends]):
        if lines.begins_raw_mail(number) or _is_reply_line(line) or lines.header_block(number):
            break
        if not is_quoted(line):
            kept.append(line)
    return "\n".join(kept)


def letter_in(text: str) -> Letter | None:
    """The first mail that a person wrote of those forwarded in a text, without what is forwarded in it."""
    lines = Lines(unquoted(text))
    for number in lines.numbers:
        block = lines.header_block(number)
        if block and not _is_mail_system(block["from"]):
            below = [at for at in lines.numbers if number < at <= number + len(block)]
            start = max(below, default=number) + 1
            return Letter(author=header_address(block["from"]), words=own_words("\n".join(lines[start:])))
    return None


def fresh_text(text: str) -> str:
    """What is new in a reply: without quoted lines and older messages, with a bounce that was forwarded in it."""
    kept: list[str] = []
    lines = Lines(text)
    for number, line in enumerate(lines):
        block = lines.header_block(number)
        if (block and not _is_mail_system(block.get("from", ""))) or _says_who_wrote(line):
            break
        if not is_quoted(line):
            kept.append(line)
    return "\n".join(kept)


def _is_reply_line(line: str) -> bool:
    if not line.lstrip().startswith(("-----", "_____")):
        return _says_who_wrote(line)
    bones = skeleton(line[:120]).letters
    return any(word in bones for word in layout().reply_lines)


def _says_who_wrote(line: str) -> bool:
    return DIGIT.search(line) is not None and line[:400].casefold().rstrip().endswith(layout().wrote)


def _is_mail_system(author: str) -> bool:
    return is_mailer(header_address(author)) or "microsoft outlook" in author.casefold()


def _is_reporter(author: str) -> bool:
    """A mail system by a name that programs of ours do not send mail from: theirs may be the refused message."""
    return _is_mail_system(author) and not is_role(header_address(author))


def _blocks(lines: Lines) -> Iterator[tuple[int, int]]:
    """The text cut where another report begins: at its forwarded header, else at its first sentence."""
    start = 0
    begun = False  # the block's report has had its first sentence
    intros = frozenset(lines.intros)
    more = MAX_SECTIONS - 1
    for number in sorted(intros.union(lines.numbers)):
        is_header = lines.fields[number] is not None and _is_reporter(lines.header_block(number).get("from", ""))
        if begun and more and (is_header or number in intros):
            yield start, number
            start, begun, more = number, False, more - 1
        begun = begun or number in intros
    yield start, len(lines)


def _section(lines: Lines, start: int, end: int) -> Section:
    author = recipient = sender = ""
    recipients: list[str] = []
    within = [number for number in lines.numbers if start <= number < end]
    original = _original_at(lines, start, end) if within else end
    for number in within:
        kind, value = lines.fields[number] or ("", "")
        address = header_address(value) or header_address(lines.folded(number))
        if kind == "from" and (_is_reporter(value) if number > original else _is_mail_system(value)):
            author = value
            recipient = header_address(lines.header_block(number).get("to", "")) or recipient
        elif kind == "from" and address and (number > original or "address" in lines[number][:40].casefold()):
            sender = sender or address
        elif kind == "to" and address and address != recipient:
            recipients.append(address)
    return Section(
        text="\n".join(lines[start:end]),
        author=author,
        recipient=recipient,
        sender=sender,
        recipients=tuple(recipients),
        is_report=bool(author) or any(start <= number < end for number in lines.intros),
    )


def _original_at(lines: Lines, start: int, end: int) -> int:
    """Where a report begins, below which a From line is the refused message's: its first sentence or Received lines."""
    intro = next((number for number in lines.intros if start <= number < end), end)
    return next((number for number in range(start, intro) if lines.is_trace(number)), intro)
