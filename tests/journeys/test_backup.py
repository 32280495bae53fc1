"""Backup while everything runs, and back again into a new folder: nothing lost, no note twice, nothing asked again.

The desk here makes a new note of every one that it is sent. What it and the tenant saw after the backup, the databases
no longer know.
"""

import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from plugin.demo.agent import AgentAtDesk, OpenPanel

FIONA = "fiona.inell@example.edu"  # not blocked
BOTH = ["bbadger@cs.example.edu", "bucky.badger@example.edu"]


def run(life: Any, *words: str) -> tuple[int, str]:
    """A command of the operator's; its exit code and what it said."""
    command = [sys.executable, "-m", "plugin.cli", *words, "--config", str(life.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def until_ready(life: Any, agent: AgentAtDesk, email: str) -> tuple[str, OpenPanel]:
    ticket = life.file(email)
    life.until_state(ticket, "Checklist open")
    panel = agent.open(ticket)
    panel.answer_checklist({"bulk-sender": "no"})
    life.until_state(ticket, "Ready")
    return ticket, panel


def test_a_backup_made_under_load_is_put_back_and_every_promise_holds(
    make_life: Callable[..., Any], tmp_path: Path
) -> None:
    life = make_life(forgetful=True, follow_up_after="1h")
    life.config.write_text(life.config.read_text().replace('scan_every = "0s"', 'scan_every = "3s"'))
    life.kill("to read the settings")
    agent = AgentAtDesk(life.desk_url, "alex-key")
    filed: list[str] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.wait(0.5):
            filed.append(life.file(FIONA))

    loading = threading.Thread(target=load)
    loading.start()
    try:
        ticket, panel = until_ready(life, agent, "bucky.badger@example.edu")
        life.at_tenant.takes = 4.0  # so that the backup falls between the press and the asking
        life.press_unblock(panel)
        backup = tmp_path / "backup"
        code, said = run(life, "db", "backup", str(backup))
        assert code == 0, said
        assert life.asked() == []
        life.at_tenant.takes = 0.0
        life.until_state(ticket, "Unblocked")
        later, panel = until_ready(life, agent, "mona.mass@example.edu")  # all of it after the backup
        life.press_unblock(panel)
        life.until_state(later, "Unblocked")
    finally:
        stop.set()
        loading.join()
    assert "db restored" in said
    assert sorted(path.name for path in backup.iterdir()) == ["cases.sqlite", "deliveries.sqlite"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in backup.iterdir()} == {0o600}
    code, said = run(life, "db", "backup", str(backup))
    assert (code, "is there already and is not overwritten" in said) == (1, True)
    assert life.sender.flush(30)
    life.until(lambda: all(life.state(one) == "Not blocked" for one in filed), "the load is worked off")
    asked, notes = life.asked(), {one: life.notes(one) for one in (ticket, later, *filed)}
    assert asked == [*BOTH, "mona.mass@example.edu"]
    code, said = run(life, "db", "restored")
    assert code != 0
    assert "stop" in said

    for process in (life.web, life.worker):
        process.send_signal(signal.SIGKILL)
        process.wait()
    new = tmp_path / "new"
    (new / "var").mkdir(parents=True)
    life.config = Path(shutil.copy(life.config, new))
    for copy in backup.iterdir():
        shutil.copy(copy, new / "var")
    before_start = len(filed)
    for _ in range(2):
        code, said = run(life, "db", "restored")
        assert code == 0, said
    life.web, life.worker = life.start("web"), life.start("worker")
    life.until_state(ticket, "Asked, outcome unknown", "Unblocked")
    life.until(
        lambda: "Unblock had been pressed when the backup was made" in "".join(texts(life, ticket)), "it says why"
    )
    filed += [life.file(FIONA) for _ in range(3)]
    known = new / "var" / "cases.sqlite"
    life.until(lambda: tickets_of(known) == {ticket, later, *filed}, "all came back")
    life.until(lambda: all(life.state(one) == "Not blocked" for one in filed), "and are shown")
    assert before_start > 10
    assert life.asked() == asked
    for one in notes:
        now = life.notes(one)
        assert not [key for key in now if "again" in key]
        assert now[: len(notes[one])] == notes[one]
    assert {one: life.notes(one) for one in filed[:before_start]} == {one: notes[one] for one in filed[:before_start]}
    assert ".bug" not in life.said()


def texts(life: Any, ticket: str) -> list[str]:
    return [message.text for message in life.desk.ticket(ticket).messages if message.key]


def tickets_of(cases: Path) -> set[str]:
    with closing(sqlite3.connect(cases, timeout=10)) as connection:
        return {row[0] for row in connection.execute("SELECT ticket FROM cases")}
