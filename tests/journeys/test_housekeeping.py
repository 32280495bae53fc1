"""Housekeeping under load, with real processes: what is over goes from all databases, and no promise is broken."""

import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from plugin.demo.desk.records import Person

FIONA = "fiona.inell@example.edu"  # not blocked: her cases are over at once
SHORT = '[retention]\ndeliveries = "1s"\ntasks = "1s"\ncases = "3s"\n'
EMPTIED = {
    "deliveries": ("deliveries", "events"),
    "cases": ("outbox", "cases", "answers", "journal"),
    "engine": ("workflow_status", "workflow_input", "workflow_output", "operation_outputs"),
}


def count(folder: Path, database: str, query: str) -> int:
    with closing(sqlite3.connect(folder / "var" / f"{database}.sqlite", timeout=10)) as connection:
        found: int = connection.execute(query).fetchone()[0]
        return found


def rows(folder: Path) -> dict[str, int]:
    """The tables that are not empty."""
    counts = {
        f"{database}.{table}": count(folder, database, f"SELECT count(*) FROM {table}")
        for database, tables in EMPTIED.items()
        for table in tables
    }
    return {name: many for name, many in counts.items() if many}


def occasions(life: Any, ticket: str) -> list[str]:
    return [key.rsplit("/", 1)[1] for key in life.notes(ticket)]


def is_forgotten(folder: Path, ticket: str) -> bool:
    return not count(folder, "cases", f"SELECT count(*) FROM cases WHERE ticket = '{ticket}'")


def test_under_load_what_is_over_goes_from_all_databases_and_nothing_is_lost_or_done_twice(
    make_life: Callable[..., Any], tmp_path: Path
) -> None:
    life = make_life()
    life.config.write_text(life.config.read_text() + SHORT)
    life.kill("to read the settings")
    first, tickets, stop = [life.file(FIONA) for _ in range(5)], [], threading.Event()

    def load() -> None:
        while not stop.wait(0.25):
            tickets.append(life.file(FIONA))

    loading = threading.Thread(target=load)
    loading.start()
    try:
        ticket = life.file()  # one case is worked on to its end meanwhile
        life.until_state(ticket, "Checklist open")
        panel = life.open_panel(ticket)
        panel.answer_checklist({"bulk-sender": "no"})
        life.until_state(ticket, "Ready")
        life.press_unblock(panel)
        life.until_state(ticket, "Unblocked")
        life.kill("while it keeps house")
        life.until_state(ticket, "Closed")
        life.until(lambda: all(is_forgotten(tmp_path, one) for one in first), "the first cases are forgotten")
        for one in first:
            life.desk.reply(one, Person(email=FIONA, name="F"), "Thank you!", "public")
        os.kill(life.worker.pid, signal.SIGTERM)
        assert life.worker.wait(30) == 0
        life.worker = life.start("worker")
    finally:
        stop.set()
        loading.join()
    assert life.sender.flush(30)
    everything = [*first, *tickets]
    life.until(lambda: all(life.state(one) == "Not blocked" for one in everything), "each ticket shows its state")
    life.until(lambda: not rows(tmp_path), f"all of it is forgotten: {rows(tmp_path)}")
    assert Counter(len(life.notes(one)) for one in everything) == {1: len(everything)}
    assert [key.split("-2")[0] for key in occasions(life, ticket)] == ["blocked", "unblocked", "closed"]
    assert life.asked() == ["bbadger@cs.example.edu", "bucky.badger@example.edu"]
    assert count(tmp_path, "cases", "SELECT count(*) FROM askings") == 2
    assert ".bug" not in life.said()
    assert len(everything) > 20
