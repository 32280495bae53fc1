"""Addresses and NetIDs in text, and which of them may be the account that a ticket is about."""

import re
from collections.abc import Iterable, Sequence
from functools import cache

from plugin.model import Candidate, Origin
from plugin.triage.knowledge import data, is_mailer, under

ADDRESS = re.compile(r"(?<![\w.+'-])([A-Za-z0-9._%+'=&-]{1,64})@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})")
IN_BRACKETS = re.compile(r"<([^<>@\s]{1,64}@[^<>@\s]{1,253})>")
MAX_CANDIDATES = 20
LOOKALIKES = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s"})


def addresses(text: str) -> tuple[str, ...]:
    """Mail addresses in the order in which they stand, lower-cased, each once."""
    return tuple(dict.fromkeys(match[0].lower().lstrip("'.-=") for match in ADDRESS.finditer(text)))


def header_address(value: str) -> str:
    """The address of a From or To header; one in angle brackets before one in the display name. Empty if none."""
    bracketed = IN_BRACKETS.findall(value)
    found = addresses(" ".join(bracketed)) or addresses(value)
    return found[0] if found else ""


def is_ours(address: str, domains: Sequence[str]) -> bool:
    """Whether an address is in one of the organisation's domains or below one."""
    host = address.rpartition("@")[2]
    return bool(host) and under(host, [domain.lower().strip(".@") for domain in domains])


def may_be_ours(address: str, domains: Sequence[str]) -> bool:
    """The same for an address that a scanner may have misread, or in the tenant's own onmicrosoft.com domain."""
    seen = address.lower().translate(LOOKALIKES)
    return seen.endswith("onmlcrosoft.com") or is_ours(
        seen, [domain.lower().translate(LOOKALIKES) for domain in domains]
    )


@cache
def _netid() -> re.Pattern[str]:
    names = "|".join(re.escape(name).replace(r"\ ", "[ -]?") for name in data("words.json")["netid"]["names"])
    verbs = "|".join(re.escape(verb) for verb in data("words.json")["netid"]["verbs"])
    word = r"([a-z][a-z0-9._-]{1,31})(?![\w@])"
    return re.compile(
        rf"(?:(?<![a-z])|(?<=[^\x00-\x7f]))(?:{names})\s{{0,3}}(?:([:=]|{verbs})\s{{0,3}})?[\"'<(]?{word}",
        re.IGNORECASE,
    )


def netids(text: str) -> tuple[str, ...]:
    """NetIDs that the writer calls so. Without a colon or a verb before it, a word counts only with a digit in it."""
    ordinary = data("words.json")["netid"]["ordinary_words"]
    found: list[str] = []
    for match in _netid().finditer(text):
        joint, word = match[1], match[2].lower().rstrip(".-_")
        if word not in ordinary and (joint or any(c.isdigit() for c in word)):
            found.append(word)
    return tuple(dict.fromkeys(found))


def _is_recipient(text: str, address: str) -> bool:
    """Whether the words before an address say that mail went to it."""
    place = text.lower().find(address)
    before = text[max(0, place - 12) : place].lower().rstrip(" <\"'(:").split()
    return place > 0 and bool(before) and before[-1] in data("words.json")["towards"]


def named_in(words: Iterable[str], domains: Sequence[str], besides: frozenset[str]) -> tuple[str, ...]:
    """Accounts of ours that a customer names in their own words, without recipients and the help desk's addresses."""
    desk = tuple(data("words.json")["desk_names"])
    found: list[str] = []
    for text in words:
        for address in addresses(text):
            local = address.partition("@")[0]
            ours = is_ours(address, domains) and not is_mailer(address) and not local.startswith(desk)
            if ours and address not in besides and not _is_recipient(text, address):
                found.append(address)
        found += netids(text)
    return tuple(dict.fromkeys(found))[:MAX_CANDIDATES]


def candidates(reported: str, named: Iterable[str], requester: str, domains: Sequence[str]) -> tuple[Candidate, ...]:
    """The accounts a refusal may be about, most telling first."""
    requester = requester.strip().lower()
    found = [Candidate(account=reported, origin=Origin.REPORT)] if reported and is_ours(reported, domains) else []
    found += [Candidate(account=account, origin=Origin.TEXT) for account in named]
    if is_ours(requester, domains):
        found.append(Candidate(account=requester, origin=Origin.REQUESTER))
    return tuple(found)
