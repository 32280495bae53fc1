"""After the release: an agent on the phone hears that mail still fails, and hands the case over once it is due."""

from typing import Any

import pytest

from plugin.errors import NotAllowed
from plugin.model import Agent, CaseState, Role
from tests.conftest import ALEX

BUCKY = "bucky.badger@example.edu"
TRACE_ID = "1f0c6a52-8c0e-4b27-9d51-3b7de2a94f10"  # in what Microsoft wrote of the block (demo/tenant/world.json)
SVEN = Agent(login="sven", name="Sven Supervisor", email="sven@example.edu", role=Role.SUPERVISOR, source="desk")


@pytest.fixture
def ticket(world: Any) -> str:
    """A ticket whose account was released a moment ago."""
    ticket: str = world.file(email=BUCKY, report="ndr-5.1.8")
    world.unblock(world.answer_all(world.only_case(ticket)))
    world.pass_time(minutes=10)
    world.only_case(ticket, CaseState.UNBLOCKED)
    return ticket


def test_complaint_by_phone_within_the_24_hours_gets_the_hour_and_ends_overdue(world: Any, ticket: str) -> None:
    world.pass_time(hours=2)
    world.front.complain(world.only_case(ticket), ALEX)
    world.run()
    world.only_case(ticket, CaseState.UNBLOCKED)
    assert "it is too early to escalate" in world.notes(ticket)[-1]
    world.pass_time(hours=22)
    world.only_case(ticket, CaseState.OVERDUE)
    assert "overdue, escalate now" in world.notes(ticket)[-1]


@pytest.mark.parametrize("is_down", [False, True])
def test_complaint_by_phone_after_the_24_hours_is_overdue_once_the_account_was_read(
    world: Any, ticket: str, is_down: bool
) -> None:
    world.pass_time(hours=26)
    case = world.only_case(ticket, CaseState.CLOSED)
    world.tenant_faults.is_down = is_down
    world.front.complain(case, ALEX)
    world.run()
    if is_down:
        world.only_case(ticket, CaseState.CLOSED)
        world.tenant_faults.is_down = False
        world.pass_time(hours=1)
    world.only_case(ticket, CaseState.OVERDUE)
    assert "overdue, escalate now" in world.notes(ticket)[-1]


def test_escalation_posts_all_the_evidence_once(world: Any, ticket: str) -> None:
    world.front.complain(world.only_case(ticket), ALEX)
    world.pass_time(hours=25)
    case = world.only_case(ticket, CaseState.OVERDUE)
    before = world.notes(ticket)

    world.front.escalate(case, SVEN)
    world.run()
    with pytest.raises(NotAllowed, match="Sven Supervisor"):
        world.front.escalate(world.only_case(ticket), ALEX)
    world.pass_time(hours=2)

    (note,) = world.notes(ticket)[len(before) :]
    assert "handed to the Office 365 team" in note
    assert "By Sven Supervisor (sven)" in note
    for evidence in (
        "Pressed Unblock.",
        "Alex Agent (alex)",
        f"{BUCKY}: <strong>Not Blocked",
        "off the list",
        "The 24 hours ended:",
        "Says that the customer still cannot send.",
        "Mail still fails, as heard from the customer",
        TRACE_ID,
    ):
        assert evidence in note, evidence
    assert world.only_case(ticket, CaseState.OVERDUE).escalated_by == "Sven Supervisor (sven)"


def test_another_block_after_an_escalation_is_a_new_matter(world: Any, ticket: str) -> None:
    world.front.complain(world.only_case(ticket), ALEX)
    world.pass_time(hours=25)
    world.front.escalate(world.only_case(ticket, CaseState.OVERDUE), ALEX)
    world.run()
    world.tenant.block("bbadger", BUCKY, reason="spam")
    world.front.refresh(world.only_case(ticket), ALEX)

    case = world.only_case(ticket, CaseState.CHECKLIST_OPEN)

    assert (case.escalated_at, case.escalated_by) == (None, "")
