"""Migrations of our own tables, one line of revisions a database (Alembic). Forwards only."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from plugin.errors import StorageError
from plugin.store.engine import open_engine


def upgrade(database: str, url: str) -> None:
    """Bring ``deliveries`` or ``cases`` to its newest form; changes nothing when run twice.

    All of it or nothing: `StorageError` if it could not be done, or if a newer version of the program made the tables.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / database).replace("%", "%%"))
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (SQLAlchemyError, CommandError) as error:
        why = getattr(error, "orig", None) or error
        raise StorageError(f"the {database} database could not be brought to its newest form: {why}") from error
    finally:
        engine.dispose()
