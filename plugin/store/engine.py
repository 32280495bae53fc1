"""How a database is opened. SQLite by default: durable, patient with locks, and with transactions that are real."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, Insert, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import PoolProxiedConnection

from plugin import computing
from plugin.errors import SettingsError

CONNECTIONS = 32  # to an SQLite file at once; opened only when needed
POSTGRES_CONNECTIONS = 10  # to a PostgreSQL database at once, of which each costs the server a process; others wait
KEPT_OPEN = 3
_DIALECTS: Mapping[str, Any] = {"postgresql": postgresql, "sqlite": sqlite}
_Begin = Callable[[PoolProxiedConnection], None]
TURN = "turn"  # to write to an SQLite file, among the threads of a process

NOT_SILENT: Mapping[str, str | int] = {
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
}
"""By these (libpq, 34.1.2) a server or a network that has gone silent is noticed within 15 seconds."""


def open_engine(url: str, *, busy_seconds: float = 10.0) -> Engine:
    """An engine for a ``sqlite:///`` or ``postgresql://`` address. Nothing is opened yet.

    On SQLite a transaction takes the write lock at its beginning, waiting for it at most `busy_seconds`, so that it
    never fails halfway; see `reading` for those that need none. On PostgreSQL `busy_seconds` is how long a server may
    take to answer a new connection.
    """
    address = address_of(url)
    if address.get_backend_name() == "sqlite":
        return _open_sqlite(address, busy_seconds)
    engine = create_engine(
        address,
        pool_size=KEPT_OPEN,
        max_overflow=POSTGRES_CONNECTIONS - KEPT_OPEN,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            **NOT_SILENT,
            "connect_timeout": max(2, round(busy_seconds)),  # libpq takes less for 2
            "fallback_application_name": "m365-unblock",
        },
    )
    event.listen(engine, "handle_error", _hide_row)
    return engine


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
    return _beginning(engine, lambda connection: connection.cursor().execute("BEGIN").close())


def asking(engine: Engine) -> Engine:
    """The same for transactions of one reading statement, which SQLite makes one by itself."""
    return _beginning(engine, lambda _connection: None)


class Version:
    """Tells at little cost whether anybody has changed a database since: it is another one then.

    By SQLite's own count (``PRAGMA data_version``), over a connection that is kept open; None where nothing tells it,
    as on PostgreSQL. For one thread.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: PoolProxiedConnection | None = None

    def now(self) -> int | None:
        """The version now; also None where the database cannot be asked, for whoever reads it then to notice."""
        if self._engine.dialect.name != "sqlite":
            return None
        try:
            if self._kept is None:
                self._kept = self._engine.raw_connection()
            version: int = self._kept.cursor().execute("PRAGMA data_version").fetchone()[0]
        except (sqlite3.Error, SQLAlchemyError):
            self.close()
            return None
        return version

    def close(self) -> None:
        """Give the connection back."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None


class Writer:
    """Transactions that write, one at a time, where little else is done: on SQLite on a connection that is kept open.

    To take one from the pool and give it back costs half as much again as a small transaction. On PostgreSQL each takes
    one, as the pool looks whether its server is still there.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction, on disk at its end; not for two at once."""
        if self._engine.dialect.name != "sqlite":
            with self._engine.begin() as connection:
                yield connection
            return
        kept = self._kept = self._kept or self._engine.connect()
        try:
            with kept.begin():
                yield kept
        except BaseException:
            self._kept = None
            kept.close()
            raise
        _end_turn(kept.info)


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row; False if its key is taken. Whatever else is wrong with it is an error."""
    return connection.execute(_insertion(connection.dialect.name, table), row).rowcount == 1


def insert_all_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of the same columns, but for those whose key is taken: one statement, however many there are."""
    if rows:
        connection.execute(_insertion(connection.dialect.name, table), [*rows])


def insert_or_replace(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert a row, or write its values over those of the row that has its primary key."""
    connection.execute(_replacement(connection.dialect.name, table), row)


# Made once a table: SQLAlchemy takes longer to put a statement together than SQLite takes to do it.


@cache
def _insertion(dialect: str, table: Table) -> Insert:
    statement: Insert = _DIALECTS[dialect].insert(table).on_conflict_do_nothing().inline()
    # Without the option the count of an INSERT is there on SQLite only.
    return statement.execution_options(preserve_rowcount=True)


@cache
def _replacement(dialect: str, table: Table) -> Insert:
    statement = _DIALECTS[dialect].insert(table)
    key = table.primary_key.columns
    values = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in key}
    replacing: Insert = statement.on_conflict_do_update(index_elements=list(key), set_=values).inline()
    return replacing


def _open_sqlite(url: URL, busy_seconds: float) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": busy_seconds},
        pool_size=5,
        max_overflow=CONNECTIONS - 5,
        pool_use_lifo=True,  # the one that was used last has the most in its caches
        hide_parameters=True,  # deliveries and answers are nobody's business in a log
    )
    event.listen(engine.pool, "connect", lambda connection, _record: _prepare(connection, busy_seconds))
    event.listen(engine.pool, "checkin", lambda _connection, record: _end_turn(record.info))
    turn = threading.Lock()
    _begin_by(engine, lambda connection: _begin_writing(connection, turn, busy_seconds))
    engine.dialect.do_commit = _commit_writing  # type: ignore[method-assign, assignment]
    return engine


def _beginning(engine: Engine, begin: _Begin) -> Engine:
    """An engine on the same connections whose transactions begin in another way."""
    if engine.dialect.name != "sqlite":
        return engine
    other = create_engine(engine.url, pool=engine.pool, hide_parameters=True)
    _begin_by(other, begin)
    return other


def _begin_by(engine: Engine, begin: _Begin) -> None:
    # In the dialect, because with a listener of its own for it an engine looks for listeners at every turn.
    engine.dialect.do_begin = begin  # type: ignore[method-assign, assignment]


def _hide_row(context: ExceptionContext) -> None:
    """PostgreSQL repeats the row that it refuses in an error's details; only its message may get into a log."""
    told, refused = context.sqlalchemy_exception, context.original_exception
    message = getattr(getattr(refused, "diag", None), "message_primary", None)
    if told is not None and message is not None:
        refused.args = (message,)
        told.args = (f"({type(refused).__name__}) {message}",)


def _prepare(connection: sqlite3.Connection, busy_seconds: float) -> None:
    # SQLAlchemy says BEGIN below; left to itself the driver would begin only at the first write, without the lock.
    connection.isolation_level = None
    _log_ahead(connection, time.monotonic() + busy_seconds)
    # What is forgotten is overwritten in the file: it holds what customers wrote. Its space is used again for what
    # comes, so the file stays as large as it was at its busiest; a vacuum would write all of it anew meanwhile.
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
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


def _begin_writing(connection: PoolProxiedConnection, turn: threading.Lock, busy_seconds: float) -> None:
    # SQLite itself looks again and again for the write lock, asleep for up to 100 ms in between. Among the threads of a
    # process each has its turn as soon as the one before is done; where that takes too long, SQLite says what is wrong.
    if TURN not in connection.info and computing.acquire(turn, busy_seconds):
        connection.info[TURN] = turn
    connection.cursor().execute("BEGIN IMMEDIATE").close()


def _commit_writing(connection: PoolProxiedConnection) -> None:
    with computing.waiting():  # for the disk
        connection.commit()


def _end_turn(info: dict[Any, Any]) -> None:
    """By now the transaction is on disk, or nothing of it."""
    held = info.pop(TURN, None)
    if held is not None:
        held.release()
