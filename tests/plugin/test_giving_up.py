"""What is said of work that nobody tries again by itself, on the ticket, and that a retry takes it back."""

from collections.abc import Callable
from typing import Any

import pytest

from plugin.model import Case, CaseState, Outcome, Task, Visibility
from plugin.notes.texts import ReplyKind
from tests.conftest import ALEX
from tests.journeys.spoiled import FAULTS, Fault, Outage, Spoiled

BUCKY, FIONA = "bucky.badger@example.edu", "fiona.inell@example.edu"
SOON = """
[procedure]
retry_first_after = "12h"
retry_pause_at_most = "24h"
unreachable_note_after = "10m"
"""
"""With such pauses the three days are over after five attempts."""
WHY = "campus: reading the account 'b…@example.edu': answered 502"


@pytest.fixture
def world(make_world: Callable[..., Any]) -> Any:
    """A world whose desk and tenant may go away."""
    world = make_world(settings=SOON)
    world.desk_app.wsgi_app = world.away_desk = Outage(world.desk_app.wsgi_app, world.clock)
    world.tenant_app.wsgi_app = world.away_tenant = Outage(world.tenant_app.wsgi_app, world.clock)
    return world


def days(world: Any, many: int = 6) -> None:
    """Time passes in the steps that such pauses have."""
    for _ in range(2 * many):
        world.clock.forward(hours=12)
        world.run()


def dead(world: Any) -> list[str]:
    """The names of the tasks that are dead."""
    return sorted(record.task.name for record in world.parts.outbox.dead(100))


def retry(world: Any) -> None:
    """An operator has all dead tasks tried again."""
    world.parts.outbox.retry([record.task for record in world.parts.outbox.dead(100)], world.clock())
    world.run()


def headings(world: Any, ticket: str) -> list[str]:
    """The headings of the plugin's notes, oldest first."""
    return [message.subject for message in world.desk.ticket(ticket).messages if message.key]


def pressed(world: Any) -> tuple[str, Case]:
    """A ticket on which Unblock has been pressed, and nothing done for it yet."""
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    world.front.unblock(case, ALEX)
    return ticket, world.case(case.id)


def unblocked(world: Any) -> tuple[str, Case]:
    """A ticket whose account has been released."""
    ticket, _ = pressed(world)
    world.pass_time(minutes=5)
    return ticket, world.only_case(ticket, CaseState.UNBLOCKED)


# ── handle ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ticket_that_could_not_be_read_for_days_asks_for_a_person_once_it_can_be_told(world: Any) -> None:
    world.away_desk.is_down = True
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    days(world)
    assert "handle" in dead(world)
    assert world.only_case(ticket).state is CaseState.NEEDS_PERSON
    world.away_desk.is_down = False
    days(world, 1)
    (note,) = world.notes(ticket)
    assert "A person must look at this ticket" in note
    assert "This ticket could not be checked, and nothing was looked up." in note
    assert "What failed: desk: read ticket 1001: answered 502" in note
    assert "choose the account in the panel" in note
    assert world.ticket(ticket)["tags"] == ["m365-needs-person"]


def test_retry_of_a_ticket_that_could_not_be_read_goes_on_with_the_same_case(world: Any) -> None:
    world.away_desk.is_down = True
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    days(world)
    world.away_desk.is_down = False
    retry(world)
    days(world, 1)
    case = world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert case.question == ""
    assert world.ticket(ticket)["tags"] == ["m365-blocked"]
    assert dead(world) == []


def test_retry_that_finds_nothing_in_the_ticket_takes_needs_a_person_back(world: Any) -> None:
    world.away_desk.is_down = True
    ticket = world.file(email=BUCKY, subject="A printer", text="It sends no mail, and is out of paper.")
    days(world)
    world.away_desk.is_down = False
    days(world, 1)
    assert world.ticket(ticket)["tags"] == ["m365-needs-person"]
    retry(world)
    days(world, 1)
    assert world.only_case(ticket).question == ""
    assert world.ticket(ticket)["tags"] == []
    assert world.ticket(ticket)["fields"]["Case State"] == "Received"


def test_ticket_that_was_checked_after_all_shows_the_state_of_what_was_found(world: Any) -> None:
    world.away_desk.is_down = True
    ticket = world.file(email=FIONA, report="ndr-5.1.8")
    days(world)
    world.away_desk.is_down = False
    retry(world)
    days(world, 1)
    assert world.ticket(ticket)["tags"] == ["m365-not-blocked"]


def test_account_that_could_not_be_read_for_days_is_no_longer_said_to_be_tried(world: Any) -> None:
    world.away_tenant.is_down = True
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    days(world)
    assert dead(world) == ["handle"]
    case = world.only_case(ticket, CaseState.NEEDS_PERSON)
    assert case.question.startswith(
        "The account could not be read, and it is not tried any more. What failed: campus: "
    )
    trying, given_up = world.notes(ticket)
    assert "we keep trying" in trying
    assert "we keep trying" not in given_up
    assert "it is not tried any more" in given_up
    world.away_tenant.is_down = False
    retry(world)
    days(world, 1)
    assert world.only_case(ticket, CaseState.CHECKLIST_OPEN).question == ""
    assert headings(world, ticket)[-1] == "Bucky Badger (bbadger): blocked from sending"


# ── unblock and recheck ──────────────────────────────────────────────────────────────────────────────────────────


def test_press_that_was_never_carried_out_is_said_and_may_be_pressed_again(world: Any) -> None:
    ticket, case = pressed(world)
    (press,) = [task for task in world.store.waiting_tasks(10) if task.name == "unblock"]
    world.parts.workflow.give_up(press, WHY)
    with world.store.change() as change:
        change.handed([press], world.clock())  # nobody comes to it any more
    world.run()
    case = world.only_case(ticket, CaseState.READY)
    assert case.reason == f"Nothing was asked: {WHY}. Press Unblock again later."
    assert headings(world, ticket)[-1] == "Bucky Badger (bbadger): Unblock was not carried out"
    assert "Microsoft was not asked, and it is not tried again" in world.notes(ticket)[-1]
    assert world.asked() == []
    world.unblock(case)
    assert sorted(world.asked()) == ["bbadger@cs.example.edu", BUCKY]


def test_press_that_had_asked_before_it_died_leaves_the_outcome_to_an_agent(world: Any) -> None:
    world.tenant_faults.throttled = "bbadger@cs"  # the second address comes later, and its worker ends
    ticket, case = pressed(world)
    world.run()
    (press,) = [task for task in world.store.waiting_tasks(10) if task.name == "unblock"]
    world.parts.workflow.give_up(press, WHY)
    world.run()
    case = world.only_case(ticket, CaseState.OUTCOME_UNKNOWN)
    assert WHY in case.reason
    assert "Look in the admin site before you press Unblock again." in case.reason
    assert "outcome unknown" in headings(world, ticket)[-1]
    days(world, 1)
    assert world.asked() == [BUCKY]  # nobody but an agent asks again


def test_watching_that_broke_off_leaves_the_outcome_to_an_agent(world: Any) -> None:
    ticket, case = pressed(world)
    world.run()
    (look,) = [task for task in world.store.waiting_tasks(10) if task.name == "recheck"]
    for _ in range(2):  # told again after a crash, it says nothing twice
        world.parts.workflow.give_up(look, "a bug: KeyError: 'x'")
    world.run()
    case = world.only_case(ticket, CaseState.OUTCOME_UNKNOWN)
    assert case.reason.startswith("The watching broke off: a bug: KeyError: 'x'.")
    assert len(headings(world, ticket)) == 2
    world.clock.forward(minutes=10)
    world.front.refresh(case, ALEX)
    world.run()
    world.only_case(ticket, CaseState.UNBLOCKED)


# ── after the release ────────────────────────────────────────────────────────────────────────────────────────────


def test_follow_up_that_could_not_read_for_days_asks_for_a_person_and_a_retry_ends_it_all_the_same(
    world: Any,
) -> None:
    ticket, _ = unblocked(world)
    world.away_tenant.is_down = True
    days(world)
    assert dead(world) == ["follow_up"]
    world.only_case(ticket, CaseState.NEEDS_PERSON)
    note = world.notes(ticket)[-1]
    assert headings(world, ticket)[-1] == "Bucky Badger (bbadger): needs a person"
    assert "The account could not be read, and it is not tried any more" in note
    assert "Which account" not in note
    world.away_tenant.is_down = False
    retry(world)
    assert world.only_case(ticket, CaseState.CLOSED).question == ""
    assert world.ticket(ticket)["tags"] == ["m365-unblocked"]


def test_refresh_answers_the_question_that_a_dead_follow_up_left(world: Any) -> None:
    ticket, _ = unblocked(world)
    world.away_tenant.is_down = True
    days(world)
    world.away_tenant.is_down = False
    world.front.refresh(world.only_case(ticket), ALEX)
    world.run()
    case = world.only_case(ticket)
    assert (case.state, case.question) == (CaseState.CLOSED, "")


def test_what_is_read_after_a_dead_follow_up_ends_the_clock_of_the_release(world: Any) -> None:
    """It was released: "not blocked, look for another cause" would be wrong, and a complaint makes it overdue."""
    ticket, _ = unblocked(world)
    world.away_tenant.is_down = True
    days(world)
    world.away_tenant.is_down = False
    world.reply(ticket, BUCKY, "My mail is still coming back as undeliverable!")
    days(world, 1)
    world.only_case(ticket, CaseState.OVERDUE)
    assert not [heading for heading in headings(world, ticket) if "not blocked" in heading.lower()]


def test_account_that_an_agent_chose_and_that_could_not_be_read_for_days_asks_for_a_person(
    make_world: Callable[..., Any],
) -> None:
    world = make_world(settings=SOON)
    ticket = world.file(email=FIONA, subject="hello", text="nothing of note")
    case = world.front.open_case("desk", ticket, "unknown1", ALEX)
    world.run()
    days(world)
    assert dead(world) == ["reread"]
    case = world.only_case(ticket, CaseState.NEEDS_PERSON)
    assert "it is not tried any more" in case.question
    assert headings(world, ticket)[-1] == "Una Nowen (unknown1): needs a person"
    assert "refresh" in world.notes(ticket)[-1]


# ── what is written on tickets ───────────────────────────────────────────────────────────────────────────────────


def test_reply_that_never_reached_the_customer_is_said_to_agents(world: Any) -> None:
    ticket, case = unblocked(world)
    desk = world.desk_app.wsgi_app = Spoiled(world.desk_app.wsgi_app)
    desk.faults["note"] = FAULTS["500 before the work"]
    world.front.send_reply(case, ReplyKind.CUSTOMER, world.front.reply_text(ReplyKind.CUSTOMER), ALEX)
    days(world)
    assert "post" in dead(world)
    desk.faults.clear()
    days(world, 2)
    assert world.mails(ticket) == []
    said = [text for text in world.notes(ticket) if "the reply to the customer was not sent" in text]
    assert len(said) == 1
    assert "answer the customer by hand" in said[0]
    assert any("Not posted for good" in entry.what for entry in world.store.journal(case.id))


def test_reply_that_the_ticket_system_refuses_is_said_to_agents_at_once(world: Any) -> None:
    ticket, case = unblocked(world)
    desk = world.desk_app.wsgi_app = Spoiled(world.desk_app.wsgi_app)
    desk.faults["note"] = Fault(status="422 Unprocessable Content", body=b"others would get it")
    world.front.send_reply(case, ReplyKind.CUSTOMER, world.front.reply_text(ReplyKind.CUSTOMER), ALEX)
    world.run()
    desk.faults.clear()
    days(world, 1)
    assert world.mails(ticket) == []
    said = [text for text in world.notes(ticket) if "the reply to the customer was not sent" in text]
    assert len(said) == 1
    assert dead(world) == []


def test_reply_that_a_missing_right_holds_up_is_sent_once_it_is_given(world: Any) -> None:
    ticket, case = unblocked(world)
    desk = world.desk_app.wsgi_app = Spoiled(world.desk_app.wsgi_app)
    desk.faults["note"] = Fault(status="403 Forbidden", body=b"not yours")
    world.front.send_reply(case, ReplyKind.CUSTOMER, world.front.reply_text(ReplyKind.CUSTOMER), ALEX)
    world.run()
    desk.faults.clear()
    days(world, 1)
    assert len(world.mails(ticket)) == 1
    assert not any("not sent" in heading for heading in headings(world, ticket))


def test_note_for_agents_that_never_reached_the_ticket_is_in_the_journal_and_no_note_says_so(world: Any) -> None:
    desk = world.desk_app.wsgi_app = Spoiled(world.desk_app.wsgi_app)
    desk.faults["note"] = FAULTS["500 before the work"]
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    days(world)
    assert dead(world) == ["annotate"]
    case = world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert world.store.journal(case.id)[-1].what.startswith("Could not be shown on the ticket: desk: add a note")
    desk.faults.clear()
    retry(world)
    assert headings(world, ticket) == ["Bucky Badger (bbadger): blocked from sending"]


def test_task_of_a_case_that_is_gone_is_given_up_without_a_fuss(world: Any) -> None:
    for name in ("unblock", "recheck", "follow_up", "reread", "post", "annotate"):
        world.parts.workflow.give_up(Task(id=f"{name}:x", name=name, args={"case": "none", "key": "k"}), WHY)
    assert world.store.waiting_tasks(10) == ()


def test_reply_that_is_there_after_all_is_not_said_to_be_missing(world: Any) -> None:
    ticket, case = unblocked(world)
    world.front.send_reply(case, ReplyKind.CUSTOMER, world.front.reply_text(ReplyKind.CUSTOMER), ALEX)
    (task,) = [task for task in world.store.waiting_tasks(10) if task.name == "post"]
    world.run()
    world.parts.workflow.give_up(task, WHY)
    assert not any("not sent" in heading for heading in headings(world, ticket))
    (public,) = [sent for sent in world.store.notes(case.id) if sent.note.visibility is Visibility.PUBLIC]
    assert public.done_at is not None


def test_what_is_dead_is_kept_with_its_reason(world: Any) -> None:
    world.away_desk.is_down = True
    world.file(email=BUCKY, report="ndr-5.1.8")
    days(world)
    record = next(record for record in world.parts.outbox.dead(10) if record.task.name == "handle")
    assert (record.outcome, record.error) == (Outcome.DEAD, "desk: read ticket 1001: answered 502")
    assert [(call.method, call.path, call.status) for call in record.calls] == [("GET", "/api/tickets/1001", 502)]
