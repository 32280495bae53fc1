"""A ticket out of RT in four requests: the ticket, its history, how its messages are made up, what is in them.

Besides, RT tells only one user at a time who is staff, so each new face costs one more request, an hour long.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from time import monotonic

from plugin.errors import NotFound
from plugin.manifest import manifest
from plugin.model import Message, Person, Ticket, Visibility
from webhooks.request_tracker import answers, queries
from webhooks.request_tracker.answers import Entry, Somebody, TicketRow
from webhooks.request_tracker.parts import Body, Part, by_message, loose
from webhooks.request_tracker.rest import Rest, TooLarge

MOST_MESSAGES = 30  # the first, and the newest; triage reads no more
LARGEST_PART = 1024 * 1024  # bytes of a text that are asked for with the ticket
MOST_BYTES = 4 * LARGEST_PART  # of all together
REMEMBERED = 3600.0  # seconds
MOST_REMEMBERED = 10_000
RTS_OWN = ("RT_System", "Nobody")  # RT's own users, which it does not call privileged
PROMISED_FIELDS = tuple(manifest()["fields"])


class Staff:
    """Who of RT's users is staff, which RT calls privileged."""

    def __init__(self, rest: Rest, *, own_user: str, clock: Callable[[], float] = monotonic) -> None:
        self._rest = rest
        self._own_user = own_user.lower()
        self._clock = clock
        self._known: dict[str, tuple[bool, float]] = {}

    def has(self, somebody: Somebody) -> bool:
        """Whether a user is staff; asks RT for those it has not asked for lately."""
        if somebody.type != "user":
            return False
        if somebody.name.lower() == self._own_user or somebody.name in RTS_OWN:
            return True
        known, at = self._known.get(somebody.id, (False, -REMEMBERED))
        return known if self._clock() - at < REMEMBERED else self._asked(somebody)

    def _asked(self, somebody: Somebody) -> bool:
        url = self._rest.url("user", somebody.id)
        needs = "to be privileged (“Let this user be granted rights”)"
        try:
            is_privileged = answers.is_privileged(self._rest.get(f"look up user {somebody.id}", url, needs=needs))
        except NotFound:  # deleted from RT since; what is not found would be the ticket else
            is_privileged = False
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[somebody.id] = is_privileged, self._clock()
        return is_privileged


class Reader:
    """Reads tickets of one RT."""

    def __init__(self, rest: Rest, *, url: str, own_user: str) -> None:
        self._rest = rest
        self._url = url
        self._staff = Staff(rest, own_user=own_user)

    def ticket(self, ticket: str) -> Ticket:
        """The ticket with its messages; the surviving one, where it was merged into another."""
        row = self.row(ticket)
        requester = requester_of(row)
        entries = self._entries(row.id)
        bodies = self._bodies(row.id, [entry.id for entry in entries])
        # Anybody can write an agent's address over a mail: it does not make the ticket one that an agent has opened.
        is_by_mail = bool(entries) and bodies.get(entries[0].id, Body(by_mail=True)).by_mail
        is_agent = requester is not None and not is_by_mail and self._staff.has(requester)
        return Ticket(
            source=self._rest.system,
            id=row.id,
            subject=row.subject,
            requester=requester.as_person(is_agent=is_agent) if requester else Person(),
            messages=tuple(self._message(entry, bodies.get(entry.id, Body())) for entry in entries),
            tags=frozenset(row.fields.get(queries.TAGS, ())),
            fields={name: _first(row.fields[name]) for name in PROMISED_FIELDS if name in row.fields},
            status=row.status,
            queue=row.queue,
            url=f"{self._url}/Ticket/Display.html?id={row.id}",
        )

    def row(self, ticket: str) -> TicketRow:
        """The ticket without its messages. Raises `NotFound`, also for a deleted one, and `Denied`."""
        doing = f"read ticket {ticket[:20]}"
        if not (ticket.isascii() and ticket.isdigit() and len(ticket) < 19):
            raise NotFound(self._rest.system, doing, "RT's tickets have numbers")
        row = self._found(doing, int(ticket))
        return row if row.merged_into == row.id else self._found(doing, int(row.merged_into))

    def _found(self, doing: str, number: int) -> TicketRow:
        rows = answers.tickets(self._rest.get(doing, self._rest.url("tickets"), queries.ticket(number)))
        if not rows:
            raise self._absent(doing, number)
        return rows[0]

    def _absent(self, doing: str, number: int) -> NotFound:
        """What a search cannot tell: whether a ticket is not there, deleted, or not for our eyes."""
        reply = self._rest.get(doing, self._rest.url("ticket", str(number)), needs="the right ShowTicket")
        if answers.status(reply) == "deleted":
            return NotFound(self._rest.system, doing, "it is deleted")
        return NotFound(self._rest.system, doing, "it is no ordinary ticket, so RT's search leaves it out")

    def _entries(self, ticket: str) -> list[Entry]:
        """The first of the newest hundred messages and the newest, oldest first."""
        url = self._rest.url("ticket", ticket, "history")
        newest = answers.entries(self._rest.get(f"read the history of ticket {ticket}", url, queries.history()))
        kept = newest[: MOST_MESSAGES - 1] + newest[MOST_MESSAGES - 1 :][-1:]
        return sorted(kept, key=lambda entry: int(entry.id))

    def _bodies(self, ticket: str, transactions: Sequence[str]) -> dict[str, Body]:
        if not transactions:
            return {}
        doing, url = f"read the messages of ticket {ticket}", self._rest.url("ticket", ticket, "attachments")
        listed = answers.parts(self._rest.get(doing, url, queries.parts(transactions)))
        asked = queries.contents(transactions, without=too_large(listed))
        try:
            read = answers.parts(self._rest.get(doing, url, asked))
        except TooLarge:  # sizes are told by the mail's author; each part can still be fetched alone
            return by_message(loose(listed), self._address_of)
        return by_message(_together(listed, read), self._address_of)

    def _address_of(self, part: str) -> str:
        return self._rest.url("attachment", part)

    def _message(self, entry: Entry, body: Body) -> Message:
        is_internal = entry.type == "Comment"
        author = (
            entry.creator.as_person(is_agent=is_internal or self._staff.has(entry.creator)) if entry.creator else None
        )
        return Message(
            id=entry.id,
            author=author or Person(),
            text=body.text,
            content_type=body.content_type,
            visibility=Visibility.INTERNAL if is_internal else Visibility.PUBLIC,
            created_at=entry.created,
            attachments=body.attachments,
        )


def requester_of(row: TicketRow) -> Somebody | None:
    """Whom an answer is for: the first requestor with an address."""
    users = [somebody for somebody in row.requestors if somebody.type == "user"]
    return next((user for user in users if user.email), users[0] if users else None)


def too_large(parts: Iterable[Part]) -> list[str]:
    """The parts that are not asked for with the ticket: large ones, and what is beyond the bound, oldest first."""
    without, left = [], MOST_BYTES
    for part in sorted(parts, key=lambda part: int(part.id), reverse=True):
        size = part.size or 0
        if size > min(left, LARGEST_PART):
            without.append(part.id)
        else:
            left -= size
    return without


def _together(listed: Iterable[Part], read: Iterable[Part]) -> Iterator[Part]:
    """What is known of each part: its place from the list, the rest from where it was read."""
    places = {part.id: part for part in listed}
    for part in read:
        place = places.pop(part.id, part)
        yield replace(part, parent=place.parent, size=place.size)
    yield from places.values()


def _first(values: Sequence[str]) -> str | None:
    return values[0] if values else None
