"""A ticket out of Zendesk in two requests, a third for long ones: the ticket, its comments, each with their people."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from plugin.errors import NotFound
from plugin.model import Message, Person, Ticket
from plugin.ports import ChangedTicket
from webhooks import markers
from webhooks.zendesk.answers import Reading
from webhooks.zendesk.records import Comment, TicketRow, User
from webhooks.zendesk.rest import Rest
from webhooks.zendesk.ticket_fields import TicketFields, shown_fields

MOST_MESSAGES = 30  # the first, and the newest; triage reads no more
PER_PAGE = 100
MOST_PAGES = 100  # no list of Zendesk's is given out beyond it
MOST_MERGES = 5  # one after the other
MERGED = "closed_by_merge"  # the tag that Zendesk gives a ticket which it has merged into another


class Reader:
    """Reads tickets of one Zendesk."""

    def __init__(self, rest: Rest, ticket_fields: TicketFields, *, url: str) -> None:
        self._rest = rest
        self._fields = ticket_fields
        self._url = url
        self._me: User | None = None

    def ticket(self, ticket: str) -> Ticket:
        """The ticket with its messages; the surviving one, where it was merged into another."""
        row = self.row(ticket)
        comments, people = self._ends(row.id)
        requester = people.get(row.requester_id) or self.user(row.requester_id)
        messages = [comment.as_message(people.get(comment.author_id)) for comment in comments]
        return Ticket(
            source=self._rest.system,
            id=row.id,
            subject=row.subject,
            requester=Person(
                email=requester.email, name=requester.name, is_agent=_is_opened_by_agent(comments, messages)
            ),
            messages=tuple(messages),
            tags=row.tags,
            fields=shown_fields(row, self._fields.found()),
            status=row.status,
            queue=row.group,
            url=f"{self._url}/agent/tickets/{row.id}",
        )

    def row(self, ticket: str) -> TicketRow:
        """The ticket without its comments, after a merge the surviving one. Raises `NotFound` and `Denied`."""
        doing = f"read ticket {ticket[:20]}"
        if not (ticket.isascii() and ticket.isdigit() and len(ticket) < 19):
            raise NotFound(self._rest.system, doing, "Zendesk's tickets have numbers")
        for _ in range(MOST_MERGES):
            found = self._rest.get(doing, "tickets", ticket, params={"include": "groups"})
            row = Reading(self._rest.system, doing).ticket(found)
            into = self._merged_into(row) if row.status == "closed" and MERGED in row.tags else None
            if into is None:
                return row
            ticket = into
        raise NotFound(self._rest.system, doing, "it was merged into a ticket that was merged, and so on")

    def _merged_into(self, row: TicketRow) -> str | None:
        newest = self._page(row.id, 1)[0]
        return next((comment.merged_into for comment in newest if comment.merged_into not in (None, row.id)), None)

    def _ends(self, ticket: str) -> tuple[list[Comment], dict[int, User]]:
        """The first comment and the newest, oldest first, with their authors."""
        newest, people, has_more = self._page(ticket, 1)
        first: Sequence[Comment] = newest[-1:]
        if has_more:
            first, more, _ = self._page(ticket, 1, order="asc", size=1)
            people |= more
        kept = {comment.id: comment for comment in (*newest[: MOST_MESSAGES - 1], *first)}
        return [kept[number] for number in sorted(kept)], people

    def _page(
        self, ticket: str, page: int, *, order: str = "desc", size: int = PER_PAGE
    ) -> tuple[tuple[Comment, ...], dict[int, User], bool]:
        doing = f"read the comments of ticket {ticket}"
        params = {"sort_order": order, "per_page": str(size), "page": str(page), "include": "users"}
        found = self._rest.get(doing, "tickets", ticket, "comments", params=params)
        reading = Reading(self._rest.system, doing)
        return reading.comments(found), reading.users(found), bool(found.get("next_page"))

    def newest_comments(self, ticket: str) -> tuple[Comment, ...]:
        """The newest hundred, newest first."""
        return self._page(ticket, 1)[0]

    def has_note(self, ticket: str, key: str) -> bool:
        """Whether our own user has written a note with this key there; a customer who answers quotes its mark."""
        me, number = self.me().id, self.row(ticket).id
        for page in range(1, MOST_PAGES + 1):
            comments, _, has_more = self._page(number, page)
            if any(comment.author_id == me and markers.is_marked(comment.text, key) for comment in comments):
                return True
            if not has_more:
                return False
        return False

    def me(self) -> User:
        """Our own user, asked for once."""
        if self._me is None:
            doing = "see who we are"
            self._me = Reading(self._rest.system, doing).user(self._rest.get(doing, "users", "me"))
        return self._me

    def user(self, number: int) -> User:
        """A user; one who is gone has no address."""
        doing = f"look up user {number}"
        try:
            return Reading(self._rest.system, doing).user(self._rest.get(doing, "users", str(number)))
        except NotFound:  # deleted since; what is not found would be the ticket else
            return User(
                id=number, name="", email="", role="end-user", role_type=None, custom_role_id=None,
                ticket_restriction=None, is_active=False,
            )  # fmt: skip

    def users(self, numbers: Sequence[int]) -> dict[int, User]:
        """Several users by their numbers; those who are gone are missing."""
        doing, ids = "look up who reads the ticket", ",".join(str(number) for number in numbers)
        return Reading(self._rest.system, doing).users(self._rest.get(doing, "users", "show_many", params={"ids": ids}))

    def groups_of(self, user: User) -> frozenset[int]:
        """The numbers of the groups that a user works in."""
        doing = f"look up the groups of user {user.id}"
        found = self._rest.get(doing, "users", str(user.id), "group_memberships", params={"per_page": str(PER_PAGE)})
        return Reading(self._rest.system, doing).groups(found)

    def is_shared_within(self, organization: int) -> bool:
        """Whether the users of an organization see each other's tickets."""
        doing = f"look up organization {organization}"
        found: Any = self._rest.get(doing, "organizations", str(organization))
        return Reading(self._rest.system, doing).is_shared(found)

    def changed_since(self, since: datetime, groups: frozenset[int]) -> Iterator[ChangedTicket]:
        """Tickets changed since a moment, oldest change first.

        Out of the list of tickets: the incremental export is for administrators and leaves out the last minute, and the
        search finds nothing before it is indexed. Newest first, so that a ticket which changes while the pages are read
        moves to the front and leaves no gap.
        """
        found: dict[str, ChangedTicket] = {}
        for changed in self._newest_first(groups):
            if changed.updated_at < since.replace(microsecond=0):  # Zendesk keeps whole seconds
                break
            found.setdefault(changed.id, changed)
        yield from sorted(found.values(), key=lambda changed: changed.updated_at)

    def _newest_first(self, groups: frozenset[int]) -> Iterator[ChangedTicket]:
        doing = "list changed tickets"
        for page in range(1, MOST_PAGES + 1):
            self._rest.spare(doing)
            params = {"sort_by": "updated_at", "sort_order": "desc", "per_page": str(PER_PAGE), "page": str(page)}
            rows = self._rest.get(doing, "tickets", params=params)
            yield from Reading(self._rest.system, doing).changed(rows, groups)
            if not rows.get("next_page"):
                return


def _is_opened_by_agent(comments: Sequence[Comment], messages: Sequence[Message]) -> bool:
    """Whether an agent wrote the first comment in Zendesk itself: anybody can write an agent's address over a mail."""
    return bool(comments) and messages[0].author.is_agent and comments[0].channel != "email"
