"""A ticket out of Jira in two requests: the issue, and its newest comments; both as Jira renders them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from plugin.errors import Denied, NotFound
from plugin.model import Attachment, Person, Ticket
from plugin.ports import ChangedTicket
from webhooks import markers
from webhooks.jira import answers
from webhooks.jira.answers import Comment, File, Issue
from webhooks.jira.conversation import conversation
from webhooks.jira.fields import Catalogue, as_text
from webhooks.jira.people import circle, is_opened_by_agent
from webhooks.jira.rest import CONTENT, PLATFORM, Rest

A_TICKET = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}-[0-9]{1,18}|[0-9]{1,18}", re.ASCII)
ASKED_FOR = ("summary", "description", "status", "project", "reporter", "creator", "created", "labels", "attachment")
PER_PAGE = 100  # comments of a ticket: the newest; triage reads fewer
MOST_PAGES = 200
FOUND_AT_ONCE = 100
INDEXED_WITHIN = timedelta(minutes=5)  # a change may be found by a search only some time after
ANY_ZONE = timedelta(days=1)  # JQL's dates are in the time zone of our user's profile


class Reader:
    """Reads issues of one Jira."""

    def __init__(self, rest: Rest, catalogue: Catalogue, *, url: str, projects: tuple[str, ...]) -> None:
        self._rest = rest
        self._catalogue = catalogue
        self._url = url
        self._projects = projects
        self._me: str | None = None

    def ticket(self, ticket: str) -> Ticket:
        """The issue with its description and newest comments; under its new key where it was moved."""
        issue = self.issue(ticket)
        comments, _ = self._comments(issue.key, 0)
        known = self._catalogue.known()
        people = circle(issue, comments, known)
        is_of_agent = is_opened_by_agent(issue, people)
        requester = issue.reporter.as_person(is_agent=is_of_agent) if issue.reporter else Person()
        return Ticket(
            source=self._rest.system,
            id=issue.key,
            subject=issue.summary,
            requester=requester,
            messages=conversation(issue, comments, people, self._attachment),
            tags=issue.labels,
            fields={name: as_text(issue.values.get(field)) for name, field in known.ours.items()},
            status=issue.status,
            queue=issue.project,
            url=f"{self._url}/browse/{issue.key}",
        )

    def issue(self, ticket: str) -> Issue:
        """The issue without its comments, by its key, an older key or its id. Raises `NotFound` and `Denied`."""
        doing = f"read issue {ticket[:40]}"
        if not A_TICKET.fullmatch(ticket):
            raise NotFound(self._rest.system, doing, "Jira's issues have keys such as SUP-12")
        known = self._catalogue.known()
        special = (known.organisations, known.participants)
        names = [*ASKED_FOR, *known.ours.values(), *(field for field in special if field is not None)]
        params = {"fields": ",".join(names), "expand": "renderedFields"}
        try:
            return answers.issue(self._rest.get(doing, *PLATFORM, "issue", ticket, params=params))
        except NotFound:
            self._check_sight(doing)
            raise

    def _check_sight(self, doing: str) -> None:
        """Jira says of an issue that we may not see that it is not there: `Denied` where we see too little."""
        for project in self._projects:
            try:
                self._rest.get(doing, *PLATFORM, "project", project)
            except NotFound as error:
                why = f"our user does not see project {project}: give it the role Service Desk Team there"
                raise Denied(self._rest.system, doing, why, status=error.status) from error

    def _comments(self, ticket: str, start: int) -> tuple[tuple[Comment, ...], int]:
        """A page of comments, newest first, and how many there are in all."""
        doing = f"read the comments of issue {ticket}"
        params = {
            "startAt": str(start),
            "maxResults": str(PER_PAGE),
            "orderBy": "-created",
            "expand": "renderedBody",
        }
        return answers.comments(self._rest.get(doing, *PLATFORM, "issue", ticket, "comment", params=params))

    def has_note(self, ticket: str, key: str) -> bool:
        """Whether our own user has written a note with this key there; a customer who answers quotes its mark."""
        me, start = self.me(), 0
        issue = self.issue(ticket).key
        for _ in range(MOST_PAGES):
            comments, total = self._comments(issue, start)
            if any(_is_by(comment, me) and markers.is_marked(comment.html, key) for comment in comments):
                return True
            start += len(comments)
            if not comments or start >= total:
                break
        return False

    def me(self) -> str:
        """The account id of our own user, asked for once."""
        if self._me is None:
            self._me = answers.user(self._rest.me()).account
        return self._me

    def changed_since(self, since: datetime) -> Iterator[ChangedTicket]:
        """Issues changed since shortly before a moment, oldest change first.

        Newest first on the way, so that an issue which changes while the pages are read moves to the front and leaves
        no gap. The bound in the query is a wide one: Jira reads it in a time zone that is not told.
        """
        self._rest.me("list changed issues")  # who is not signed in finds nothing, which looks like peace
        bound = since - INDEXED_WITHIN
        found: dict[str, ChangedTicket] = {}
        for changed in self._newest_first(bound):
            if changed.updated_at < bound:
                break
            found.setdefault(changed.id, changed)
        yield from sorted(found.values(), key=lambda changed: changed.updated_at)

    def newest(self) -> str | None:
        """The issue that changed last, if there is any."""
        rows, _ = self._found("updated >= -3650d", 1, None)
        return rows[0].id if rows else None

    def _newest_first(self, bound: datetime) -> Iterator[ChangedTicket]:
        earliest, token = (bound - ANY_ZONE).astimezone(UTC), None
        for _ in range(MOST_PAGES):
            rows, token = self._found(f'updated >= "{earliest:%Y-%m-%d %H:%M}"', FOUND_AT_ONCE, token)
            yield from rows
            if token is None:
                return

    def _found(self, condition: str, most: int, token: str | None) -> tuple[tuple[ChangedTicket, ...], str | None]:
        """A page of issues of our projects, last changed first."""
        keys = ", ".join(f'"{project}"' for project in self._projects)
        jql = f"project in ({keys}) AND {condition} ORDER BY updated DESC"
        body = {"jql": jql, "fields": ["updated"], "maxResults": most}
        if token is not None:
            body["nextPageToken"] = token
        return answers.changed(self._rest.send("list changed issues", "POST", *PLATFORM, "search", "jql", body=body))

    def _attachment(self, file: File) -> Attachment:
        # Without a redirect, which would lead to another host.
        url = f"{self._rest.url(*CONTENT, file.id)}?redirect=false"
        return Attachment(filename=file.filename, content_type=file.type, size=file.size, url=url)


def _is_by(comment: Comment, account: str) -> bool:
    return comment.author is not None and comment.author.account == account
