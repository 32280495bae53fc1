"""Two web and three worker processes on one PostgreSQL, killed at random while customers write and agents work.

The desk of these tests makes a note of every one that it is sent, and says so (`one_note_per_key` is false): nothing
but the plugin keeps a note from being there twice.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from plugin.demo.desk.records import Person
from plugin.model import Task
from plugin.naming import ticket_lane
from plugin.store import schema
from plugin.store.cases import CaseStore
from plugin.store.engine import open_engine
from plugin.store.locks import SHOWN_AS
from tests.real.postgresql.conftest import Rows, accounts, release

pytestmark = pytest.mark.real

FORGETFUL = {"one_note_per_key": False}


class Killer:
    """SIGKILL for one process after the other, by a seed; some are started again, some for the next one to find."""

    def __init__(self, life: Any, seed: int) -> None:
        self._life, self._dice = life, random.Random(seed)
        self._over = threading.Event()
        self.killed: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # In the time that a process needs to start, two or three of the five are killed: some work is always done.
        while not self._over.wait(self._dice.uniform(0.2, 0.8) * min(4.0, self._life.started_within)):
            name = self._dice.choice(("web", "worker", "worker"))
            processes = self._life.webs if name == "web" else self._life.workers
            number = self._dice.randrange(len(processes))
            if processes[number].poll() is None:
                processes[number].kill()
                processes[number].wait()
                self.killed[name] += 1
            if self._dice.random() < 0.7:
                self._start(name, processes)

    def _start(self, name: str, processes: list[Any]) -> None:
        for number, process in enumerate(processes):
            if process.poll() is not None:
                processes[number] = self._life.start(name, number if name == "web" else 0)

    def stop(self) -> None:
        """No more kills; one web and one worker at least are there afterwards."""
        self._over.set()
        self._thread.join()
        if all(process.poll() is not None for process in self._life.webs):
            self._life.webs[0] = self._life.start("web", 0)
        if all(process.poll() is not None for process in self._life.workers):
            self._life.workers[0] = self._life.start("worker")


class Agent(threading.Thread):
    """Works one ticket to its end as a person does: reloads the page where it breaks, and presses again where asked."""

    def __init__(self, life: Any, ticket: str) -> None:
        super().__init__(daemon=True)
        self._life, self.ticket, self.presses = life, ticket, 0
        self.start()

    def run(self) -> None:
        """Until the case is closed."""
        end = time.monotonic() + 150
        while time.monotonic() < end and self._life.state(self.ticket) != "Closed":
            with suppress(requests.RequestException, ValueError):  # nobody there, or no form to press
                self._act(self._life.open_panel(self.ticket))
            time.sleep(0.5)

    def _act(self, panel: Any) -> None:
        state = self._life.state(self.ticket)
        if state == "Checklist open":
            panel.answer_checklist({"bulk-sender": "no"})
        elif state in ("Ready", "Asked, outcome unknown", "Still blocked"):
            self._life.press_unblock(panel)
            self.presses += 1


def nothing_is_double(life: Any, tickets: list[str]) -> None:
    """No note twice, by its key and by its occasion."""
    again = {key: times for key, times in life.keeping.posted.items() if times > 1}
    assert not again
    for ticket in tickets:
        notes = life.notes(ticket)
        occasions = Counter(note.rsplit("/", 1)[1].split("-2")[0] for note in notes if "unknown" not in note)
        assert set(occasions.values()) <= {1}, (ticket, notes)


@pytest.mark.parametrize("seed", [4, 2026])
def test_killed_at_random_nothing_is_lost_and_nothing_is_twice(
    make_scaled: Callable[..., Any], rows: Rows, tmp_path: Path, seed: int
) -> None:
    program = release(tmp_path / "program", abilities=FORGETFUL)
    life = make_scaled(webs=2, workers=3, program=program, forgetful=True, note_settles_within="3s", recheck_for="8s")
    killer = Killer(life, seed)
    worked = [life.file(f"user{number:03}@example.edu") for number in range(6)]
    agents = [Agent(life, ticket) for ticket in worked]
    others: list[str] = []
    while sum(killer.killed.values()) < 15 or (len(others) < 60 and not all(agent.presses for agent in agents)):
        others.append(life.file(f"user{6 + len(others) % 6:03}@example.edu"))
        time.sleep(0.8)
    killer.stop()
    assert life.sender.flush(60)
    for agent in agents:
        agent.join(100)
    assert killer.killed["web"] > 1, killer.killed
    assert killer.killed["worker"] > 1, killer.killed
    assert {delivery.state for delivery in life.sender.log} == {"delivered"}
    assert len(life.balancer.answered) == 2, "both web processes took part"
    for ticket in worked:
        life.until_state(ticket, "Closed")
    for ticket in others:
        life.until_state(ticket, "Checklist open")
    life.until(lambda: not rows.left(), "everything is worked off")
    nothing_is_double(life, [*worked, *others])
    assert all(any("/blocked" in note for note in life.notes(ticket)) for ticket in others)
    # Every agent saw one account through: what was asked again was asked because the first time never arrived.
    asked = Counter(life.asked())
    assert asked == Counter(f"user{number:03}@example.edu" for number in range(6))


def test_a_worker_killed_for_ever_is_taken_over_within_a_minute(make_scaled: Callable[..., Any], rows: Rows) -> None:
    life = make_scaled(webs=1, workers=2, accounts=accounts(6), takes=0.5, follow_up_after="1s")
    victim = life.workers[0]
    tickets = [life.file(f"user{number % 6:03}@example.edu") for number in range(12)]
    life.until(lambda: life.at_desk.all + life.at_tenant.all > 6, "both are at work")
    victim.kill()
    victim.wait()
    killed_at = time.monotonic()
    for ticket in tickets:
        life.until_state(ticket, "Checklist open")
    life.until(lambda: not rows.left(), "everything is worked off", seconds=60)
    assert time.monotonic() - killed_at < 60


def lock_holders(rows: Rows) -> list[int]:
    """The server's processes that hold locks of workers."""
    of_ours = f"datname = current_database() AND application_name = '{SHOWN_AS}'"
    return [int(pid) for (pid,) in rows.all(f"SELECT pid FROM pg_stat_activity WHERE {of_ours}")]


def leaders(life: Any) -> int:
    """How often a worker has begun to lead."""
    said: str = life.said()
    return said.count("worker.leads")


def test_when_the_leader_is_gone_another_one_leads_within_seconds(make_scaled: Callable[..., Any], rows: Rows) -> None:
    life = make_scaled(webs=1, workers=1)
    life.until(lambda: leaders(life) == 1, "the first one leads")
    life.workers.append(life.start("worker"))
    life.until(lambda: life.said().count("worker.started") == 2, "the second one is there")
    life.workers[0].kill()
    killed_at = time.monotonic()
    life.until(lambda: leaders(life) == 2, "the second one leads", seconds=15)
    assert time.monotonic() - killed_at < 15
    ticket = life.file("user001@example.edu")
    life.until_state(ticket, "Checklist open")


def test_a_worker_that_loses_its_locks_ends_itself_and_another_does_its_work(
    make_scaled: Callable[..., Any], rows: Rows
) -> None:
    life = make_scaled(webs=1, workers=1, takes=0.3)
    life.until(lambda: leaders(life) == 1, "the first one leads")
    (connection,) = lock_holders(rows)
    life.workers.append(life.start("worker"))
    life.until(lambda: life.said().count("worker.started") == 2, "the second one is there")
    tickets = [life.file(f"user{number:03}@example.edu") for number in range(6)]
    life.until(lambda: life.at_desk.all > 3, "they are at work")
    rows.all(f"SELECT pg_terminate_backend({connection})")
    assert life.workers[0].wait(10) == 70
    for ticket in tickets:
        life.until_state(ticket, "Checklist open")
    life.until(lambda: not rows.left(), "everything is worked off")
    assert "worker.locks_lost" in life.said()
    assert life.workers[1].poll() is None


def test_a_frozen_worker_is_not_taken_for_dead_and_goes_on_where_it_was(
    make_scaled: Callable[..., Any], rows: Rows
) -> None:
    """Its connection lives on, so its names are its own: what it has under way waits for it, nothing is done twice."""
    life = make_scaled(webs=1, workers=2, takes=0.3)
    tickets = [life.file(f"user{number:03}@example.edu") for number in range(6)]
    life.until(lambda: life.at_desk.all > 3, "they are at work")
    os.kill(life.workers[0].pid, signal.SIGSTOP)
    later = [life.file(f"user{6 + number:03}@example.edu") for number in range(3)]
    frozen_at = rows.one("SELECT max(seen_at) FROM workers")
    looked = "SELECT max(seen_at) > '{}'::timestamptz + interval '5 seconds' FROM workers"
    life.until(lambda: rows.one(looked.format(frozen_at)), "the other one has looked after it")
    os.kill(life.workers[0].pid, signal.SIGCONT)
    for ticket in [*tickets, *later]:
        life.until_state(ticket, "Checklist open")
    life.until(lambda: not rows.left(), "everything is worked off")
    assert all(len(set(life.notes(ticket))) == len(life.notes(ticket)) == 1 for ticket in tickets)


@pytest.mark.parametrize("limit", [3])
def test_so_many_requests_at_once_and_no_more_go_to_a_system_from_all_workers_together(
    make_scaled: Callable[..., Any], rows: Rows, limit: int
) -> None:
    life = make_scaled(webs=1, workers=3, takes=0.2, calls_at_once=limit)
    life.until(lambda: life.said().count("worker.started") == 3, "all are there")
    tickets = [life.file(f"user{number % 12:03}@example.edu") for number in range(24)]

    def is_shared() -> bool:
        tickets.append(life.file(f"user{len(tickets) % 12:03}@example.edu"))
        return len(rows.all("SELECT DISTINCT worker FROM outbox WHERE worker <> ''")) > 1

    life.until(is_shared, "another worker takes some of it")  # what comes at once is one batch, for one worker
    for ticket in tickets:
        life.until_state(ticket, "Checklist open")
    assert life.at_desk.most == limit
    assert life.at_tenant.most <= limit


def show_again(postgresql: str, times: int) -> None:
    """Call so often for each case to be shown on its ticket, which shows something else by now for all we know."""
    engine = open_engine(postgresql)
    store = CaseStore(engine)
    with engine.connect() as connection:
        cases = connection.execute(sa.select(schema.cases.c.id, schema.cases.c.source, schema.cases.c.ticket)).all()
        marks = connection.scalars(sa.select(schema.marks.c.name).where(schema.marks.c.name.like("shown %"))).all()
    with store.change() as change:
        for mark in marks:
            change.set_mark(mark, "")
        for row, number in product(cases, range(times)):
            lane = ticket_lane(row.source, row.ticket)
            change.put_task(Task(id=f"mend:{row.id}:{number}", name="annotate", args={"case": row.id}, lane=lane))
    engine.dispose()


def test_one_write_at_a_time_goes_to_a_ticket_and_to_an_account_from_all_workers_together(
    make_scaled: Callable[..., Any], rows: Rows, postgresql: str
) -> None:
    life = make_scaled(webs=2, workers=3, takes=0.15, calls_at_once=16)
    life.until(lambda: life.said().count("worker.started") == 3, "all are there")
    tickets = [life.file(f"user{number % 2:03}@example.edu") for number in range(6)]
    for ticket in tickets:
        life.until_state(ticket, "Checklist open")
    show_again(postgresql, times=8)
    panels = [life.open_panel(ticket) for ticket in tickets]
    for panel in panels:
        panel.answer_checklist({"bulk-sender": "no"})
    for ticket in tickets:
        life.until_state(ticket, "Ready")
    for panel in panels:  # three on one account, as fast as agents can
        with suppress(requests.HTTPError, ValueError):  # another one was faster
            life.press_unblock(panel)
    for ticket in tickets[:2]:
        life.until_state(ticket, "Closed")
    life.until(lambda: not rows.left(), "everything is worked off")
    assert life.at_desk.most > 1, "nothing was done at once at all"
    assert set(life.at_desk.most_at_one()) >= {f"/api/tickets/{ticket}" for ticket in tickets}
    assert set(life.at_desk.most_at_one().values()) == {1}
    assert set(life.at_tenant.most_at_one().values()) == {1}
    assert Counter(life.asked()) == Counter(["user000@example.edu", "user001@example.edu"])


def test_without_a_limit_they_would_be_more(make_scaled: Callable[..., Any]) -> None:
    life = make_scaled(webs=1, workers=3, takes=0.2, calls_at_once=30)
    for number in range(24):
        life.file(f"user{number % 12:03}@example.edu")
    life.until(lambda: life.at_desk.most > 3, "the desk is asked much at once")


def test_a_text_that_postgresql_would_refuse_holds_up_nothing(make_scaled: Callable[..., Any], rows: Rows) -> None:
    life = make_scaled()
    requester = Person(email="user001@example.edu", name="B\x00b")
    text = "My mail \x00 bounces: 550 5.1.8 Access denied, bad outbound sender AS(42004)"
    strange = str(life.desk.open_ticket(requester, "undeliverable\x00", text).id)
    plain = life.file("user002@example.edu")
    life.until_state(plain, "Checklist open")
    life.until(lambda: life.state(strange) is not None, "the strange one is worked on")
    life.until(lambda: not rows.left(), "everything is worked off")
    assert rows.one("SELECT count(*) FROM outbox WHERE outcome NOT IN ('done', '')") == 0
