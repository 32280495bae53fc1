"""What our settings say of an RT, and what our extension says of it (GET /REST/2.0/m365-unblock). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from plugin.errors import PermanentError
from plugin.http import Reply


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What our own settings say."""

    source: str
    url: str
    own_user: str
    queues: tuple[str, ...]
    webhook_secrets: tuple[str, ...]
    launch_secrets: tuple[str, ...]
    panel_origins: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where these settings stand."""
        return f"[sources.{self.source}]"


class Found(Schema):
    """An object in the extension's answer; what is left out is as if it were missing in RT."""

    class Meta:
        unknown = EXCLUDE


class Field(Found):
    count = fields.Integer(load_default=0)
    type = fields.String(load_default="")
    max_values = fields.Integer(load_default=0)
    staff_only = fields.Boolean(load_default=False)
    why = fields.String(load_default="")


class Group(Found):
    count = fields.Integer(load_default=0)
    members = fields.Integer(load_default=0)


class Scrip(Found):
    id = fields.Integer(required=True)
    stage = fields.String(load_default="")
    disabled = fields.Boolean(load_default=True)
    applies = fields.Raw(load_default=list)  # "global", or queues


class Queue(Found):
    name = fields.String(required=True)
    found = fields.Boolean(load_default=False)
    rights = fields.Dict(keys=fields.String(), values=fields.Boolean(), load_default=dict)
    fields_ = fields.Dict(keys=fields.String(), values=fields.Boolean(), data_key="fields", load_default=dict)
    note_key = fields.Boolean(load_default=False)


class Told(Found):
    version = fields.String(required=True)
    rt = fields.String(required=True)
    user = fields.String(load_default="")
    source = fields.String(load_default="")
    url = fields.String(load_default="")
    webhook_url = fields.String(load_default="")
    service_user = fields.String(load_default="")
    fingerprints = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)
    fields_ = fields.Dict(keys=fields.String(), values=fields.Nested(Field), data_key="fields", load_default=dict)
    note_key = fields.Nested(Field, load_default=lambda: Field().load({}))
    groups = fields.Dict(keys=fields.String(), values=fields.Nested(Group), load_default=dict)
    condition = fields.Integer(load_default=0)
    action = fields.Integer(load_default=0)
    scrips = fields.List(fields.Nested(Scrip), load_default=list)
    transaction_batch = fields.Boolean(load_default=False)
    queues = fields.List(fields.Nested(Queue), load_default=list)


SetUp = Mapping[str, Any]


def read(reply: Reply) -> SetUp:
    """The extension's answer; `PermanentError` if it is none."""
    try:
        found: SetUp = Told().load(reply.json())
    except ValidationError as error:
        why = f"the answer is not our extension's: {error.messages!s:.200}"
        raise PermanentError(reply.system, reply.doing, why, status=reply.status) from error
    return found
