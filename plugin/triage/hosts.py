"""Which host gave an answer that a report in text form quotes: Microsoft's, ours, or somebody else's."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice

from plugin.triage.accounts import as_seen, may_be_ours
from plugin.triage.knowledge import is_microsoft, layout, mentions_microsoft, microsoft_hosts, under

MAX_HOSTS = 200  # that are looked at in one report
HOST = r"[a-z0-9_](?:[a-z0-9_-]{0,62}\.){1,8}[a-z]{2,18}"
HOST_LINE = re.compile(rf"^[ \t]*(?:\[?({HOST})\]?)(?:[ \t]*[\[(][\d.: a-f]{{3,45}}[\])])?[ \t]*$", re.IGNORECASE)
HOST_SAYS = re.compile(rf"^[ \t]*({HOST})[ \t][^\n]{{2,120}}:[ \t]*$", re.IGNORECASE | re.MULTILINE)
HOST_MARKED = re.compile(rf"(?<![\w.@-])({HOST}) #[<\d]", re.IGNORECASE)
HOST_AT_END = re.compile(rf"(?<![\w.@-])({HOST})[ \t\n]{{0,6}}(?:[\[(][\da-f.: ]{{3,45}}[\])][ \t\n]{{0,6}})?\Z")
BROKEN = re.compile(r"\n[a-z0-9.-]{1,40}[ \t]*(?:\n|\Z)", re.IGNORECASE)  # the rest of a name that was wrapped
REMOTE_MTA = re.compile(rf"^[ \t]*remote-mta:[ \t]*dns[ \t]*;[ \t]*({HOST})", re.IGNORECASE | re.MULTILINE)
ANY_HOST = re.compile(rf"(?<![\w.@-])({HOST})(?![\w@])", re.IGNORECASE)
MAX_HOST = 160  # characters before "said" in which the host stands
LINES_ABOVE = 8  # an answer in which its host stands alone, most of them empty
SAID = ("said", "returned", "replied")


@cache
def _saying() -> tuple[str, ...]:
    return (*SAID, *(words.lower() for words in layout().returned))


@cache
def _said() -> re.Pattern[str]:
    words = "|".join(re.escape(words.lower()) for words in layout().returned)
    return re.compile(rf"\b(?:{'|'.join(SAID)})\b|(?:{words})")


@cache
def _form_host(names: frozenset[str]) -> re.Pattern[str]:
    """The line of a report's form that says which host refused, or which one reports."""
    either = "|".join(map(re.escape, sorted(names)))
    return re.compile(rf"^(?:{either})[ \t]{{0,3}}:[ \t]*({HOST})[ \t]*$", re.IGNORECASE | re.MULTILINE)


def _hosts_that_said(text: str) -> Iterator[str]:
    low = text.lower()
    for said in _said().finditer(low) if any(map(low.__contains__, _saying())) else ():
        match = HOST_AT_END.search(low, max(0, said.start() - MAX_HOST), said.start())
        if match is not None:
            yield match[1]


@cache
def _called() -> re.Pattern[str]:
    """A host behind a word for one: "host mx.partner.example [192.0.2.1]" (Exim), "while talking to" (Sendmail)."""
    words = "|".join(map(re.escape, layout().servers))
    return re.compile(rf"(?:{words})[ \t]{{0,2}}({HOST})(?![\w@-])")


def _called_last(text: str) -> Iterator[str]:
    """The host that a text calls so, where none of Microsoft's comes after it."""
    low = text.lower()
    *_, last = None, *_called().finditer(low)
    if last is not None and not framed(low[last.end() :]):
        yield last[1]


def framed(text: str) -> bool:
    """Whether a host of Microsoft's appears in a report."""
    if not mentions_microsoft(text) and not mentions_microsoft(as_seen(text)):
        return False
    return any(may_be_microsofts(match[1]) for match in islice(ANY_HOST.finditer(text), MAX_HOSTS))


def refused_elsewhere(text: str, place: int, domains: Sequence[str]) -> bool:
    """Whether the report names a host that is neither Microsoft's nor ours as the one that gave this place's answer."""
    before = text[max(0, place - 1500) : place]
    above = (line for line in reversed(before.rsplit("\n", LINES_ABOVE)[1:-1]) if line.strip())
    named = [match[1] for line in islice(above, 2) if (match := HOST_LINE.match(line))]
    named += HOST_MARKED.findall(before[-120:]) if " #" in before else ()
    named += HOST_SAYS.findall(before) if ":\n" in before else ()
    named += _hosts_that_said(before[-400:])
    named += _called_last(before[-400:])
    around = text[max(0, place - 400) : place + 600]
    named += REMOTE_MTA.findall(around) if "remote-mta" in around.lower() else ()
    named += _form_host(layout().remote_servers).findall(around)
    return any(is_somebody_elses(host, domains) for host in named)


def is_somebody_elses(host: str, domains: Sequence[str]) -> bool:
    """Whether a host is surely neither Microsoft's nor ours, however a scanner misread it."""
    return not may_be_microsofts(host) and not may_be_ours(host, domains)


def may_be_microsofts(host: str) -> bool:
    """Whether a host is one of Microsoft's, also where a scanner misread it, such as prod.out1ook.com."""
    return is_microsoft(host) or under(as_seen(host), _seen_hosts())


@cache
def _seen_hosts() -> tuple[str, ...]:
    return tuple(map(as_seen, microsoft_hosts()))


def reported_by(text: str) -> str:
    """The host that a report in text form names as the one that made it; empty if none."""
    match = _form_host(layout().generating_servers).search(text)
    return match[1].lower() if match and not BROKEN.match(text, match.end()) else ""
