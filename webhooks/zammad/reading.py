"""A ticket out of Zammad in four requests: the ticket, its articles, its tags, its customer."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from plugin.errors import NotFound
from plugin.model import Attachment, Person, Ticket
from plugin.ports import ChangedTicket
from webhooks import markers
from webhooks.zammad.answers import Article, Reading, TicketRow, User
from webhooks.zammad.attributes import shown_fields
from webhooks.zammad.rest import Rest

MOST_MESSAGES = 30  # the first, and the newest; triage reads no more
PER_PAGE = 100
MOST_PAGES = 200
MOST_MERGES = 5  # one after the other


class Reader:
    """Reads tickets of one Zammad."""

    def __init__(self, rest: Rest, *, url: str) -> None:
        self._rest = rest
        self._url = url
        self._me: User | None = None

    def ticket(self, ticket: str) -> Ticket:
        """The ticket with its messages; the surviving one, where it was merged into another."""
        row = self.row(ticket)
        articles = self.articles(row.id)
        customer = self._user(row.customer_id)
        kept = articles[:1] + articles[1:][-(MOST_MESSAGES - 1) :]
        return Ticket(
            source=self._rest.system,
            id=row.id,
            subject=row.title,
            requester=Person(email=customer.email, name=customer.name, is_agent=_is_opened_by_agent(articles)),
            messages=tuple(article.as_message(tuple(self._files(row.id, article))) for article in kept),
            tags=self.tags(row.id),
            fields=shown_fields(row.attributes),
            status=row.state,
            queue=row.group,
            url=f"{self._url}/#ticket/zoom/{row.id}",
        )

    def row(self, ticket: str) -> TicketRow:
        """The ticket without its articles, after a merge the surviving one. Raises `NotFound` and `Denied`."""
        doing = f"read ticket {ticket[:20]}"
        if not (ticket.isascii() and ticket.isdigit() and len(ticket) < 19):
            raise NotFound(self._rest.system, doing, "Zammad's tickets have numbers")
        for _ in range(MOST_MERGES):
            row = Reading(self._rest.system, doing).ticket(self._rest.get(doing, "tickets", ticket, expand="true"))
            into = self._merged_into(row) if row.state == "merged" else None
            if into is None:
                return row
            ticket = into
        raise NotFound(self._rest.system, doing, "it was merged into a ticket that was merged, and so on")

    def _merged_into(self, row: TicketRow) -> str | None:
        doing = f"see into which ticket {row.id} was merged"
        links = self._rest.get(doing, "links", link_object="Ticket", link_object_value=row.id)
        return Reading(self._rest.system, doing).parent(links)

    def articles(self, ticket: str) -> tuple[Article, ...]:
        """All articles, oldest first."""
        doing = f"read the articles of ticket {ticket}"
        found = self._rest.get(doing, "ticket_articles", "by_ticket", ticket, expand="true")
        return Reading(self._rest.system, doing).articles(found)

    def tags(self, ticket: str) -> frozenset[str]:
        """Its tags, others' too."""
        doing = f"read the tags of ticket {ticket}"
        return Reading(self._rest.system, doing).tags(self._rest.get(doing, "tags", object="Ticket", o_id=ticket))

    def has_note(self, ticket: str, key: str) -> bool:
        """Whether our own user has written a note with this key there; a customer who answers quotes its mark."""
        me = self.me().id
        articles = self.articles(self.row(ticket).id)
        return any(article.created_by_id == me and markers.is_marked(article.body, key) for article in articles)

    def me(self) -> User:
        """Our own user, asked for once."""
        if self._me is None:
            doing = "see who we are"
            self._me = Reading(self._rest.system, doing).user(self._rest.get(doing, "users", "me"))
        return self._me

    def requester_of(self, ticket: str) -> User:
        """Whom a reply is for."""
        return self._user(self.row(ticket).customer_id)

    def _user(self, number: int) -> User:
        doing = f"look up user {number}"
        try:
            return Reading(self._rest.system, doing).user(self._rest.get(doing, "users", str(number)))
        except NotFound:  # erased since; what is not found would be the ticket else
            return User(id=number, login="", email="", name="")

    def _files(self, ticket: str, article: Article) -> Iterator[Attachment]:
        for file in article.attachments:
            kind = file["preferences"].get("Content-Type") or file["preferences"].get("Mime-Type") or ""
            yield Attachment(
                filename=file["filename"],
                content_type=str(kind),
                size=file["size"],
                url=self._rest.url("ticket_attachment", ticket, str(article.id), str(file["id"])),
            )

    def changed_since(self, since: datetime) -> Iterator[ChangedTicket]:
        """Tickets changed since a moment, oldest change first.

        A condition instead of a query: it is answered from Zammad's database, with or without Elasticsearch. Newest
        first, so that a ticket which changes while the pages are read moves to the front and leaves no gap.
        """
        found: dict[str, ChangedTicket] = {}
        for changed in self._newest_first(since):
            if changed.updated_at < since:
                break
            found.setdefault(changed.id, changed)
        yield from sorted(found.values(), key=lambda changed: changed.updated_at)

    def _newest_first(self, since: datetime) -> Iterator[ChangedTicket]:
        doing = "list changed tickets"
        for page in range(1, MOST_PAGES + 1):
            params = _changed(since - timedelta(seconds=1), page)
            rows = Reading(self._rest.system, doing).changed(
                self._rest.found(doing, "tickets", "search", params=params)
            )
            yield from rows
            if len(rows) < PER_PAGE:
                return


def _changed(after: datetime, page: int) -> dict[str, str]:
    return {
        "condition[ticket.updated_at][operator]": "after (absolute)",
        "condition[ticket.updated_at][value]": after.isoformat(),
        "sort_by": "updated_at",
        "order_by": "desc",
        "page": str(page),
        "per_page": str(PER_PAGE),
        "expand": "true",
    }


def _is_opened_by_agent(articles: tuple[Article, ...]) -> bool:
    """Whether an agent wrote the first article in Zammad itself: anybody can write an agent's address over a mail."""
    return bool(articles) and articles[0].is_of_agent and articles[0].type != "email"
