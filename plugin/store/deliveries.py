"""What came in, kept before it is acknowledged: one row a delivery, one row an event, neither ever twice.

By default a SQLite file of its own that the web process writes; the worker reads it, and deletes what is old
(`plugin.store.forgetting`).
"""

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from plugin.errors import StorageError
from plugin.model import Delivery, Parsed, TicketEvent
from plugin.store.columns import Moment
from plugin.store.engine import reading

KEPT_HEADERS = ("content-type", "user-agent", "webhook-id", "webhook-timestamp")  # never a password or a signature
ACCEPTING = 0x6D333635  # number of the PostgreSQL advisory lock

metadata = sa.MetaData()

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("source", sa.String(40), nullable=False),
    sa.Column("delivery_id", sa.String(200), nullable=False),
    sa.Column("headers", sa.JSON, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("received_at", Moment, nullable=False),
    sa.UniqueConstraint("source", "delivery_id"),
    sqlite_autoincrement=True,
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),  # in the order of commits, never used again
    sa.Column("delivery", sa.ForeignKey("deliveries.seq", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),  # a hash of the key, of which there may thus be one
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("source", sa.String(40), nullable=False),
    sa.Column("ticket", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """What became of a delivery: its events' ids, and whether all of it was here already."""

    event_ids: tuple[str, ...]
    seen_before: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEvent:
    """An accepted event; `seq` rises in the order of acceptance."""

    seq: int
    id: str
    event: TicketEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class Received(StoredEvent):
    """An accepted event, and when its delivery came in."""

    received_at: datetime


def event_id(event: TicketEvent) -> str:
    """The id of an event: always the same for the same key, so that it can also name the work done for it."""
    return "evt_" + hashlib.sha256(event.key.encode()).hexdigest()[:32]


class DeliveryStore:
    """Accepts deliveries and hands out their events. Every failure of the database is a `StorageError`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def accept(self, delivery: Delivery, parsed: Parsed) -> Accepted:
        """Keep a verified delivery and its events in one transaction, on disk when this returns.

        A known delivery, or one all of whose events are known, changes nothing.
        """
        with _kept(f"accept a delivery from {delivery.source}"), self._engine.begin() as connection:
            _one_at_a_time(connection)
            known = _events_of(connection, delivery.source, parsed.delivery_id)
            if known is not None:
                return Accepted(event_ids=known, seen_before=True)
            new = _unknown(connection, parsed.events)
            if new or not parsed.events:
                _insert(connection, delivery, parsed.delivery_id, new)
            ids = tuple(event_id(event) for event in parsed.events)
            return Accepted(event_ids=ids, seen_before=bool(parsed.events) and not new)

    def events_after(self, seq: int, limit: int) -> list[StoredEvent]:
        """The next accepted events, oldest first."""
        query = sa.select(events).where(events.c.seq > seq).order_by(events.c.seq).limit(limit)
        with _kept("read the accepted events"), reading(self._engine).connect() as connection:
            return [_stored(row) for row in connection.execute(query)]

    def received(self, ids: Collection[str]) -> list[Received]:
        """Accepted events by their ids."""
        return self._received(events.c.id.in_(ids))

    def received_after(self, seq: int, *, before: int | None, limit: int) -> list[Received]:
        """The newest of the events that were accepted after one and before another, the newest first."""
        is_before = events.c.seq < before if before is not None else sa.true()
        return self._received(events.c.seq > seq, is_before, limit=limit)

    def received_like(self, part: str, limit: int) -> list[Received]:
        """Accepted events whose id holds a text. This goes through the ids of all events that are kept."""
        return self._received(events.c.id.contains(part, autoescape=True), limit=limit)

    def _received(self, *where: sa.ColumnElement[bool], limit: int | None = None) -> list[Received]:
        query = sa.select(events, deliveries.c.received_at).join(deliveries, deliveries.c.seq == events.c.delivery)
        query = query.where(*where).order_by(events.c.seq.desc()).limit(limit)
        with _kept("read the accepted events"), reading(self._engine).connect() as connection:
            return [
                Received(seq=row.seq, id=row.id, event=_stored(row).event, received_at=row.received_at)
                for row in connection.execute(query)
            ]

    def ping(self) -> None:
        """Raise `StorageError` unless a delivery could be accepted now."""
        with _kept("look at the deliveries"), self._engine.begin() as connection:
            connection.execute(sa.select(deliveries.c.seq).limit(1))


@contextmanager
def _kept(doing: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # The driver's own words (such as "database is locked"); SQLAlchemy's would repeat the statement.
        why = getattr(error, "orig", None) or type(error).__name__
        raise StorageError(f"deliveries database: could not {doing}: {why}") from error


def _one_at_a_time(connection: sa.Connection) -> None:
    """Make commits happen in the order of sequence numbers, or the relay could pass over a number still on its way.

    SQLite's transactions began with the write lock.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ACCEPTING)))


def _events_of(connection: sa.Connection, source: str, delivery_id: str) -> tuple[str, ...] | None:
    seq = connection.scalar(
        sa.select(deliveries.c.seq).where(deliveries.c.source == source, deliveries.c.delivery_id == delivery_id)
    )
    if seq is None:
        return None
    query = sa.select(events.c.id).where(events.c.delivery == seq).order_by(events.c.seq)
    return tuple(connection.scalars(query))


def _unknown(connection: sa.Connection, offered: tuple[TicketEvent, ...]) -> list[TicketEvent]:
    by_id = {event_id(event): event for event in offered}
    known = set(connection.scalars(sa.select(events.c.id).where(events.c.id.in_(list(by_id)))))
    return [event for id_, event in by_id.items() if id_ not in known]


def _insert(connection: sa.Connection, delivery: Delivery, delivery_id: str, new: list[TicketEvent]) -> None:
    headers = {name: delivery.headers[name] for name in KEPT_HEADERS if name in delivery.headers}
    row = {
        "source": delivery.source,
        "delivery_id": delivery_id,
        "headers": headers,
        "body": delivery.body,
        "received_at": delivery.received_at,
    }
    seq = connection.scalar(deliveries.insert().returning(deliveries.c.seq), row)
    for event in new:
        connection.execute(events.insert(), {"delivery": seq, "id": event_id(event), **asdict(event)})


def _stored(row: sa.Row[tuple[object, ...]]) -> StoredEvent:
    event = TicketEvent(source=row.source, ticket=row.ticket, kind=row.kind, key=row.key)
    return StoredEvent(seq=row.seq, id=row.id, event=event)
