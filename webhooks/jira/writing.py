"""Note, labels and fields onto an issue of Jira, each looked at afterwards.

A comment is public there unless it says otherwise, and the requester is mailed at once: so every one says who may see
it, in the service desk's own words, and is read back.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from plugin.errors import NotFound, PermanentError, RemoteError, partly_done
from plugin.manifest import manifest
from plugin.model import Note, Visibility
from plugin.ports import TicketChange
from webhooks import markers
from webhooks.jira import answers, wiki
from webhooks.jira.answers import Issue
from webhooks.jira.fields import Catalogue, as_jira, as_text
from webhooks.jira.people import listed
from webhooks.jira.reading import Reader
from webhooks.jira.rest import AGENT, PLATFORM, SERVICE_DESK, Rest

PROMISED_TAGS = frozenset(manifest()["tags"])
WIKI = ("rest", "api", "2")  # the version of the API that takes wiki markup
INSIDE = {"key": "sd.public.comment", "value": {"internal": True}}
INSTALL = "run m365-unblock install jira"


class Writer:
    """Writes on issues of one Jira."""

    def __init__(self, rest: Rest, reader: Reader, catalogue: Catalogue) -> None:
        self._rest = rest
        self._reader = reader
        self._catalogue = catalogue

    def write(self, ticket: str, change: TicketChange) -> tuple[str, ...]:
        """See `plugin.ports.TicketSystem`."""
        issue = self._reader.issue(ticket)  # under its key of today
        if change.note is None:
            return tuple(self._show(issue, change))
        self._post(issue, change.note)
        with partly_done():
            return tuple(self._show(issue, change))

    # ── the note ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _post(self, issue: Issue, note: Note) -> None:
        is_public = note.visibility is Visibility.PUBLIC
        if is_public:
            self._check_readers(issue)
        doing = f"add a note to issue {issue.key}"
        text = wiki.from_html(markers.marked_html(note.body_html, note.key))
        body = {"body": text, "public": is_public}
        with self._as_request(doing):
            posted = self._rest.send(
                doing, "POST", *SERVICE_DESK, "request", issue.key, "comment", body=body, needs=AGENT
            )
        with partly_done():
            comment, is_told_public = answers.posted(posted)
            is_kept_public = (is_told_public and not is_public) or self._is_public(doing, issue.key, comment)
            if is_kept_public and not is_public:
                raise PermanentError(self._rest.system, doing, self._hidden(issue.key, comment, text))
            if is_public and not is_kept_public:
                told = f"the reply on issue {issue.key} is kept as an internal note: it was not sent, answer by hand"
                raise PermanentError(self._rest.system, doing, told)

    @contextmanager
    def _as_request(self, doing: str) -> Iterator[None]:
        """The issue was there just before: what the service desk does not find is a request."""
        try:
            yield
        except NotFound as error:
            why = "the service desk does not know the issue as a request: give it a request type"
            raise PermanentError(self._rest.system, doing, why, status=error.status) from error

    def _is_public(self, doing: str, ticket: str, comment: str) -> bool:
        reply = self._rest.get(doing, *SERVICE_DESK, "request", ticket, "comment", comment)
        return answers.posted(reply)[1]

    def _hidden(self, ticket: str, comment: str, text: str) -> str:
        """An internal note came out public: hide it at once, and say so. Deleted it would be posted once more."""
        doing = f"hide comment {comment} of issue {ticket}"
        body = {"body": text, "properties": [INSIDE]}
        try:
            self._rest.send(doing, "PUT", *WIKI, "issue", ticket, "comment", comment, body=body)
            is_hidden = not self._is_public(doing, ticket, comment)
        except RemoteError:
            is_hidden = False
        done = "it is hidden now" if is_hidden else "it could not be hidden, hide it by hand"
        return (
            f"AN INTERNAL NOTE ON ISSUE {ticket} WAS PUBLIC: the requester may have read it; {done}. Give our user the "
            "role Service Desk Team in the project, with a licence: what customers write is public there."
        )

    def _check_readers(self, issue: Issue) -> None:
        """Jira mails a reply to everybody whom a request is shared with, so it goes out only where nobody else is."""
        doing = f"answer the requester of issue {issue.key}"
        if issue.reporter is None:
            raise PermanentError(self._rest.system, doing, "not sent: the issue has no reporter")
        organisations = listed(issue, self._catalogue.known().organisations)
        if organisations is None:
            why = "not sent: our user cannot see whether the request is shared with an organisation; answer by hand"
            raise PermanentError(self._rest.system, doing, why)
        others = [_name(row) for row in organisations]
        others += [_name(row) for row in self._participants(doing, issue.key) if not _is(row, issue)]
        if others:
            raise PermanentError(
                self._rest.system,
                doing,
                f"not sent: Jira would mail it to {', '.join(sorted(others))} too (request participants, or an "
                "organisation that the request is shared with); take them off the request, or answer by hand",
            )

    def _participants(self, doing: str, ticket: str) -> list[dict[str, Any]]:
        path = (*SERVICE_DESK, "request", ticket, "participant")
        with self._as_request(doing):
            rows, is_last = answers.page(self._rest.get(doing, *path, needs=AGENT))
        return rows if is_last else [*rows, {"displayName": "others"}]

    # ── what is shown besides ────────────────────────────────────────────────────────────────────────────────────

    def _show(self, issue: Issue, change: TicketChange) -> Iterator[str]:
        """Put labels and fields there; what Jira would not take."""
        known = self._catalogue.known()
        yield from (self._missing(name, name in known.doubled) for name in change.fields if name not in known.ours)
        wanted = {name: value for name, value in change.fields.items() if name in known.ours}
        stale = {name: value for name, value in wanted.items() if _held(issue, known.ours[name]) != (value or None)}
        fields = {known.ours[name]: as_jira(name, value) for name, value in stale.items()}
        labels = _moves(issue.labels & PROMISED_TAGS, change.tags)
        if not (fields or labels):
            return
        yield from self._put(issue.key, fields, labels)
        yield from self._untaken(issue.key, change.tags, {known.ours[name]: value for name, value in wanted.items()})

    def _put(self, ticket: str, fields: Mapping[str, Any], labels: list[dict[str, str]]) -> Iterator[str]:
        """In one request; where a field is refused, the labels alone, which Jira would leave out with it."""
        doing = f"change labels and fields of issue {ticket}"
        alone = {"update": {"labels": labels}} if labels else {}
        refused = self._refused(doing, ticket, ({"fields": fields} if fields else {}) | alone)
        if refused:
            yield f"{refused}; {INSTALL}, which puts the fields on the project's screens"
        if refused and fields and alone and (again := self._refused(doing, ticket, alone)):
            yield again

    def _refused(self, doing: str, ticket: str, body: Mapping[str, Any]) -> str:
        """Why Jira would not take a change, or nothing."""
        try:
            self._rest.send(doing, "PUT", *PLATFORM, "issue", ticket, body=body)
        except NotFound:
            raise
        except PermanentError as error:
            return str(error)
        return ""

    def _untaken(self, ticket: str, tags: frozenset[str] | None, fields: Mapping[str, str | None]) -> Iterator[str]:
        """What is not on the issue now, in words."""
        issue = self._reader.issue(ticket)
        held = issue.labels & PROMISED_TAGS
        if tags is not None and held != tags:
            yield f"{self._rest.system}: issue {ticket} has the labels {sorted(held)} where {sorted(tags)} were to be"
        for field, value in fields.items():
            if _held(issue, field) != (value or None):
                yield f"{self._rest.system}: field {field} of issue {ticket} did not take its new value"

    def _missing(self, name: str, is_doubled: bool) -> str:
        if is_doubled:
            return f"{self._rest.system}: Jira has several fields called “{name}”: rename those that are not ours"
        return f"{self._rest.system}: Jira has no field “{name}”: {INSTALL}"


def _moves(held: frozenset[str], wanted: frozenset[str] | None) -> list[dict[str, str]]:
    """What makes one set of ours of the other; everybody else's labels stay."""
    if wanted is None:
        return []
    return [{"remove": tag} for tag in sorted(held - wanted)] + [{"add": tag} for tag in sorted(wanted - held)]


def _held(issue: Issue, field: str) -> str | None:
    return as_text(issue.values.get(field))


def _is(row: Mapping[str, Any], issue: Issue) -> bool:
    return issue.reporter is not None and row.get("accountId") == issue.reporter.account


def _name(row: Mapping[str, Any]) -> str:
    return str(row.get("displayName") or row.get("name") or "somebody")
