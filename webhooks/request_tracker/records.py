"""The records of REST 2.0, read leniently: unknown fields are ignored, a missing required one is named. Pure.

RT says 1, "1" and {"id": "1"} for the same id, and "" for whatever it does not know or does not show.
"""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load


def _id(value: object) -> str:
    number = str(value.get("id")) if isinstance(value, Mapping) else str(value)
    if isinstance(value, bool) or not (number.isascii() and number.isdigit()):
        raise ValidationError("Not an id.")
    return number


class Answer(Schema):
    """A record of RT; null and "" stand for what it left out."""

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def _given(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None and value != ""}


class Person(Answer):
    id = fields.Function(deserialize=_id, required=True)
    type = fields.String(load_default="user")
    name = fields.String(data_key="Name", load_default="")
    real_name = fields.String(data_key="RealName", load_default="")
    email = fields.String(data_key="EmailAddress", load_default="")


class Queue(Answer):
    name = fields.String(data_key="Name", load_default="")
    cc = fields.List(fields.Nested(Person), data_key="Cc", load_default=list)


class Field(Answer):
    name = fields.String(required=True)
    values = fields.List(fields.Raw(allow_none=True), load_default=list)


class Ticket(Answer):
    id = fields.Function(deserialize=_id, required=True)
    merged_into = fields.Function(deserialize=_id, data_key="EffectiveId", required=True)
    subject = fields.String(data_key="Subject", load_default="")
    status = fields.String(data_key="Status", load_default="")
    queue = fields.Nested(Queue, data_key="Queue", load_default=dict)
    requestors = fields.List(fields.Nested(Person), data_key="Requestor", load_default=list)
    cc = fields.List(fields.Nested(Person), data_key="Cc", load_default=list)
    fields_ = fields.List(fields.Nested(Field), data_key="CustomFields", load_default=list)


class Transaction(Answer):
    id = fields.Function(deserialize=_id, required=True)
    type = fields.String(data_key="Type", required=True)
    created = fields.AwareDateTime(data_key="Created", format="iso", default_timezone=UTC, load_default=None)
    creator = fields.Nested(Person, data_key="Creator", load_default=None)


class Note(Answer):
    type = fields.String(data_key="Type", required=True)
    fields_ = fields.List(fields.Nested(Field), data_key="CustomFields", load_default=list)


class Part(Answer):
    id = fields.Function(deserialize=_id, required=True)
    transaction = fields.Function(deserialize=_id, data_key="TransactionId", required=True)
    parent = fields.Function(deserialize=_id, data_key="Parent", load_default="")
    kind = fields.String(data_key="ContentType", load_default="")
    filename = fields.String(data_key="Filename", load_default="")
    size = fields.Integer(data_key="ContentLength", load_default=None)
    headers = fields.String(data_key="Headers", load_default="")
    content = fields.String(data_key="Content", load_default=None)


class Changed(Answer):
    id = fields.Function(deserialize=_id, required=True)
    updated_at = fields.AwareDateTime(data_key="LastUpdated", format="iso", default_timezone=UTC, required=True)


class Page(Answer):
    items = fields.List(fields.Raw(), required=True)
    total = fields.Integer(load_default=None)  # not told to everybody


class User(Answer):
    privileged = fields.Boolean(data_key="Privileged", load_default=False)


class Status(Answer):
    status = fields.String(data_key="Status", load_default="")


class File(Answer):
    content = fields.String(data_key="Content", load_default="")
