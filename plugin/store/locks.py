"""Locks that end with the process that holds them, however it ends: what makes one worker the only one to do a thing.

On SQLite there is one worker, so a lock is one of this process, but for the worker's own, which is a file's (flock). On
PostgreSQL they are its advisory locks (PostgreSQL documentation, 13.3.5), held by one connection of this process: the
server frees them when the connection ends, and ends a connection whose other side is gone.
"""

import fcntl
import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from plugin.errors import SettingsError, StorageError
from plugin.store.engine import NOT_SILENT, address_of

MOST_WORKERS = 64
"""So many workers may run on one database."""

KEEPALIVE: Mapping[str, str | int] = {
    **NOT_SILENT,
    # The server notices a worker's machine that has gone silent within 25 seconds; this side has given up by then.
    "options": "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 "
    "-c tcp_user_timeout=25000",
}
"""Settings of the connection that holds the locks (PostgreSQL, 20.3)."""

SHOWN_AS = "m365-unblock locks"
"""What that connection is called where the server lists connections."""


class Locks(Protocol):
    """Nothing here waits. A lock that this process holds is not given to it a second time."""

    def take(self, name: str) -> bool:
        """Take a lock, unless somebody has it; kept until it is freed or the process ends."""

    def free(self, name: str) -> None:
        """Give a lock back."""

    def are_held(self) -> bool:
        """Whether the locks taken are surely still ours."""

    def close(self) -> None:
        """Give all of them back."""


def open_locks(url: str) -> Locks:
    """The locks that go with a database."""
    address = address_of(url)
    if address.get_backend_name() == "sqlite":
        return FileLocks(Path(address.database or "engine").with_suffix(".lock"))
    return PostgresLocks(address)


def worker_names(url: str) -> Iterator[str]:
    """The names that workers of this database may have: one on SQLite, many on PostgreSQL."""
    most = 1 if address_of(url).get_backend_name() == "sqlite" else MOST_WORKERS
    return (f"worker-{number}" for number in range(1, most + 1))


def take_name(locks: Locks, url: str) -> str:
    """Be the first worker that nobody else is; `SettingsError` if all are taken. A name's work is its holder's."""
    for name in worker_names(url):
        if locks.take(name):
            return name
    raise SettingsError("another worker is running on these databases; stop it first")


@contextmanager
def held(locks: Locks, name: str) -> Iterator[bool]:
    """Try to hold a lock for a block; whether it could be had."""
    is_ours = locks.take(name)
    try:
        yield is_ours
    finally:
        if is_ours:
            locks.free(name)


class FileLocks:
    """Locks among the threads of one process, which is alone by a lock on a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._slot: IO[str] | None = None
        self._taken: set[str] = set()
        self._one_at_a_time = threading.Lock()

    def take(self, name: str) -> bool:
        """See `Locks`, as for every method here."""
        with self._one_at_a_time:
            if name in self._taken:
                return False
            if self._slot is None:
                self._slot = _lock(self._file)
            self._taken.add(name)
            return True

    def free(self, name: str) -> None:
        with self._one_at_a_time:
            self._taken.discard(name)

    def are_held(self) -> bool:
        return self._slot is not None

    def close(self) -> None:
        with self._one_at_a_time:
            self._taken.clear()
            if self._slot is not None:
                self._slot.close()
                self._slot = None


class PostgresLocks:
    """Advisory locks on one connection of this process."""

    def __init__(self, address: sa.URL) -> None:
        connect_args = {**KEEPALIVE, "application_name": SHOWN_AS}
        self._engine = sa.create_engine(
            address, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=connect_args, hide_parameters=True
        )
        self._connection: sa.Connection | None = None
        self._taken: set[str] = set()
        self._is_lost = False
        self._one_at_a_time = threading.Lock()

    def take(self, name: str) -> bool:
        """See `Locks`, as for every method here."""
        with self._one_at_a_time:
            if name in self._taken:  # the server would give it again to the connection that has it
                return False
            if self._ask("SELECT pg_try_advisory_lock(:key)", _key(name)):
                self._taken.add(name)
                return True
            return False

    def free(self, name: str) -> None:
        with self._one_at_a_time:
            if name in self._taken:
                self._taken.discard(name)
                with suppress(StorageError):  # gone with the connection
                    self._ask("SELECT pg_advisory_unlock(:key)", _key(name))

    def are_held(self) -> bool:
        with self._one_at_a_time:
            try:
                return self._ask("SELECT :key", 1) == 1
            except StorageError:
                return False

    def close(self) -> None:
        with self._one_at_a_time:
            self._taken.clear()
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._engine.dispose()

    def _ask(self, statement: str, key: int) -> object:
        if self._is_lost:  # another connection would hold none of the locks
            raise StorageError("the connection that held the locks is gone")
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            return self._connection.scalar(sa.text(statement), {"key": key})
        except SQLAlchemyError as error:
            self._is_lost = self._connection is not None
            why = getattr(error, "orig", None) or type(error).__name__
            raise StorageError(f"the engine's database gave no lock: {why}") from error


def _key(name: str) -> int:
    """A lock's number: eight bytes of a hash, for ours to be nobody else's in the same database."""
    return int.from_bytes(hashlib.sha256(f"m365-unblock {name}".encode()).digest()[:8], signed=True)


def _lock(file: Path) -> IO[str]:
    try:
        slot = file.open("w")
    except OSError as error:
        raise SettingsError(f"cannot open {file}, which makes sure of one worker: {error.strerror}") from error
    try:
        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        slot.close()
        raise SettingsError(
            f"another worker is running on these databases (it holds {file}); stop it first, or use PostgreSQL for "
            "several"
        ) from error
    return slot
