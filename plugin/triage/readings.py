"""From one message with its attachments to readings: each report weighed, else the writer's own words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from plugin.model import Confidence, Label, Said
from plugin.triage.accounts import is_ours, named_in, speaks_of_one
from plugin.triage.knowledge import demands, is_microsoft_link
from plugin.triage.markup import html_to_text
from plugin.triage.plain import clean
from plugin.triage.replies import codes_in
from plugin.triage.room import Room
from plugin.triage.sections import Letter, letter_in, take_apart
from plugin.triage.weighing import Reading, is_html, of_file, of_parts, rejected
from plugin.triage.words import judge_words, no_matter, somebody_elses

REPLY = re.compile(
    r"\s{0,3}(?:re|aw|antw|sv|vs|odp|rif|r|ref|回复|回覆|答复|返信|답장|ответ)\s?(?:\[\d+\])?[:：]", re.IGNORECASE
)
MAX_NOTICES = 50  # quotations that are looked at in one message
NOTICE = re.compile(r"[«„\"「『‹]([^«„\"「『»」』›\n]{10,500})[»\"」』›]")
BARE_HOST = re.compile(r"(?<![\w.@-])((?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,18})(?![\w@-])", re.IGNORECASE | re.ASCII)


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
    is_markup = "html" in said.content_type.lower() or is_html(said.text)
    return clean(html_to_text(room.markup(said.text)) if is_markup else room.text(said.text))


def readings_of(said: Said, subject: str, domains: Sequence[str], room: Room) -> tuple[list[Reading], Words]:
    """A message's reports and, where none of them is a refusal of ours, its words; and the words for the names in them.

    The subject is empty but for the message that opened the ticket.
    """
    text = plain_text(said, room)
    parts = take_apart(text)
    found = list(of_parts(parts, domains, room))
    for file in said.files:
        found += of_file(file, domains, room)
    others = any(reading.verdict.label is Label.NOT_BLOCKED for reading in found)
    if others:  # machine part and reply lines win over prose
        found = [reading for reading in found if not reading.verdict.is_prose]
    if not any(reading.verdict.label is not Label.NOT_BLOCKED for reading in found):
        verdict = judge_words(f"{subject}\n{parts.words}", beside_other_report=others)
        found += [Reading(verdict=verdict)] if verdict is not None else []
    own: tuple[str, ...] = (subject, parts.words)
    is_forward = not found and bool(parts.writers) and bool(subject) and not REPLY.match(subject)
    if is_forward and (letter := letter_in(text)) is not None:
        found = _of_letter(letter, domains)
        own = (*own, letter.words) if found else own
    found = _as_the_writer_means(found, subject, parts.words, domains)
    return found, Words(own=own, writers=parts.writers, whole=text)


def _of_letter(letter: Letter, domains: Sequence[str]) -> list[Reading]:
    """What somebody says whose mail was forwarded to the desk, where they or the account they name are ours."""
    if not is_ours(letter.author, domains) and not speaks_of_one(letter.words, domains):
        return []
    verdict = judge_words(letter.words, beside_other_report=False)
    if verdict is None:
        return []
    found = [Reading(verdict=replace(verdict, confidence=Confidence.UNSURE))]
    return _as_the_writer_means(found, "", letter.words, domains)


def _as_the_writer_means(found: list[Reading], subject: str, words: str, domains: Sequence[str]) -> list[Reading]:
    """The readings, without refusals of which the writer says that they are over, a question, bait, or another's."""
    if not words.strip() or all(reading.verdict.label is Label.NOT_BLOCKED for reading in found):
        return found
    text = words if REPLY.match(subject) else f"{subject}\n{words}"
    is_case = any(reading.sender for reading in found if reading.verdict.label is not Label.NOT_BLOCKED)
    is_case = is_case or speaks_of_one(text, domains)
    is_answer = any(map(_is_whole_answer, found))
    rule = no_matter(text, about_a_case=is_case, beside_answer=is_answer) or (
        "imitation" if _quotes_bait(text, domains) else None
    )
    if rule is not None:
        return [reading if _is_over_by_itself(reading, rule) else _set_aside(reading, rule) for reading in found]
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


def _names_nobody(reading: Reading) -> bool:
    return reading.verdict.label is not Label.NOT_BLOCKED and not reading.sender


def _is_over_by_itself(reading: Reading, rule: str) -> bool:
    """A limit lifts itself within a day; whoever tells of it then wants to know how to reach the rest."""
    return rule == "settled" and reading.verdict.label is Label.SENDING_LIMIT


def _is_whole_answer(reading: Reading) -> bool:
    return reading.verdict.label is not Label.NOT_BLOCKED and reading.verdict.confidence is Confidence.CERTAIN


def _set_aside(reading: Reading, rule: str) -> Reading:
    """The reading of a refusal that is none of ours, or none now, by the writer's own words."""
    if reading.verdict.label is Label.NOT_BLOCKED:
        return reading
    return replace(reading, verdict=rejected(reading.verdict, rule))
