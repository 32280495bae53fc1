"""Migrations of our own tables, one line of revisions a database (Alembic). Forwards only."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from plugin.errors import StorageError
from plugin.store.engine import open_engine, reading

MIGRATING = 0x6D333637  # number of the PostgreSQL advisory lock


def upgrade(database: str, url: str) -> None:
    """Bring ``deliveries`` or ``cases`` to its newest form; changes nothing when run twice.

    All of it or nothing: `StorageError` if it could not be done, or if a newer version of the program made the tables.
    """
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


def is_newest(database: str, url: str) -> bool:
    """Whether `upgrade` would change nothing. Makes nothing, not even an empty file; `StorageError` if unreadable."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file():
        return False
    engine = open_engine(url)
    try:
        with reading(engine).connect() as connection:
            table = {"version_table": f"{database}_revision"}  # as env.py says
            current = MigrationContext.configure(connection, opts=table).get_current_heads()
    except SQLAlchemyError as error:
        why = getattr(error, "orig", None) or type(error).__name__
        raise StorageError(f"the {database} database could not be read: {why}") from error
    finally:
        engine.dispose()
    return set(current) == set(ScriptDirectory.from_config(_config(database)).get_heads())


def _one_at_a_time(connection: Connection) -> None:
    """Of processes that start together one migrates and the others wait; SQLite's transactions began with the lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATING)))


def _config(database: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / database).replace("%", "%%"))
    return config
