"""A changed case comes with its journal line and its tasks; a reading that tells nothing new changes nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plugin.casework import answer_told, signed, told
from plugin.model import (
    AccountStatus,
    Agent,
    BlockedAddress,
    Case,
    CaseState,
    Role,
    Sending,
    SignIn,
    SignInState,
    Task,
)
from plugin.store.cases import Stale

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
BUCKY = "bucky.badger@example.edu"
ALEX = Agent(login="alex", name="Alex Agent", email="", role=Role.AGENT, source="desk")
STATUS = AccountStatus(
    tenant="campus",
    netid="bbadger",
    display_name="Bucky",
    primary_address=BUCKY,
    addresses=(BUCKY,),
    sending=Sending.BLOCKED,
    blocked=(BlockedAddress(address=BUCKY), BlockedAddress(address="b@example.edu")),
    sign_in=SignInState(state=SignIn.DISABLED, reason="Compromised Account"),
    checked_at=NOW,
)


@pytest.fixture
def case(world: Any) -> Case:
    """A case with its checklist open and nothing waiting."""
    opened: Case = world.only_case(world.file(email=BUCKY, report="ndr-5.1.8"), CaseState.CHECKLIST_OPEN)
    return opened


def waiting(world: Any) -> list[str]:
    return [task.id for task in world.store.waiting_tasks(100)]


def test_a_saved_case_has_a_journal_line_in_its_actors_name_and_is_shown_on_its_ticket(world: Any, case: Case) -> None:
    work = world.parts.casework
    saved = work.save(replace(case, reason="x"), "Did something.", agent=ALEX, tasks=[Task(id="t", name="n", args={})])
    assert (saved.version, saved.updated_at) == (case.version + 1, world.clock())
    last = world.store.journal(case.id)[-1]
    assert (last.actor, last.what, last.at) == ("Alex Agent (alex)", "Did something.", world.clock())
    assert waiting(world) == [f"annotate:{case.id}:{saved.version}", "t"]


def test_an_older_copy_is_refused_with_everything_that_came_with_it(world: Any, case: Case) -> None:
    work = world.parts.casework
    work.save(case, "First.")
    before = (world.store.journal(case.id), waiting(world))
    with pytest.raises(Stale):
        work.save(case, "Second.", tasks=[Task(id="t", name="n", args={})])
    assert (world.store.journal(case.id), waiting(world)) == before


def test_the_clock_of_a_release_is_set_once_however_often_the_released_case_is_saved(world: Any, case: Case) -> None:
    work = world.parts.casework
    released = work.enter(case, CaseState.UNBLOCKED, "", "Released.")
    again = work.save(replace(released, reason="noted"), "Noted.")
    follow_ups = [task for task in world.store.waiting_tasks(100) if task.name == "follow_up"]
    (clock,) = follow_ups
    assert clock.not_before == again.escalate_after == world.clock() + timedelta(hours=24)


def test_a_reading_that_tells_nothing_new_changes_nothing(world: Any, case: Case) -> None:
    world.clock.forward(minutes=5)
    before = (world.store.case(case.id), world.store.journal(case.id))
    world.parts.casework.take(case, replace(case.status, checked_at=world.clock()), "")
    assert (world.store.case(case.id), world.store.journal(case.id)) == before
    assert waiting(world) == []


def test_a_reading_that_an_agent_asked_for_is_kept_even_then(world: Any, case: Case) -> None:
    world.clock.forward(minutes=5)
    taken = world.parts.casework.take(case, replace(case.status, checked_at=world.clock()), "Read again.", agent=ALEX)
    assert taken.status.checked_at == world.clock()
    assert world.store.journal(case.id)[-1].what.startswith("Read again. Sending Blocked")


def test_a_case_left_between_reading_and_weighing_is_weighed_by_the_next_reading(world: Any, case: Case) -> None:
    ready = world.answer_all(case)
    with world.store.change() as change:  # as an end of the process between the two would have left it
        left = change.save_case(ready, state=CaseState.CHECKLIST_OPEN)
    assert world.parts.casework.take(left, left.status, "").state is CaseState.READY


def test_a_release_is_recorded_at_the_first_reading_that_lists_the_address_no_longer(world: Any, case: Case) -> None:
    world.unblock(world.answer_all(case))
    assert {asking.released_at for asking in world.store.askings_of_case(case)} == {None}
    world.pass_time(minutes=5)
    released = {asking.released_at for asking in world.store.askings_of_case(case)}
    assert None not in released
    world.pass_time(minutes=5)
    assert {asking.released_at for asking in world.store.askings_of_case(case)} == released


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reading_is_told_in_one_line() -> None:
    assert told(STATUS) == f"Sending Blocked ({BUCKY}, b@example.edu); sign-in disabled: Compromised Account."
    unknown = replace(
        STATUS, sending=Sending.UNKNOWN, blocked=(), sign_in=SignInState(state=SignIn.UNKNOWN), failure="campus: down"
    )
    assert told(unknown) == "Sending Unknown; sign-in unknown; campus: down."


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (None, "Took back: Password changed"),
        ({"done": True}, "Answered “Password changed”: yes"),
        ({"yes": False}, "Answered “Password changed”: no"),
        ({"who": "Sam", "reference": "SEC-1"}, "Answered “Password changed”: Sam, SEC-1"),
    ],
)
def test_an_answer_is_told_in_one_line(value: dict[str, object] | None, line: str) -> None:
    assert answer_told("Password changed", value) == line


def test_an_agent_without_a_name_signs_with_the_login() -> None:
    assert (signed(ALEX), signed(replace(ALEX, name=""))) == ("Alex Agent (alex)", "alex")
