"""How a database is opened. SQLite by default: durable, patient with locks, and with transactions that are real."""

import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError

from plugin.errors import SettingsError

CONNECTIONS = 32  # more than a process has threads; they are opened only when needed


def open_engine(url: str, *, busy_seconds: float = 10.0) -> Engine:
    """An engine for a ``sqlite:///`` or ``postgresql://`` address. Nothing is opened yet.

    On SQLite a transaction takes the write lock at its beginning, waiting for it at most `busy_seconds`, so that it
    never fails halfway; see `reading` for those that need none.
    """
    address = address_of(url)
    if address.get_backend_name() == "sqlite":
        return _open_sqlite(address, busy_seconds)
    return create_engine(address, pool_size=5, max_overflow=CONNECTIONS - 5, pool_pre_ping=True, hide_parameters=True)


def address_of(url: str) -> URL:
    """A database's address with the driver that we use; `SettingsError` if it is none."""
    try:
        address = make_url(url)
    except ArgumentError:
        # The address may hold a password, so it is not repeated.
        raise SettingsError("[store]: not a database address; write sqlite:///path or postgresql://…") from None
    return address.set(drivername="postgresql+psycopg") if address.drivername == "postgresql" else address


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read: on SQLite they wait for nobody and nobody waits for them."""
    return engine.execution_options(only_reads=True)


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row; False if its key is taken. Whatever else is wrong with it is an error."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**row).on_conflict_do_nothing().inline()
    return connection.execute(statement).rowcount == 1


def _open_sqlite(url: URL, busy_seconds: float) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": busy_seconds},
        pool_size=5,
        max_overflow=CONNECTIONS - 5,
        hide_parameters=True,  # deliveries and answers are nobody's business in a log
    )
    event.listen(engine, "connect", lambda connection, _record: _prepare(connection, busy_seconds))
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, busy_seconds: float) -> None:
    # SQLAlchemy says BEGIN below; left to itself the driver would begin only at the first write, without the lock.
    connection.isolation_level = None
    _log_ahead(connection, time.monotonic() + busy_seconds)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _log_ahead(connection: sqlite3.Connection, patient_until: float) -> None:
    # SQLite itself does not wait where two processes turn a new database over to its write-ahead log at once, as web
    # and worker do at their first start: one of them is told "locked" without any of its patience.
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > patient_until:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    only_reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")
