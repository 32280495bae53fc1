"""Note, tags and fields onto a ticket in one request, and two more to see what RT made of them.

RT answers 200 and 201 to nonsense: a field that is not there, a value that it does not take, a key that goes nowhere.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plugin.errors import Denied, OutcomeUnknown, PermanentError, partly_done
from plugin.http import Reply
from plugin.model import Note, Visibility
from plugin.ports import TicketChange
from webhooks.request_tracker import answers, queries
from webhooks.request_tracker.answers import Somebody, TicketRow
from webhooks.request_tracker.reading import Reader, requester_of
from webhooks.request_tracker.rest import Rest

TRANSACTION = re.compile(r"/transaction/([0-9]+)/?$")
POSTED = {Visibility.INTERNAL: "comment", Visibility.PUBLIC: "correspond"}
KEPT = {Visibility.INTERNAL: "Comment", Visibility.PUBLIC: "Correspond"}
SHORT = 255  # bytes; RT keeps longer values elsewhere
RIGHT = {Visibility.INTERNAL: "CommentOnTicket", Visibility.PUBLIC: "ReplyToTicket"}


class Writer:
    """Writes on tickets of one RT."""

    def __init__(self, rest: Rest, reader: Reader) -> None:
        self._rest = rest
        self._reader = reader

    def write(self, ticket: str, change: TicketChange) -> tuple[str, ...]:
        """See `plugin.ports.TicketSystem`."""
        if change.note is None:
            self._put(ticket, _sent(change))
            return tuple(self._refused(ticket, change))
        refusals = [*self._post(ticket, change.note, _sent(change))]
        try:
            with partly_done():
                refusals += self._refused(ticket, change)
        except PermanentError as error:  # the note is there all the same
            refusals.append(str(error))
        return tuple(refusals)

    def _post(self, ticket: str, note: Note, values: Mapping[str, Any]) -> Iterator[str]:
        """Put the note there; what is wrong with it, where that is no reason to say that it is not there."""
        if note.visibility is Visibility.PUBLIC:
            self._check_readers(ticket)
        doing = f"add a note to ticket {ticket}"
        body = {
            "Subject": " ".join(note.subject.split()),
            "Content": note.body_html,
            "ContentType": "text/html",
            "CustomFields": values,
            "TxnCustomFields": {queries.NOTE_KEY: note.key},
        }
        posted = self._posted(doing, ticket, note.visibility, body)
        with partly_done():
            yield from self._wrong(doing, ticket, note, posted)

    def _wrong(self, doing: str, ticket: str, note: Note, posted: Reply) -> Iterator[str]:
        """What of a note that was posted is not as it should be."""
        url = self._rest.url("transaction", _made(posted))
        try:
            kept = answers.note(self._rest.get(doing, url, needs="the right ShowTicketComments"))
        except Denied as error:  # raised, it would be posted again
            yield f"{error}; the note is there, but nobody looked whether it is as it should be"
            return
        if kept.type != KEPT[note.visibility]:
            raise PermanentError(self._rest.system, doing, _wrong_visibility(ticket, note.visibility))
        if note.key not in kept.fields.get(queries.NOTE_KEY, ()):
            yield _keyless(self._rest.system, ticket)

    def _posted(self, doing: str, ticket: str, visibility: Visibility, body: Mapping[str, Any]) -> Reply:
        url = self._rest.url("ticket", ticket, POSTED[visibility])
        try:
            return self._rest.send(doing, "POST", url, body)
        except PermanentError as error:
            if error.status != 400:
                raise
            # RT says 400 to a missing right and to a missing ticket alike.
            self._reader.row(ticket)
            message = f"{error.message}; grant the service user the right {RIGHT[visibility]}"
            raise Denied(self._rest.system, doing, message, status=error.status) from error

    def _check_readers(self, ticket: str) -> None:
        """REST 2.0 cannot keep RT from mailing a reply to all who are copied, so it goes out only where nobody is."""
        doing = f"answer the requester of ticket {ticket}"
        row = self._reader.row(ticket)
        requester = requester_of(row)
        if requester is None or not requester.email:
            raise PermanentError(self._rest.system, doing, "not sent: no requestor of the ticket has a mail address")
        others = sorted({somebody.called for somebody in _others(row, requester)})
        if others:
            raise PermanentError(
                self._rest.system,
                doing,
                f"not sent: RT would mail it to {', '.join(others)} too (further requestors, or Cc of the ticket or of "
                "its queue); take them off the ticket, or answer by hand",
            )

    def _put(self, ticket: str, values: Mapping[str, Any]) -> None:
        if values:
            url = self._rest.url("ticket", ticket)
            self._rest.send(
                f"change fields of ticket {ticket}",
                "PUT",
                url,
                {"CustomFields": values},
                needs="the rights ShowTicket and ModifyTicket",
            )

    def _refused(self, ticket: str, change: TicketChange) -> Iterator[str]:
        """What of tags and fields is not on the ticket now, in words."""
        wanted = _wanted(change)
        if not wanted:
            return
        row = self._reader.row(ticket)
        # Null on a field without a value would store an empty one, and say so in the ticket's history each time.
        stale = [name for name, value in change.fields.items() if not value and row.fields.get(name)]
        if stale:
            self._put(ticket, {name: _nothing(row.fields[name]) for name in stale})
            row = self._reader.row(ticket)
        for name, values in wanted.items():
            if name not in row.fields:
                yield _missing(self._rest.system, ticket, name, row.queue)
            elif {_plain(value) for value in row.fields[name]} != {_plain(value) for value in values}:
                yield _untaken(self._rest.system, ticket, name)


def _sent(change: TicketChange) -> dict[str, Any]:
    """What is sent at once: every value, and the whole set of tags. Fields are cleared where they are not empty."""
    values: dict[str, Any] = {name: value for name, value in change.fields.items() if value}
    return values if change.tags is None else values | {queries.TAGS: sorted(change.tags)}


def _wanted(change: TicketChange) -> dict[str, frozenset[str]]:
    """What is to be on the ticket in the end."""
    wanted = {name: frozenset({value} if value else ()) for name, value in change.fields.items()}
    return wanted if change.tags is None else wanted | {queries.TAGS: change.tags}


def _nothing(held: Sequence[str]) -> str | None:
    """What clears a single value. RT finds no long one again to delete it, but puts an empty one in its place."""
    return "" if any(len(value.encode()) > SHORT for value in held) else None


def _others(row: TicketRow, requester: Somebody) -> Iterator[Somebody]:
    """Who would get a reply, but for the requester. The members of a group are not told to us."""
    for somebody in (*row.requestors, *row.copied):
        is_read = bool(somebody.email) or somebody.type != "user"
        if is_read and somebody.email.lower() != requester.email.lower():
            yield somebody


def _made(posted: Reply) -> str:
    match = TRANSACTION.search(posted.headers.get("Location", ""))
    if match is None:
        raise OutcomeUnknown(
            posted.system, posted.doing, "answered without saying where the note is (Location)", status=posted.status
        )
    return match[1]


def _plain(value: str) -> str:
    """A value as far as it matters: browsers and databases have line ends of their own."""
    return value.replace("\r\n", "\n").strip()


def _wrong_visibility(ticket: str, wanted: Visibility) -> str:
    if wanted is Visibility.INTERNAL:
        return (
            f"AN INTERNAL NOTE ON TICKET {ticket} IS PUBLIC: the requester may have read it. Something in RT turns "
            "comments into replies; stop the plugin until that is mended."
        )
    return f"a note for the requester of ticket {ticket} was kept as a comment: it was not sent, answer by hand"


def _keyless(system: str, ticket: str) -> str:
    return (
        f"{system}: the note on ticket {ticket} did not keep its key, so it would be posted again after a lost answer: "
        f"the transaction field “{queries.NOTE_KEY}” is missing, or the service user lacks SeeCustomField or "
        "ModifyCustomField on it; run m365-unblock check"
    )


def _missing(system: str, ticket: str, name: str, queue: str) -> str:
    return (
        f"{system}: ticket {ticket} shows no field “{name}”: apply it to queue {queue or '(unknown)'} and grant the "
        "service user SeeCustomField on it"
    )


def _untaken(system: str, ticket: str, name: str) -> str:
    return (
        f"{system}: field “{name}” of ticket {ticket} did not take its new value: grant the service user "
        "ModifyCustomField on it, and see that the field takes any text"
    )
