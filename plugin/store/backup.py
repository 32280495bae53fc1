"""Copies of SQLite databases while everything runs (SQLite's Online Backup API)."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from plugin.errors import StorageError

PARTS = ("", "-wal", "-shm", "-journal")
"""What SQLite puts beside a database's name."""


def file_of(url: str) -> Path | None:
    """The file of a SQLite database; None for a database on a server."""
    place = make_url(url)
    return Path(place.database or "") if place.get_backend_name() == "sqlite" else None


def copy(file: Path, into: Path) -> None:
    """A copy as of one moment, whole and for our own user only; `StorageError` where there is something already.

    It is one transaction that only reads: nobody waits for it. Until it is whole it has another name.
    """
    part = into.with_name(f"{into.name}.part")
    for taken in (into, part):
        if taken.exists():
            raise StorageError(f"{taken} is there already and is not overwritten; name another folder, or delete it")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            _copy(file, part)
            part.rename(into)
        finally:
            _remove(part)
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StorageError(f"{file} could not be copied to {into}: {why}") from error


def _copy(file: Path, part: Path) -> None:
    with closing(_open(file, patience=10)) as source, closing(sqlite3.connect(part)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE").close()  # one file, with no log beside it
    with part.open("rb+") as written:
        os.fsync(written.fileno())


def remove(file: Path) -> bool:
    """Delete a database with all that SQLite keeps beside it; whether there was one."""
    was_there = file.exists()
    try:
        _remove(file)
    except OSError as error:
        raise StorageError(f"{file} could not be deleted: {error.strerror}") from error
    return was_there


def _remove(file: Path) -> None:
    for beside in PARTS:
        file.with_name(file.name + beside).unlink(missing_ok=True)


def make_sure_that_nobody_has_open(file: Path) -> None:
    """`StorageError` if a process has this database open.

    In the mode that we use, whoever has a database open holds a shared lock on it all the time; a connection that
    wants it for itself alone is refused (SQLite documentation, "PRAGMA locking_mode").
    """
    try:
        with closing(_open(file, patience=0.5)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE").close()
            connection.execute("BEGIN EXCLUSIVE").close()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise StorageError(f"a process is at work on {file}; stop web and worker first") from error
        raise StorageError(f"{file} cannot be opened: {error}; put the copy there first") from error
    except sqlite3.Error as error:
        raise StorageError(f"{file} is no database that can be used: {error}") from error


def _open(file: Path, *, patience: float) -> sqlite3.Connection:
    """A database that is there; none is made."""
    return sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=patience)
