"""SIGKILL for the worker at each step of the procedure in turn: every note once, every unblock asked at most once.

A step is a request that the worker makes. *After*: the other side did what was asked, and nobody heard its answer.
*Before*: the request arrived and nothing came of it.
"""

from collections.abc import Callable
from typing import Any

BOTH = ["bbadger@cs.example.edu", "bucky.badger@example.edu"]


def until_ready(life: Any) -> tuple[str, Any]:
    """From the ticket to the completed checklist."""
    ticket = life.file()
    life.until_state(ticket, "Checklist open")
    panel = life.open_panel(ticket)
    panel.answer_checklist({"bulk-sender": "no"})
    life.until_state(ticket, "Ready")
    return ticket, panel


def occasions(life: Any, ticket: str) -> list[str]:
    """What each note was for."""
    return [key.rsplit("/", 1)[1].split("-2")[0] for key in life.notes(ticket)]


def test_killed_after_every_step_each_note_is_there_once_and_each_address_was_asked_once(
    make_life: Callable[..., Any],
) -> None:
    life = make_life(mode="after", recheck_for="8s")
    ticket, panel = until_ready(life)
    life.press_unblock(panel)
    # A write to the ticket may kill the worker just between an asking's row and its sending; then an agent decides.
    if life.until_state(ticket, "Closed", "Asked, outcome unknown") != "Closed":
        assert len(life.asked()) < len(BOTH)
        life.press_unblock(panel)
        life.until_state(ticket, "Closed")
    notes = [occasion for occasion in occasions(life, ticket) if occasion != "outcome_unknown"]
    assert notes == ["blocked", "unblocked", "closed"]
    assert len(set(life.notes(ticket))) == len(life.notes(ticket))
    assert life.asked() == BOTH
    assert sum("POST" in step or "PATCH" in step for step in life.killed) >= 10, life.killed


def test_killed_before_every_step_nothing_is_lost_and_only_an_agent_has_an_unblock_sent_again(
    make_life: Callable[..., Any],
) -> None:
    life = make_life(mode="before", recheck_for="6s")
    ticket, panel = until_ready(life)
    life.press_unblock(panel)
    life.until_state(ticket, "Asked, outcome unknown")
    assert life.asked() == []  # both rows were written, neither request was answered: never sent again by the program
    for _ in range(2):  # twice where a row was written the first time whose request is killed only now
        life.press_unblock(panel)
        life.until_state(ticket, "Unblocking", "Unblocked", "Closed")
        if life.until_state(ticket, "Closed", "Asked, outcome unknown") == "Closed":
            break
    assert life.asked() == BOTH
    notes = [occasion for occasion in occasions(life, ticket) if occasion != "outcome_unknown"]
    assert notes == ["blocked", "unblocked", "closed"]


def test_killed_while_nobody_looks_a_wait_is_not_lost(make_life: Callable[..., Any]) -> None:
    life = make_life(follow_up_after="4s")
    ticket, panel = until_ready(life)
    life.press_unblock(panel)
    life.until_state(ticket, "Unblocked")
    life.kill("waiting for the clock")
    life.until_state(ticket, "Closed")
    assert occasions(life, ticket) == ["blocked", "unblocked", "closed"]


def test_an_event_acknowledged_while_no_worker_runs_is_worked_off_by_the_next_one(
    make_life: Callable[..., Any],
) -> None:
    life = make_life()
    life.worker.kill()
    life.worker.wait()
    tickets = [life.file() for _ in range(5)]
    assert life.sender.flush(20)
    life.worker = life.start("worker")
    for ticket in tickets:
        life.until_state(ticket, "Checklist open")
        assert occasions(life, ticket) == ["blocked"]
