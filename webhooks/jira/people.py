"""Who of the people on an issue is an agent. Jira does not tell us, so it is read off what they do. Pure.

Whoever may be the customer is never taken for an agent: the customer's words would go unheard, or be believed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from webhooks.jira.answers import Comment, Issue, Somebody
from webhooks.jira.fields import Known


@dataclass(frozen=True, kw_only=True, slots=True)
class Circle:
    """The people of one issue, by account ids."""

    insiders: frozenset[str]  # wrote a comment that customers do not see, which no customer can
    customers: frozenset[str]  # the reporter, and whom the request is shared with
    is_shared_widely: bool  # with an organisation, whose members are not told to us

    def is_agent(self, somebody: Somebody | None) -> bool:
        """Whether somebody is surely an agent, or a program of the site."""
        if somebody is None or somebody.account in self.customers:
            return False
        if somebody.account in self.insiders or somebody.type == "app":
            return True
        return somebody.type == "atlassian" and not self.is_shared_widely


def circle(issue: Issue, comments: Iterable[Comment], known: Known) -> Circle:
    """The people of an issue."""
    reporter = {issue.reporter.account} if issue.reporter else set()
    return Circle(
        insiders=frozenset(it.author.account for it in comments if it.author and not it.is_public),
        customers=frozenset(reporter | {_account(row) for row in listed(issue, known.participants) or ()}),
        is_shared_widely=listed(issue, known.organisations) != [],
    )


def is_opened_by_agent(issue: Issue, people: Circle) -> bool:
    """Whether an agent has opened the issue in another one's name.

    Programs of a site do the same with mails and forms, under accounts that look no different. So only a creator counts
    who has said something internal on the issue; until then somebody is asked whose account is meant.
    """
    creator, reporter = issue.creator, issue.reporter
    return (
        creator is not None
        and reporter is not None
        and creator.account != reporter.account
        and creator.account in people.insiders
    )


def listed(issue: Issue, field: str | None) -> list[Mapping[str, Any]] | None:
    """What a field that lists people or organisations holds; None where it cannot be seen."""
    if field is None or field not in issue.values:
        return None
    rows = issue.values[field] or []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else None


def _account(row: Mapping[str, Any]) -> str:
    return str(row.get("accountId") or "")
