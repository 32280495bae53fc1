"""Note, tags and fields onto a ticket of Zendesk in one update, and one look afterwards.

Zendesk counts updates of a ticket (30 in 10 minutes by one user), makes a comment public unless told otherwise, and
drops a field that it does not know without a word.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from plugin.errors import NotFound, OutcomeUnknown, PermanentError, RemoteError, Throttled, partly_done
from plugin.manifest import manifest
from plugin.model import Note, Visibility
from plugin.ports import TicketChange
from webhooks import markers
from webhooks.zendesk.answers import Reading
from webhooks.zendesk.reading import Reader
from webhooks.zendesk.records import TicketRow
from webhooks.zendesk.rest import Rest
from webhooks.zendesk.ticket_fields import TicketFields, fault

PROMISED_TAGS = frozenset(manifest()["tags"])
ATTEMPTS = 4  # where others change the ticket at the same moment
NEEDS = "an agent's seat with access to all tickets, public and private comments"
JOINER = "\N{WORD JOINER}"
OPENS = re.compile(r"\{(?=[{%])")


class Writer:
    """Writes on tickets of one Zendesk."""

    def __init__(self, rest: Rest, reader: Reader, ticket_fields: TicketFields) -> None:
        self._rest = rest
        self._reader = reader
        self._fields = ticket_fields

    def write(self, ticket: str, change: TicketChange) -> tuple[str, ...]:
        """See `plugin.ports.TicketSystem`."""
        try:
            return tuple(self._update(ticket, change))
        except PermanentError as error:
            if error.status != 422 or error.is_partly_done:
                raise
            refused = error
        # Zendesk takes all of an update or nothing: a value that it refuses must not keep the note off the ticket.
        parts = _parts(change)
        if len(parts) > 1:
            return tuple(self._apart(ticket, parts))
        if change.note is not None:
            raise refused
        return (str(refused),)

    def _apart(self, ticket: str, parts: Sequence[TicketChange]) -> Iterator[str]:
        is_noted = False
        for part in parts:
            try:
                yield from self._update(ticket, part)
                is_noted = is_noted or part.note is not None
            except RemoteError as error:
                error.is_partly_done = error.is_partly_done or is_noted
                if part.note is not None or isinstance(error, NotFound) or not isinstance(error, PermanentError):
                    raise
                yield str(error)

    def _update(self, ticket: str, change: TicketChange) -> list[str]:
        """One update, again where others were quicker; what Zendesk did not take, in words."""
        doing = f"add a note to ticket {ticket}" if change.note else f"change tags and fields of ticket {ticket}"
        for _ in range(ATTEMPTS):
            row = self._reader.row(ticket)
            values, refusals = self._values(row, change.fields)
            sent = _sent(row, change, values)
            if not sent:
                return refusals
            if change.note is not None and change.note.visibility is Visibility.PUBLIC:
                self._check_readers(row)
            try:
                reply = self._rest.send(doing, "PUT", "tickets", row.id, body={"ticket": sent}, needs=NEEDS)
            except PermanentError as error:
                if error.status != 409:
                    raise
                continue
            with partly_done():
                kept = reply.json()
                if change.note is not None:
                    self._look_at(doing, row.id, change.note, Reading(self._rest.system, doing).audit(kept))
                taken = Reading(self._rest.system, doing).ticket(kept)
                return [*refusals, *self._untaken(taken, change.tags, values)]
        raise Throttled(
            self._rest.system, doing, "others keep changing it at the same moment: nothing done", status=409
        )

    # ── the note ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_readers(self, row: TicketRow) -> None:
        """Zendesk mails a public comment to all who are copied, so it goes out only where nobody is."""
        doing = f"answer the requester of ticket {row.id}"
        requester = self._reader.user(row.requester_id)
        if not requester.email:
            raise PermanentError(self._rest.system, doing, "not sent: the ticket's requester has no mail address")
        others = sorted({*row.cc_ids, *row.follower_ids} - {row.requester_id})
        people = self._reader.users(others) if others else {}
        # Followers who work here are no outsiders: they read the ticket as it is.
        copied = [n for n in others if n in row.cc_ids or n not in people or not people[n].is_staff]
        if copied:
            named = [people[n].email or people[n].name if n in people else f"user {n}" for n in copied]
            told = ", ".join(named)
            why = f"not sent: Zendesk would mail it to {told} too; take them off the ticket, or answer by hand"
            raise PermanentError(self._rest.system, doing, why)
        if row.organization_id is not None and self._reader.is_shared_within(row.organization_id):
            why = "not sent: everybody in the requester's organization can read its tickets; answer by hand"
            raise PermanentError(self._rest.system, doing, why)

    def _look_at(self, doing: str, ticket: str, note: Note, audit: int) -> None:
        """Read the note back: who can see it."""
        found = [comment for comment in self._reader.newest_comments(ticket) if comment.audit_id == audit]
        if not found:
            raise OutcomeUnknown(self._rest.system, doing, "taken, but it is not among the ticket's comments")
        if note.visibility is Visibility.INTERNAL and found[0].is_public:
            raise PermanentError(self._rest.system, doing, self._hidden(ticket, str(found[0].id)))
        if note.visibility is Visibility.PUBLIC and not found[0].is_public:
            why = (
                f"the reply on ticket {ticket} was kept as an internal note: it was not sent, answer by hand, and "
                "allow our user public comments (Admin Center > People)"
            )
            raise PermanentError(self._rest.system, doing, why)

    def _hidden(self, ticket: str, comment: str) -> str:
        """An internal note came out public: hide it at once, and say so."""
        doing = f"hide comment {comment} of ticket {ticket}"
        try:
            self._rest.send(doing, "PUT", "tickets", ticket, "comments", comment, "make_private", body={})
        except RemoteError:
            done = "it could not be hidden, hide it by hand"
        else:
            done = "it is hidden now"
        return (
            f"AN INTERNAL NOTE ON TICKET {ticket} WAS PUBLIC: the requester may have read it and been mailed; {done}. "
            "Something in Zendesk, an app or another integration, turns private comments public: stop the plugin until "
            "that is mended."
        )

    # ── tags and fields ──────────────────────────────────────────────────────────────────────────────────────────

    def _values(self, row: TicketRow, wanted: Mapping[str, str | None]) -> tuple[dict[int, str | None], list[str]]:
        """What the ticket fields are to hold, where they hold something else, and which cannot be written."""
        there = self._fields.found() if wanted else {}
        values: dict[int, str | None] = {}
        refusals = []
        for name, value in wanted.items():
            if why := fault(name, there.get(name)):
                refusals.append(f"{self._rest.system}: {why}")
            elif (row.values.get(there[name].id) or None) != (value or None):
                values[there[name].id] = value or None
        return values, refusals

    def _untaken(self, row: TicketRow, tags: frozenset[str] | None, values: Mapping[int, str | None]) -> Iterator[str]:
        for number, value in values.items():
            if (row.values.get(number) or None) != value:
                yield f"{self._rest.system}: ticket field {number} of ticket {row.id} did not take its new value"
        if tags is not None and (held := row.tags & PROMISED_TAGS) != tags:
            yield f"{self._rest.system}: ticket {row.id} has the tags {sorted(held)} where {sorted(tags)} were to be"


def inert(html: str) -> str:
    """A text in which Zendesk finds no placeholder, whatever strangers have written into what it tells of."""
    return OPENS.sub("{" + JOINER, html)


def _sent(row: TicketRow, change: TicketChange, values: Mapping[int, str | None]) -> dict[str, Any]:
    """The update; empty where everything is as it should be."""
    sent: dict[str, Any] = {}
    if change.note is not None:
        html = markers.marked_html(inert(change.note.body_html), change.note.key)
        sent["comment"] = {"html_body": html, "public": change.note.visibility is Visibility.PUBLIC}
    if values:
        sent["custom_fields"] = [{"id": number, "value": value} for number, value in values.items()]
    if change.tags is not None and row.tags & PROMISED_TAGS != change.tags:
        sent["tags"] = sorted(row.tags - PROMISED_TAGS | change.tags)
        # Tags are written as a whole: refused with 409 where somebody has changed the ticket since it was read.
        sent |= {"safe_update": True, "updated_stamp": row.updated_at}
    return sent


def _parts(change: TicketChange) -> list[TicketChange]:
    """Each thing of a change alone, the note first."""
    parts = [TicketChange(note=change.note)] if change.note is not None else []
    if change.tags is not None:
        parts.append(TicketChange(tags=change.tags))
    parts += [replace(TicketChange(), fields={name: value}) for name, value in change.fields.items()]
    return parts
