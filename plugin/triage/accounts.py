"""Addresses and NetIDs in text, and which of them may be the account that a ticket is about."""

import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import islice

from plugin.model import Candidate, Origin
from plugin.triage.knowledge import data, is_mailer, under

UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # scripts that write an address on without a space
KEY = r"(?i:to|orig_to|rcpt|recipient|from|sender|user|login|account|sasl_username|mail_?from)="  # of a log line
ADDRESS = re.compile(
    rf"(?:(?<![\w.+'-])|(?<=[{UNSPACED}]))(?!{KEY})([A-Za-z0-9._%+'=&-]{{1,64}})"
    r"@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})"
)
IN_BRACKETS = re.compile(r"<([^<>@\s]{1,64}@[^<>@\s]{1,253})>")
MAX_CANDIDATES = 20
MAX_ADDRESSES = 500  # that are looked at in one text
BEFORE = 40  # characters before an address that say what it is
RANK_CALLED, RANK_NAMED, RANK_SIGNED = range(3)
LOOKALIKES = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s"})


def addresses(text: str) -> tuple[str, ...]:
    """Mail addresses in the order in which they stand, lower-cased, each once."""
    if "@" not in text:
        return ()
    return tuple(dict.fromkeys(match[0].lower().lstrip("'.-=") for match in ADDRESS.finditer(text)))


def header_address(value: str) -> str:
    """The address of a From or To header; one in angle brackets before one in the display name. Empty if none."""
    if "@" not in value:
        return ""
    bracketed = IN_BRACKETS.findall(value)
    found = addresses(" ".join(bracketed)) or addresses(value)
    return found[0] if found else ""


def is_ours(address: str, domains: Sequence[str]) -> bool:
    """Whether an address is in one of the organisation's domains or below one."""
    host = address.rpartition("@")[2]
    return bool(host) and under(host, [domain.lower().strip(".@") for domain in domains])


def may_be_ours(address: str, domains: Sequence[str]) -> bool:
    """The same for an address that a scanner may have misread, or in the tenant's own onmicrosoft.com domain.

    What stands before its @ may be misread as well, so it is no account that anybody should act on.
    """
    seen = as_seen(address)
    return seen.endswith(as_seen("onmicrosoft.com")) or is_ours(f"@{seen}", [as_seen(domain) for domain in domains])


def as_seen(text: str) -> str:
    """One form for what scanners take for each other."""
    return text.lower().replace("rn", "m").translate(LOOKALIKES)


@cache
def _netid() -> re.Pattern[str]:
    names = "|".join(re.escape(name).replace(r"\ ", "[ -]?") for name in data("words.json")["netid"]["names"])
    verbs = "|".join(re.escape(verb) for verb in data("words.json")["netid"]["verbs"])
    word = r"([a-z][a-z0-9._-]{1,31})(?![\w@]|[.%+-]{1,3}[\w.%+-]{0,64}@)"  # nor the beginning of an address
    return re.compile(
        rf"(?:(?<![a-z])|(?<=[^\x00-\x7f]))(?:{names})\s{{0,3}}(?:([:=]|{verbs})\s{{0,3}})?[\"'<(]?{word}",
        re.IGNORECASE,
    )


@cache
def _netid_names() -> tuple[str, ...]:
    return tuple(name.lower() for name in data("words.json")["netid"]["names"])


def netids(text: str) -> tuple[str, ...]:
    """NetIDs that the writer calls so. Without a colon or a verb before it, a word counts only with a digit in it."""
    low = text.lower()
    if not any(name in low for name in _netid_names()):
        return ()
    ordinary = data("words.json")["netid"]["ordinary_words"]
    found: list[str] = []
    for match in _netid().finditer(text):
        joint, word = match[1], match[2].lower().rstrip(".-_")
        if word not in ordinary and (joint or any(c.isdigit() for c in word)):
            found.append(word)
    return tuple(dict.fromkeys(found))


def named_in(words: Iterable[str], domains: Sequence[str], besides: frozenset[str]) -> tuple[str, ...]:
    """Accounts of ours that a customer names in their own words, without recipients and the help desk's addresses.

    One that the words before it call an account comes first, one in the writer's signature last.
    """
    found: list[tuple[int, str]] = []
    for text in words:
        text = restored(text, domains)
        found += [(rank, a) for a, rank in _ranked(text).items() if a not in besides and _may_be_account(a, domains)]
        found += [(RANK_CALLED, netid) for netid in netids(text)]
    return tuple(dict.fromkeys(account for _, account in sorted(found, key=lambda pair: pair[0])))[:MAX_CANDIDATES]


def speaks_of_one(text: str, domains: Sequence[str]) -> bool:
    """Whether a customer names an account of ours in their own words, other than to sign."""
    ranks = _ranked(restored(text, domains)) if "@" in text or "(at)" in text else {}
    return any(rank < RANK_SIGNED and _may_be_account(address, domains) for address, rank in ranks.items())


def _may_be_account(address: str, domains: Sequence[str]) -> bool:
    desk = tuple(data("words.json")["desk_names"])
    return is_ours(address, domains) and not is_mailer(address) and not address.startswith(desk)


@lru_cache(maxsize=16)
def _written_out(domains: tuple[str, ...]) -> re.Pattern[str]:
    ours = "|".join(re.escape(domain.lower().strip(".@")) for domain in domains)
    return re.compile(
        rf"(?<=[A-Za-z0-9])(?: ?[(\[{{] ?at ?[)\]}}] ?| @ ?|@ |%40|=40)"
        rf"(?=(?:[a-z0-9-]{{1,63}}\.){{0,4}}(?:{ours})(?![\w-]))",
        re.IGNORECASE,
    )


def restored(text: str, domains: Sequence[str]) -> str:
    """The text with addresses of ours as they are meant, such as "kadler (at) example.edu"."""
    return _written_out(tuple(domains)).sub("@", text) if domains else text


def _ranked(text: str) -> dict[str, int]:
    """The addresses in a text but those that mail went to, each with its best rank."""
    words = data("words.json")
    ranks: dict[str, int] = {}
    signature = _signature(text)
    was_recipient, last = False, 0
    for match in islice(ADDRESS.finditer(text), MAX_ADDRESSES):
        before = text[max(last, match.start() - BEFORE) : match.start()].lower().rstrip(" \t\n<\"'(:：")
        said = before.split()
        goes_on = was_recipient and before.strip() in words["joins"]
        is_towards = bool(said) and said[-1] in words["towards"] and not _is_blocking(before, said)
        is_towards = is_towards or before.endswith(tuple(words["to_keys"]))
        was_recipient, last = is_towards or goes_on, match.end()
        if was_recipient:
            continue
        rank = _rank(before, said)
        address = match[0].lower().lstrip("'.-=")
        ranks[address] = min(ranks.get(address, RANK_SIGNED), RANK_SIGNED if match.start() > signature else rank)
    return ranks


def _rank(before: str, said: Sequence[str]) -> int:
    words = data("words.json")
    if said and said[-1] in words["to_answer"]:
        return RANK_SIGNED
    return RANK_CALLED if before.endswith(_called()) or (said and said[-1] in words["about_account"]) else RANK_NAMED


def _is_blocking(before: str, said: Sequence[str]) -> bool:
    """Whether an account is what a verb of blocking or unblocking is about, as in "desbloqueen a", or stands by."""
    if before.endswith(tuple(data("words.json")["not_towards"])):
        return True
    return any(stem in word for word in said[-3:] for stem in data("words.json")["blocking"])


@cache
def _called() -> tuple[str, ...]:
    """Names for accounts in scripts that write on without a space."""
    return tuple(
        word for word in data("words.json")["about_account"] if not word[0].isascii() and ord(word[0]) > 0x3000
    )


def _signature(text: str) -> int:
    """Where the writer says goodbye; the text's end where they do not."""
    place = 0
    for line in text.lower().split("\n"):
        if place and line.lstrip().startswith(tuple(data("words.json")["closings"])):
            return place
        place += len(line) + 1
    return len(text)


def candidates(reported: str, named: Iterable[str], requester: str, domains: Sequence[str]) -> tuple[Candidate, ...]:
    """The accounts a refusal may be about, most telling first."""
    requester = requester.strip().lower()
    found = [Candidate(account=reported, origin=Origin.REPORT)] if reported and is_ours(reported, domains) else []
    found += [Candidate(account=account, origin=Origin.TEXT) for account in named]
    if is_ours(requester, domains):
        found.append(Candidate(account=requester, origin=Origin.REQUESTER))
    return tuple(found)
