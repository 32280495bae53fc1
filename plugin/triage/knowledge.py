"""What triage knows, read once from the data files beside it: codes, phrases, who is Microsoft, how reports look."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from plugin.model import Label
from plugin.triage.plain import skeleton


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """One way in which Microsoft refuses our sender: codes, and the reply text that goes with them."""

    label: Label
    codes: tuple[str, ...]  # the first one is meant where the text stands alone
    texts: tuple[str, ...]  # skeletons
    believed_alone: bool
    needs_code: bool
    confirmed: bool  # documented, or seen in real reports; one that is not never decides alone
    first: tuple[int, ...] = ()  # a range of codes with the same meaning, both ends included
    last: tuple[int, ...] = ()
    but: tuple[str, ...] = ()  # codes in the range that mean something else

    def has(self, code: str) -> bool:
        """Whether the code is one of this refusal's."""
        if code in self.but:
            return False
        return code in self.codes or bool(self.first and self.first <= _order(code) <= self.last)


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrase:
    """A sentence of a report's human part, in one language."""

    label: Label
    lang: str
    fragment: str  # skeleton
    confirmed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The words that mark the parts of reports and forwarded mails."""

    intros: tuple[str, ...]  # skeletons
    ascii_intros: tuple[str, ...]  # those of them that a text without other letters may hold
    originals: frozenset[str]  # skeletons of the lines above the refused message's headers
    returned: tuple[str, ...]  # by which a report says that the host named before gave an answer
    generating_servers: frozenset[str]  # names of the line that says which host reports
    servers: tuple[str, ...]  # words for one, behind which people and mail systems name the host that answered
    remote_servers: frozenset[str]  # names of the line that says which host refused, in the form of newer reports
    from_names: frozenset[str]
    to_names: frozenset[str]
    date_names: frozenset[str]
    reply_lines: tuple[str, ...]
    wrote: tuple[str, ...]


@cache
def data(name: str) -> dict[str, Any]:
    """A data file of this package."""
    document: dict[str, Any] = json.loads((files(__package__) / "data" / name).read_text("utf-8"))
    return document


def _order(code: str) -> tuple[int, ...]:
    return tuple(int(number) for number in code.split(".")) if code else ()


@cache
def refusals() -> tuple[Refusal, ...]:
    """Every refusal that Microsoft gives to a sender of ours."""
    return tuple(
        Refusal(
            label=Label(row["label"]),
            codes=tuple(row["codes"]),
            texts=tuple(skeleton(text).letters for text in row["texts"]),
            believed_alone=row.get("believed_alone", False),
            needs_code=row.get("needs_code", False),
            confirmed=row["confidence"] != "U",
            first=_order(row.get("from", "")),
            last=_order(row.get("through", "")),
            but=tuple(row.get("but", ())),
        )
        for row in data("codes.json")["refusals"]
    )


@lru_cache(maxsize=1024)
def refusals_by(code: str) -> tuple[Refusal, ...]:
    """Those refusals that have a code."""
    return tuple(refusal for refusal in refusals() if refusal.has(code))


@cache
def others_say() -> tuple[str, ...]:
    """Skeletons of what other mail systems answer with the same codes."""
    return tuple(skeleton(text).letters for text in data("codes.json")["others_say"]["texts"])


@cache
def _english() -> frozenset[str]:
    return frozenset(data("codes.json")["english"]["words"])


def is_english(text: str) -> bool:
    """Whether a mail system's answer is in English, as all are by the standard; one that a report translates is not."""
    return any(word in _english() for word in re.findall("[a-z]+", text.lower()))


@cache
def phrases() -> tuple[Phrase, ...]:
    """The human part's sentences, confirmed ones first."""
    rows = sorted(data("phrases.json")["phrases"], key=lambda row: not row["confirmed"])
    return tuple(
        Phrase(
            label=Label(row["label"]),
            lang=row["lang"],
            fragment=skeleton(row["fragment"]).letters,
            confirmed=row["confirmed"],
        )
        for row in rows
    )


@cache
def layout() -> Layout:
    """The marks of parts of reports and forwarded mails."""
    rows = data("layout.json")
    intros = tuple(skeleton(text).letters for text in rows["intros"])
    return Layout(
        intros=intros,
        ascii_intros=tuple(filter(str.isascii, intros)),
        originals=frozenset(skeleton(text).letters for text in rows["originals"]),
        returned=tuple(rows["returned"]),
        generating_servers=frozenset(name.casefold() for name in rows["generating_server"]),
        servers=tuple(rows["servers"]),
        remote_servers=frozenset(name.casefold() for name in rows["remote_server"]),
        from_names=frozenset(rows["from"]),
        to_names=frozenset(rows["to"]),
        date_names=frozenset(rows["date"]),
        reply_lines=tuple(skeleton(text).letters for text in rows["reply_lines"]),
        wrote=tuple(text.casefold() for text in rows["wrote"]),
    )


@cache
def _microsoft() -> dict[str, Any]:
    return data("microsoft.json")


def under(host: str, parents: Iterable[str]) -> bool:
    """Whether a host is one of the parents or lies below one."""
    host = host.casefold().rstrip(".")
    return any(host == parent or host.endswith("." + parent) for parent in parents)


@cache
def microsoft_hosts() -> tuple[str, ...]:
    """Microsoft 365's mail hosts, and what lies below them."""
    return tuple(_microsoft()["hosts"])


def is_microsoft(host: str) -> bool:
    """Whether a host is one of Microsoft 365's mail hosts."""
    return under(host, microsoft_hosts())


def mentions_microsoft(text: str) -> bool:
    """Whether the name of one of those hosts stands anywhere in a text; quick to say no."""
    low = text.lower()
    return any(host in low for host in microsoft_hosts())


def is_microsoft_link(host: str) -> bool:
    """Whether a link's host is Microsoft's own."""
    return under(host, _microsoft()["links"])


def is_mailer(address: str) -> bool:
    """Whether an address is one that reports come from, not a person's."""
    return address.partition("@")[0].startswith(tuple(_microsoft()["mailer_names"]))


def is_role(address: str) -> bool:
    """Whether an address is one of those that programs send from as well: not every mail of theirs is a report."""
    return address.startswith(tuple(_microsoft()["role_names"]))


def poses_as_system(author: str) -> bool:
    """Whether an author's name or address looks like a mail system's or Microsoft's."""
    author = author.casefold()
    return any(name in author for name in _microsoft()["imitated_names"])


def demands(text: str) -> bool:
    """Whether a notice tells its reader to confirm or release something, as imitations do."""
    low = text.casefold()
    return any(word in low for word in _microsoft()["demands"])


@cache
def calls() -> re.Pattern[str]:
    """Words that ask the reader to follow a link."""
    return re.compile("|".join(re.escape(word) for word in _microsoft()["calls"]), re.IGNORECASE)
