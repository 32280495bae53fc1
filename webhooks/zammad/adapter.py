"""Zammad 6 and 7: its signed webhooks in, its REST API out. It has no panel: notes link to the desk's own pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from plugin.errors import NotAllowed
from plugin.http import Traffic
from plugin.model import Attachment, Delivery, Launch, Parsed, Ticket
from plugin.ports import Abilities, ChangedTicket, Check, TicketChange, TicketSystem
from webhooks.signatures import signing_keys, verify
from webhooks.zammad import checking, deliveries
from webhooks.zammad.checking import Expected
from webhooks.zammad.checklist import Mirror
from webhooks.zammad.reading import Reader
from webhooks.zammad.rest import Rest
from webhooks.zammad.writing import Writer


def connect(
    name: str, settings: Mapping[str, Any], abilities: Abilities, traffic: Traffic | None = None
) -> TicketSystem:
    """The source `name` from its settings, described under ``zammad`` in plugin.json; nothing is sent yet."""
    rest = Rest(name, settings["url"], settings["token"], ca_file=settings.get("ca_file"), traffic=traffic)
    # Zammad shows a ticket's attributes to its customer, by the API at least: whoever holds the mailbox may be reading.
    is_private = not settings.get("customers_can_sign_in", True)
    has_checklist = settings.get("checklist", True)
    return Zammad(
        name,
        replace(
            abilities, fields=abilities.fields and is_private, checklist=abilities.checklist and bool(has_checklist)
        ),
        rest=rest,
        signing_keys=signing_keys(deliveries.SIGNED, settings["webhook_secrets"], f"[sources.{name}] webhook_secrets"),
        expected=Expected(
            source=name,
            url=settings["url"],
            own_user=settings["own_user"].strip().lower(),
            groups=tuple(settings.get("groups", ())),
            has_fields=is_private,
        ),
        template=settings.get("checklist_template"),
    )


class Zammad:
    """One configured Zammad."""

    def __init__(
        self,
        name: str,
        abilities: Abilities,
        *,
        rest: Rest,
        signing_keys: Sequence[bytes],
        expected: Expected,
        template: int | None,
    ) -> None:
        self.name = name
        self.abilities = abilities
        self._rest = rest
        self._signing_keys = signing_keys
        self._expected = expected
        self._reader = Reader(rest, url=expected.url)
        self._writer = Writer(rest, self._reader, Mirror(rest, self._reader, template=template))

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """See `plugin.ports.TicketSystem`, as for every method here."""
        verify(deliveries.SIGNED, self._signing_keys, delivery.headers, delivery.body, now)

    def parse(self, delivery: Delivery) -> Parsed:
        groups = frozenset(self._expected.groups)
        return deliveries.parse(delivery, own_user=self._expected.own_user, groups=groups)

    def read_ticket(self, ticket: str) -> Ticket:
        return self._reader.ticket(ticket)

    def fetch(self, attachment: Attachment) -> bytes:
        return self._rest.fetch(attachment)

    def has_note(self, ticket: str, key: str) -> bool:
        return self._reader.has_note(ticket, key)

    def write(self, ticket: str, change: TicketChange) -> tuple[str, ...]:
        return self._writer.write(ticket, change)

    def changed_since(self, since: datetime) -> Iterator[ChangedTicket]:
        return self._reader.changed_since(since)

    def open_panel(self, token: str, ticket: str, now: datetime) -> Launch:  # noqa: ARG002 - it opens for nobody
        raise NotAllowed("Zammad shows no panel. Open the case by the link in the note on the ticket.")

    def check(self) -> Iterator[Check]:
        return checking.checks(self._rest, self._reader, self._expected)
