"""The migrations make the very tables that the queries speak of, change nothing twice, and lose nothing."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from plugin.errors import StorageError
from plugin.store import migrations, schema
from plugin.store.deliveries import metadata as deliveries
from plugin.store.engine import open_engine

BOTH = pytest.mark.parametrize(
    ("database", "metadata"), [("cases", schema.metadata), ("deliveries", deliveries)], ids=["cases", "deliveries"]
)


def dump(file: Path) -> list[str]:
    """Everything that is in a database file."""
    connection = sqlite3.connect(file)
    lines = list(connection.iterdump())
    connection.close()
    return lines


@BOTH
def test_migrated_tables_are_those_of_the_program(tmp_path: Path, database: str, metadata: MetaData) -> None:
    url = f"sqlite:///{tmp_path / 'a 100% new.sqlite'}"
    migrations.upgrade(database, url)
    engine = open_engine(url)
    options = {"version_table": f"{database}_revision", "compare_type": True, "compare_server_default": True}
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()


@BOTH
def test_migrated_tables_have_every_constraint_of_those_made_from_the_metadata(
    tmp_path: Path, database: str, metadata: MetaData
) -> None:
    migrations.upgrade(database, f"sqlite:///{tmp_path / 'migrated.sqlite'}")
    engine = open_engine(f"sqlite:///{tmp_path / 'made.sqlite'}")
    metadata.create_all(engine)
    engine.dispose()

    def shape(file: Path) -> set[str]:
        """The definitions without spacing and in no order: columns and constraints may be told in any."""
        lines = [line for line in dump(file) if line.startswith("CREATE") and "_revision" not in line]
        return {",".join(sorted("".join(line.split()).replace("(", ",").split(","))) for line in lines}

    assert shape(tmp_path / "migrated.sqlite") == shape(tmp_path / "made.sqlite")


@BOTH
def test_upgrade_twice_changes_nothing_and_what_is_kept_stays(
    tmp_path: Path, database: str, metadata: MetaData
) -> None:
    file = tmp_path / "kept.sqlite"
    migrations.upgrade(database, f"sqlite:///{file}")
    connection = sqlite3.connect(file)
    if database == "cases":
        connection.execute("INSERT INTO marks VALUES ('relayed', '7')")
    else:
        connection.execute("INSERT INTO deliveries VALUES (1, 'desk', 'msg', '{}', x'00', '2026-11-24')")
        connection.execute("INSERT INTO events VALUES (1, 1, 'evt', 'k', 'desk', '7', 'ticket.created')")
    connection.commit()
    connection.close()
    before = dump(file)
    migrations.upgrade(database, f"sqlite:///{file}")
    assert dump(file) == before


def test_both_may_be_kept_in_one_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'one.sqlite'}"
    for _ in range(2):
        migrations.upgrade("deliveries", url)
        migrations.upgrade("cases", url)
    tables = " ".join(line for line in dump(tmp_path / "one.sqlite") if line.startswith("CREATE TABLE"))
    for table in (*schema.metadata.tables, *deliveries.tables):
        assert f"CREATE TABLE {table} (" in tables or f'CREATE TABLE "{table}" (' in tables


def test_tables_of_a_newer_version_are_left_alone_and_said(tmp_path: Path) -> None:
    file = tmp_path / "newer.sqlite"
    migrations.upgrade("cases", f"sqlite:///{file}")
    connection = sqlite3.connect(file)
    connection.execute("UPDATE cases_revision SET version_num = '9999'")
    connection.commit()
    connection.close()
    before = dump(file)
    with pytest.raises(StorageError, match="cases database could not be brought to its newest form"):
        migrations.upgrade("cases", f"sqlite:///{file}")
    assert dump(file) == before


def test_a_migration_that_fails_halfway_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "half.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE journal (x)")  # in the way of the fifth table
    connection.commit()
    connection.close()
    before = dump(file)
    with pytest.raises(StorageError, match="journal"):
        migrations.upgrade("cases", f"sqlite:///{file}")
    assert dump(file) == before


def test_a_database_that_cannot_be_opened_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="unable to open"):
        migrations.upgrade("cases", f"sqlite:///{tmp_path / 'missing' / 'cases.sqlite'}")


@BOTH
def test_processes_that_start_together_on_a_new_database_all_find_it_ready(
    tmp_path: Path, database: str, metadata: MetaData
) -> None:
    for number in range(20):
        url = f"sqlite:///{tmp_path / str(number)}.sqlite"
        together = Barrier(4)

        def start(url: str = url, together: Barrier = together) -> None:
            together.wait()
            migrations.upgrade(database, url)

        with ThreadPoolExecutor(4) as pool:
            for started in [pool.submit(start) for _ in range(4)]:
                started.result()
        assert dump(tmp_path / f"{number}.sqlite")
