"""One answer for one ticket, for those who want a single label: the command and whoever reads its lines."""

from collections.abc import Sequence
from dataclasses import dataclass

from plugin.model import Candidate, Confidence, Finding, Label, Origin, TicketText
from plugin.triage.decision import triage

ORIGINS = {
    Origin.REPORT: "the sender that the report names",
    Origin.TEXT: "named in the text",
    Origin.REQUESTER: "the requester; the text names none",
}
MOST_NAMED = 5  # accounts listed where several are named


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a ticket comes to."""

    label: Label
    account: str | None  # a mail address or a NetID; None where none is blocked, or none is named
    code: str | None
    confidence: Confidence
    rule: str
    evidence: tuple[str, ...]  # the words it rests on, and what was left out of the reading
    account_from: str = ""  # where the account was found
    doubts: tuple[str, ...] = ()  # about the account; an agent should look


def answer(ticket: TicketText, domains: Sequence[str]) -> Answer:
    """The most serious finding, with the account that it most likely means and what speaks against that."""
    return answer_of(triage(ticket, domains))


def answer_of(findings: Sequence[Finding]) -> Answer:
    """The one answer that findings come to; there is at least one finding."""
    finding = findings[0]
    chosen = None if finding.label is Label.NOT_BLOCKED else _chosen(finding.candidates)
    return Answer(
        label=finding.label,
        account=chosen.account if chosen else None,
        code=finding.code,
        confidence=finding.confidence,
        rule=finding.rule,
        evidence=finding.evidence,
        account_from=ORIGINS[chosen.origin] if chosen else "",
        doubts=tuple(_doubts(findings, chosen)) if chosen else (),
    )


def _chosen(candidates: Sequence[Candidate]) -> Candidate | None:
    """The most telling account; of a NetID and the address that belongs to it the address."""
    if not candidates:
        return None
    first = candidates[0]
    addresses = [
        found for found in candidates if found.origin is first.origin and _is_same(found.account, first.account)
    ]
    return max(addresses, key=lambda found: "@" in found.account)


def _is_same(one: str, other: str) -> bool:
    """Whether a NetID and an address go by the same name."""
    return one == other or (("@" in one) != ("@" in other) and one.partition("@")[0] == other.partition("@")[0])


def _doubts(findings: Sequence[Finding], chosen: Candidate) -> list[str]:
    doubts: list[str] = []
    same = [finding for finding in findings if finding.label is findings[0].label]
    named = [found for finding in same for found in finding.candidates if found.origin is not Origin.REQUESTER]
    others = dict.fromkeys(found.account for found in named if not _is_same(found.account, chosen.account))
    if others:
        doubts.append(f"other accounts are named too: {', '.join(list(others)[:MOST_NAMED])}")
    asking = {found.account for found in findings[0].candidates if found.origin is Origin.REQUESTER}
    if asking and not any(_is_same(account, chosen.account) for account in asking):
        doubts.append("the account is not the requester's: a colleague may be reporting, or the report may be forged")
    return doubts
