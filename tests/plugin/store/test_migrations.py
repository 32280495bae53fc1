"""The migrations make the very tables that the queries speak of, change nothing twice, and lose nothing."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from threading import Barrier

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, select

from plugin.errors import StorageError
from plugin.model import Answer, CaseState, Delivery, Outcome, Parsed, TicketEvent
from plugin.store import migrations, schema
from plugin.store.case_list import CaseList, Filter
from plugin.store.cases import CaseStore
from plugin.store.deliveries import DeliveryStore
from plugin.store.deliveries import metadata as deliveries
from plugin.store.engine import open_engine
from plugin.store.outbox import Outbox
from tests.plugin.store import old_rows

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
def test_newest_revision_is_alembics_own(tmp_path: Path, database: str, metadata: MetaData) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite'}"
    assert not migrations.is_newest(database, url)
    migrations.upgrade(database, url)
    assert migrations.is_newest(database, url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent / database))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.newest(database)]


def test_process_that_finds_its_databases_in_order_does_not_load_what_migrates_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite'}"
    migrations.upgrade("cases", url)
    code = f"""
import sys
from plugin.store import migrations
migrations.upgrade("cases", {url!r})
print("alembic" in sys.modules)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


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


# ── with data of the first release in them ───────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def upgraded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Engine]]:
    """Both databases of the first release, full, brought to the newest form; on PostgreSQL both in one."""
    engines = {}
    for database in old_rows.ROWS:
        is_file = request.param == "sqlite"
        url = f"sqlite:///{tmp_path / database}.sqlite" if is_file else request.getfixturevalue("postgresql")
        first = open_engine(url)
        with first.begin() as connection:
            old_rows.make(connection, database)
        first.dispose()
        migrations.upgrade(database, url)
        engines[database] = open_engine(url)
    yield engines
    for engine in engines.values():
        engine.dispose()


def test_every_table_of_the_first_release_is_filled_and_keeps_its_rows(upgraded: dict[str, Engine]) -> None:
    for database, engine in upgraded.items():
        with engine.connect() as connection:
            first = MetaData()
            first.reflect(connection)
            for name, rows in old_rows.ROWS[database].items():
                kept = connection.execute(select(*(first.tables[name].c[column] for column in rows[0]))).all()
                assert len(kept) == len(rows), name
                found = [{key: told(value) for key, value in row._mapping.items()} for row in kept]
                for was in rows:
                    assert {key: told(value) for key, value in was.items()} in found, name


def told(value: object) -> object:
    """SQLite gives a moment back without its zone."""
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def test_cases_of_the_first_release_are_read_as_they_were(upgraded: dict[str, Engine]) -> None:
    store = CaseStore(upgraded["cases"])
    (released,) = store.cases_of_ticket("desk", "7")
    assert (released.state, released.unblocked_at) == (CaseState.UNBLOCKED, old_rows.AT)
    assert released.status is not None
    assert released.status.blocked[0].address == old_rows.BUCKY
    assert released.finding is not None
    assert released.finding.code == "5.1.8"
    assert {case.id for case in store.cases_of_account("bbadger")} == {"released", "open"}
    unclear = store.case("unclear")
    assert unclear is not None
    assert (unclear.status, unclear.candidates) == (None, (old_rows.BUCKY,))
    assert [answer.item for answer in store.answers("open")] == ["password-changed"]
    assert [asking.answer for asking in store.askings("campus", "bbadger", [])] == [Answer.REQUESTED, None]
    assert [entry.what for entry in store.journal("released")] == ["Pressed Unblock."]
    assert store.mark("relayed") == "2"
    with store.change() as change:
        assert not change.use_launch("desk", "used", old_rows.AT, old_rows.AT)


def test_cases_of_the_first_release_are_listed_and_found_by_their_address(upgraded: dict[str, Engine]) -> None:
    cases = CaseList(upgraded["cases"], ["desk"])
    states = [CaseState.UNBLOCKED, CaseState.CHECKLIST_OPEN, CaseState.NEEDS_PERSON]
    assert [case.id for case in cases.page(states, Filter(), limit=9).cases] == ["released", "open", "unclear"]
    assert [case.id for case in cases.page(states, Filter(text="Bucky"), limit=9).cases] == ["released", "open"]
    assert [case.id for case in cases.page(states, Filter(agent="alex"), limit=9).cases] == ["released"]
    assert cases.causes(old_rows.AT) == {"outbound spam": 2}
    assert all(case.ticket_url == "" for case in cases.page(states, Filter(), limit=9).cases)


def test_a_note_of_the_first_release_that_may_be_on_its_way_counts_as_sent(upgraded: dict[str, Engine]) -> None:
    done, unsure = CaseStore(upgraded["cases"]).notes("released")
    assert (done.done_at, done.note.subject) == (old_rows.AT, "Blocked: Bücky")
    assert (unsure.sent_at, unsure.done_at) == (old_rows.AT, None)


def test_tasks_of_the_first_release_go_on_where_they_were(upgraded: dict[str, Engine]) -> None:
    store, outbox = CaseStore(upgraded["cases"]), Outbox(upgraded["cases"])
    assert [task.id for task in store.waiting_tasks(9)] == ["annotate:open:4"]
    (later,) = outbox.open_with_engine(handed_before=old_rows.LATER, after=0, limit=9)
    assert (later[1].task.id, later[1].task.not_before) == ("follow-up:released:4", old_rows.LATER)
    first, again = outbox.records(["handle:evt_1"])
    assert (first.outcome, again.outcome) == (Outcome.DONE, Outcome.DONE)
    assert (again.task.base, again.task.attempt) == ("handle:evt_1", 1)
    assert outbox.begin([later[1].task], worker="w", at=old_rows.LATER) == {"follow-up:released:4": 1}


def test_deliveries_of_the_first_release_are_known_again(upgraded: dict[str, Engine]) -> None:
    store = DeliveryStore(upgraded["deliveries"])
    assert [(row.seq, row.id) for row in store.events_after(1, 9)] == [(2, "evt_2")]
    event = TicketEvent(source="desk", ticket="7", kind="ticket.created", key="desk:7:2")
    delivery = Delivery(source="desk", headers={}, body=b"", received_at=old_rows.AT)
    assert store.accept(delivery, Parsed(delivery_id="msg_2", events=(event,))).seen_before
    store.accept(delivery, Parsed(delivery_id="new", events=(event,)))
    assert [row.seq for row in store.events_after(2, 9)] == [3]
