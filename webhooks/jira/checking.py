"""What a Jira needs for us to work, looked at with the token of our own user, which is no administrator's.

The webhook only an administrator may see: `m365-unblock install jira` looks at it, and run again it says whether all is
as it should be.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from plugin.errors import NotFound, RemoteError
from plugin.ports import Advice, Check
from webhooks.jira import answers
from webhooks.jira.fields import PROMISED, Catalogue
from webhooks.jira.reading import Reader
from webhooks.jira.rest import PLATFORM, Rest
from webhooks.jira.service_desk import shown_to_customers

INSTALL = "run m365-unblock install jira"
PERMISSIONS = ("BROWSE_PROJECTS", "EDIT_ISSUES", "ADD_COMMENTS", "EDIT_OWN_COMMENTS", "SERVICEDESK_AGENT")
ROLE = "give our user the role Service Desk Team in the project, and a licence for Jira Service Management"


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What our own settings say."""

    source: str
    url: str
    email: str
    own_account: str
    projects: tuple[str, ...]
    has_fields: bool

    @property
    def place(self) -> str:
        """Where these settings stand."""
        return f"[sources.{self.source}]"


def checks(rest: Rest, reader: Reader, catalogue: Catalogue, expected: Expected) -> Iterator[Check]:
    """Everything that the source needs, as far as our user can see it."""
    try:
        me = answers.user(rest.me())
    except RemoteError as error:
        yield _check(f"Jira answers at {expected.url} and takes the token", False, str(error))
        return
    yield _check(f"Jira answers at {expected.url} and takes the token", True)
    remedy = f'the token is that of {me.name or "another user"}: set own_account = "{me.account}" in {expected.place}'
    yield _check(f"own_account is the account of {expected.email}", me.account == expected.own_account, remedy)
    for project in expected.projects:
        yield _permissions(rest, project)
        yield _forms(rest, catalogue, project, expected)
    yield from _newest(rest, reader, catalogue, expected)
    if expected.has_fields:
        yield _fields(catalogue)


def _permissions(rest: Rest, project: str) -> Check:
    what = f"our user is an agent of project {project}"
    params = {"projectKey": project, "permissions": ",".join(PERMISSIONS)}
    try:
        lacking = answers.lacking(rest.get("see what we may do", *PLATFORM, "mypermissions", params=params))
    except NotFound as error:
        return _check(what, False, f"{error}; correct projects in the settings, or {ROLE}")
    except RemoteError as error:
        return _check(what, False, str(error))
    return _check(what, not lacking, f"{', '.join(lacking)} missing: {ROLE}")


def _forms(rest: Rest, catalogue: Catalogue, project: str, expected: Expected) -> Check:
    """What is on a request form the customer reads, and so does whoever holds the mailbox."""
    what = f"customers of {project} see neither labels nor our fields"
    try:
        ours = catalogue.known().ours.values() if expected.has_fields else ()
        shown = shown_to_customers(rest, project, frozenset({"labels", *ours}))
    except RemoteError as error:
        return _check(what, False, str(error))
    return _check(what, not shown, f"take {', '.join(shown)} off the request form (Project settings > Request types)")


def _newest(rest: Rest, reader: Reader, catalogue: Catalogue, expected: Expected) -> Iterator[Check]:
    what = "changed issues can be listed"
    try:
        newest = reader.newest()
    except RemoteError as error:
        yield _check(what, False, str(error))
        return
    yield _check(what, True)
    if newest is None:
        return
    try:
        yield _screens(rest, catalogue, newest, expected)
        yield _address(reader, newest)
    except RemoteError as error:
        yield _check(f"issue {newest} can be read", False, str(error))


def _screens(rest: Rest, catalogue: Catalogue, issue: str, expected: Expected) -> Check:
    reply = rest.get("see which fields may be changed", *PLATFORM, "issue", issue, "editmeta")
    wanted = {"labels": "labels"}
    if expected.has_fields:
        wanted |= {field: name for name, field in catalogue.known().ours.items()}
    missing = sorted(set(wanted) - answers.editable(reply))
    what = f"labels and our fields can be changed (looked at on {issue})"
    named = ", ".join(wanted[field] for field in missing)
    return _check(what, not missing, f"{named} missing on the project's edit screen: {INSTALL}")


def _address(reader: Reader, issue: str) -> Check:
    reporter = reader.issue(issue).reporter
    has_address = reporter is not None and bool(reporter.email)
    remedy = (
        "Jira hides it, so an agent is asked whose account is meant. It is shown for customers of the portal, and for "
        "people whose organisation manages their Atlassian accounts (profile and visibility)"
    )
    what = f"the requester's mail address is shown to us (looked at on {issue})"
    return Advice(what=what, ok=has_address, remedy="" if has_address else remedy)


def _fields(catalogue: Catalogue) -> Check:
    try:
        known = catalogue.known()
    except RemoteError as error:
        return _check("our fields are there", False, str(error))
    missing = [name for name in PROMISED if name not in known.ours and name not in known.doubled]
    remedy = f"{', '.join(missing)} missing: {INSTALL}" if missing else ""
    if known.doubled:
        several = f"there are several called {', '.join(sorted(known.doubled))}: rename those that are not ours"
        remedy = f"{remedy}; {several}" if remedy else several
    return _check("our fields are there", not remedy, remedy)


def _check(what: str, ok: bool, remedy: str = "") -> Check:
    return Check(what=what, ok=ok, remedy="" if ok else remedy)
