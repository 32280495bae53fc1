"""Answers of other systems, held to what we need of them: the first thing wrong is told with its place. Pure."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from plugin.errors import PermanentError
from plugin.http import Reply


def load(schema: Schema, reply: Reply, data: Any, *, described: str) -> Any:
    """What the schema makes of data out of a reply; `PermanentError` if it is not as `described`."""
    try:
        return schema.load(data)
    except ValidationError as error:
        at, why = _first(error.messages_dict)
        message = f"the answer is not as {described}: {at}: {why}"
        raise PermanentError(reply.system, reply.doing, message, status=reply.status) from error


def _first(messages: Mapping[Any, Any]) -> tuple[str, str]:
    """The first complaint and the place it is about, such as ``messages/0/author``."""
    step, below = next(iter(messages.items()))
    if not isinstance(below, Mapping):
        return str(step), str(below[0])
    at, why = _first(below)
    return f"{step}/{at}", why
