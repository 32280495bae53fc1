"""The shapes of what the panel is sent. What the words in them mean is the desk's business."""

from collections.abc import Mapping

from flask_babel import gettext as _
from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate

from plugin.errors import PluginError

SEEN = "-seen"
"""The form field that tells which answer was shown; no field of a checklist's item has such an id."""


class BadForm(PluginError):
    """The form is not of the shape this address takes. The message is shown to the agent."""


class _Token(Schema):
    class Meta:
        unknown = RAISE

    token = fields.String(required=True, validate=validate.Length(1, 4096))


class _Account(Schema):
    class Meta:
        unknown = EXCLUDE

    account = fields.String(required=True, validate=validate.Length(1, 320))


class _Reply(Schema):
    class Meta:
        unknown = EXCLUDE

    kind = fields.String(required=True, validate=validate.Length(1, 40))
    text = fields.String(required=True, validate=validate.Length(max=10_000))


_ANSWER = fields.Dict(
    keys=fields.String(validate=validate.Length(1, 80)),
    values=fields.String(validate=validate.Length(max=2000)),
    validate=validate.Length(max=20),
)

_TOKEN, _ACCOUNT, _REPLY = _Token(), _Account(), _Reply()


def launch_token(body: object) -> str:
    """The launch token in a session request."""
    return _loaded(_TOKEN, body, "Send {“token”: …} as JSON.")["token"]


def account(form: Mapping[str, str]) -> str:
    """The account an agent typed or chose."""
    return _loaded(_ACCOUNT, form, _("Type a NetID or a mail address of at most 320 characters."))["account"]


def reply(form: Mapping[str, str]) -> tuple[str, str]:
    """Kind and text of a reply to the customer."""
    loaded = _loaded(_REPLY, form, _("Not sent: the reply is longer than 10,000 characters, or incomplete."))
    return loaded["kind"], loaded["text"]


def answer(form: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The answered fields of one checklist item, and which earlier answer the agent has seen."""
    try:
        loaded: dict[str, str] = _ANSWER.deserialize(dict(form))
    except ValidationError as error:
        raise BadForm(_("Not saved: an answer may have 2,000 characters.")) from error
    seen = loaded.pop(SEEN, "")
    return loaded, seen


def _loaded(schema: Schema, given: object, words: str) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise BadForm(words)
    try:
        loaded: dict[str, str] = schema.load(given)
    except ValidationError as error:
        raise BadForm(words) from error
    return loaded
