"""What came in, kept before it is acknowledged: one row a delivery, one row an event, neither ever twice.

By default a SQLite file of its own that the web process writes; the worker reads it, and deletes what is old
(`plugin.store.forgetting`).
"""

import hashlib
import threading
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from plugin.errors import StorageError
from plugin.model import Delivery, Parsed, TicketEvent
from plugin.store.columns import Moment
from plugin.store.engine import Version, Writer, asking

KEPT_HEADERS = ("content-type", "user-agent", "webhook-id", "webhook-timestamp")  # never a password or a signature
ACCEPTING = 0x6D333635  # number of the PostgreSQL advisory lock

_Place = tuple[str, str]  # a delivery's source and id

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


class _Offered:
    """A delivery that waits to be kept, and what became of it."""

    def __init__(self, delivery: Delivery, parsed: Parsed) -> None:
        self.delivery = delivery
        self.parsed = parsed
        self.event_ids = tuple(event_id(event) for event in parsed.events)
        self.by_id = dict(zip(self.event_ids, parsed.events, strict=True))
        self.place = (delivery.source, parsed.delivery_id)
        self.became: Accepted | Exception | None = None


_New = tuple[_Offered, list[str]]  # a delivery that is not here, and the ids of its events that are not


class DeliveryStore:
    """Accepts deliveries and hands out their events. Every failure of the database is a `StorageError`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._asking = asking(engine)
        self._writer = Writer(engine)
        self._offered: deque[_Offered] = deque()
        self._turn = threading.Lock()

    def accept(self, delivery: Delivery, parsed: Parsed) -> Accepted:
        """Keep a verified delivery and its events in one transaction, on disk when this returns.

        A known delivery, or one all of whose events are known, changes nothing. Whoever comes while another one is
        being kept waits, and then all who have waited are kept in one transaction by the first of them.
        """
        mine = _Offered(delivery, parsed)
        self._offered.append(mine)
        with self._turn:
            if mine.became is None:
                self._keep([self._offered.popleft() for _ in range(len(self._offered))])
        if isinstance(mine.became, Accepted):
            return mine.became
        raise mine.became or AssertionError("whoever has had the turn has kept all that was offered")

    def _keep(self, offered: Sequence[_Offered]) -> None:
        try:
            kept = self._keep_together(offered)
        except Exception as error:  # noqa: BLE001 - raised again, in the thread of the delivery that it is about
            if len(offered) == 1:
                offered[0].became = error
            else:  # what is wrong with one of them must not hold up the others
                for one in offered:
                    self._keep([one])
            return
        for one, became in zip(offered, kept, strict=True):
            one.became = became

    def _keep_together(self, offered: Sequence[_Offered]) -> list[Accepted]:
        # Nearly all is new. So it is not looked for first: the database refuses what it has.
        with _kept(f"accept a delivery from {offered[0].delivery.source}"):
            try:
                return self._keep_unseen(offered)
            except IntegrityError:
                return self._keep_what_is_new(offered)

    def _keep_unseen(self, offered: Sequence[_Offered]) -> list[Accepted]:
        """Keep deliveries of which nothing is here and no two are alike; otherwise an `IntegrityError`, and nothing."""
        with self._writer.begin() as connection:
            _one_at_a_time(connection)
            _insert(connection, [(one, list(one.by_id)) for one in offered])
        return [Accepted(event_ids=one.event_ids, seen_before=False) for one in offered]

    def _keep_what_is_new(self, offered: Sequence[_Offered]) -> list[Accepted]:
        with self._writer.begin() as connection:
            _one_at_a_time(connection)
            events_of = _known_deliveries(connection, [one.place for one in offered])
            known = _known_events(connection, [id_ for one in offered for id_ in one.by_id])
            became: list[Accepted] = []
            new: list[_New] = []
            for one in offered:
                if one.place in events_of:
                    became.append(Accepted(event_ids=events_of[one.place], seen_before=True))
                    continue
                unknown = [id_ for id_ in one.by_id if id_ not in known]
                if unknown or not one.by_id:
                    new.append((one, unknown))
                    events_of[one.place] = tuple(unknown)
                    known.update(unknown)
                became.append(Accepted(event_ids=one.event_ids, seen_before=bool(one.by_id) and not unknown))
            _insert(connection, new)
        return became

    def events_after(self, seq: int, limit: int) -> list[StoredEvent]:
        """The next accepted events, oldest first."""
        with _kept("read the accepted events"), self._asking.connect() as connection:
            return [_stored(row) for row in connection.execute(_EVENTS_AFTER, {"seq": seq, "limit": limit})]

    def bodies(self, ids: Collection[str], *, at_most: int) -> dict[str, bytes]:
        """What the deliveries of these events said, by the events' ids, but for long ones."""
        asked = {"ids": [*ids], "most": at_most}
        with _kept("read the accepted events"), self._asking.connect() as connection:
            return {row.id: row.body for row in connection.execute(_BODIES, asked)}

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
        with _kept("read the accepted events"), self._asking.connect() as connection:
            return [
                Received(seq=row.seq, id=row.id, event=_stored(row).event, received_at=row.received_at)
                for row in connection.execute(query)
            ]

    def version(self) -> Version:
        """What tells whether anything has changed."""
        return Version(self._engine)

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


_PLACES = sa.select(deliveries.c.source, deliveries.c.delivery_id, deliveries.c.seq).where(
    deliveries.c.source.in_(sa.bindparam("sources", expanding=True)),
    deliveries.c.delivery_id.in_(sa.bindparam("ids", expanding=True)),
)
_EVENTS_OF = sa.select(events.c.id).where(events.c.delivery == sa.bindparam("seq")).order_by(events.c.seq)
_EVENTS_AFTER = (
    sa.select(events).where(events.c.seq > sa.bindparam("seq")).order_by(events.c.seq).limit(sa.bindparam("limit"))
)
_BODIES = (
    sa.select(events.c.id, deliveries.c.body)
    .join_from(events, deliveries, events.c.delivery == deliveries.c.seq)
    .where(events.c.id.in_(sa.bindparam("ids", expanding=True)))
    .where(sa.func.length(deliveries.c.body) <= sa.bindparam("most"))
)
_KNOWN_EVENTS = sa.select(events.c.id).where(events.c.id.in_(sa.bindparam("ids", expanding=True)))
_INSERT_DELIVERY = deliveries.insert()
_INSERT_EVENT = events.insert().values(
    delivery=sa.select(deliveries.c.seq)
    .where(deliveries.c.source == sa.bindparam("from_source"), deliveries.c.delivery_id == sa.bindparam("within"))
    .scalar_subquery()
)


def _known_deliveries(connection: sa.Connection, places: Collection[_Place]) -> dict[_Place, tuple[str, ...]]:
    """The events of the deliveries that are kept of these."""
    asked = {"sources": [source for source, _ in places], "ids": [id_ for _, id_ in places]}
    found = {(row.source, row.delivery_id): row.seq for row in connection.execute(_PLACES, asked)}
    return {place: tuple(connection.scalars(_EVENTS_OF, {"seq": found[place]})) for place in places if place in found}


def _known_events(connection: sa.Connection, ids: Collection[str]) -> set[str]:
    return set(connection.scalars(_KNOWN_EVENTS, {"ids": list(ids)})) if ids else set()


def _insert(connection: sa.Connection, new: Sequence[_New]) -> None:
    if not new:
        return
    connection.execute(_INSERT_DELIVERY, [_row(one) for one, _ in new])
    rows = [
        {"from_source": one.delivery.source, "within": one.parsed.delivery_id, "id": id_, **asdict(one.by_id[id_])}
        for one, unknown in new
        for id_ in unknown
    ]
    if rows:
        connection.execute(_INSERT_EVENT, rows)


def _row(one: _Offered) -> dict[str, Any]:
    delivery = one.delivery
    return {
        "source": delivery.source,
        "delivery_id": one.parsed.delivery_id,
        "headers": {name: delivery.headers[name] for name in KEPT_HEADERS if name in delivery.headers},
        "body": delivery.body,
        "received_at": delivery.received_at,
    }


def _stored(row: sa.Row[tuple[object, ...]]) -> StoredEvent:
    event = TicketEvent(source=row.source, ticket=row.ticket, kind=row.kind, key=row.key)
    return StoredEvent(seq=row.seq, id=row.id, event=event)
