"""From one report, pasted or attached, to a reading: what it means, whom it names, and whether it is ours at all."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from plugin.model import AttachedFile, Confidence, Label
from plugin.triage import mail as mails
from plugin.triage.accounts import header_address, is_ours, may_be_ours
from plugin.triage.decoding import decoded_text
from plugin.triage.hosts import is_somebody_elses, reported_by
from plugin.triage.knowledge import calls, is_mailer, is_microsoft, is_microsoft_link, poses_as_system
from plugin.triage.listing import listed_senders
from plugin.triage.mail import Mail
from plugin.triage.markup import HEAD, html_to_text, looks_like_html
from plugin.triage.outlook import is_outlook
from plugin.triage.plain import clean
from plugin.triage.report import RANK, Verdict, bounce_of_another_kind, judge_statuses, judge_text
from plugin.triage.room import Room
from plugin.triage.sections import Parts, Section, has_mail_headers, take_apart
from plugin.triage.words import judge_words

FILE_NAMES = (".eml", ".msg", ".mht", ".txt", ".html", ".htm")
LINK = re.compile(r"\bh(?:tt|xx)ps?\s?(?::|\[:\])\s?//([^\s/?#<>\"')\]]{1,253})", re.IGNORECASE)
TRACE = re.compile(r"(?:\n[>\s]{0,8})Received: ")  # from where on a report has headers, whose words say nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What one report or one message's words mean, and whom they name."""

    verdict: Verdict
    sender: str = ""  # of the refused message, as the report names it
    recipients: frozenset[str] = frozenset()


def is_html(text: str) -> bool:
    """Whether a text is HTML and no mail pasted with its headers."""
    return looks_like_html(text) and not has_mail_headers(text[:HEAD])


def of_parts(parts: Parts, domains: Sequence[str], room: Room) -> Iterator[Reading]:
    """The readings of the reports in a text, and of lists and of a mail pasted into it."""
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


def of_file(file: AttachedFile, domains: Sequence[str], room: Room) -> list[Reading]:
    """The readings of an attached mail, report or text; none of other files."""
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
        is_markup = "html" in kind or is_html(text)
        text = html_to_text(room.markup(text)) if is_markup else room.text(text)
        return list(of_parts(take_apart(clean(text)), domains, room))
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
        verdict = rejected(verdict, "imitation")
    elif verdict.label is not Label.NOT_BLOCKED and _is_somebody_elses(section, domains):
        verdict = rejected(verdict, "somebody-elses-account")
    elif verdict.label is not Label.NOT_BLOCKED and _is_refused_elsewhere(section, mail, sender, domains):
        verdict = rejected(verdict, "refused-by-another-system")
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


def rejected(verdict: Verdict, rule: str) -> Verdict:
    """The verdict as one on a refusal that is none of ours."""
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
