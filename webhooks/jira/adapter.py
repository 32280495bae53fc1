"""Jira Service Management Cloud: its signed webhooks in, its REST APIs out. No panel: notes link to our own pages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from plugin.errors import NotAllowed
from plugin.http import Traffic
from plugin.model import Attachment, Delivery, Launch, Parsed, Ticket
from plugin.ports import Abilities, ChangedTicket, Check, TicketChange, TicketSystem
from webhooks.jira import checking, deliveries
from webhooks.jira.checking import Expected
from webhooks.jira.fields import Catalogue
from webhooks.jira.reading import Reader
from webhooks.jira.rest import Rest
from webhooks.jira.writing import Writer
from webhooks.signatures import signing_keys, verify


def connect(
    name: str, settings: Mapping[str, Any], abilities: Abilities, traffic: Traffic | None = None
) -> TicketSystem:
    """The source `name` from its settings, described under ``jira`` in plugin.json; nothing is sent yet."""
    rest = Rest(
        name,
        settings["url"],
        settings["email"],
        settings["token"],
        ca_file=settings.get("ca_file"),
        traffic=traffic,
    )
    has_fields = bool(settings.get("fields", True))
    return Jira(
        replace(abilities, fields=abilities.fields and has_fields),
        rest=rest,
        signing_keys=signing_keys(deliveries.SIGNED, settings["webhook_secrets"], f"[sources.{name}] webhook_secrets"),
        expected=Expected(
            source=name,
            url=settings["url"],
            email=settings["email"],
            own_account=settings["own_account"],
            projects=tuple(settings["projects"]),
            has_fields=has_fields,
        ),
    )


class Jira:
    """One configured Jira site."""

    def __init__(self, abilities: Abilities, *, rest: Rest, signing_keys: Sequence[bytes], expected: Expected) -> None:
        self.name = expected.source
        self.abilities = abilities
        self._rest = rest
        self._signing_keys = signing_keys
        self._expected = expected
        self._catalogue = Catalogue(rest)
        self._reader = Reader(rest, self._catalogue, url=expected.url, projects=expected.projects)
        self._writer = Writer(rest, self._reader, self._catalogue)

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """See `plugin.ports.TicketSystem`, as for every method here."""
        verify(deliveries.SIGNED, self._signing_keys, delivery.headers, delivery.body, now)
        deliveries.check_time(delivery, now)

    def parse(self, delivery: Delivery) -> Parsed:
        projects = frozenset(self._expected.projects)
        return deliveries.parse(delivery, own_account=self._expected.own_account, projects=projects)

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
        raise NotAllowed("Jira shows no panel. Open the case by the link in the note on the ticket.")

    def check(self) -> Iterator[Check]:
        return checking.checks(self._rest, self._reader, self._catalogue, self._expected)
