"""Answers of other systems, held to what we need of them: the first thing wrong is told with its place. Pure."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError

from plugin.errors import Denied, PermanentError
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


class Loading:
    """Loads answers that are no reply any more; `system` and `doing` are named where one is not as it is described."""

    described: ClassVar[str]  # such as “its API has it”

    def __init__(self, system: str, doing: str) -> None:
        self._system = system
        self._doing = doing

    def _load(self, schema: Schema, data: Any) -> Any:
        try:
            return schema.load(data)
        except ValidationError as error:
            raise self._wrong(f"{error.messages!s:.200}") from error

    def _wrong(self, why: str) -> PermanentError:
        # With the status of an answer that was taken: what was asked for may have been done.
        message = f"the answer is not as {self.described}: {why}"
        return PermanentError(self._system, self._doing, message, status=200)


@contextmanager
def explaining_denials(*, unknown: str, forbidden: str) -> Iterator[None]:
    """Say with a `Denied` what to do: where nobody knows our user (401), and where it may not (403)."""
    try:
        yield
    except Denied as error:
        why = forbidden if error.status == 403 else unknown
        raise Denied(error.system, error.doing, f"{error.message}; {why}", status=error.status) from error
