"""Client of the Desk API (desk.openapi.yaml), for whatever serves it and sends Standard Webhooks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

from plugin import launch_token
from plugin.errors import NotFound, OutcomeUnknown, PermanentError, RemoteError, partly_done
from plugin.http import Remote, Traffic
from plugin.manifest import manifest
from plugin.model import Attachment, Delivery, Launch, Note, Parsed, Ticket, Visibility
from plugin.ports import Abilities, ChangedTicket, Check, TicketChange
from webhooks import desk_api_answers as answers
from webhooks import ticket_event
from webhooks.files import fetch
from webhooks.signatures import STANDARD_WEBHOOKS, signing_keys, verify

FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)  # nothing has changed since then, but asking shows that it may be asked
PROMISED_TAGS = frozenset(manifest()["tags"])


class DeskApi:
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
        panel_origins: Sequence[str],
    ) -> None:
        self.name = name
        self.abilities = abilities
        self._remote = remote
        self._signing_keys = signing_keys
        self._own_user = own_user.strip().lower()
        self._queues = frozenset(queues)
        self._launch_secrets = launch_secrets
        self._launch_public_keys = launch_public_keys
        self._panel_origins = panel_origins

    @classmethod
    def connect(
        cls, name: str, settings: Mapping[str, Any], abilities: Abilities, traffic: Traffic | None = None
    ) -> Self:
        """The source `name` from its settings (``generic`` in plugin.json); nothing is sent yet."""
        place = f"[sources.{name}]"
        launch_secrets = tuple(settings.get("launch_secrets", ()))
        launch_public_keys = tuple(settings.get("launch_public_keys", ()))
        launch_token.check_keys(launch_secrets, launch_public_keys, place, webhook_secrets=settings["webhook_secrets"])
        return cls(
            name,
            abilities,
            remote=Remote(
                name, settings["api_url"], settings["api_token"], ca_file=settings.get("ca_file"), traffic=traffic
            ),
            signing_keys=signing_keys(STANDARD_WEBHOOKS, settings["webhook_secrets"], f"{place} webhook_secrets"),
            own_user=settings.get("own_user", ""),
            queues=settings.get("queues", ()),
            launch_secrets=launch_secrets,
            launch_public_keys=launch_public_keys,
            panel_origins=settings.get("panel_origins", ()),
        )

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """See `plugin.ports.TicketSystem`, as for every method here."""
        verify(STANDARD_WEBHOOKS, self._signing_keys, delivery.headers, delivery.body, now)

    def parse(self, delivery: Delivery) -> Parsed:
        return ticket_event.parse(delivery, own_user=self._own_user, queues=self._queues)

    def ticket_in(self, body: bytes) -> Ticket | None:
        """See `plugin.ports.TellsWholeTickets`."""
        return ticket_event.ticket_in(self.name, body)

    def read_ticket(self, ticket: str) -> Ticket:
        reply = self._remote.call(f"read ticket {ticket}", "GET", self._remote.url("tickets", ticket))
        return answers.ticket(self.name, reply)

    def fetch(self, attachment: Attachment) -> bytes:
        if not self._remote.is_ours(attachment.url):
            doing = f"fetch attachment {attachment.filename[:100]!r}"
            raise PermanentError(self.name, doing, "not fetched: its address is not on the host in api_url")
        return fetch(self._remote, attachment)

    def has_note(self, ticket: str, key: str) -> bool:
        url = self._remote.url("tickets", ticket, "notes")
        found = answers.notes(self._remote.call(f"look for a note on ticket {ticket}", "GET", url, params={"key": key}))
        return any(note.key == key for note in found)

    def write(self, ticket: str, change: TicketChange) -> tuple[str, ...]:
        if change.note is None:
            return self._show(ticket, change)
        self._add_note(ticket, change.note)
        with partly_done():
            return self._show(ticket, change)

    def _show(self, ticket: str, change: TicketChange) -> tuple[str, ...]:
        refusals = (self._change_tags(ticket, change.tags), self._change_fields(ticket, change.fields))
        return tuple(refusal for refusal in refusals if refusal)

    def _add_note(self, ticket: str, note: Note) -> None:
        doing = f"add a note to ticket {ticket}"
        body = {
            "key": note.key,
            "visibility": note.visibility.value,
            "subject": note.subject,
            "body_html": note.body_html,
        }
        added = answers.note(self._remote.call(doing, "POST", self._remote.url("tickets", ticket, "notes"), json=body))
        if added.visibility is not note.visibility:
            with partly_done():
                raise PermanentError(self.name, doing, _wrong_visibility(ticket, note.visibility))

    def _change_tags(self, ticket: str, tags: frozenset[str] | None) -> str:
        if tags is None:
            return ""
        body = {"add": sorted(tags), "remove": sorted(PROMISED_TAGS - tags)}
        doing = f"change the tags of ticket {ticket}"
        return self._patch(doing, ticket, "tags", body, lambda shown: shown.tags & PROMISED_TAGS == tags)

    def _change_fields(self, ticket: str, fields: Mapping[str, str | None]) -> str:
        if not fields:
            return ""
        wanted = {name: value or None for name, value in fields.items()}
        return self._patch(
            f"change fields of ticket {ticket}",
            ticket,
            "fields",
            dict(fields),
            lambda shown: {name: shown.fields.get(name) or None for name in wanted} == wanted,
        )

    def _patch(
        self, doing: str, ticket: str, what: str, body: Mapping[str, Any], is_shown_by: Callable[[Ticket], bool]
    ) -> str:
        """Why the desk would not take it; empty where it did."""
        try:
            reply = self._remote.call(doing, "PATCH", self._remote.url("tickets", ticket, what), json=body)
        except NotFound:
            raise
        except PermanentError as error:
            return str(error)
        # The Desk API promises 204. With 200 may come an error, or the sign-in page of something in between.
        if reply.status != 204 and not self._shows(ticket, is_shown_by):
            message = f"answered {reply.status} where the Desk API says 204, and the ticket does not show it"
            raise OutcomeUnknown(self.name, doing, message, status=reply.status)
        return ""

    def _shows(self, ticket: str, is_shown_by: Callable[[Ticket], bool]) -> bool:
        try:
            return is_shown_by(self.read_ticket(ticket))
        except NotFound:
            raise
        except PermanentError:
            return False

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

    def check(self) -> Iterator[Check]:
        try:
            list(self.changed_since(FAR_AHEAD))
        except RemoteError as error:
            yield Check(what="the Desk API answers", ok=False, remedy=str(error))
        else:
            yield Check(what="the Desk API answers", ok=True)
        yield Check(
            what="launch tokens can be verified",
            ok=bool(self._launch_secrets or self._launch_public_keys),
            remedy=f"set launch_secrets or launch_public_keys in [sources.{self.name}], or the panel opens for nobody",
        )
        yield Check(
            what="the panel may be shown in a frame",
            ok=bool(self._panel_origins),
            remedy=f"put the desk's origin, such as https://desk.example.edu, into [sources.{self.name}] panel_origins",
        )


def _wrong_visibility(ticket: str, wanted: Visibility) -> str:
    if wanted is Visibility.INTERNAL:
        return (
            f"AN INTERNAL NOTE ON TICKET {ticket} IS PUBLIC: the requester may have read it. Hide it there by hand "
            "and have the ticket system's Desk API mended: it must keep visibility=internal."
        )
    return f"a note for the requester of ticket {ticket} came back as internal: it was not sent, answer by hand"
