"""Systems that do the work and say no, say yes and do nothing, or break off: in the end it is all there, and once."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import Any

import pytest

from plugin.app import Parts
from plugin.demo.desk.records import Person
from plugin.model import CaseState
from plugin.notes.texts import ReplyKind
from plugin.ports import TicketSystem
from tests.conftest import ALEX
from tests.journeys.in_between import Forgetful
from tests.journeys.spoiled import FAULTS, Late, Spoiled

BUCKY = "bucky.badger@example.edu"
BOTH = ["bbadger@cs.example.edu", BUCKY]
LISTED = {"Sending Status": "Blocked", "Case State": "Checklist open"}


class FrankParts(Parts):
    """The plugin for a desk that says of itself: a note sent twice is two notes."""

    @cached_property
    def sources(self) -> dict[str, TicketSystem]:
        sources = super().sources
        for system in sources.values():
            system.abilities = replace(system.abilities, one_note_per_key=False)  # type: ignore[misc]
        return sources


@pytest.fixture
def desk(world: Any) -> Spoiled:
    """What stands before the world's desk."""
    world.desk_app.wsgi_app = spoiled = Spoiled(world.desk_app.wsgi_app)
    return spoiled


@pytest.fixture
def tenant(world: Any) -> Spoiled:
    """What stands before the world's tenant."""
    world.tenant_app.wsgi_app = spoiled = Spoiled(world.tenant_app.wsgi_app)
    return spoiled


def shown(world: Any, ticket: str) -> tuple[int, list[str], Mapping[str, Any]]:
    """How many notes are on a ticket, its tags, and its fields that tell."""
    read = world.ticket(ticket)
    return len(world.notes(ticket)), read["tags"], {name: read["fields"][name] for name in LISTED}


def nothing_is_left(world: Any) -> bool:
    """Whether no task is tried again any more, and none has died."""
    again = [task for task in world.store.waiting_tasks(100) if task.attempt]
    return again == [] and world.parts.outbox.dead(10) == []


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("asked", ["read", "fetch", "find", "note", "tags", "fields"])
def test_desk_that_answers_wrongly_for_a_while_has_everything_once_in_the_end(
    world: Any, desk: Spoiled, asked: str, fault: str
) -> None:
    if asked == "find":  # it is asked for only where a note has got no answer
        desk.faults["note"] = FAULTS["500 after the work"]
    desk.faults[asked] = FAULTS[fault]
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.pass_time(minutes=2)
    assert desk.seen[asked] > 1 or "after" in fault
    desk.faults.clear()
    world.pass_time(minutes=10)
    assert shown(world, ticket) == (1, ["m365-blocked"], LISTED)
    assert nothing_is_left(world)


@pytest.mark.parametrize("fault", FAULTS)
def test_listing_that_answers_wrongly_hides_no_ticket_from_the_next_scan(world: Any, desk: Spoiled, fault: str) -> None:
    world.sender.stop()
    world.desk.open_ticket(Person(email=BUCKY, name="B"), "undeliverable: 550 5.1.8 bad outbound sender", "Help!")
    desk.faults["list"] = FAULTS[fault]
    with pytest.raises(Exception, match="desk: list changed tickets"):
        world.scan()
    desk.faults.clear()
    assert world.scan() == 1
    (ticket,) = world.desk.tickets()
    assert len(world.notes(ticket.id)) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_tenant_that_answers_wrongly_for_a_while_is_never_taken_for_not_blocked(
    world: Any, tenant: Spoiled, fault: str
) -> None:
    tenant.faults["account"] = FAULTS[fault]
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.pass_time(minutes=2)
    assert shown(world, ticket) == (0, [], {"Sending Status": None, "Case State": "Received"})
    tenant.faults.clear()
    world.pass_time(minutes=10)
    assert shown(world, ticket) == (1, ["m365-blocked"], LISTED)
    assert nothing_is_left(world)


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        ("500 after the work", CaseState.UNBLOCKED),
        ("cut after the work", CaseState.UNBLOCKED),
        ("500 before the work", CaseState.OUTCOME_UNKNOWN),
        ("cut before the work", CaseState.OUTCOME_UNKNOWN),
        ("an error inside 200", CaseState.REFUSED),
        ("a sign-in page with 200", CaseState.REFUSED),
        ("an empty 200", CaseState.REFUSED),
    ],
)
def test_unblock_that_is_answered_wrongly_is_asked_once_and_called_what_is_known_of_it(
    world: Any, tenant: Spoiled, fault: str, end: CaseState
) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    tenant.faults["unblock"] = FAULTS[fault]
    world.unblock(case)
    world.pass_time(minutes=70)
    world.only_case(ticket, end)
    assert tenant.seen["unblock"] == len(BOTH)
    assert sorted(world.asked()) == (BOTH if end is CaseState.UNBLOCKED else [])
    assert len(world.notes(ticket)) == 2
    assert nothing_is_left(world)


# ── a desk that makes a new note of every one that it is sent ────────────────────────────────────────────────────


@pytest.mark.parametrize("seconds", [5, 30, 90, 119])
def test_note_that_appears_only_after_our_time_out_is_there_once(
    make_world: Callable[..., Any], seconds: float
) -> None:
    world = make_world(parts=FrankParts)
    keeping = Forgetful(world.desk_app.wsgi_app)
    world.desk_app.wsgi_app = late = Late(keeping, world.clock, timedelta(seconds=seconds))
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    assert world.ticket(ticket)["tags"] == ["m365-blocked"]  # the rest does not wait for the note
    world.pass_time(minutes=10)
    late.catch_up()
    assert shown(world, ticket) == (1, ["m365-blocked"], LISTED)
    assert list(keeping.posted.values()) == [1]
    assert nothing_is_left(world)


def test_reply_that_appears_only_after_our_time_out_is_mailed_once(make_world: Callable[..., Any]) -> None:
    world = make_world(parts=FrankParts)
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.unblock(world.answer_all(world.only_case(ticket)))
    world.pass_time(minutes=5)
    world.desk_app.wsgi_app = late = Late(Forgetful(world.desk_app.wsgi_app), world.clock, timedelta(seconds=90))
    case = world.only_case(ticket, CaseState.UNBLOCKED)
    world.front.send_reply(case, ReplyKind.CUSTOMER, world.front.reply_text(ReplyKind.CUSTOMER), ALEX)
    world.pass_time(minutes=10)
    late.catch_up()
    assert len(world.mails(ticket)) == 1


def test_note_that_never_arrived_is_sent_again_once_it_can_no_longer_be_on_its_way(
    make_world: Callable[..., Any],
) -> None:
    world = make_world(parts=FrankParts)
    world.desk_app.wsgi_app = desk = Spoiled(Forgetful(world.desk_app.wsgi_app))
    desk.faults["note"] = FAULTS["cut before the work"]
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    desk.faults.clear()
    world.pass_time(seconds=110)
    assert (desk.seen["note"], world.notes(ticket)) == (1, [])
    world.pass_time(seconds=60)
    assert (desk.seen["note"], len(world.notes(ticket))) == (2, 1)
    assert nothing_is_left(world)


@pytest.mark.parametrize("fault", [name for name in FAULTS if "after" in name])
def test_note_that_was_done_although_it_was_answered_otherwise_is_found_and_not_sent_again(
    make_world: Callable[..., Any], fault: str
) -> None:
    world = make_world(parts=FrankParts)
    keeping = Forgetful(world.desk_app.wsgi_app)
    world.desk_app.wsgi_app = desk = Spoiled(keeping)
    desk.faults["note"] = FAULTS[fault]
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    desk.faults.clear()
    world.pass_time(minutes=10)
    assert list(keeping.posted.values()) == [1]
    assert shown(world, ticket) == (1, ["m365-blocked"], LISTED)
