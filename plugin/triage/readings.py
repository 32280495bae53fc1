"""From one message with its attachments to readings: each report weighed, else the writer's own words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from plugin.model import AttachedFile, Confidence, Label, Said
from plugin.triage import mail as mails
from plugin.triage.accounts import header_address, is_ours, may_be_ours
from plugin.triage.decoding import decoded_text
from plugin.triage.knowledge import calls, is_mailer, is_microsoft, is_microsoft_link, poses_as_system
from plugin.triage.mail import Mail
from plugin.triage.markup import html_to_text, looks_like_html
from plugin.triage.plain import MAX_TEXT, clean
from plugin.triage.report import RANK, Verdict, bounce_of_another_kind, judge_statuses, judge_text
from plugin.triage.sections import Parts, Section, has_mail_headers, take_apart
from plugin.triage.words import judge_words

TEXT_NAMES = (".eml", ".mht", ".txt", ".html", ".htm")
LINK = re.compile(r"\bh(?:tt|xx)ps?\s?(?::|\[:\])\s?//([^\s/?#<>\"')\]]{1,253})", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What one report or one message's words mean, and whom they name."""

    verdict: Verdict
    sender: str = ""  # of the refused message, as the report names it
    recipients: frozenset[str] = frozenset()
    cut: tuple[str, ...] = ()


def plain_text(said: Said) -> str:
    """A message's text in the one form that everything is compared in."""
    is_html = "html" in said.content_type.lower() or _is_html(said.text)
    return clean(html_to_text(said.text) if is_html else said.text)


def _is_html(text: str) -> bool:
    return looks_like_html(text) and not has_mail_headers(text[:MAX_TEXT])


def readings_of(said: Said, subject: str, domains: Sequence[str]) -> tuple[list[Reading], list[str]]:
    """A message's reports and, where none of them is a refusal of ours, its words; and the words for the names in them.

    The subject is empty but for the message that opened the ticket.
    """
    parts = take_apart(plain_text(said))
    found = list(_of_parts(parts, domains))
    for file in said.files:
        found += _of_file(file, domains)
    others = any(reading.verdict.label is Label.NOT_BLOCKED for reading in found)
    if others:  # machine part and reply lines win over prose
        found = [reading for reading in found if not reading.verdict.is_prose]
    if not any(reading.verdict.label is not Label.NOT_BLOCKED for reading in found):
        verdict = judge_words(f"{subject}\n{parts.words}", beside_other_report=others)
        found += [Reading(verdict=verdict)] if verdict is not None else []
    return found, [subject, parts.words]


def _of_parts(parts: Parts, domains: Sequence[str]) -> Iterator[Reading]:
    pasted = list(_of_mail(mails.read_mail(parts.raw.encode("utf-8", "replace")), domains)) if parts.raw else []
    if pasted:
        parts = replace(take_apart(parts.above), raw="")
        yield from pasted
    for section in parts.sections:
        verdict = judge_text(section.text)
        if verdict is not None:
            yield _weighed(verdict, section, domains)


def _of_file(file: AttachedFile, domains: Sequence[str]) -> list[Reading]:
    kind, name = file.content_type.lower().split(";")[0].strip(), file.filename.lower()
    if kind == "message/delivery-status":
        return list(_of_mail(mails.read_status(file.content), domains))
    if kind.startswith("message/") or name.endswith((".eml", ".mht")):
        return list(_of_mail(mails.read_mail(file.content), domains))
    if kind.startswith("text/") or name.endswith(TEXT_NAMES):
        text = decoded_text(file.content, "utf-8")
        is_html = "html" in kind or _is_html(text)
        return list(_of_parts(take_apart(clean(html_to_text(text) if is_html else text)), domains))
    return []


def _of_mail(mail: Mail, domains: Sequence[str]) -> Iterator[Reading]:
    """A mail's readings: its machine part decides; without one its text; and the mails inside it."""
    parts = take_apart(mail.text)
    judged = _judge_mail(mail, parts)
    if judged is not None:
        verdict, section = judged
        yield replace(_weighed(verdict, section, domains, mail), cut=mail.cut)
    if judged is None or not mail.is_report:
        for inner in mail.inner:
            yield from _of_mail(inner, domains)


def _judge_mail(mail: Mail, parts: Parts) -> tuple[Verdict, Section] | None:
    sections = [(verdict, s) for s in parts.sections if (verdict := judge_text(s.text)) is not None]
    best = min(sections, key=lambda pair: RANK.index(pair[0].label), default=None)
    by_machine = judge_statuses(mail.statuses)
    if by_machine is not None:
        return by_machine, _addressed(best[1] if best else Section(text=mail.text), mail)
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
    elif verdict.label is not Label.NOT_BLOCKED and section.sender and not may_be_ours(section.sender, domains):
        verdict = _rejected(verdict, "somebody-elses-account")
    return Reading(verdict=verdict, sender=sender, recipients=recipients)


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
