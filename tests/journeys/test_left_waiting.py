"""Cases that once were left where nothing would move them, and the ticket with them; each found by `make chaos`."""

from typing import Any

from plugin.model import Agent, CaseState, Role, Task

BUCKY = "bucky.badger@example.edu"
FIONA = "fiona.inell@example.edu"
ALEX = Agent(login="alex", name="Alex Agent", email="alex@example.edu", role=Role.AGENT, source="desk")


def test_bounces_of_two_kinds_about_an_account_that_could_not_be_read_become_one_case(world: Any) -> None:
    world.tenant_faults.is_down = True
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.reply(ticket, BUCKY, "And this one came too.", report="ndr-5.1.90", sender=BUCKY)
    world.tenant_faults.is_down = False
    world.pass_time(minutes=30)
    world.only_case(ticket, CaseState.CHECKLIST_OPEN)


def test_a_case_opened_by_hand_is_the_one_that_waits_for_just_this_account(world: Any) -> None:
    world.tenant_faults.is_down = True
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.tenant_faults.is_down = False
    opened = world.front.open_case("desk", ticket, "bbadger", ALEX)
    world.pass_time(minutes=30)
    assert world.only_case(ticket, CaseState.CHECKLIST_OPEN).id == opened.id


def test_what_a_failed_reading_took_back_of_an_account_that_an_agent_chose_is_read_again(world: Any) -> None:
    world.tenant.account("bbadger").listed.clear()
    ticket = world.file(email=FIONA, report="ndr-5.1.8", sender=BUCKY)
    world.front.choose_account(world.only_case(ticket, CaseState.NEEDS_PERSON), "bbadger", ALEX)
    world.run()
    world.only_case(ticket, CaseState.NOT_BLOCKED)
    world.tenant_faults.is_down = True
    world.reply(ticket, FIONA, "Any news?")
    world.only_case(ticket, CaseState.RECEIVED)
    world.tenant_faults.is_down = False
    world.pass_time(minutes=30)
    world.only_case(ticket, CaseState.NOT_BLOCKED)


def give_up(world: Any, ticket: str) -> None:
    """As after three days of failures."""
    task = Task(id="handle:evt_1", name="handle", args={"source": "desk", "ticket": ticket})
    world.parts.workflow.give_up(task, "desk: no answer")
    world.run()


def test_a_ticket_that_could_be_checked_after_all_is_led_by_what_was_found(world: Any) -> None:
    ticket = world.file(email=FIONA, report="ndr-5.1.8")
    give_up(world, ticket)
    assert world.ticket(ticket)["tags"] == ["m365-needs-person"]
    world.reply(ticket, FIONA, "Any news?")
    assert world.ticket(ticket)["tags"] == ["m365-not-blocked"]
    assert world.ticket(ticket)["fields"]["Case State"] == "Not blocked"


def test_what_is_found_on_a_ticket_that_nobody_could_check_goes_on_in_the_case_that_said_so(world: Any) -> None:
    ticket = world.file(email=BUCKY, subject="Hello", text="Please call me.")
    give_up(world, ticket)
    asking = world.only_case(ticket, CaseState.NEEDS_PERSON)
    world.reply(ticket, BUCKY, "This came back.", report="ndr-5.1.8", sender=BUCKY)
    assert world.only_case(ticket, CaseState.CHECKLIST_OPEN).id == asking.id


def test_a_case_that_waited_for_a_reading_is_handed_to_a_person_once_nobody_tries_any_more(world: Any) -> None:
    world.tenant_faults.is_down = True
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    (waiting,) = world.cases(ticket)
    assert waiting.state is CaseState.RECEIVED
    give_up(world, ticket)
    assert world.case(waiting.id).state is CaseState.NEEDS_PERSON
