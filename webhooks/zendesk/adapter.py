"""Zendesk Support: its signed webhooks in, its REST API out, and the panel as an app in the sidebar of the ticket."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from plugin import launch_token
from plugin.errors import NotAllowed, NotFound, RemoteError, SettingsError
from plugin.http import Traffic
from plugin.model import Agent, Attachment, Delivery, Launch, Parsed, Ticket
from plugin.ports import Abilities, ChangedTicket, Check, Opening, TicketChange, TicketSystem
from webhooks.signatures import verify
from webhooks.zendesk import checking, deliveries, launch
from webhooks.zendesk.checking import Expected
from webhooks.zendesk.launch import Launcher
from webhooks.zendesk.reading import Reader
from webhooks.zendesk.rest import CONTENT_HOSTS, Rest
from webhooks.zendesk.ticket_fields import PROMISED, TicketFields
from webhooks.zendesk.writing import Writer

FRAMEWORK = "https://static.zdassets.com/zendesk_app_framework_sdk/2.0/zaf_sdk.min.js"
"""Zendesk's own script for apps, as its documents have apps load it."""


def connect(
    name: str, settings: Mapping[str, Any], abilities: Abilities, traffic: Traffic | None = None
) -> TicketSystem:
    """The source `name` from its settings, described under ``zendesk`` in plugin.json; nothing is sent yet."""
    place = f"[sources.{name}]"
    public_keys = tuple(settings.get("app_public_keys", ()))
    if strange := set(settings.get("field_numbers", {})) - set(PROMISED):
        raise SettingsError(f"{place} field_numbers: there is no {min(strange)!r}; there are {', '.join(PROMISED)}")
    launch_token.check_keys((), public_keys, f"{place} app_public_keys as")
    rest = Rest(
        name, settings["url"], settings["own_user"].strip(), settings["token"], ca_file=settings.get("ca_file"),
        content_hosts=settings.get("content_hosts", CONTENT_HOSTS), traffic=traffic,
    )  # fmt: skip
    return Zendesk(
        name,
        abilities,
        rest=rest,
        signing_keys=deliveries.keys(list(settings["webhook_secrets"]), f"{place} webhook_secrets"),
        expected=Expected(
            source=name,
            url=settings["url"],
            own_user=settings["own_user"].strip().lower(),
            panel_origins=tuple(settings.get("panel_origins", ())),
        ),
        groups=frozenset(settings.get("groups", ())),
        field_numbers=settings.get("field_numbers", {}),
        launcher=Launcher(
            url=settings["url"],
            public_keys=public_keys,
            installation=settings.get("app_installation"),
            agent_groups=frozenset(settings.get("agent_groups", ())),
            supervisor_groups=frozenset(settings.get("supervisor_groups", ())),
            viewer_roles=frozenset(settings.get("viewer_roles", ())),
        ),
    )


class Zendesk:
    """One configured Zendesk."""

    def __init__(
        self,
        name: str,
        abilities: Abilities,
        *,
        rest: Rest,
        signing_keys: Sequence[bytes],
        expected: Expected,
        groups: frozenset[int],
        field_numbers: Mapping[str, int],
        launcher: Launcher,
    ) -> None:
        self.name = name
        self.abilities = abilities
        self.opening = Opening(
            script=Path(__file__).with_name("opening.js").read_bytes(), scripts_of_the_system=(FRAMEWORK,)
        )
        self._rest = rest
        self._signing_keys = signing_keys
        self._expected = expected
        self._groups = groups
        self._launcher = launcher
        self._fields = TicketFields(rest, field_numbers)
        self._reader = Reader(rest, self._fields, url=expected.url)
        self._writer = Writer(rest, self._reader, self._fields)

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """See `plugin.ports.TicketSystem`, as for every method here."""
        verify(deliveries.SIGNED, self._signing_keys, delivery.headers, delivery.body, now)

    def parse(self, delivery: Delivery) -> Parsed:
        return deliveries.parse(delivery, groups=self._groups)

    def read_ticket(self, ticket: str) -> Ticket:
        return self._reader.ticket(ticket)

    def fetch(self, attachment: Attachment) -> bytes:
        return self._rest.fetch(attachment)

    def has_note(self, ticket: str, key: str) -> bool:
        return self._reader.has_note(ticket, key)

    def write(self, ticket: str, change: TicketChange) -> tuple[str, ...]:
        return self._writer.write(ticket, change)

    def changed_since(self, since: datetime) -> Iterator[ChangedTicket]:
        return self._reader.changed_since(since, self._groups)

    def open_panel(self, token: str, ticket: str, now: datetime) -> Launch:
        vouched = launch.read(token, self._launcher, now)
        try:
            row = self._reader.row(ticket)
            user = self._reader.user(vouched.user)
            groups = self._reader.groups_of(user) if user.is_staff else frozenset()
        except NotFound:
            raise NotAllowed("There is no such ticket in Zendesk: reload the ticket.") from None
        except RemoteError as error:
            raise NotAllowed(f"Zendesk could not be asked who you are: try again in a minute ({error}).") from error
        role = launch.role_of(user, groups, self._launcher)
        if not launch.may_see(user, groups, row):
            raise NotAllowed("Zendesk does not show you this ticket, so neither does the panel.")
        agent = Agent(
            login=user.email or str(user.id),
            name=user.name or user.email,
            email=user.email,
            role=role,
            source=self.name,
        )
        return Launch(agent=agent, ticket=ticket, jti=vouched.jti, expires_at=vouched.expires_at)

    def check(self) -> Iterator[Check]:
        return checking.checks(self._reader, self._fields, self._expected, self._launcher)
