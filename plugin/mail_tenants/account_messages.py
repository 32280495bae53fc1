"""The answers of an account-administration site, as docs/account-admin.openapi.yaml has them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from plugin.errors import PermanentError
from plugin.http import Reply
from plugin.model import Sending, SignIn

MAX_ID = 320  # characters of an account id, by the contract
UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # JSON can carry these, a database column cannot


def load(schema: Schema, reply: Reply) -> dict[str, Any]:
    """An answer as the contract has it; `PermanentError` where it breaks that, naming the place and never a value."""
    try:
        loaded: dict[str, Any] = schema.load(reply.json())
    except ValidationError as error:
        wrong = "; ".join(_wrong(error.messages_dict))
        raise PermanentError(
            reply.system, reply.doing, f"the answer breaks the contract: {wrong:.200}", status=reply.status
        ) from error
    return loaded


def _wrong(messages: Mapping[Any, Any], path: str = "") -> Iterator[str]:
    """Each fault as ``office365.blocked_addresses.0.address: Empty.``; never a value, which may be anything."""
    for name, told in messages.items():
        place = f"{path}.{name}" if path else str(name)
        if isinstance(told, Mapping):
            yield from _wrong(told, place)
        else:
            yield f"{place}: {' '.join(told)}"


def _storable(text: str) -> None:
    if UNSTORABLE.search(text):
        raise ValidationError("Not proper text.")


def _not_blank(text: str) -> None:
    if not text.strip():
        raise ValidationError("Empty.")


def text() -> fields.String:
    """Text that may be left out."""
    return fields.String(load_default="", allow_none=True, validate=_storable)


def name() -> fields.String:
    """Text that must be there."""
    return fields.String(required=True, validate=[_storable, _not_blank, validate.Length(max=MAX_ID)])


class Message(Schema):
    class Meta:
        unknown = EXCLUDE  # a site may say more than the contract


class BlockedSchema(Message):
    address = name()
    reason = text()
    blocked_at = fields.Raw(load_default=None, allow_none=True)  # unreadable is as good as missing


class Office365Schema(Message):
    sending_status = fields.Enum(Sending, by_value=True, required=True)
    blocked_addresses = fields.List(fields.Nested(BlockedSchema), required=True)


class SignInSchema(Message):
    state = fields.Enum(SignIn, by_value=True, required=True)
    reason = text()
    since = fields.Raw(load_default=None, allow_none=True)


class AccountSchema(Message):
    netid = name()
    display_name = text()
    primary_address = name()
    addresses = fields.List(name(), required=True)
    office365 = fields.Nested(Office365Schema, required=True)
    sign_in = fields.Nested(SignInSchema, required=True)


class UnblockResultSchema(Message):
    address = name()
    result = fields.String(required=True, validate=validate.OneOf(["requested", "not_blocked"]))


ACCOUNT, UNBLOCK_RESULT = AccountSchema(), UnblockResultSchema()
