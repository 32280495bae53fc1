"""Migrations of our own tables, one line of revisions a database (Alembic). Forwards only.

Alembic is loaded only where there is something to do: each process looks at its start, and nearly always there is not.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, func, inspect, select, table
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from plugin.errors import StorageError
from plugin.store.engine import open_engine, reading

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATING = 0x6D333637  # number of the PostgreSQL advisory lock


def upgrade(database: str, url: str) -> None:
    """Bring ``deliveries`` or ``cases`` to its newest form; changes nothing when run twice.

    All of it or nothing: `StorageError` if it could not be done, or if a newer version of the program made the tables.
    """
    if not is_newest(database, url):
        _migrate(database, url)


def is_newest(database: str, url: str) -> bool:
    """Whether `upgrade` would change nothing. Makes nothing, not even an empty file; `StorageError` if unreadable."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file():
        return False
    engine = open_engine(url)
    try:
        with reading(engine).connect() as connection:
            return _revisions(connection, database) == [newest(database)]
    except SQLAlchemyError as error:
        why = getattr(error, "orig", None) or type(error).__name__
        raise StorageError(f"the {database} database could not be read: {why}") from error
    finally:
        engine.dispose()


def newest(database: str) -> str:
    """The newest revision; each has its number at the beginning of its file's name."""
    return max(file.name for file in _folder(database).glob("versions/[0-9]*.py")).partition("_")[0]


def _revisions(connection: Connection, database: str) -> list[str]:
    kept = table(f"{database}_revision", column("version_num"))  # as env.py says
    if not inspect(connection).has_table(kept.name):
        return []
    return list(connection.scalars(select(kept.c.version_num)))


def _migrate(database: str, url: str) -> None:
    from alembic import command
    from alembic.util import CommandError

    config = _config(database)
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            _one_at_a_time(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (SQLAlchemyError, CommandError) as error:
        why = getattr(error, "orig", None) or error
        raise StorageError(f"the {database} database could not be brought to its newest form: {why}") from error
    finally:
        engine.dispose()


def _one_at_a_time(connection: Connection) -> None:
    """Of processes that start together one migrates and the others wait; SQLite's transactions began with the lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATING)))


def _config(database: str) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_folder(database)).replace("%", "%%"))
    return config


def _folder(database: str) -> Path:
    return Path(__file__).parent / database
