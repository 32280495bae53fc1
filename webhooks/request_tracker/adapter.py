"""Request Tracker 5 with our extension in it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from plugin import launch_token
from plugin.errors import PermanentError, RemoteError
from plugin.http import Traffic
from plugin.model import Attachment, Delivery, Launch, Parsed, Ticket
from plugin.ports import Abilities, ChangedTicket, Check, TicketChange, TicketSystem
from webhooks import ticket_event
from webhooks.request_tracker import answers, checking, queries, set_up
from webhooks.request_tracker.reading import Reader
from webhooks.request_tracker.rest import Rest
from webhooks.request_tracker.set_up import Expected
from webhooks.request_tracker.writing import Writer
from webhooks.signatures import STANDARD_WEBHOOKS, signing_keys, verify

LARGEST_ATTACHMENT = 5 * 1024 * 1024
EMPTY_PAGES = 5  # so many in a row are the end, where RT does not tell how many tickets there are
OWN_USER = "m365-unblock"


def connect(
    name: str, settings: Mapping[str, Any], abilities: Abilities, traffic: Traffic | None = None
) -> TicketSystem:
    """The source `name` from its settings, described under ``request_tracker`` in plugin.json; nothing is sent yet."""
    place = f"[sources.{name}]"
    launch_secrets = tuple(settings.get("launch_secrets", ()))
    launch_token.check_keys(launch_secrets, (), place, webhook_secrets=settings["webhook_secrets"])
    return RequestTracker(
        name,
        abilities,
        rest=Rest(name, settings["url"], settings["token"], ca_file=settings.get("ca_file"), traffic=traffic),
        signing_keys=signing_keys(STANDARD_WEBHOOKS, settings["webhook_secrets"], f"{place} webhook_secrets"),
        expected=Expected(
            source=name,
            url=settings["url"],
            own_user=settings.get("own_user", OWN_USER),
            queues=tuple(settings.get("queues", ())),
            webhook_secrets=tuple(settings["webhook_secrets"]),
            launch_secrets=launch_secrets,
            panel_origins=tuple(settings.get("panel_origins", ())),
        ),
    )


class RequestTracker:
    """One configured RT."""

    def __init__(
        self,
        name: str,
        abilities: Abilities,
        *,
        rest: Rest,
        signing_keys: Sequence[bytes],
        expected: Expected,
    ) -> None:
        self.name = name
        self.abilities = abilities
        self._rest = rest
        self._signing_keys = signing_keys
        self._expected = expected
        self._reader = Reader(rest, url=expected.url, own_user=expected.own_user)
        self._writer = Writer(rest, self._reader)

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """See `plugin.ports.TicketSystem`, as for every method here."""
        verify(STANDARD_WEBHOOKS, self._signing_keys, delivery.headers, delivery.body, now)

    def parse(self, delivery: Delivery) -> Parsed:
        own_user, queues = self._expected.own_user.lower(), frozenset(self._expected.queues)
        return ticket_event.parse(delivery, own_user=own_user, queues=queues)

    def read_ticket(self, ticket: str) -> Ticket:
        return self._reader.ticket(ticket)

    def fetch(self, attachment: Attachment) -> bytes:
        doing = f"fetch attachment {attachment.filename[:100]!r}"
        # The size that is told is not believed, but a large one saves the way.
        if (attachment.size or 0) > LARGEST_ATTACHMENT:
            raise self._too_large(doing)
        if not attachment.url.startswith(self._rest.url("attachment") + "/"):
            raise PermanentError(self.name, doing, "not fetched: it is no attachment of this RT")
        content = answers.content(self._rest.get(doing, attachment.url, needs="the right ShowTicket"))
        if len(content) > LARGEST_ATTACHMENT:
            raise self._too_large(doing)
        return content

    def has_note(self, ticket: str, key: str) -> bool:
        # A key is one ticket's own, and after a merge the note is on another ticket than the one it was put on.
        doing = f"look for a note on ticket {ticket}"
        found = answers.notes(self._rest.get(doing, self._rest.url("transactions"), queries.notes(key)))
        if any(key in note.fields.get(queries.NOTE_KEY, ()) for note in found):
            return True
        self._check_key(doing)
        return False

    def _check_key(self, doing: str) -> None:
        """RT finds nothing, without a word, where the field is missing: that is no answer."""
        found = set_up.read(self._rest.get(doing, self._rest.url("m365-unblock")))
        if found["note_key"]["count"] != 1 or not any(queue["note_key"] for queue in found["queues"]):
            why = f"the transaction field “{queries.NOTE_KEY}” is missing, disabled or applied to no queue"
            raise PermanentError(self.name, doing, f"nobody can tell: {why}; run m365-unblock check")

    def write(self, ticket: str, change: TicketChange) -> tuple[str, ...]:
        return self._writer.write(ticket, change)

    def changed_since(self, since: datetime) -> Iterator[ChangedTicket]:
        found: dict[str, ChangedTicket] = {}
        for changed in self._newest_first(since):
            if changed.updated_at < since.replace(microsecond=0):  # RT keeps whole seconds
                break
            found.setdefault(changed.id, changed)
        yield from sorted(found.values(), key=lambda changed: changed.updated_at)

    def _newest_first(self, since: datetime) -> Iterator[ChangedTicket]:
        """Page by page. Where RT does not tell a total it hides tickets after the page was cut, so some come empty."""
        page = empty = 0
        while empty < EMPTY_PAGES:
            page += 1
            params = queries.changed(since, self._expected.queues, page)
            read = answers.changed(self._rest.get("list changed tickets", self._rest.url("tickets"), params))
            yield from read.tickets
            if read.total is not None and page * queries.PER_PAGE >= read.total:
                return
            empty = 0 if read.tickets else empty + 1

    def open_panel(self, token: str, ticket: str, now: datetime) -> Launch:
        return launch_token.verify(
            token,
            source=self.name,
            ticket=ticket,
            secrets=self._expected.launch_secrets,
            public_keys=(),
            now=now,
        )

    def check(self) -> Iterator[Check]:
        doing = "look at the set-up"
        try:
            found = set_up.read(self._rest.get(doing, self._rest.url("m365-unblock")))
        except RemoteError as error:
            yield from checking.failed(error, self._expected)
        else:
            yield from checking.checks(found, self._expected)

    def _too_large(self, doing: str) -> PermanentError:
        return PermanentError(self.name, doing, f"larger than {LARGEST_ATTACHMENT} bytes")
