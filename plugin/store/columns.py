"""Kinds of columns: what Python and the two databases understand differently is settled here."""

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, String, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""PostgreSQL refuses U+0000, and half of a surrogate pair is no text in UTF-8."""


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite keeps none of the zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """Only aware moments go in."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """Aware moments come out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text for people to read, at most `length` characters where given.

    Strangers may have written it: what a database cannot keep becomes U+FFFD, and an end that is too long is cut, as
    PostgreSQL would refuse the row and with it the whole change. Nothing may be looked up by such a column.
    """

    impl = Text
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__()
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:  # noqa: ARG002
        """VARCHAR where there is a length."""
        return String(self.length) if self.length else Text()

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:  # noqa: ARG002
        """What a database can keep."""
        if value is None:
            return None
        kept = UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
        return kept if self.length is None or len(kept) <= self.length else kept[: self.length - 1] + "…"
