"""What the Desk API answers, read leniently: unknown fields are ignored, a missing required one is named. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from operator import attrgetter
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from plugin.http import Reply
from plugin.model import Attachment, Message, Person, Ticket, Visibility
from plugin.ports import ChangedTicket
from webhooks.answers import load
from webhooks.ticket_event import LONGEST_ID


def _id(value: object) -> str:
    """1 and "1" are the same."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValidationError("Not an id.")
    text = str(value)
    if not 0 < len(text) <= LONGEST_ID or not text.isprintable():
        raise ValidationError(f"An id has 1 to {LONGEST_ID} printable characters.")
    return text


class Answer(Schema):
    """An object of the Desk API; null stands for a field left out."""

    class Meta:
        unknown = EXCLUDE


class PersonSchema(Answer):
    email = fields.String(allow_none=True)
    name = fields.String(allow_none=True)
    is_agent = fields.Boolean(allow_none=True)


class AttachmentSchema(Answer):
    filename = fields.String(required=True)
    content_type = fields.String(allow_none=True)
    size = fields.Integer(allow_none=True)
    url = fields.String(required=True)


class MessageSchema(Answer):
    id = fields.Function(deserialize=_id, required=True)
    author = fields.Nested(PersonSchema, required=True)
    text = fields.String(required=True)
    content_type = fields.String(allow_none=True)
    visibility = fields.Enum(Visibility, by_value=True, allow_none=True)
    created_at = fields.AwareDateTime(format="iso", default_timezone=UTC, allow_none=True)
    attachments = fields.List(fields.Nested(AttachmentSchema), allow_none=True)


class TicketSchema(Answer):
    id = fields.Function(deserialize=_id, required=True)
    subject = fields.String(required=True)
    requester = fields.Nested(PersonSchema, required=True)
    messages = fields.List(fields.Nested(MessageSchema), required=True)
    tags = fields.List(fields.String(), allow_none=True)
    fields_ = fields.Dict(
        keys=fields.String(), values=fields.String(allow_none=True), data_key="fields", allow_none=True
    )
    status = fields.String(allow_none=True)
    queue = fields.String(allow_none=True)
    url = fields.String(allow_none=True)


class NoteSchema(Answer):
    key = fields.String(required=True)
    visibility = fields.Enum(Visibility, by_value=True, required=True)


class ChangedSchema(Answer):
    id = fields.Function(deserialize=_id, required=True)
    updated_at = fields.AwareDateTime(format="iso", default_timezone=UTC, required=True)


class PageSchema(Answer):
    tickets = fields.List(fields.Nested(ChangedSchema), required=True)
    next_cursor = fields.String(allow_none=True)


_ticket, _note, _notes, _page = TicketSchema(), NoteSchema(), NoteSchema(many=True), PageSchema()


@dataclass(frozen=True, kw_only=True, slots=True)
class AddedNote:
    """A note as the desk has it."""

    key: str
    visibility: Visibility


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of the catch-up scan; no cursor on the last one."""

    tickets: tuple[ChangedTicket, ...]
    next_cursor: str | None


def ticket(source: str, reply: Reply) -> Ticket:
    """A ticket with its messages, oldest first."""
    data = _given(_load(_ticket, reply))
    messages = [_message(_given(message)) for message in data.pop("messages")]
    return Ticket(
        source=source,
        messages=tuple(_oldest_first(messages)),
        requester=_person(data.pop("requester")),
        tags=frozenset(data.pop("tags", ())),
        fields=data.pop("fields_", {}),
        **data,
    )


def note(reply: Reply) -> AddedNote:
    """The note that was added, or was there."""
    return AddedNote(**_load(_note, reply))


def notes(reply: Reply) -> list[AddedNote]:
    """The notes that were found."""
    return [AddedNote(**found) for found in _load(_notes, reply)]


def page(reply: Reply) -> Page:
    """One page of the catch-up scan."""
    data = _load(_page, reply)
    changed = tuple(ChangedTicket(**row) for row in data["tickets"])
    return Page(tickets=changed, next_cursor=data.get("next_cursor") or None)


def _load(schema: Schema, reply: Reply) -> Any:
    return load(schema, reply, reply.json(), described="the Desk API describes it")


def _given(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}


def _person(data: Mapping[str, Any]) -> Person:
    return Person(**_given(data))


def _message(data: dict[str, Any]) -> Message:
    attachments = tuple(Attachment(**_given(attachment)) for attachment in data.pop("attachments", ()))
    return Message(author=_person(data.pop("author")), attachments=attachments, **data)


def _oldest_first(messages: list[Message]) -> list[Message]:
    """As the desk promises them, but where all have a moment, by that; those of one moment stay as they came."""
    if any(message.created_at is None for message in messages):
        return messages
    return sorted(messages, key=attrgetter("created_at"))
