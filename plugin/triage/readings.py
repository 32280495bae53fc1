"""From one message with its attachments to readings: each report weighed, else the writer's own words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from plugin.model import AttachedFile, Confidence, Label, Said
from plugin.triage import mail as mails
from plugin.triage.accounts import header_address, is_ours, may_be_ours, named_in, speaks_of_one
from plugin.triage.decoding import decoded_text
from plugin.triage.hosts import is_somebody_elses, reported_by
from plugin.triage.knowledge import calls, demands, is_mailer, is_microsoft, is_microsoft_link, poses_as_system
from plugin.triage.listing import listed_senders
from plugin.triage.mail import Mail
from plugin.triage.markup import HEAD, html_to_text, looks_like_html
from plugin.triage.outlook import is_outlook
from plugin.triage.plain import clean
from plugin.triage.replies import codes_in
from plugin.triage.report import RANK, Verdict, bounce_of_another_kind, judge_statuses, judge_text
from plugin.triage.room import Room
from plugin.triage.sections import Parts, Section, has_mail_headers, take_apart
from plugin.triage.words import judge_words, no_matter, somebody_elses

FILE_NAMES = (".eml", ".msg", ".mht", ".txt", ".html", ".htm")
LINK = re.compile(r"\bh(?:tt|xx)ps?\s?(?::|\[:\])\s?//([^\s/?#<>\"')\]]{1,253})", re.IGNORECASE)

REPLY = re.compile(
    r"\s{0,3}(?:re|aw|antw|sv|vs|odp|rif|r|ref|回复|回覆|答复|返信|답장|ответ)\s?(?:\[\d+\])?[:：]", re.IGNORECASE
)
TRACE = re.compile(r"(?:\n[>\s]{0,8})Received: ")  # from where on a report has headers, whose words say nothing
MAX_NOTICES = 50  # quotations that are looked at in one message
NOTICE = re.compile(r"[«„\"「『‹]([^«„\"「『»」』›\n]{10,500})[»\"」』›]")
BARE_HOST = re.compile(r"(?<![\w.@-])((?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,18})(?![\w@-])", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What one report or one message's words mean, and whom they name."""

    verdict: Verdict
    sender: str = ""  # of the refused message, as the report names it
    recipients: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What of a message's text may name an account."""

    own: tuple[str, ...]  # the writer's words
    writers: tuple[str, ...]  # From lines of people's mails below them
    whole: str  # the text with what stands below them, where the writer may have signed


def plain_text(said: Said, room: Room) -> str:
    """A message's text in the one form that everything is compared in."""
    if room.is_full:
        return ""
    is_html = "html" in said.content_type.lower() or _is_html(said.text)
    return clean(html_to_text(room.markup(said.text)) if is_html else room.text(said.text))


def _is_html(text: str) -> bool:
    return looks_like_html(text) and not has_mail_headers(text[:HEAD])


def readings_of(said: Said, subject: str, domains: Sequence[str], room: Room) -> tuple[list[Reading], Words]:
    """A message's reports and, where none of them is a refusal of ours, its words; and the words for the names in them.

    The subject is empty but for the message that opened the ticket.
    """
    text = plain_text(said, room)
    parts = take_apart(text)
    found = list(_of_parts(parts, domains, room))
    for file in said.files:
        found += _of_file(file, domains, room)
    others = any(reading.verdict.label is Label.NOT_BLOCKED for reading in found)
    if others:  # machine part and reply lines win over prose
        found = [reading for reading in found if not reading.verdict.is_prose]
    if not any(reading.verdict.label is not Label.NOT_BLOCKED for reading in found):
        verdict = judge_words(f"{subject}\n{parts.words}", beside_other_report=others)
        found += [Reading(verdict=verdict)] if verdict is not None else []
    found = _as_the_writer_means(found, subject, parts.words, domains)
    return found, Words(own=(subject, parts.words), writers=parts.writers, whole=text)


def _as_the_writer_means(found: list[Reading], subject: str, words: str, domains: Sequence[str]) -> list[Reading]:
    """The readings, without refusals of which the writer says that they are over, a question, bait, or another's."""
    if not words.strip() or all(reading.verdict.label is Label.NOT_BLOCKED for reading in found):
        return found
    text = words if REPLY.match(subject) else f"{subject}\n{words}"
    is_case = any(reading.sender for reading in found if reading.verdict.label is not Label.NOT_BLOCKED)
    is_case = is_case or speaks_of_one(text, domains)
    rule = no_matter(text, about_a_case=is_case) or ("imitation" if _quotes_bait(text, domains) else None)
    if rule is not None:
        return [_set_aside(reading, rule) for reading in found]
    if any(map(_names_nobody, found)) and somebody_elses(text) and not named_in([text], domains, frozenset()):
        return [
            _set_aside(reading, "somebody-elses-account") if _names_nobody(reading) else reading for reading in found
        ]
    return found


def _quotes_bait(text: str, domains: Sequence[str]) -> bool:
    """Whether the writer quotes a notice that sends its reader to a strange address, and no mail system's answer."""
    for notice in islice(NOTICE.finditer(text), MAX_NOTICES):
        said = notice[1]
        hosts = [match[1].lower() for match in BARE_HOST.finditer(said)]
        strange = [host for host in hosts if not is_microsoft_link(host) and not is_ours(f"@{host}", domains)]
        if strange and demands(said) and next(codes_in(said), None) is None:
            return True
    return False


def _of_parts(parts: Parts, domains: Sequence[str], room: Room) -> Iterator[Reading]:
    raw = parts.raw.encode("utf-8", "replace")
    pasted = list(_of_mail(mails.read_mail(raw, room), domains)) if raw else []
    if pasted:
        parts = replace(take_apart(parts.above), raw="")
        yield from pasted
    for section in parts.sections:
        verdict = judge_text(section.text, domains) or _judge_prose(section)
        if verdict is not None:
            yield _weighed(verdict, section, domains)
        yield from (Reading(verdict=found, sender=sender) for found, sender in listed_senders(section.text, domains))


def _judge_prose(section: Section) -> Verdict | None:
    """A report of which only sentences for people are left, in whatever words its language has for them."""
    told = TRACE.split(section.text, maxsplit=1)[0]
    verdict = judge_words(told, beside_other_report=False) if section.is_report else None
    return replace(verdict, confidence=Confidence.UNSURE, is_prose=True) if verdict is not None else None


def _of_file(file: AttachedFile, domains: Sequence[str], room: Room) -> list[Reading]:
    if room.is_full:
        return []
    kind, name = file.content_type.lower().split(";")[0].strip(), file.filename.lower()
    if kind == "message/delivery-status":
        return list(_of_mail(mails.read_status(file.content, room), domains))
    if is_outlook(file.content):
        return list(_of_mail(mails.read_msg(file.content, room), domains))
    if kind.startswith("message/") or name.endswith((".eml", ".mht")):
        return list(_of_mail(mails.read_mail(file.content, room), domains))
    if kind.startswith("text/") or name.endswith(FILE_NAMES):
        text = decoded_text(file.content, "utf-8")
        is_html = "html" in kind or _is_html(text)
        text = html_to_text(room.markup(text)) if is_html else room.text(text)
        return list(_of_parts(take_apart(clean(text)), domains, room))
    return []


def _of_mail(mail: Mail, domains: Sequence[str]) -> Iterator[Reading]:
    """A mail's readings: its machine part decides; without one its text; and the mails inside it."""
    parts = take_apart(mail.text)
    judged = _judge_mail(mail, parts, domains)
    if judged is not None:
        verdict, section = judged
        yield _weighed(verdict, section, domains, mail)
    if judged is None or not mail.is_report:
        for inner in mail.inner:
            yield from _of_mail(inner, domains)


def _judge_mail(mail: Mail, parts: Parts, domains: Sequence[str]) -> tuple[Verdict, Section] | None:
    by_machine = judge_statuses(mail.statuses)
    if by_machine is not None:
        reports = (section for section in parts.sections if section.is_report)
        return by_machine, _addressed(next(reports, Section(text=mail.text)), mail)
    sections = [(v, s) for s in parts.sections if (v := judge_text(s.text, domains) or _judge_prose(s)) is not None]
    best = min(sections, key=lambda pair: RANK.index(pair[0].label), default=None)
    if best is None and (mail.is_report or is_mailer(header_address(mail.author))):
        return bounce_of_another_kind(mail.subject or mail.author), _addressed(Section(text=mail.text), mail)
    return (best[0], _addressed(best[1], mail)) if best else None


def _addressed(section: Section, mail: Mail) -> Section:
    """The section with what the mail around it says of sender and recipients."""
    original = next((header_address(inner.author) for inner in mail.inner if inner.author), mail.headers_of_original)
    is_bounce = mail.is_report or bool(original) or not section.author
    failed = tuple(status.recipient for status in mail.statuses if status.recipient)
    to = tuple(inner.recipient for inner in mail.inner if inner.recipient)
    return replace(
        section,
        author=section.author or mail.author,
        sender=(original if is_bounce else "") or section.sender,
        recipient=section.recipient or (mail.recipient if is_bounce else ""),
        recipients=section.recipients + failed + to,
    )


def _weighed(verdict: Verdict, section: Section, domains: Sequence[str], mail: Mail | None = None) -> Reading:
    """The verdict, unless the report is an imitation or about somebody else's account."""
    named = (section.sender, section.recipient)
    sender = next((address for address in named if address and is_ours(address, domains)), "")
    recipients = frozenset(section.recipients) - {sender}
    if verdict.label is not Label.NOT_BLOCKED and _is_imitation(section, domains, mail):
        verdict = _rejected(verdict, "imitation")
    elif verdict.label is not Label.NOT_BLOCKED and _is_somebody_elses(section, domains):
        verdict = _rejected(verdict, "somebody-elses-account")
    elif verdict.label is not Label.NOT_BLOCKED and _is_refused_elsewhere(section, mail, sender, domains):
        verdict = _rejected(verdict, "refused-by-another-system")
    return Reading(verdict=verdict, sender=sender, recipients=recipients)


def _is_somebody_elses(section: Section, domains: Sequence[str]) -> bool:
    """Whether the refused message is of somebody outside, or was refused by the tenant of somebody outside."""
    whose = section.sender or section.recipient
    if whose:
        return not may_be_ours(whose, domains)
    author = header_address(section.author)
    return author.startswith("microsoftexchange") and not may_be_ours(author, domains)


def _is_refused_elsewhere(section: Section, mail: Mail | None, sender: str, domains: Sequence[str]) -> bool:
    """Whether the systems that report are neither Microsoft's nor ours, and name no other, or no sender of ours."""
    if mail is not None and mail.statuses:
        told = (status for status in mail.statuses if not (status.remote and sender))
        hosts = [status.reporting for status in told if status.reporting]
    else:
        hosts = list(filter(None, [reported_by(section.text)]))
    return bool(hosts) and all(is_somebody_elses(host, domains) for host in hosts)


def _names_nobody(reading: Reading) -> bool:
    return reading.verdict.label is not Label.NOT_BLOCKED and not reading.sender


def _set_aside(reading: Reading, rule: str) -> Reading:
    """The reading of a refusal that is none of ours, or none now, by the writer's own words."""
    if reading.verdict.label is Label.NOT_BLOCKED:
        return reading
    return replace(reading, verdict=_rejected(reading.verdict, rule))


def _rejected(verdict: Verdict, rule: str) -> Verdict:
    return replace(verdict, label=Label.NOT_BLOCKED, confidence=Confidence.LIKELY, rule=rule)


def _is_imitation(section: Section, domains: Sequence[str], mail: Mail | None) -> bool:
    """A notice made up by somebody else: it wants the reader to follow a link, or a stranger's mail poses as ours."""
    if mail is not None and mail.statuses:
        return False
    links = [host.lower().rpartition("@")[2].split(":")[0] for host in LINK.findall(section.text)]
    strange = [host for host in links if not is_microsoft_link(host) and not is_ours(f"@{host}", domains)]
    if strange and calls().search(section.text):
        return True
    author = header_address(section.author)
    is_stranger = bool(author) and not is_ours(author, domains) and not is_microsoft(author.rpartition("@")[2])
    return is_stranger and poses_as_system(section.author) and not section.sender
