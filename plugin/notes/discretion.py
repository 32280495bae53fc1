"""Rule 6, as a guard on the last step: what a text to the customer must not say.

The attacker may be reading that mailbox, and anyone can open a ticket that names a colleague. The guard catches slips,
not bad will: an agent who wants to tell can always find other words.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from plugin.model import AccountStatus, Finding, Looked

TELLING = re.compile(
    r"""(?<!\w)(
      (un|re)?-?block(s|ed|ing|age)? | (un|re)?-?restrict(s|ed|ing|ion|ions)? | blacklist\w* | suspend\w*
    | suspension\w* | compromis\w* | (spear-?)?phish\w* | hack(s|ed|er|ers|ing)? | attack\w* | intrud\w* | intrusion\w*
    | breach\w* | hijack\w* | malware | malicious\w* | virus\w* | ransomware | spam\w* | suspicious\w* | fraud\w*
    | stolen | leaked | security | (re-?)?(dis|en)abled | (un)?locked
    | (ge|ent)sperr\w* | blockiert\w* | gehackt\w* | kompromittier\w* | bloqu\w* | bloccat\w* | pirat[ée]\w*
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words for a block or a finding."""
CODE = re.compile(r"(?<![\w.])(?:[245]\.\d{1,3}\.\d{1,3}|AS\s?\(\d+\))(?![\w.]*\d)", re.IGNORECASE)
"""Enhanced status codes (RFC 3463) and Microsoft's spam codes."""
TRACE_ID = re.compile(r"(?<!\w)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?!\w)", re.IGNORECASE)
ADDRESS = re.compile(r"[\w.+%-]{1,64}@[\w.-]{1,255}")
REASON_KEY = re.compile(r"\w*[a-z][A-Z]\w*")  # such as OutboundSpamLast24Hours
SHORTEST_EVIDENCE = 12  # characters; shorter pieces of a ticket are everyday words


def says_too_much(
    text: str, status: AccountStatus | None, finding: Finding | None, looks: Iterable[Looked] = ()
) -> tuple[str, ...]:
    """What must go before this text may be sent to the customer; empty if nothing. A display name may stay."""
    plain = _plain(text)
    nameless = _without(plain, status.display_name) if status else plain
    known = [phrase for phrase in _addresses(status, finding) if _says(plain, phrase)]
    known += [phrase for phrase in _phrases(status, finding) if _says(nameless, phrase)]
    known += [phrase for phrase in _looked(looks) if _says(nameless, phrase)]
    patterns = [found[0] for pattern in (CODE, TRACE_ID, TELLING) for found in pattern.finditer(nameless)]
    first_spelling: dict[str, str] = {}
    for phrase in (*known, *patterns):
        first_spelling.setdefault(phrase.casefold(), phrase)
    return tuple(first_spelling.values())


def _plain(text: str) -> str:
    """As a reader sees it: width and form variants made one, invisible characters and line breaks gone."""
    shown = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    return " ".join(shown.split())


def _says(plain: str, phrase: str) -> bool:
    sought = re.escape(_plain(phrase))
    return bool(sought) and re.search(rf"(?<!\w){sought}(?!\w)", plain, re.IGNORECASE) is not None


def _without(plain: str, name: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(_plain(name))}(?!\w)", "", plain, flags=re.IGNORECASE) if name.strip() else plain


def _addresses(status: AccountStatus | None, finding: Finding | None) -> Iterator[str]:
    if status:
        yield from (status.primary_address, *status.addresses)
        yield from (blocked.address for blocked in status.blocked)
    if finding:
        yield from (candidate.account for candidate in finding.candidates if "@" in candidate.account)


def _looked(looks: Iterable[Looked]) -> Iterator[str]:
    """Addresses that were found in the account, such as where its mail is forwarded to."""
    for looked in looks:
        for told in (looked.finding, *looked.items):
            yield from ADDRESS.findall(told)


def _phrases(status: AccountStatus | None, finding: Finding | None) -> Iterator[str]:
    """NetIDs, and what Microsoft, the directory and the bounce gave as reasons."""
    if status:
        yield status.netid
        for blocked in status.blocked:
            yield from REASON_KEY.findall(blocked.reason)
            yield blocked.reason
        yield status.sign_in.reason or ""
    if finding:
        yield from (candidate.account for candidate in finding.candidates if "@" not in candidate.account)
        pieces = (piece.strip("… ") for piece in finding.evidence)  # without the marks of what was left out
        yield from (piece for piece in pieces if len(piece) >= SHORTEST_EVIDENCE)
