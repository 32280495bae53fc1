"""What REST 2.0 answers, as values of ours. Pure."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import Schema

from plugin.errors import PermanentError
from plugin.http import Reply
from plugin.model import Person
from plugin.ports import ChangedTicket
from webhooks.answers import load
from webhooks.request_tracker import records
from webhooks.request_tracker.parts import Part


@dataclass(frozen=True, kw_only=True, slots=True)
class Somebody:
    """A user or a group in RT."""

    id: str
    type: str
    name: str
    real_name: str
    email: str

    @property
    def called(self) -> str:
        """For people to read."""
        return self.email or self.name or f"{self.type} {self.id}"

    def as_person(self, *, is_agent: bool) -> Person:
        """As the program knows people."""
        return Person(email=self.email, name=self.real_name or self.name, is_agent=is_agent)


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketRow:
    """A ticket without its messages."""

    id: str
    merged_into: str  # its own id where it was not
    subject: str
    status: str
    queue: str
    requestors: tuple[Somebody, ...]
    copied: tuple[Somebody, ...]  # Cc of the ticket and of its queue
    fields: Mapping[str, tuple[str, ...]]  # without empty values


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A transaction: something that was said on a ticket."""

    id: str
    type: str
    created: datetime | None
    creator: Somebody | None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptNote:
    """A note as RT kept it."""

    type: str
    fields: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedPage:
    """A page of the catch-up scan, and of how many tickets in all, where RT tells that."""

    tickets: tuple[ChangedTicket, ...]
    total: int | None


def tickets(reply: Reply) -> list[TicketRow]:
    """Of `queries.ticket`."""
    return [_ticket(row) for row in _rows(records.Ticket(many=True), reply)]


def entries(reply: Reply) -> list[Entry]:
    """Of `queries.history`."""
    rows = _rows(records.Transaction(many=True), reply)
    return [Entry(**row | {"creator": Somebody(**row["creator"]) if row["creator"] else None}) for row in rows]


def parts(reply: Reply) -> list[Part]:
    """Of `queries.parts` and `queries.contents`."""
    return [Part(**row | {"kind": row["kind"].lower()}) for row in _rows(records.Part(many=True), reply)]


def notes(reply: Reply) -> list[KeptNote]:
    """Of `queries.notes`."""
    return [_note(row) for row in _rows(records.Note(many=True), reply)]


def note(reply: Reply) -> KeptNote:
    """A single transaction."""
    return _note(_load(records.Note(), reply, reply.json()))


def changed(reply: Reply) -> ChangedPage:
    """A page of `queries.changed`."""
    page = _load(records.Page(), reply, reply.json())
    rows = _load(records.Changed(many=True), reply, page["items"])
    return ChangedPage(tickets=tuple(ChangedTicket(**row) for row in rows), total=page["total"])


def is_privileged(reply: Reply) -> bool:
    """Whether a single user is staff."""
    return bool(_load(records.User(), reply, reply.json())["privileged"])


def status(reply: Reply) -> str:
    """Of a single ticket."""
    return str(_load(records.Status(), reply, reply.json())["status"])


def content(reply: Reply) -> bytes:
    """Of a single attachment, which RT gives in Base64."""
    encoded = _load(records.File(), reply, reply.json())["content"]
    try:
        return b64decode(encoded)
    except ValueError as error:
        raise PermanentError(reply.system, reply.doing, "its content is not Base64", status=reply.status) from error


def _rows(schema: Schema, reply: Reply) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _load(schema, reply, _load(records.Page(), reply, reply.json())["items"])
    return rows


def _load(schema: Schema, reply: Reply, data: Any) -> Any:
    return load(schema, reply, data, described="REST 2.0 has it")


def _values(rows: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Custom fields by name. Where two have one name, the values of both."""
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        given = tuple(str(value) for value in row["values"] if value not in (None, ""))
        found[row["name"]] = found.get(row["name"], ()) + given
    return found


def _ticket(row: dict[str, Any]) -> TicketRow:
    queue = row.pop("queue")
    copied = [*row.pop("cc"), *queue.get("cc", ())]
    return TicketRow(
        queue=queue.get("name", ""),
        requestors=tuple(Somebody(**somebody) for somebody in row.pop("requestors")),
        copied=tuple(Somebody(**somebody) for somebody in copied),
        fields=_values(row.pop("fields_")),
        **row,
    )


def _note(row: dict[str, Any]) -> KeptNote:
    return KeptNote(type=row["type"], fields=_values(row["fields_"]))
