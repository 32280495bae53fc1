"""The migrations on PostgreSQL: the tables of the program, made once by whoever comes first, with data in them."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from plugin.errors import StorageError
from plugin.store import migrations, schema
from plugin.store.deliveries import metadata as deliveries
from plugin.store.engine import open_engine
from tests.postgresql import Cluster

pytestmark = pytest.mark.real

TABLES = {"cases": schema.metadata, "deliveries": deliveries}
UPGRADE = "import sys; from plugin.store.migrations import upgrade; [upgrade(it, sys.argv[1]) for it in sys.argv[2:]]"


def differences(database: str, url: str) -> list[object]:
    """What Alembic would change in the tables to make them those of the program."""
    engine = open_engine(url)
    options = {"version_table": f"{database}_revision", "compare_type": True, "compare_server_default": True}
    with engine.connect() as connection:
        found: list[object] = compare_metadata(MigrationContext.configure(connection, opts=options), TABLES[database])
    engine.dispose()
    return found


@pytest.mark.parametrize("database", TABLES)
def test_migrated_tables_are_those_of_the_program(database: str, postgresql: str) -> None:
    migrations.upgrade(database, postgresql)
    migrations.upgrade(database, postgresql)
    assert differences(database, postgresql) == []
    assert migrations.is_newest(database, postgresql)


def test_processes_that_start_together_on_a_new_database_all_find_it_ready(postgresql: str) -> None:
    command = [sys.executable, "-c", UPGRADE, postgresql, "deliveries", "cases"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(5)]
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 5
    assert [process.returncode for process in processes] == [0] * 5
    # Both are kept in one database here, each with its own line of revisions.
    assert migrations.is_newest("cases", postgresql)
    assert migrations.is_newest("deliveries", postgresql)


def test_threads_that_start_together_on_new_databases_all_find_them_ready(cluster: Cluster) -> None:
    for _ in range(8):
        url, together = cluster.new_database(), Barrier(4)

        def start(url: str = url, together: Barrier = together) -> None:
            together.wait()
            migrations.upgrade("cases", url)

        with ThreadPoolExecutor(4) as pool:
            for started in [pool.submit(start) for _ in range(4)]:
                started.result()
        cluster.drop(url)


def test_a_migration_that_fails_halfway_leaves_nothing_behind(postgresql: str) -> None:
    engine = open_engine(postgresql)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE journal (x integer)"))  # in the way of the fifth table
    with pytest.raises(StorageError, match="journal"):
        migrations.upgrade("cases", postgresql)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["journal"]
    engine.dispose()
