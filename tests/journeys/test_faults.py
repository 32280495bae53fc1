"""What may happen to the real processes: SIGKILL at any moment, an outage, a locked database, a poison event.

tests/journeys/test_kill.py has the worker killed at each of its requests; here nobody knows where it is killed.
"""

import os
import random
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from plugin.demo.agent import AgentAtDesk
from plugin.demo.desk.sender import sign
from tests.journeys.life import Life

SECRET = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
PATIENCE = 240  # seconds; a machine that is busy with other things starts processes slowly


def people(many: int) -> Mapping[str, Any]:
    """Accounts with one blocked address each."""
    return {
        f"user{number}": {
            "display_name": f"User {number}",
            "addresses": [address_of(number)],
            "blocked": [{"address": address_of(number), "reason": "OutboundSpamLast24Hours=40", "minutes_ago": 60}],
        }
        for number in range(many)
    }


def address_of(number: int) -> str:
    return f"user.{number}@example.edu"


def occasions(life: Life, ticket: str) -> list[str]:
    """What each note was for."""
    return [key.rsplit("/", 1)[1].split("-2")[0] for key in life.notes(ticket)]


def all_are(life: Life, tickets: list[str], *states: str) -> Callable[[], bool]:
    return lambda: all(life.state(ticket) in states for ticket in tickets)


def wait_until(moment: float, hurry: Callable[[], bool] = lambda: False) -> None:
    """Wait for a moment of the monotonic clock."""
    while time.monotonic() < moment and not hurry():
        time.sleep(0.01)


def family(pid: int) -> list[int]:
    """A process and those that it has started, which do its work; the web process has one."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [pid, *(map(int, children.read_text().split()) if children.exists() else ())]


# ── SIGKILL ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Killer:
    """Kills web, worker or both at moments nobody has chosen, and starts them again as `serve` does."""

    def __init__(self, life: Life, seed: int) -> None:
        self._life, self._random = life, random.Random(seed)
        self.killed: list[str] = []

    def kill(self, *names: str) -> None:
        """Kill these now, and start new ones."""
        for name in names:
            for pid in family(getattr(self._life, name).pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for name in names:
            getattr(self._life, name).wait()
            setattr(self._life, name, self._life.start(name))
        self.killed.append("+".join(names))

    def rage(self, times: int) -> None:
        """Kill so many times, with pauses of any length; some are too short for a process to have recovered."""
        for _ in range(times):
            wait_until(time.monotonic() + self._random.choice([0.05, 0.6, 1.5, 3.0]) * self._random.random() * 2)
            self.kill(*self._random.choice([("worker",), ("worker",), ("web",), ("web", "worker")]))


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment_and_again_during_recovery_nothing_is_lost_doubled_or_stuck(
    make_life: Callable[..., Life], seed: int
) -> None:
    many = 8
    # The "24 hours" must outlast the deaths, or a case is closed before its result could be told.
    life = make_life(accounts=people(many), recheck_for="8s", takes=0.02, follow_up_after="10s")
    killer = Killer(life, seed)
    tickets = []
    for number in range(many):
        tickets.append(life.file(address_of(number)))
        killer.rage(1)
    life.until(all_are(life, tickets, "Checklist open"), "every ticket has its case", PATIENCE)
    assert life.sender.flush(60)
    assert [occasions(life, ticket) for ticket in tickets] == [["blocked"]] * many

    alex = AgentAtDesk(life.desk_url, "alex-key")
    life.until(lambda: is_ready(life), "the web process is back", PATIENCE)
    for ticket in tickets[:3]:
        alex.open(ticket).answer_checklist({"bulk-sender": "no"})
    life.until(all_are(life, tickets[:3], "Ready"), "the checklists are done", PATIENCE)
    for ticket in tickets[:3]:
        life.until(lambda: is_ready(life), "the web process is back", PATIENCE)
        life.press_unblock(alex.open(ticket))  # a panel of before the kill has to be opened anew
        killer.rage(2)
    life.until(all_are(life, tickets[:3], "Closed", "Asked, outcome unknown"), "every press has an end", PATIENCE)
    assert len(life.asked()) == len(set(life.asked()))
    for ticket in tickets[:3]:
        ends = {"Closed": ["blocked", "unblocked", "closed"]}
        usual = ends.get(life.state(ticket) or "", ["blocked", "outcome_unknown"])
        assert occasions(life, ticket) == usual, killer.killed
    assert len(killer.killed) == many + 6


def test_web_process_killed_between_receiving_and_acknowledging_makes_one_note_of_what_is_sent_again(
    make_life: Callable[..., Life],
) -> None:
    many = 6
    life = make_life(accounts=people(many))
    life.sender.stop()  # each event is sent by hand here
    tickets = [life.file(address_of(number)) for number in range(many)]
    killer, unanswered = Killer(life, 7), 0
    # Killed so many seconds after all of a request has arrived; the last is answered before.
    for moment, delivery in zip((0.0, 0.001, 0.003, 0.006, 0.012, 5.0), list(life.sender.log), strict=True):
        answered = deliver(life, delivery, killer, moment)
        life.until(lambda: is_ready(life), "the web process is back", PATIENCE)
        if not answered:
            unanswered += 1
            assert deliver(life, delivery, None, 0.0)
    assert unanswered >= 1
    life.until(all_are(life, tickets, "Checklist open"), "every ticket has its case", PATIENCE)
    assert [occasions(life, ticket) for ticket in tickets] == [["blocked"]] * many
    with closing(sqlite3.connect(life.config.parent / "var" / "deliveries.sqlite")) as database:
        kept = database.execute("SELECT count(*), count(DISTINCT delivery_id) FROM deliveries").fetchone()
    assert kept == (many, many)


def deliver(life: Life, delivery: Any, killer: Killer | None, moment: float) -> bool:
    """Send an event by hand, perhaps kill the web process meanwhile; whether it was acknowledged."""
    stamp = str(int(time.time()))
    headers = {
        "Host": "plugin",
        "Content-Type": "application/json",
        "Content-Length": str(len(delivery.body)),
        "Connection": "close",
        "webhook-id": delivery.webhook_id,
        "webhook-timestamp": stamp,
        "webhook-signature": sign(SECRET, delivery.webhook_id, stamp, delivery.body),
    }
    head = "POST /webhooks/desk HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    answer = b""
    with socket.create_connection(("127.0.0.1", life.ports[0]), timeout=20) as connection:
        connection.sendall(f"{head}\r\n".encode() + delivery.body)
        if killer is not None:
            end = time.monotonic() + moment
            connection.setblocking(False)
            while time.monotonic() < end and not answer:
                with suppress(BlockingIOError):
                    answer = connection.recv(65536)
            connection.setblocking(True)
            killer.kill("web")
        with suppress(OSError):
            answer = answer or connection.recv(65536)
    return answer.startswith((b"HTTP/1.1 202", b"HTTP/1.1 200"))


def is_ready(life: Life) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(f"{life.url}/readyz", timeout=5).ok
    return False


# ── an outage ────────────────────────────────────────────────────────────────────────────────────────────────────


class Lonely(Life):
    """A life whose worker gets nothing but 500 from desk and tenant while both are away."""

    are_away = False

    def step(self, name: str, method: str, path: str, body: bytes) -> str | None:
        is_workers = path.startswith("/api/" if name == "desk" else "/v1/")
        return "away" if self.are_away and is_workers else None

    def kill(self, step: str) -> None:
        """Nobody: the request is only answered so."""


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Lonely]:
    life = Lonely(tmp_path, mode="before", accounts=people(40), calls_at_once=4, takes=0.05)
    yield life
    life.close()


def test_after_an_outage_no_more_requests_come_at_once_than_the_settings_allow(lonely: Lonely) -> None:
    life, many = lonely, 40
    life.are_away = True
    tickets = [life.file(address_of(number)) for number in range(many)]
    assert life.sender.flush(60)
    life.until(lambda: life.said().count("task.again") > 3 * many, "every event has failed some times", PATIENCE)
    assert [life.notes(ticket) for ticket in tickets] == [[]] * many
    life.are_away = False
    returned = time.monotonic()
    life.until(all_are(life, tickets, "Checklist open"), "everything is made good", PATIENCE)
    # Some six requests of 50 ms for each ticket, four at once, and pauses of at most a second between two attempts.
    assert time.monotonic() - returned < PATIENCE / 2
    assert [occasions(life, ticket) for ticket in tickets] == [["blocked"]] * many
    assert 2 <= life.at_desk.most <= 4
    assert life.at_tenant.most <= 4
    assert "task.dead" not in life.said()


# ── a locked database ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["deliveries", "cases", "engine"])
def test_database_that_somebody_else_locks_for_longer_than_our_patience_costs_nothing(
    make_life: Callable[..., Life], name: str
) -> None:
    life = make_life(accounts=people(4))
    first = life.file(address_of(0))
    life.until_state(first, "Checklist open")
    file = life.config.parent / "var" / f"{name}.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        tickets = [life.file(address_of(number)) for number in (1, 2, 3)]
        life.until(lambda: is_felt(life, name), f"somebody has waited for the {name} database in vain", PATIENCE)
        assert [life.notes(ticket) for ticket in tickets] == [[]] * 3
        other.execute("ROLLBACK")
    life.until(all_are(life, tickets, "Checklist open"), "everything is made good", PATIENCE)
    assert life.sender.flush(60)
    assert [occasions(life, ticket) for ticket in [first, *tickets]] == [["blocked"]] * 4
    assert (life.web.poll(), life.worker.poll()) == (None, None)


def is_felt(life: Life, name: str) -> bool:
    """Whether the lock has lasted for longer than somebody was ready to wait: ten seconds, and the engine's own."""
    said = life.said()
    if name == "deliveries":
        return any(attempt.outcome == "503" for delivery in life.sender.log for attempt in delivery.attempts)
    return any(word in said for word in ("relay.failed", "relay.bug", "task.not_kept", "database is locked"))


# ── a poison event ───────────────────────────────────────────────────────────────────────────────────────────────


class Poisoned(Life):
    """A life with a ticket that ends the worker whenever it is read."""

    poison = ""

    def step(self, name: str, method: str, path: str, body: bytes) -> str | None:
        is_poison = (name, method, path) == ("desk", "GET", f"/api/tickets/{self.poison}")
        return f"read {self.poison}" if is_poison else None


@pytest.fixture
def poisoned(tmp_path: Path) -> Iterator[Poisoned]:
    life = Poisoned(tmp_path, mode="before", accounts=people(8))
    yield life
    life.close()


def test_event_that_ends_its_worker_takes_no_other_along_and_is_given_up_alone(poisoned: Poisoned) -> None:
    life = poisoned
    life.worker.kill()
    life.worker.wait()
    tickets = [life.file(address_of(number)) for number in range(5)]
    life.poison = tickets[2]
    others = [ticket for ticket in tickets if ticket != life.poison]
    assert life.sender.flush(60)  # so that all of them are in one batch
    life.worker = life.start("worker")
    life.until(all_are(life, others, "Checklist open"), "the others of the batch are worked off", PATIENCE)
    assert "task.dead" not in life.said()
    later = [life.file(address_of(number)) for number in (5, 6)]
    life.until(all_are(life, later, "Checklist open"), "later events are worked off meanwhile", PATIENCE)

    life.until(lambda: "task.dead" in life.said(), "the poison is given up", PATIENCE)
    life.until_state(life.poison, "Needs a person")
    # Once in the batch, three times as one of many, and ten times alone.
    assert 12 <= len(life.killed) <= 16
    assert life.said().count("task.suspect") >= 9
    (note,) = [message for message in life.desk.ticket(life.poison).messages if message.key]
    assert "could not be checked" in note.text
    assert "the worker ended" in note.text

    worker = life.worker.pid
    last = life.file(address_of(7))
    life.until_state(last, "Checklist open")
    assert (life.worker.pid, life.worker.poll()) == (worker, None)
    assert [occasions(life, ticket) for ticket in [*others, *later, last]] == [["blocked"]] * 7
