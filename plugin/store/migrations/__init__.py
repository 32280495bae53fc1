"""Migrations of our own tables, one line of revisions a database (Alembic). Forwards only."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from plugin.store.engine import open_engine


def upgrade(database: str, url: str) -> None:
    """Bring ``deliveries`` or ``cases`` to its newest form; changes nothing when run twice."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / database))
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
