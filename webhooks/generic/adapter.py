"""Any ticket system that sends Standard Webhooks and serves the Desk API (desk.openapi.yaml)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from plugin import launch_token
from plugin.errors import PermanentError, SettingsError
from plugin.http import Remote
from plugin.model import Attachment, Delivery, Launch, Note, Parsed, Ticket, Visibility
from plugin.ports import Abilities, ChangedTicket, TicketSystem
from webhooks.generic import answers, events
from webhooks.signatures import STANDARD_WEBHOOKS, signing_keys, verify

LARGEST_ATTACHMENT = 5 * 1024 * 1024


def connect(name: str, settings: Mapping[str, Any], abilities: Abilities) -> TicketSystem:
    """The source `name` from its settings, described under ``generic`` in plugin.json; nothing is sent yet."""
    place = f"[sources.{name}]"
    launch_secrets = tuple(settings.get("launch_secrets", ()))
    launch_public_keys = tuple(settings.get("launch_public_keys", ()))
    launch_token.check_keys(launch_secrets, launch_public_keys, place)
    if set(launch_secrets) & set(settings["webhook_secrets"]):
        raise SettingsError(f"{place} launch_secrets: give them secrets of their own, not those of the webhook")
    return Generic(
        name,
        abilities,
        remote=Remote(name, settings["api_url"], settings["api_token"], ca_file=settings.get("ca_file")),
        signing_keys=signing_keys(STANDARD_WEBHOOKS, settings["webhook_secrets"], f"{place} webhook_secrets"),
        own_user=settings.get("own_user", ""),
        queues=settings.get("queues", ()),
        launch_secrets=launch_secrets,
        launch_public_keys=launch_public_keys,
    )


class Generic:
    """One configured desk."""

    def __init__(
        self,
        name: str,
        abilities: Abilities,
        *,
        remote: Remote,
        signing_keys: Sequence[bytes],
        own_user: str,
        queues: Sequence[str],
        launch_secrets: Sequence[str],
        launch_public_keys: Sequence[str],
    ) -> None:
        self.name = name
        self.abilities = abilities
        self._remote = remote
        self._signing_keys = signing_keys
        self._own_user = own_user.strip().lower()
        self._queues = frozenset(queues)
        self._launch_secrets = launch_secrets
        self._launch_public_keys = launch_public_keys

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """See `plugin.ports.TicketSystem`, as for every method here."""
        verify(STANDARD_WEBHOOKS, self._signing_keys, delivery.headers, delivery.body, now)

    def parse(self, delivery: Delivery) -> Parsed:
        return events.parse(delivery, own_user=self._own_user, queues=self._queues)

    def read_ticket(self, ticket: str) -> Ticket:
        reply = self._remote.call(f"read ticket {ticket}", "GET", self._remote.url("tickets", ticket))
        return answers.ticket(self.name, reply)

    def fetch(self, attachment: Attachment) -> bytes:
        doing = f"fetch attachment {attachment.filename[:100]!r}"
        # The size that is told is not believed, but a large one saves the way.
        if (attachment.size or 0) > LARGEST_ATTACHMENT:
            raise self._too_large(doing)
        if not self._remote.is_ours(attachment.url):
            raise PermanentError(self.name, doing, "not fetched: its address is not on the host in api_url")
        content = self._remote.call(doing, "GET", attachment.url).body
        if len(content) > LARGEST_ATTACHMENT:
            raise self._too_large(doing)
        return content

    def has_note(self, ticket: str, key: str) -> bool:
        url = self._remote.url("tickets", ticket, "notes")
        found = answers.notes(self._remote.call(f"look for a note on ticket {ticket}", "GET", url, params={"key": key}))
        return any(note.key == key for note in found)

    def add_note(self, ticket: str, note: Note) -> None:
        doing = f"add a note to ticket {ticket}"
        body = {
            "key": note.key,
            "visibility": note.visibility.value,
            "subject": note.subject,
            "body_html": note.body_html,
        }
        added = answers.note(self._remote.call(doing, "POST", self._remote.url("tickets", ticket, "notes"), json=body))
        if added.visibility is not note.visibility:
            raise PermanentError(self.name, doing, _wrong_visibility(ticket, note.visibility))

    def change_tags(self, ticket: str, *, add: frozenset[str], remove: frozenset[str]) -> None:
        if add or remove:
            body = {"add": sorted(add), "remove": sorted(remove)}
            self._remote.call(
                f"change the tags of ticket {ticket}", "PATCH", self._remote.url("tickets", ticket, "tags"), json=body
            )

    def change_fields(self, ticket: str, fields: Mapping[str, str | None]) -> None:
        if fields:
            url = self._remote.url("tickets", ticket, "fields")
            self._remote.call(f"change fields of ticket {ticket}", "PATCH", url, json=dict(fields))

    def changed_since(self, since: datetime) -> Iterator[ChangedTicket]:
        doing, url = "list changed tickets", self._remote.url("tickets")
        params = {"updated_since": since.astimezone(UTC).isoformat()}
        seen: set[str] = set()
        while True:
            page = answers.page(self._remote.call(doing, "GET", url, params=params))
            yield from page.tickets
            if page.next_cursor is None:
                return
            if page.next_cursor in seen:
                raise PermanentError(self.name, doing, "its pages go round in a circle: next_cursor came twice")
            seen.add(page.next_cursor)
            params["cursor"] = page.next_cursor

    def open_panel(self, token: str, ticket: str, now: datetime) -> Launch:
        return launch_token.verify(
            token,
            source=self.name,
            ticket=ticket,
            secrets=self._launch_secrets,
            public_keys=self._launch_public_keys,
            now=now,
        )

    def _too_large(self, doing: str) -> PermanentError:
        return PermanentError(self.name, doing, f"larger than {LARGEST_ATTACHMENT} bytes")


def _wrong_visibility(ticket: str, wanted: Visibility) -> str:
    if wanted is Visibility.INTERNAL:
        return (
            f"AN INTERNAL NOTE ON TICKET {ticket} IS PUBLIC: the requester may have read it. Hide it there by hand "
            "and have the ticket system's Desk API mended: it must keep visibility=internal."
        )
    return f"a note for the requester of ticket {ticket} came back as internal: it was not sent, answer by hand"
