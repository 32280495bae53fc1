"""Each of the databases on a file system that is full for a while: nothing lost, nothing twice, no person needed.

Run as a program, this file is the worker, with less patience than the real one has for work that has been lost sight
of. What makes room again, and starts a process that has ended as `serve` does, is the test.
"""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plugin.app import Parts, migrate, set_up_logging
from plugin.settings import load
from tests.journeys.life import Life

pytestmark = pytest.mark.real

PATIENCE = 240  # seconds
MANY, EACH_ROUND = 30, 6


class Small:
    """A file system of its own, which can be filled to the last byte."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._filling = place / "filling"

    def mount(self) -> None:
        command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(self.place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (
            f"cannot mount a small file system on {self.place} ({done.stderr.strip()}): "
            "this test needs root, and in a container the right to mount (--cap-add SYS_ADMIN)"
        )

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.place)], check=True)

    def fill(self) -> None:
        """Leave not one byte."""
        with self._filling.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError as error:
                    assert error.errno == errno.ENOSPC  # noqa: PT017 - any other one is a fault of this machine

    def make_room(self) -> None:
        self._filling.unlink()


class FullLife(Life):
    """A life with one of its databases on a small file system, whose worker is started again when it ends."""

    def __init__(self, folder: Path, name: str, small: Small) -> None:
        (folder / "var").mkdir()
        self.file_there = small.place / f"{name}.sqlite"
        (folder / "var" / f"{name}.sqlite").symlink_to(self.file_there)
        super().__init__(folder, accounts=people(), takes=0.3)

    def start(self, name: str, number: int = 0, *, program: Path | None = None) -> "subprocess.Popen[bytes]":
        if name != "worker":
            return super().start(name, number, program=program)
        command = [sys.executable, "-m", "tests.real.test_disk_full", str(self.config)]
        return subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def keep_up(self) -> None:
        """Start a worker that has ended, as `serve` does."""
        if self.worker.poll() is not None:
            self.worker = self.start("worker")


def people() -> Mapping[str, Any]:
    return {
        f"user{number}": {
            "display_name": f"User {number}",
            "addresses": [address_of(number)],
            "blocked": [{"address": address_of(number), "reason": "OutboundSpamLast24Hours=40", "minutes_ago": 60}],
        }
        for number in range(MANY)
    }


def address_of(number: int) -> str:
    return f"user.{number}@example.edu"


@pytest.fixture
def small() -> Iterator[Small]:
    with tempfile.TemporaryDirectory() as folder:
        small = Small(Path(folder))
        small.mount()
        yield small
        small.unmount()


@pytest.fixture
def make_full(tmp_path: Path, small: Small) -> Iterator[Callable[[str], FullLife]]:
    made: list[FullLife] = []

    def make(name: str) -> FullLife:
        made.append(FullLife(tmp_path, name, small))
        return made[-1]

    yield make
    for life in made:
        life.close()


def are_open(life: FullLife, tickets: list[str]) -> Callable[[], bool]:
    def look() -> bool:
        life.keep_up()
        return all(life.state(ticket) == "Checklist open" for ticket in tickets)

    return look


def is_felt(life: FullLife, name: str) -> Callable[[], bool]:
    """Whether from now on whoever writes that database has been told some times that it is full."""

    def times() -> int:
        if name == "deliveries":
            return sum(attempt.outcome == "503" for delivery in life.sender.log for attempt in delivery.attempts)
        return life.said().count("full")

    before = times()

    def look() -> bool:
        life.keep_up()
        return times() >= before + 3

    return look


@pytest.mark.parametrize("name", ["deliveries", "cases", "engine"])
def test_full_disk_costs_nothing_and_everything_goes_on_by_itself_once_there_is_room(
    make_full: Callable[[str], FullLife], small: Small, name: str
) -> None:
    life = make_full(name)
    tickets = [life.file(address_of(0))]
    life.until(are_open(life, tickets), "the first ticket has its case", PATIENCE)
    for number in range(1, MANY):
        tickets.append(life.file(address_of(number)))
        if number % EACH_ROUND == 0:
            life.until(lambda: life.at_desk.here > 1, "work is under way", PATIENCE)
            small.fill()
            life.until(is_felt(life, name), f"the {name} database is felt to be full", PATIENCE)
            small.make_room()
    life.until(are_open(life, tickets), "everything is made good", PATIENCE)
    life.until(lambda: is_done(life), "no task is left open", PATIENCE)
    assert life.sender.flush(60)
    assert acknowledged(life) == kept(life)
    assert [len(life.notes(ticket)) for ticket in tickets] == [1] * MANY
    assert {delivery.state for delivery in life.sender.log} == {"delivered"}
    assert life.web.poll() is None
    assert "task.dead" not in life.said()


def is_done(life: FullLife) -> bool:
    """Whether every task has ended."""
    life.keep_up()
    with closing(sqlite3.connect(life.config.parent / "var" / "cases.sqlite", timeout=30)) as database:
        return bool(database.execute("SELECT count(*) = 0 FROM outbox WHERE ended_at IS NULL").fetchone()[0])


def acknowledged(life: FullLife) -> set[str]:
    """Deliveries that the desk has heard to be kept."""
    good = ("200", "202")
    return {it.webhook_id for it in life.sender.log if any(attempt.outcome in good for attempt in it.attempts)}


def kept(life: FullLife) -> set[str]:
    """Deliveries that are kept."""
    with closing(sqlite3.connect(life.config.parent / "var" / "deliveries.sqlite", timeout=30)) as database:
        return {row[0] for row in database.execute("SELECT delivery_id FROM deliveries")}


# ── the worker's process ─────────────────────────────────────────────────────────────────────────────────────────


def main(config: Path) -> None:
    """The worker as `m365-unblock worker` runs it, but for its patience."""
    set_up_logging()
    parts = Parts(load(config, os.environ), is_worker=True)
    parts.check()
    migrate(parts.settings)
    parts.upkeep.pause, parts.upkeep.overlooked_after = 3.0, timedelta(seconds=8)
    engine = parts.engine()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    engine.start()
    signal.sigwait({signal.SIGTERM})
    engine.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
