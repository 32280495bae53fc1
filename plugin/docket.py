"""Which of a ticket's cases a finding belongs to; opens one where there is none.

A case that has its account keeps it: nothing that a ticket says later moves it to another one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from plugin.casework import Casework
from plugin.model import PROGRAM, AccountStatus, Case, Finding, JournalEntry, Label, Origin, Ticket

LONGEST_LINK = 500  # characters


class Docket:
    """The cases of tickets, by account and by what triage found."""

    def __init__(self, casework: Casework) -> None:
        self._work = casework
        self._store = casework.store

    def of_account(self, ticket: Ticket, finding: Finding, account: str) -> Case | None:
        """The ticket's case for this account, else one that still looks for its account."""
        cases = self._cases(ticket)
        for case in cases:
            if case.account == account:
                return replace(case, finding=finding)
        return _waiting(cases, finding)

    def unsettled(self, ticket: Ticket, finding: Finding) -> Case | None:
        """A case without an account for this finding, a new one if need be; None where a person settled it since."""
        case = _waiting(self._cases(ticket), finding) or self._open(
            ticket, finding, f"?{finding.label.value} {' '.join(sorted(_names(finding)))}"
        )
        return None if case.account else case

    def unread(self, ticket: Ticket, finding: Finding) -> Case | None:
        """A case that waits until the tenant can be read: one a ticket, for nobody knows yet whose accounts are one."""
        for case in self._cases(ticket):
            if not case.account and case.unreadable_since is not None:
                return case
        return self.unsettled(ticket, finding)

    def concerned(self, ticket: Ticket, finding: Finding) -> Case | None:
        """The case with an account that a finding is about by its addresses, as they were last read."""
        names = _names(finding)
        for case in self._cases(ticket):
            if case.account and case.status is not None:
                known = {case.account.lower(), *(address.lower() for address in case.status.addresses)}
                if known & names:
                    return case
        return None

    def is_settled_by_person(self, ticket: Ticket, finding: Finding, known: Mapping[str, AccountStatus | None]) -> bool:
        """An agent has opened or chosen a case for the account named, or for just this question."""
        named = {found.account for found in finding.candidates if found.origin is not Origin.REQUESTER}
        accounts = {status.netid for name, status in known.items() if status is not None and name in named}
        return any(
            case.account
            and (case.account in accounts or (case.finding is not None and _names(case.finding) == _names(finding)))
            for case in self._cases(ticket)
        )

    def _cases(self, ticket: Ticket) -> tuple[Case, ...]:
        return self._store.cases_of_ticket(ticket.source, ticket.id)

    def new(self, ticket: Ticket, finding: Finding, about: str) -> tuple[Case, str]:
        """A new case for what was found, which is not kept yet, and why there is one, for its journal."""
        case = self._work.new_case(ticket.source, ticket.id, about, opened_by="triage")
        why = f"Triage: {finding.label.value}, {finding.confidence.value}."
        return replace(case, finding=finding, ticket_url=_link(ticket.url)), why

    def _open(self, ticket: Ticket, finding: Finding, about: str) -> Case:
        case, why = self.new(ticket, finding, about)
        with self._store.change() as change:
            if change.add_case(case):
                change.log(case.id, JournalEntry(at=case.created_at, actor=PROGRAM, what=why))
        return self._store.case(case.id) or case


def _waiting(cases: Iterable[Case], finding: Finding) -> Case | None:
    """Of these, one that still looks for its account and may be about what was found."""
    names = _names(finding)
    for case in cases:
        if not case.account and _may_be_about(case.finding, finding.label, names):
            return replace(case, finding=finding)
    return None


def _may_be_about(earlier: Finding | None, label: Label, names: set[str]) -> bool:
    """Whether a case that was opened for an earlier finding is this one's; one for a ticket nobody could check is."""
    if earlier is None:
        return True
    known = _names(earlier)
    return earlier.label is label and bool(known & names or not (known and names))


def _link(url: str) -> str:
    """An address that a browser opens, or none."""
    return url if url.startswith(("https://", "http://")) and url.isprintable() and len(url) <= LONGEST_LINK else ""


def _names(finding: Finding) -> set[str]:
    return {candidate.account for candidate in finding.candidates}
