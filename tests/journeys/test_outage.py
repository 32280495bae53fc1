"""Both APIs are away for an hour: everything is made good without a person, and nobody is run over at the return."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from plugin.model import CaseState
from plugin.notes.texts import ReplyKind
from tests.conftest import ALEX
from tests.journeys.spoiled import Outage

TICKETS = 66
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def accounts() -> Mapping[str, Any]:
    """As many people as there are tickets, all of them blocked."""
    return {
        f"user{number}": {
            "display_name": f"User {number}",
            "addresses": [address_of(number)],
            "blocked": [{"address": address_of(number), "reason": "OutboundSpamLast24Hours=40", "minutes_ago": 60}],
        }
        for number in range(TICKETS)
    }


def address_of(number: int) -> str:
    return f"user.{number}@example.edu"


@pytest.fixture
def world(make_world: Callable[..., Any]) -> Any:
    world = make_world(accounts())
    world.desk_app.wsgi_app = world.away_desk = Outage(world.desk_app.wsgi_app, world.clock)
    world.tenant_app.wsgi_app = world.away_tenant = Outage(world.tenant_app.wsgi_app, world.clock)
    return world


def set_down(world: Any, is_down: bool) -> None:
    world.away_desk.is_down = world.away_tenant.is_down = is_down


def step(world: Any, by: timedelta, pace: timedelta) -> None:
    """Time passes at this pace."""
    end = world.clock() + by
    while world.clock() < end:
        world.clock.now += pace
        world.run()


def file(world: Any, number: int) -> str:
    ticket: str = world.file(email=address_of(number), report="ndr-5.1.8", quietly=True)
    return ticket


def notes_of(world: Any, ticket: str) -> list[str]:
    """The notes' headings, as the desk holds them: it cannot be asked while it is away."""
    return [message.subject for message in world.desk.ticket(ticket).messages if message.key]


def test_events_accepted_before_and_during_an_hour_of_outage_are_all_made_good_once_and_without_a_stampede(
    world: Any,
) -> None:
    tickets = [file(world, number) for number in range(TICKETS // 2)]
    assert world.sender.flush(30)  # acknowledged, and nothing done for it yet
    set_down(world, True)
    began = world.clock()
    for number in range(TICKETS // 2, TICKETS):
        tickets.append(file(world, number))
        step(world, MINUTE, 30 * SECOND)
    for ticket in tickets[::6]:  # some customers write again meanwhile
        world.reply(ticket, world.desk.ticket(ticket).requester.email, "Hello? Nothing gets through.")
    step(world, began + HOUR - world.clock(), 10 * SECOND)
    assert [notes_of(world, ticket) for ticket in tickets] == [[]] * TICKETS
    tries = world.away_desk.between(world.clock() - 10 * MINUTE, world.clock())
    assert tries <= 10 * TICKETS * 60 / 225 * 1.2  # a ticket is tried every 225 to 300 seconds by then

    set_down(world, False)
    returned = world.clock()
    step(world, MINUTE, SECOND)
    for system in (world.away_desk, world.away_tenant):
        seconds = [system.between(returned + n * SECOND, returned + (n + 1) * SECOND) for n in range(61)]
        # All at once would be some 7 requests for each of the tickets.
        assert max(seconds) < TICKETS
        assert sum(seconds[:10]) < 2 * TICKETS
    step(world, 6 * MINUTE, 10 * SECOND)
    assert [len(world.notes(ticket)) for ticket in tickets] == [1] * TICKETS
    assert {world.only_case(ticket).state for ticket in tickets} == {CaseState.CHECKLIST_OPEN}
    assert {tuple(world.ticket(ticket)["tags"]) for ticket in tickets} == {("m365-blocked",)}
    assert [task for task in world.store.waiting_tasks(1000) if task.not_before is None or task.attempt] == []
    assert world.parts.outbox.dead(10) == []


def test_what_was_under_way_when_the_outage_began_ends_as_it_should_and_in_order(world: Any) -> None:
    watched, waiting, pressed, replied = (file(world, number) for number in range(4))
    world.run()
    for ticket in (watched, waiting, pressed, replied):
        world.answer_all(world.only_case(ticket))
    for ticket in (waiting, replied):
        world.unblock(world.only_case(ticket))
    world.pass_time(hours=23, minutes=30)  # their 24 hours end in the outage
    world.unblock(world.only_case(watched))
    set_down(world, True)
    replying = world.only_case(replied, CaseState.UNBLOCKED)
    world.front.send_reply(replying, ReplyKind.CUSTOMER, world.front.reply_text(ReplyKind.CUSTOMER), ALEX)
    world.run()
    step(world, 30 * MINUTE, 10 * SECOND)
    world.front.unblock(world.only_case(pressed), ALEX)
    step(world, 45 * MINUTE, 10 * SECOND)  # longer than a case is watched
    # Each look changed the watched case; what shows it is tried again for its newest state, not for each of them.
    showing = [task for task in world.store.waiting_tasks(1000) if task.name == "annotate"]
    assert len(showing) <= 2 * 4
    set_down(world, False)
    step(world, 12 * MINUTE, 10 * SECOND)

    assert world.only_case(watched).state is CaseState.UNBLOCKED
    assert world.only_case(pressed).state is CaseState.UNBLOCKED
    for ticket in (waiting, replied):
        assert world.only_case(ticket).state is CaseState.CLOSED
    assert len(world.mails(replied)) == 1
    assert sorted(world.asked()) == [address_of(number) for number in range(4)]
    for ticket in (watched, waiting, pressed, replied):
        shown = notes_of(world, ticket)
        assert len(set(shown)) == len(shown), shown
        assert world.ticket(ticket)["fields"]["Case State"] == world.only_case(ticket).state.value
