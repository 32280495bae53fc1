"""Whose account a ticket is about: settled, or a question for a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plugin.model import AccountStatus, Candidate, Confidence, Finding, Origin
from plugin.rules.kept import kept


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """The account is clear."""

    status: AccountStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Unclear:
    """A person must say which account it is; `question` is for agents only."""

    question: str
    candidates: tuple[str, ...]


def settle(
    finding: Finding, known: Mapping[str, AccountStatus | None], *, opened_by_agent: bool = False
) -> Settled | Unclear:
    """Whose account a finding is about; `known` has each candidate's account, None where there is no such account.

    The sender named by the report and the requester must be one account, or an agent is asked: anyone can open a ticket
    with a forged report that names a colleague. An agent who opens the ticket for a customer counts as having looked.
    """
    names = tuple(dict.fromkeys(candidate.account for candidate in finding.candidates))
    if finding.confidence is Confidence.UNSURE:
        return Unclear(
            question=kept("The ticket may be about a blocked sender, but that is not sure."), candidates=names
        )
    if not names:
        return Unclear(question=kept("The ticket names no account of ours."), candidates=())
    reported, written, asking = (_accounts(finding.candidates, origin, known) for origin in Origin)
    if opened_by_agent:
        asking = {}  # an agent who writes for a customer is not the one whose mail fails
    named = reported or written
    if len(named) > 1:
        return Unclear(question=kept("Several accounts are named."), candidates=names)
    if not named and not asking:
        return Unclear(question=kept("None of the addresses belongs to an account that is known."), candidates=names)
    if named and not opened_by_agent and set(named) != set(asking):
        return Unclear(question=_disagreement(asking), candidates=names)
    return Settled(status=next(iter((named or asking).values())))


def _accounts(
    candidates: Sequence[Candidate], origin: Origin, known: Mapping[str, AccountStatus | None]
) -> dict[str, AccountStatus]:
    """The different accounts behind the candidates of one origin, by their id."""
    found = [known.get(candidate.account) for candidate in candidates if candidate.origin is origin]
    return {status.netid: status for status in found if status is not None}


def _disagreement(asking: Mapping[str, AccountStatus]) -> str:
    if not asking:
        return kept("The requester's own address belongs to no account; the account is only named in what they sent.")
    return kept("The account named is not the requester's. A colleague may be reporting, or the report may be forged.")
