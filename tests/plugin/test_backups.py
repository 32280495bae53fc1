"""Backup and what is to be known once it was put back; under load and with real processes in tests/journeys."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plugin import rules
from plugin.backups import back_up, make_sure_that_nothing_runs, put_back
from plugin.errors import SettingsError, StorageError
from plugin.model import Agent, Case, CaseState, Role
from plugin.settings import Settings
from plugin.store.cases import RESTORED
from plugin.store.locks import open_locks

BUCKY = "bucky.badger@example.edu"
MONA = "mona.mass@example.edu"
ALEX = Agent(login="alex", name="Alex Agent", email="alex@example.edu", role=Role.AGENT, source="desk")


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def restored(world: Any) -> list[str]:
    return list(put_back(world.parts.casework, world.parts.settings))


class Past:
    """A world whose databases a test puts back to what they were."""

    def __init__(self, world: Any, folder: Path) -> None:
        self._world, self._folder = world, folder
        list(back_up(world.parts.settings, folder))

    def put_back(self) -> list[str]:
        """Over SQLite's own backup: this process has the files open."""
        settings = self._world.parts.settings
        for name, url in (("cases", settings.cases_url), ("deliveries", settings.deliveries_url)):
            with closing(sqlite3.connect(self._folder / f"{name}.sqlite")) as copy, closing(connect(url)) as database:
                copy.backup(database)
        return restored(self._world)


def connect(url: str) -> sqlite3.Connection:
    return sqlite3.connect(file_of(url))


@pytest.fixture
def backup(world: Any, tmp_path: Path) -> Callable[[], Past]:
    return lambda: Past(world, tmp_path / "backup")


def ready(world: Any, email: str = BUCKY) -> Case:
    ticket = world.file(email=email, report="ndr-5.1.8")
    return world.answer_all(world.only_case(ticket, CaseState.CHECKLIST_OPEN))


# ── what the program may not know ────────────────────────────────────────────────────────────────────────────────


def test_what_was_being_unblocked_is_not_asked_about_again_and_an_agent_decides(
    world: Any, backup: Callable[[], Past]
) -> None:
    case = ready(world)
    world.front.unblock(case, ALEX)  # the task to ask waits
    past = backup()
    world.run()
    assert len(world.asked()) == 2
    notes = world.notes(case.ticket)
    past.put_back()
    world.pass_time(minutes=5)
    assert len(world.asked()) == 2
    assert world.notes(case.ticket)[:-1] == notes
    assert rules.PUT_BACK in world.notes(case.ticket)[-1]
    asked = world.case(case.id)
    assert (asked.state, rules.PUT_BACK in asked.reason) == (CaseState.OUTCOME_UNKNOWN, True)
    world.front.refresh(asked, ALEX)
    assert world.case(case.id).state is CaseState.UNBLOCKED  # Microsoft lists the account no longer
    assert len(world.asked()) == 2


def test_an_agent_who_presses_unblock_after_a_restore_is_warned_however_often_the_account_is_read(
    world: Any, backup: Callable[[], Past]
) -> None:
    case = ready(world)
    backup().put_back()
    assert world.case(case.id).reason == rules.PUT_BACK
    world.clock.forward(minutes=1)
    world.front.refresh(world.case(case.id), ALEX)
    world.run()
    assert world.case(case.id).reason == rules.PUT_BACK
    world.unblock(world.case(case.id))
    assert rules.PUT_BACK not in world.case(case.id).reason
    assert len(world.asked()) == 2


def test_a_case_that_the_backup_does_not_know_comes_back_by_the_scan_with_the_warning_and_no_note_twice(
    world: Any, backup: Callable[[], Past]
) -> None:
    past = backup()
    case = ready(world)
    notes = world.notes(case.ticket)
    past.put_back()
    assert world.cases(case.ticket) == ()
    world.scan()
    assert world.only_case(case.ticket, CaseState.CHECKLIST_OPEN).reason == rules.PUT_BACK
    assert world.notes(case.ticket) == notes


def test_a_block_that_is_listed_long_after_a_restore_needs_no_warning(world: Any, backup: Callable[[], Past]) -> None:
    backup().put_back()
    world.clock.forward(days=3)
    for blocked in world.tenant.account("mmass").listed:
        blocked.blocked_at = world.clock()
    ticket = world.file(email=MONA, report="ndr-5.1.8")
    assert world.only_case(ticket, CaseState.CHECKLIST_OPEN).reason == ""


def test_a_ticket_that_shows_what_came_after_the_backup_shows_the_case_as_it_is_now(
    world: Any, backup: Callable[[], Past]
) -> None:
    case = ready(world)
    past = backup()
    world.unblock(case)
    world.pass_time(minutes=5)
    assert world.ticket(case.ticket)["fields"]["Case State"] == "Unblocked"
    past.put_back()
    world.run()
    shown = world.ticket(case.ticket)
    assert (shown["fields"]["Case State"], shown["fields"]["Unblocked At"]) == ("Ready", None)
    assert shown["tags"] == ["m365-blocked"]


def test_tasks_that_the_engine_had_are_begun_again(world: Any, backup: Callable[[], Past]) -> None:
    case = ready(world)
    world.unblock(case)
    world.pass_time(minutes=5)  # the look when the clock has run out waits
    waiting = world.store.waiting_tasks(10)
    with world.store.change() as change:
        change.handed(waiting, world.clock())
    assert world.store.waiting_tasks(10) == ()
    backup().put_back()
    assert {task.id for task in waiting} <= {task.id for task in world.store.waiting_tasks(10)}


def test_run_twice_it_changes_nothing_more_and_the_engines_database_is_gone(
    world: Any, backup: Callable[[], Past]
) -> None:
    pressed, other = ready(world), ready(world, MONA)
    world.front.unblock(pressed, ALEX)
    engine = file_of(world.parts.settings.engine_url)
    for beside in ("", "-wal", "-shm"):
        engine.with_name(engine.name + beside).touch()
    said = backup().put_back()
    assert not list(engine.parent.glob(f"{engine.name}*"))
    once = [world.case(case.id) for case in (pressed, other)]
    assert [case.state for case in once] == [CaseState.OUTCOME_UNKNOWN, CaseState.READY]
    assert all(rules.PUT_BACK in case.reason for case in once)
    assert said[0].startswith("Cases that were being unblocked: 1.")
    again = restored(world)
    assert [world.case(case.id) for case in (pressed, other)] == once
    assert again[0].startswith("Cases that were being unblocked: 0.")
    assert again[1].startswith("Other cases in which Unblock can be pressed: 0.")
    assert world.store.mark(RESTORED) == world.clock().isoformat()


# ── while something runs ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def alone(world: Any, tmp_path: Path) -> Settings:
    """Settings over copies that no process has open."""
    folder = tmp_path / "copies"
    list(back_up(world.parts.settings, folder))
    urls = {f"{name}_url": f"sqlite:///{folder / name}.sqlite" for name in ("cases", "deliveries", "engine")}
    return replace(world.parts.settings, **urls)


def test_restored_refuses_while_a_worker_runs(alone: Settings) -> None:
    worker = open_locks(alone.engine_url)
    assert worker.take("worker-1")
    with pytest.raises(SettingsError, match="another worker is running"):
        make_sure_that_nothing_runs(alone, open_locks(alone.engine_url))
    worker.close()
    locks = open_locks(alone.engine_url)
    make_sure_that_nothing_runs(alone, locks)
    locks.close()


@pytest.mark.parametrize("name", ["cases", "deliveries"])
def test_restored_refuses_while_a_process_has_a_database_open(alone: Settings, name: str) -> None:
    locks = open_locks(alone.engine_url)
    with closing(connect(getattr(alone, f"{name}_url"))) as web:
        web.execute("PRAGMA journal_mode = WAL").close()
        web.execute("SELECT * FROM sqlite_master").close()
        with pytest.raises(StorageError, match=rf"a process is at work on .*{name}.sqlite; stop web and worker first"):
            make_sure_that_nothing_runs(alone, locks)
    locks.close()


@pytest.mark.parametrize(
    ("content", "said"), [(None, "put the copy there first"), (b"no database at all " * 100, "is no database")]
)
def test_restored_says_which_database_is_missing_or_broken(alone: Settings, content: bytes | None, said: str) -> None:
    file = file_of(alone.cases_url)
    file.unlink() if content is None else file.write_bytes(content)
    locks = open_locks(alone.engine_url)
    with pytest.raises(StorageError, match=said):
        make_sure_that_nothing_runs(alone, locks)
    locks.close()


# ── the backup ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_backup_is_whole_files_without_logs_and_says_how_to_put_it_back(world: Any, tmp_path: Path) -> None:
    case = ready(world)
    said = "\n".join(back_up(world.parts.settings, tmp_path / "a" / "b"))
    with closing(sqlite3.connect(f"file:{tmp_path}/a/b/cases.sqlite?mode=ro", uri=True)) as copy:
        assert copy.execute("SELECT id FROM cases").fetchall() == [(case.id,)]
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["cases.sqlite", "deliveries.sqlite"]
    assert f"cp {tmp_path}/a/b/cases.sqlite {file_of(world.parts.settings.cases_url)}" in said
    assert "m365-unblock db restored" in said


def test_a_copy_of_cases_never_knows_more_events_than_the_copy_of_deliveries(world: Any, tmp_path: Path) -> None:
    """Whatever is accepted and relayed between the two copies."""
    steps = back_up(world.parts.settings, tmp_path)
    next(steps)  # cases
    world.file(email=BUCKY, report="ndr-5.1.8")
    list(steps)
    with closing(sqlite3.connect(tmp_path / "cases.sqlite")) as cases:
        relayed = cases.execute("SELECT value FROM marks WHERE name = 'relayed'").fetchone()
    with closing(sqlite3.connect(tmp_path / "deliveries.sqlite")) as deliveries:
        assert deliveries.execute("SELECT count(*) FROM events").fetchone() == (1,)
    assert relayed is None


@pytest.mark.parametrize("name", ["cases.sqlite", "deliveries.sqlite", "cases.sqlite.part"])
def test_a_backup_overwrites_nothing_and_leaves_no_half(world: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / name).write_text("precious")
    with pytest.raises(StorageError, match=rf"{name} is there already and is not overwritten"):
        list(back_up(world.parts.settings, tmp_path / "full"))
    assert [(path.name, path.read_text()) for path in (tmp_path / "full").iterdir()] == [(name, "precious")]


def test_a_backup_of_which_the_second_half_fails_leaves_nothing(world: Any, tmp_path: Path) -> None:
    lost = replace(world.parts.settings, deliveries_url=f"sqlite:///{tmp_path / 'missing.sqlite'}")
    with pytest.raises(StorageError, match=r"missing.sqlite could not be copied"):
        list(back_up(lost, tmp_path / "backup"))
    assert list((tmp_path / "backup").iterdir()) == []
    assert not (tmp_path / "missing.sqlite").exists()


def test_one_file_for_both_is_copied_once(world: Any, tmp_path: Path) -> None:
    settings = replace(world.parts.settings, deliveries_url=world.parts.settings.cases_url)
    list(back_up(settings, tmp_path / "backup"))
    assert [path.name for path in (tmp_path / "backup").iterdir()] == ["cases.sqlite"]


def test_on_postgresql_it_says_what_to_use_and_not_the_password(world: Any, tmp_path: Path) -> None:
    url = "postgresql://ours:secret@db.example.edu/unblock"
    with pytest.raises(SettingsError, match=r"\[store\] cases_url is a PostgreSQL database.* pg_dump") as caught:
        list(back_up(replace(world.parts.settings, cases_url=url), tmp_path / "backup"))
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "backup").exists()


def test_a_copy_is_readable_by_nobody_else(world: Any, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    list(back_up(world.parts.settings, folder))
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
