"""What is accepted is on disk, once, in order; what is not on disk is not accepted. Real databases throughout."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from plugin.errors import SettingsError, StorageError
from plugin.model import Delivery, Parsed, TicketEvent
from plugin.store import migrations
from plugin.store.deliveries import Accepted, DeliveryStore, deliveries, event_id, events
from plugin.store.engine import open_engine, reading

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_engine(url, busy_seconds=0.05)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: sa.Engine, url: str) -> DeliveryStore:
    migrations.upgrade("deliveries", url)
    return DeliveryStore(engine)


def event(key: str, ticket: str = "7") -> TicketEvent:
    return TicketEvent(source="desk", ticket=ticket, kind="ticket.created", key=key)


def accept(store: DeliveryStore, delivery_id: str, *keys: str, source: str = "desk", **headers: str) -> Accepted:
    delivery = Delivery(source=source, headers=headers, body=b'{"a": 1}', received_at=NOW)
    return store.accept(delivery, Parsed(delivery_id=delivery_id, events=tuple(event(key) for key in keys)))


def count(engine: sa.Engine, table: sa.Table) -> int:
    with reading(engine).connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_accepted_event_is_handed_out_with_its_id(store: DeliveryStore) -> None:
    accepted = accept(store, "msg_1", "k1")
    [stored] = store.events_after(0, 10)
    assert accepted == Accepted(event_ids=(stored.id,), seen_before=False)
    assert stored.event == event("k1")
    assert stored.id == event_id(event("k1"))


def test_accepted_event_is_still_there_after_a_restart(store: DeliveryStore, engine: sa.Engine, url: str) -> None:
    accept(store, "msg_1", "k1")
    engine.dispose()
    again = open_engine(url)
    assert [stored.event for stored in DeliveryStore(again).events_after(0, 10)] == [event("k1")]
    again.dispose()


def test_second_delivery_of_the_same_id_changes_nothing(store: DeliveryStore, engine: sa.Engine) -> None:
    first = accept(store, "msg_1", "k1", "k2")
    assert accept(store, "msg_1", "k3") == Accepted(event_ids=first.event_ids, seen_before=True)
    assert (count(engine, deliveries), count(engine, events)) == (1, 2)


def test_same_event_in_another_delivery_changes_nothing(store: DeliveryStore, engine: sa.Engine) -> None:
    first = accept(store, "msg_1", "k1")
    assert accept(store, "msg_2", "k1") == Accepted(event_ids=first.event_ids, seen_before=True)
    assert (count(engine, deliveries), count(engine, events)) == (1, 1)


def test_only_what_is_new_in_a_delivery_is_added(store: DeliveryStore) -> None:
    accept(store, "msg_1", "k1")
    accepted = accept(store, "msg_2", "k1", "k2", "k2")
    assert not accepted.seen_before
    assert accepted.event_ids == (event_id(event("k1")), event_id(event("k2")), event_id(event("k2")))
    assert [stored.event.key for stored in store.events_after(0, 10)] == ["k1", "k2"]


def test_two_sources_may_use_the_same_delivery_id(store: DeliveryStore) -> None:
    accept(store, "msg_1", "k1", source="desk")
    assert not accept(store, "msg_1", "k2", source="other").seen_before


def test_delivery_without_events_is_kept(store: DeliveryStore, engine: sa.Engine) -> None:
    assert accept(store, "msg_1") == Accepted(event_ids=(), seen_before=False)
    assert accept(store, "msg_1") == Accepted(event_ids=(), seen_before=True)
    assert (count(engine, deliveries), count(engine, events)) == (1, 0)


def test_events_come_in_the_order_of_acceptance_a_page_at_a_time(store: DeliveryStore) -> None:
    for number in range(5):
        accept(store, f"msg_{number}", f"k{number}")
    first = store.events_after(0, 2)
    rest = store.events_after(first[-1].seq, 10)
    assert [stored.event.key for stored in [*first, *rest]] == ["k0", "k1", "k2", "k3", "k4"]
    assert store.events_after(rest[-1].seq, 10) == []


def test_number_of_a_deleted_event_is_never_given_again(store: DeliveryStore, engine: sa.Engine) -> None:
    accept(store, "msg_1", "k1")
    [old] = store.events_after(0, 10)
    with engine.begin() as connection:
        connection.execute(deliveries.delete())
    assert count(engine, events) == 0
    accept(store, "msg_2", "k2")
    [new] = store.events_after(0, 10)
    assert new.seq > old.seq


def test_no_password_cookie_or_signature_is_kept(store: DeliveryStore, engine: sa.Engine) -> None:
    sent = {
        "content-type": "application/json",
        "user-agent": "Desk/3.1",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1",
        "webhook-signature": "v1,AAAA",
        "authorization": "Basic AAAA",
        "cookie": "session=1",
        "x-api-key": "k",
    }
    accept(store, "msg_1", "k1", **sent)
    with reading(engine).connect() as connection:
        row = connection.execute(sa.select(deliveries)).one()
    assert row.headers == {
        "content-type": "application/json",
        "user-agent": "Desk/3.1",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1",
    }
    assert (row.body, row.received_at) == (b'{"a": 1}', NOW)


def test_event_arriving_twice_at_once_is_accepted_once(url: str) -> None:
    engine = open_engine(url)
    migrations.upgrade("deliveries", url)
    store = DeliveryStore(engine)
    threads, rounds = 4, 25
    barrier = Barrier(threads)

    def deliver(thread: int) -> list[Accepted]:
        accepted = []
        for number in range(rounds):
            barrier.wait()
            accepted.append(accept(store, f"msg_{number}_{thread}", f"k{number}"))
        return accepted

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(deliver, range(threads)))
    for same in zip(*answers, strict=True):
        assert sorted(answer.seen_before for answer in same) == [False, True, True, True]
        assert len({answer.event_ids for answer in same}) == 1
    assert (count(engine, deliveries), count(engine, events)) == (rounds, rounds)
    engine.dispose()


def test_reader_that_follows_the_numbers_misses_nothing_while_many_write(url: str) -> None:
    engine = open_engine(url)
    migrations.upgrade("deliveries", url)
    store = DeliveryStore(engine)
    threads, each = 4, 25

    def deliver(thread: int) -> None:
        for number in range(each):
            accept(store, f"msg_{thread}_{number}", f"k_{thread}_{number}")

    followed: list[str] = []
    seq = 0
    with ThreadPoolExecutor(threads) as pool:
        writing = [pool.submit(deliver, thread) for thread in range(threads)]
        while len(followed) < threads * each:
            over = all(future.done() for future in writing)
            for stored in store.events_after(seq, 3):
                followed.append(stored.event.key)
                seq = stored.seq
            assert not over or store.events_after(seq, 1) or len(followed) == threads * each
    assert len(set(followed)) == threads * each
    engine.dispose()


@SQLITE
def test_locked_database_accepts_nothing_and_says_so(store: DeliveryStore, engine: sa.Engine, url: str) -> None:
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match=r"deliveries database: could not accept a delivery from desk: .*locked"):
        accept(store, "msg_1", "k1")
    with pytest.raises(StorageError, match="locked"):
        store.ping()
    assert store.events_after(0, 10) == []  # a reader waits for nobody
    other.execute("ROLLBACK")
    other.close()
    store.ping()
    assert not accept(store, "msg_1", "k1").seen_before


def test_what_writes_next_need_not_wait_whether_the_delivery_was_kept_or_not(url: str) -> None:
    migrations.upgrade("deliveries", url)
    engine = open_engine(url, busy_seconds=60)
    store = DeliveryStore(engine)
    for delivery_id in ("msg_1", "msg_1", "msg_2"):  # the second is refused by the database, and looked for then
        accept(store, delivery_id, "k1")
        others = threading.Thread(target=store.ping, daemon=True)
        others.start()
        others.join(10)
        assert not others.is_alive()
    engine.dispose()


@SQLITE
def test_full_disk_accepts_nothing_and_says_so(store: DeliveryStore, engine: sa.Engine) -> None:
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    engine.dispose()

    def no_more_room(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    sa.event.listen(engine, "connect", no_more_room)
    large = Delivery(source="desk", headers={"user-agent": "xxx"}, body=b"x" * 1_000_000, received_at=NOW)
    with pytest.raises(StorageError, match="full") as caught:
        store.accept(large, Parsed(delivery_id="msg_1", events=(event("k1"),)))
    assert "xxx" not in str(caught.value.__cause__)
    assert (count(engine, deliveries), count(engine, events)) == (0, 0)


def test_read_only_directory_is_a_storage_error(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'missing' / 'deliveries.sqlite'}")
    store = DeliveryStore(engine)
    for use in (store.ping, lambda: store.events_after(0, 1), lambda: accept(store, "msg_1", "k1")):
        with pytest.raises(StorageError, match="unable to open"):
            use()
    engine.dispose()


def test_database_without_tables_is_not_ready(engine: sa.Engine) -> None:
    with pytest.raises(StorageError, match=r"no such table|does not exist"):
        DeliveryStore(engine).ping()


@SQLITE
def test_sqlite_is_opened_durably(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 50}


@SQLITE
def test_busy_database_is_waited_for_ten_seconds_by_default(url: str) -> None:
    engine = open_engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 10_000
    engine.dispose()


@SQLITE
def test_transaction_that_only_reads_takes_no_lock(store: DeliveryStore, engine: sa.Engine) -> None:
    with reading(engine).connect() as reader:
        assert reader.execute(sa.select(events)).all() == []
        accept(store, "msg_1", "k1")
        assert reader.execute(sa.select(events)).all() == []  # one transaction sees one state


def test_postgresql_address_gets_the_driver_that_is_installed() -> None:
    assert open_engine("postgresql://db.example/m365").url.drivername == "postgresql+psycopg"
    assert open_engine("postgresql+psycopg://db.example/m365").dialect.name == "postgresql"


def test_address_that_is_none_is_refused_without_repeating_it() -> None:
    with pytest.raises(SettingsError, match="not a database address") as caught:
        open_engine("hunter2@db.example")
    assert "hunter2" not in str(caught.value)
