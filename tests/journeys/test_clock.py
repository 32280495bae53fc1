"""The plugin's clock is set back or forward by an hour in the middle of a case.

The others' clocks go right. What the plugin must still promise: nothing is asked twice, nothing is called released or
overdue too early by the clock it goes by, and no case is stuck for longer than the hour.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import pytest

from plugin.app import Parts
from plugin.model import CaseState
from plugin.ports import TicketSystem
from tests.conftest import START
from tests.journeys.in_between import Forgetful
from tests.journeys.spoiled import FAULTS, Spoiled

BUCKY = "bucky.badger@example.edu"
BOTH = ["bbadger@cs.example.edu", BUCKY]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
STEP = timedelta(seconds=20)


class FrankParts(Parts):
    """The plugin for a desk that says of itself: a note sent twice is two notes."""

    @cached_property
    def sources(self) -> dict[str, TicketSystem]:
        sources = super().sources
        for system in sources.values():
            system.abilities = replace(system.abilities, one_note_per_key=False)  # type: ignore[misc]
        return sources


class Wrong:
    """A world whose tenant keeps the true time while the plugin's clock may be set."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.true = START
        world.tenant.clock = lambda: self.true

    def set_clock(self, by: timedelta) -> None:
        """Somebody sets the plugin's clock."""
        self.world.clock.now += by

    def go_on(self, by: timedelta, *, until: Callable[[], bool] = lambda: False, step: timedelta = STEP) -> timedelta:
        """True time passes, at most so much; how much it was until something had happened."""
        began = self.true
        while self.true - began < by and not until():
            self.true += step
            self.world.clock.now += step
            self.world.run()
        return self.true - began


@pytest.fixture
def wrong(world: Any) -> Wrong:
    return Wrong(world)


def asked(wrong: Wrong) -> str:
    """A ticket whose unblock has been asked just now."""
    world = wrong.world
    ticket: str = world.file(email=BUCKY, report="ndr-5.1.8")
    world.unblock(world.answer_all(world.only_case(ticket)))
    assert sorted(world.asked()) == BOTH
    return ticket


def is_in(wrong: Wrong, ticket: str, state: CaseState) -> Callable[[], bool]:
    return lambda: wrong.world.only_case(ticket).state is state


def moment_of(wrong: Wrong, ticket: str) -> datetime:
    moment: datetime = wrong.world.only_case(ticket).unblocked_at
    return moment


JUMPS = [(-HOUR,), (HOUR,), (HOUR, -HOUR), (-HOUR, HOUR)]


@pytest.mark.parametrize("jumps", JUMPS, ids=["back", "forward", "forward and back", "back and forward"])
def test_clock_set_between_asking_and_release_asks_once_and_sees_the_release_within_the_hour(
    wrong: Wrong, jumps: tuple[timedelta, ...]
) -> None:
    ticket = asked(wrong)
    for jump in jumps:
        wrong.set_clock(jump)
        wrong.go_on(MINUTE)
    took = wrong.go_on(2 * HOUR, until=is_in(wrong, ticket, CaseState.UNBLOCKED))
    assert took <= HOUR + 10 * MINUTE
    wrong.go_on(10 * MINUTE)
    note = wrong.world.notes(ticket)[-1]
    assert note.count("Not Blocked") == len(BOTH)
    assert "waiting for Microsoft" not in note
    assert sorted(wrong.world.asked()) == BOTH
    case = wrong.world.only_case(ticket)
    assert all(asking.released_at is not None for asking in wrong.world.store.askings_of_case(case))


@pytest.mark.parametrize("jumps", JUMPS, ids=["back", "forward", "forward and back", "back and forward"])
def test_clock_set_between_release_and_its_24_hours_ends_them_an_hour_off_at_most(
    wrong: Wrong, jumps: tuple[timedelta, ...]
) -> None:
    ticket = asked(wrong)
    wrong.go_on(HOUR, until=is_in(wrong, ticket, CaseState.UNBLOCKED))
    released = wrong.true
    for jump in jumps:
        wrong.go_on(2 * HOUR, step=MINUTE)
        wrong.set_clock(jump)
    wrong.go_on(30 * HOUR, until=is_in(wrong, ticket, CaseState.CLOSED), step=5 * MINUTE)
    off = wrong.true - released - 24 * HOUR - sum(jumps, timedelta()) * -1
    assert -MINUTE <= off <= 15 * MINUTE
    assert wrong.world.clock() >= moment_of(wrong, ticket) + 24 * HOUR
    assert len(wrong.world.notes(ticket)) == 3


@pytest.mark.parametrize("jumps", JUMPS, ids=["back", "forward", "forward and back", "back and forward"])
def test_clock_set_between_failing_attempts_delays_the_next_one_by_the_hour_at_most(
    wrong: Wrong, jumps: tuple[timedelta, ...]
) -> None:
    wrong.world.tenant_faults.is_down = True
    ticket = wrong.world.file(email=BUCKY, report="ndr-5.1.8")
    wrong.go_on(5 * MINUTE)
    for jump in jumps:
        wrong.set_clock(jump)
        wrong.go_on(MINUTE)
    wrong.world.tenant_faults.is_down = False
    took = wrong.go_on(3 * HOUR, until=is_in(wrong, ticket, CaseState.CHECKLIST_OPEN))
    assert took <= HOUR + 6 * MINUTE
    assert wrong.world.ticket(ticket)["tags"] == ["m365-blocked"]


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_clock_set_while_a_note_is_on_its_way_makes_one_note_of_it_within_the_hour(
    make_world: Callable[..., Any], jump: timedelta
) -> None:
    wrong = Wrong(make_world(parts=FrankParts))
    keeping = Forgetful(wrong.world.desk_app.wsgi_app)
    wrong.world.desk_app.wsgi_app = desk = Spoiled(keeping)
    desk.faults["note"] = FAULTS["500 before the work"]
    ticket = wrong.world.file(email=BUCKY, report="ndr-5.1.8")
    desk.faults.clear()
    wrong.set_clock(jump)
    took = wrong.go_on(3 * HOUR, until=lambda: bool(wrong.world.notes(ticket)))
    assert took <= HOUR + 6 * MINUTE
    wrong.go_on(10 * MINUTE)
    assert list(keeping.posted.values()) == [1]


def test_clock_set_back_lets_no_answer_count_that_was_given_before_the_block(wrong: Wrong) -> None:
    ticket = asked(wrong)
    wrong.go_on(HOUR, until=is_in(wrong, ticket, CaseState.UNBLOCKED))
    wrong.world.tenant.block("bbadger", BUCKY, reason="OutboundSpamLast24Hours=9")
    wrong.set_clock(-HOUR)
    wrong.world.reply(ticket, BUCKY, "It bounces again.", report="ndr-5.1.8", sender=BUCKY)
    wrong.go_on(70 * MINUTE)
    case = wrong.world.only_case(ticket)
    assert case.state is not CaseState.READY
    assert sorted(wrong.world.asked()) == BOTH
