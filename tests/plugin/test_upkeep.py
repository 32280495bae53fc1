"""What the engine has lost is found again from our own rows; with the real engine, in a process of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.journeys.test_engine import Worker, task


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    worker = Worker(tmp_path)
    yield worker
    worker.close()


def change(worker: Worker, database: str, statement: str, *values: object) -> int:
    """Change a database behind the program's back; how many rows that were."""
    with closing(sqlite3.connect(worker.folder / f"{database}.sqlite", timeout=30)) as connection, connection:
        return connection.execute(statement, values).rowcount


def age(worker: Worker) -> None:
    """Everything was handed over so long ago that it is looked for."""
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).replace(tzinfo=None).isoformat(" ")
    change(worker, "cases", "UPDATE outbox SET handed_at = ? WHERE handed_at IS NOT NULL", long_ago)


def until_begun(worker: Worker, *keys: str) -> None:
    worker.until_told(*(f"effect {key}" for key in keys))
    worker.until(lambda: not worker.store.waiting_tasks(1))
    worker.end()


def test_engines_database_that_is_gone_is_made_anew_from_our_rows(worker: Worker) -> None:
    later = datetime.now(UTC) + timedelta(seconds=3)
    worker.let_go("done")
    worker.put(task("done"), task("lane", lane="a"), task("free"), task("late", not_before=later))
    worker.start()
    worker.until_told("end done")
    until_begun(worker, "lane", "free")
    for file in worker.folder.glob("engine.sqlite*"):
        file.unlink()
    age(worker)
    worker.let_go("lane", "free", "late")
    worker.start()
    worker.until_told("end lane", "end free", "end late")
    for key in ("done", "lane", "free", "late"):
        assert worker.told().count(f"effect {key}") == 1
        assert worker.told().count(f"end {key}") == 1
    assert "tasks.lost" in (worker.folder / "log").read_text()


def test_task_that_the_engine_takes_for_ended_without_our_having_heard_of_it_is_tried_again(worker: Worker) -> None:
    worker.put(task("lane", lane="a"))
    worker.start()
    until_begun(worker, "lane")
    ended = "UPDATE workflow_status SET status = 'ERROR' WHERE workflow_uuid = ?"
    assert change(worker, "engine", ended, "work:lane") == 1
    age(worker)
    worker.let_go("lane")
    worker.start()
    worker.until_told("end lane")
    assert worker.told().count("effect lane") == 1
    assert "task.failed_in_engine task=work:lane" in (worker.folder / "log").read_text()


def test_task_that_still_waits_in_the_engine_is_not_taken_for_lost(worker: Worker) -> None:
    later = datetime.now(UTC) + timedelta(seconds=6)
    worker.put(task("first", lane="a"), task("second", lane="b", not_before=later))
    worker.start()
    until_begun(worker, "first")
    age(worker)
    worker.start()
    worker.until(lambda: worker.told().count("start first") == 2)
    worker.let_go("first", "second")
    worker.until_told("end first", "end second")
    log = (worker.folder / "log").read_text()
    assert "tasks.lost" not in log
    assert "task.failed_in_engine" not in log
    assert worker.told().count("start second") == 1
