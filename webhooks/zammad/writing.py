"""Note, tags, fields and checklist onto a ticket of Zammad, each looked at afterwards.

Zammad answers 200 to an attribute that it does not have and drops it, and writes as a customer, for everybody to read,
what a user without the permission of an agent sends as internal.
"""

from collections.abc import Callable, Iterator, Mapping

from plugin.errors import NotFound, PermanentError, RemoteError, partly_done
from plugin.manifest import manifest
from plugin.model import Note, Visibility
from plugin.ports import TicketChange
from webhooks import markers
from webhooks.zammad.answers import Article, Reading
from webhooks.zammad.attributes import attribute_of, shown_fields
from webhooks.zammad.checklist import Mirror
from webhooks.zammad.reading import Reader
from webhooks.zammad.rest import Rest

PROMISED_TAGS = frozenset(manifest()["tags"])


class Writer:
    """Writes on tickets of one Zammad."""

    def __init__(self, rest: Rest, reader: Reader, mirror: Mirror) -> None:
        self._rest = rest
        self._reader = reader
        self._mirror = mirror

    def write(self, ticket: str, change: TicketChange) -> tuple[str, ...]:
        """See `plugin.ports.TicketSystem`."""
        if change.note is None:
            return tuple(self._show(ticket, change))
        self._post(ticket, change.note)
        with partly_done():
            return tuple(self._show(ticket, change))

    # ── the note ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _post(self, ticket: str, note: Note) -> None:
        doing = f"add a note to ticket {ticket}"
        body = {
            "ticket_id": int(ticket),
            "subject": " ".join(note.subject.split()),
            "body": markers.marked_html(note.body_html, note.key),
            "content_type": "text/html",
            "internal": note.visibility is Visibility.INTERNAL,
        } | self._way(ticket, note.visibility)
        posted = self._rest.send(doing, "POST", "ticket_articles", body=body, needs="ticket.agent").json()
        with partly_done():
            self._look_at(doing, ticket, note, Reading(self._rest.system, doing).article(posted))

    def _way(self, ticket: str, visibility: Visibility) -> dict[str, str]:
        """A note stays in Zammad; what is for the requester goes out by mail, to nobody else."""
        if visibility is Visibility.INTERNAL:
            return {"type": "note"}
        requester = self._reader.requester_of(ticket)
        if not requester.email:
            doing = f"answer the requester of ticket {ticket}"
            raise PermanentError(self._rest.system, doing, "not sent: the ticket's customer has no mail address")
        return {"type": "email", "to": requester.email, "cc": ""}

    def _look_at(self, doing: str, ticket: str, note: Note, posted: Article) -> None:
        """Read the note back: who can see it, and by which way it went."""
        number = str(posted.id)
        kept = Reading(self._rest.system, doing).article(
            self._rest.get(doing, "ticket_articles", number, expand="true")
        )
        if note.visibility is Visibility.INTERNAL and not kept.internal:
            raise PermanentError(self._rest.system, doing, self._hidden(ticket, number))
        if note.visibility is Visibility.PUBLIC and (kept.internal or kept.type != "email"):
            told = f"the reply on ticket {ticket} is kept as {kept.type or 'a note'}: it was not sent, answer by hand"
            raise PermanentError(self._rest.system, doing, told)

    def _hidden(self, ticket: str, article: str) -> str:
        """An internal note came out public: hide it at once, and say so."""
        doing = f"hide article {article} of ticket {ticket}"
        try:
            self._rest.send(doing, "PUT", "ticket_articles", article, body={"internal": True})
        except RemoteError:
            done = "it could not be hidden, hide it by hand"
        else:
            done = "it is hidden now"
        return (
            f"AN INTERNAL NOTE ON TICKET {ticket} WAS PUBLIC: the requester may have read it; {done}. Give our user in "
            "Zammad the role Agent with full access to the group: what others write is public there."
        )

    # ── what is shown besides ────────────────────────────────────────────────────────────────────────────────────

    def _show(self, ticket: str, change: TicketChange) -> Iterator[str]:
        """What Zammad would not take."""
        if change.fields:  # first, since only this tells that a ticket is gone
            yield from self._put_fields(ticket, change.fields)
        if change.tags is not None:
            wanted = change.tags
            yield from _untaken(lambda: self._put_tags(ticket, wanted))
        if change.checklist is not None:
            yield from self._mirror.show(ticket, change.checklist)

    def _put_fields(self, ticket: str, fields: Mapping[str, str | None]) -> Iterator[str]:
        doing = f"change attributes of ticket {ticket}"
        body = {attribute_of(name): value or "" for name, value in fields.items()}
        try:
            put = self._rest.send(doing, "PUT", "tickets", ticket, body=body, needs="ticket.agent").json()
        except NotFound:
            raise
        except PermanentError as error:
            yield str(error)
            return
        shown = shown_fields(put if isinstance(put, dict) else {})
        for name, value in fields.items():
            if name not in shown:
                yield (
                    f"{self._rest.system}: Zammad's tickets have no attribute {attribute_of(name)}: run "
                    "m365-unblock install zammad"
                )
            elif shown[name] != (value or None):
                yield f"{self._rest.system}: {attribute_of(name)} of ticket {ticket} did not take its new value"

    def _put_tags(self, ticket: str, wanted: frozenset[str]) -> str:
        """One by one, so that nobody else's are touched; why they are not as wanted, or nothing."""
        held = self._reader.tags(ticket) & PROMISED_TAGS
        if held == wanted:
            return ""
        for tag in sorted(held - wanted):
            self._tag(ticket, tag, "DELETE", "remove")
        for tag in sorted(wanted - held):
            self._tag(ticket, tag, "POST", "add")
        held = self._reader.tags(ticket) & PROMISED_TAGS
        if held == wanted:
            return ""
        return f"{self._rest.system}: ticket {ticket} has the tags {sorted(held)} where {sorted(wanted)} were to be"

    def _tag(self, ticket: str, tag: str, method: str, doing: str) -> None:
        body = {"item": tag, "object": "Ticket", "o_id": int(ticket)}
        self._rest.send(f"{doing} tag {tag}, ticket {ticket}", method, "tags", doing, body=body, needs="ticket.agent")


def _untaken(put: Callable[[], str]) -> Iterator[str]:
    try:
        refusal = put()
    except NotFound:
        raise
    except PermanentError as error:
        refusal = str(error)
    if refusal:
        yield refusal
