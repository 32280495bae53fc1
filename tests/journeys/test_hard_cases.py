"""What goes wrong between the steps of the procedure, as a hostile tester found it; each was a fault once."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from plugin.demo.desk.records import Person
from plugin.demo.tenant.world import Listed
from plugin.errors import NotAllowed, StorageError
from plugin.model import Agent, CaseState, Role
from plugin.notes.texts import ReplyKind

BUCKY = "bucky.badger@example.edu"
FIONA = "fiona.inell@example.edu"
ALEX = Agent(login="alex", name="Alex Agent", email="alex@example.edu", role=Role.AGENT, source="desk")


def account(address: str, *blocked: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An account for a world of its own."""
    return {"display_name": "A Person", "addresses": [address], "blocked": list(blocked), **more}


def pressed(world: Any, email: str = BUCKY) -> tuple[str, Any]:
    """A ticket whose Unblock has just been pressed and asked."""
    ticket = world.file(email=email, report="ndr-5.1.8")
    return ticket, world.unblock(world.answer_all(world.only_case(ticket)))


def outcome_unknown(world: Any) -> tuple[str, Any]:
    """A ticket whose unblock got no answer."""
    world.tenant_faults.spoil_unblock = "before"
    ticket, _ = pressed(world)
    world.tenant_faults.spoil_unblock = ""
    world.pass_time(minutes=70)
    return ticket, world.only_case(ticket, CaseState.OUTCOME_UNKNOWN)


# ── rules 1 and 2: nothing is sent while the gate is closed ──────────────────────────────────────────────────────


@pytest.mark.parametrize("what", ["disabled", "newly listed", "unknown", "answer taken back"])
def test_what_closes_the_gate_between_two_addresses_keeps_the_second_from_being_asked(world: Any, what: str) -> None:
    world.tenant_faults.throttled = "bbadger@cs"
    _ticket, case = pressed(world)
    assert world.asked() == [BUCKY]
    world.clock.forward(seconds=3)
    badger = world.tenant.account("bbadger")
    if what == "disabled":
        badger.sign_in, badger.sign_in_reason, badger.sign_in_since = "disabled", "HR Request", world.clock()
    elif what == "newly listed":
        world.tenant.block("bbadger", "bbadger@example.edu", reason="spam")
    elif what == "unknown":
        badger.stated = "Unknown"
    else:
        with world.store.change() as change:
            given = next(row for row in world.store.answers(case.id) if row.item == "password-changed")
            assert change.drop_answer(case.id, given)
    world.tenant_faults.throttled = ""
    world.pass_time(seconds=60)
    assert world.asked() == [BUCKY]


# ── rule 3: which answers count ──────────────────────────────────────────────────────────────────────────────────


def test_a_new_block_without_a_time_needs_a_new_checklist(make_world: Callable[..., Any]) -> None:
    world = make_world({"t": account("t@example.edu", {"address": "t@example.edu"})})
    ticket, _ = pressed(world, "t@example.edu")
    world.tenant.account("t").listed.append(Listed(address="t2@example.edu"))
    world.pass_time(minutes=5)
    case = world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert case.round == 2
    with pytest.raises(NotAllowed):
        world.front.unblock(case, ALEX)


def test_a_block_without_a_time_after_not_blocked_needs_a_new_checklist(make_world: Callable[..., Any]) -> None:
    world = make_world({"t": account("t@example.edu", {"address": "t@example.edu"})})
    ticket = world.file(email="t@example.edu", report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    world.tenant.account("t").listed.clear()
    case = world.front.refresh(case, ALEX)
    assert case.state is CaseState.NOT_BLOCKED
    world.clock.forward(hours=200)
    world.tenant.account("t").listed.append(Listed(address="t@example.edu"))
    assert world.front.refresh(case, ALEX).state is CaseState.CHECKLIST_OPEN


def test_answers_voided_by_a_disabling_stay_void_when_it_is_lifted(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    world.clock.forward(hours=1)
    badger = world.tenant.account("bbadger")
    badger.sign_in, badger.sign_in_reason, badger.sign_in_since = "disabled", "Compromised Account", world.clock()
    case = world.front.refresh(case, ALEX)
    assert case.state is CaseState.CHECKLIST_OPEN
    assert world.tenant.enable_sign_in("bbadger")
    assert world.front.refresh(case, ALEX).state is CaseState.CHECKLIST_OPEN


# ── rule 4: asked once ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_throttled_second_asking_leaves_the_first_one_known(world: Any) -> None:
    ticket, case = outcome_unknown(world)
    world.tenant_faults.throttled = "@"
    world.unblock(case)
    world.pass_time(minutes=70)
    case = world.only_case(ticket, CaseState.OUTCOME_UNKNOWN)
    assert {asking.times for asking in world.parts.casework.askings(case.status)} == {1}
    world.tenant_faults.throttled = ""
    second = world.file(email=BUCKY, report="ndr-5.1.8")
    world.unblock(world.answer_all(world.only_case(second)))
    assert world.asked() == []  # nobody has decided to ask again for that block


def test_a_reading_kept_on_another_case_releases_nothing(world: Any) -> None:
    first, _ = pressed(world)
    world.pass_time(minutes=5)
    released = world.only_case(first, CaseState.UNBLOCKED)
    world.clock.forward(hours=1)
    world.tenant.block("bbadger", BUCKY, reason="again")
    world.clock.forward(minutes=1)
    second = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.unblock(world.answer_all(world.only_case(second)))
    world.front.send_reply(released, ReplyKind.CUSTOMER, world.front.reply_text(ReplyKind.CUSTOMER), ALEX)
    world.run()
    assert [asking.released_at for asking in world.store.askings_of_case(case)] == [None]


def test_a_list_that_was_empty_once_by_mistake_does_not_keep_a_block_from_being_asked_again(
    make_world: Callable[..., Any],
) -> None:
    world = make_world(settle_seconds=100_000)
    ticket, case = pressed(world)
    listed = list(world.tenant.account("bbadger").listed)
    world.clock.forward(seconds=1)
    world.tenant.account("bbadger").listed.clear()
    world.front.refresh(case, ALEX)
    world.tenant.account("bbadger").listed.extend(listed)
    world.pass_time(minutes=70)
    case = world.only_case(ticket, CaseState.STILL_BLOCKED)
    assert not any("Not Blocked" in note for note in world.notes(ticket))
    asked = len(world.asked())
    world.unblock(case)
    assert len(world.asked()) == asked + 2


def test_a_listed_key_in_other_letters_than_the_addresses_gets_its_release(make_world: Callable[..., Any]) -> None:
    world = make_world({"cap": account("cap@example.edu", {"address": "Cap@Example.edu"})})
    ticket, case = pressed(world, "cap@example.edu")
    world.pass_time(minutes=5)
    world.only_case(ticket, CaseState.UNBLOCKED)
    assert all(asking.released_at for asking in world.store.askings_of_case(case))
    world.tenant.account("cap").listed.append(Listed(address="Cap@Example.edu"))
    second = world.file(email="cap@example.edu", report="ndr-5.1.8")
    world.unblock(world.answer_all(world.only_case(second)))
    assert len(world.asked()) == 2


def test_a_block_whose_time_is_told_no_longer_is_the_same_block(world: Any) -> None:
    ticket, _ = pressed(world)
    for entry in world.tenant.account("bbadger").listed:
        entry.blocked_at = None
    world.pass_time(seconds=30)
    world.only_case(ticket, CaseState.UNBLOCKING)
    world.pass_time(minutes=5)
    assert world.only_case(ticket, CaseState.UNBLOCKED).round == 1


def test_the_watch_lasts_its_full_time_from_the_asking_even_if_the_worker_came_late(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.front.unblock(world.answer_all(world.only_case(ticket)), ALEX)
    world.clock.forward(hours=2)
    world.pass_time(minutes=5)
    world.only_case(ticket, CaseState.UNBLOCKED)


def test_an_address_that_could_not_be_asked_about_is_not_called_a_new_block(world: Any) -> None:
    world.tenant_faults.throttled = "bbadger@cs"
    ticket, _ = pressed(world)
    world.pass_time(minutes=75)
    case = world.only_case(ticket, CaseState.READY)
    assert case.round == 1
    assert "Not every address" in case.reason
    world.tenant_faults.throttled = ""
    world.unblock(case)
    world.pass_time(minutes=5)
    world.only_case(ticket, CaseState.UNBLOCKED)


def test_two_tickets_that_ended_blocked_are_not_both_asked_again_by_presses_of_one_moment(
    make_world: Callable[..., Any],
) -> None:
    world = make_world(settle_seconds=100_000)
    first, second = world.file(email=BUCKY, report="ndr-5.1.8"), world.file(email=BUCKY, report="ndr-5.1.8")
    for ticket in (first, second):
        world.front.unblock(world.answer_all(world.only_case(ticket)), ALEX)
    world.run()
    world.pass_time(minutes=70)
    asked = len(world.asked())
    for ticket in (first, second):
        world.front.unblock(world.only_case(ticket, CaseState.STILL_BLOCKED), ALEX)
    world.clock.forward(seconds=1)
    world.run()
    assert len(world.asked()) == asked + 2


def test_a_press_that_was_called_off_posts_no_second_result(world: Any) -> None:
    ticket, case = outcome_unknown(world)
    notes = world.notes(ticket)
    world.clock.forward(minutes=1)
    world.front.unblock(case, ALEX)
    world.tenant.account("bbadger").sign_in = "unknown"
    world.run()
    world.pass_time(minutes=1)
    assert world.notes(ticket) == notes
    assert world.asked() == []


# ── whose case ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reply_does_not_move_a_case_that_an_agent_has_settled(world: Any) -> None:
    ticket = world.file(email=FIONA, report="ndr-5.1.8", sender=BUCKY)
    case = world.front.choose_account(world.only_case(ticket), "ratecap", ALEX)
    world.unblock(world.answer_all(world.case(case.id)))
    world.reply(ticket, FIONA, "hello?")
    world.pass_time(minutes=5)
    assert world.only_case(ticket, CaseState.UNBLOCKED).account == "ratecap"


def test_a_bounce_about_the_tenant_does_not_stop_the_watching_of_an_account(world: Any) -> None:
    ticket = world.file(email=FIONA, report="ndr-5.1.8", sender=BUCKY)
    case = world.front.choose_account(world.only_case(ticket), "bbadger", ALEX)
    world.unblock(world.answer_all(world.case(case.id)))
    world.reply(ticket, FIONA, "and this", report="ndr-5.7.705", sender=BUCKY)
    world.pass_time(minutes=5)
    assert world.case(case.id).state is CaseState.UNBLOCKED


def test_a_failed_read_while_a_reply_is_handled_opens_no_second_case(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.tenant_faults.is_down = True
    world.reply(ticket, BUCKY, "Any news?")
    world.pass_time(minutes=20)
    world.tenant_faults.is_down = False
    world.pass_time(minutes=20)
    world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert world.ticket(ticket)["tags"] == ["m365-blocked"]


def test_a_failed_read_takes_an_all_clear_back(world: Any) -> None:
    ticket = world.file(email=FIONA, report="ndr-5.1.8")
    world.only_case(ticket, CaseState.NOT_BLOCKED)
    world.tenant_faults.is_down = True
    world.reply(ticket, FIONA, "Any news?")
    assert world.ticket(ticket)["fields"]["Sending Status"] == "Unknown"
    assert world.ticket(ticket)["tags"] == []
    world.tenant_faults.is_down = False
    world.pass_time(minutes=10)
    world.only_case(ticket, CaseState.NOT_BLOCKED)


def test_an_id_that_the_tenant_will_not_take_does_not_hide_the_true_account(world: Any) -> None:
    world.tenant_faults.refused_account = "bb4dger"
    ticket = world.file(email=BUCKY, report="ndr-5.1.8", text="My netid: bb4dger. Please help.")
    assert world.only_case(ticket, CaseState.CHECKLIST_OPEN).account == "bbadger"


def test_a_case_opened_by_hand_is_kept_with_its_first_reading_or_not_at_all(world: Any) -> None:
    """Left without one it would wait for ever: nothing on the ticket leads to it."""
    ticket = world.file(email=FIONA, subject="hello", text="nothing of note")
    file = make_url(world.parts.settings.cases_url).database
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TRIGGER full BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(StorageError):
        world.front.open_case("desk", ticket, "bbadger", ALEX)
    assert world.cases(ticket) == ()


def test_a_case_opened_by_hand_answers_the_question_about_the_same_account(world: Any) -> None:
    ticket = world.file(email=FIONA, report="ndr-5.1.8", sender=BUCKY)
    world.front.open_case("desk", ticket, "bbadger", ALEX)
    world.run()
    assert world.only_case(ticket, CaseState.CHECKLIST_OPEN).account == "bbadger"


def test_a_report_about_a_colleague_is_asked_about_although_the_requester_has_a_case(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.reply(ticket, BUCKY, "My colleague too", report="ndr-5.1.8", sender="liam.tupper@example.edu")
    assert {case.state for case in world.cases(ticket)} == {CaseState.CHECKLIST_OPEN, CaseState.NEEDS_PERSON}


def test_an_unreadable_account_that_an_agent_chose_is_read_until_it_can_be(world: Any) -> None:
    email = world.accounts()["unknown1"]["addresses"][0]
    ticket = world.file(email=FIONA, report="ndr-5.1.8", sender=email)
    world.front.choose_account(world.only_case(ticket, CaseState.NEEDS_PERSON), "unknown1", ALEX)
    world.pass_time(minutes=20)
    world.only_case(ticket, CaseState.NEEDS_PERSON)
    world.tenant.account("unknown1").stated = None
    world.pass_time(minutes=10)
    world.only_case(ticket, CaseState.NOT_BLOCKED)


def test_a_chosen_account_that_a_later_event_could_not_read_is_read_until_it_can_be(world: Any) -> None:
    ticket = world.file(email=FIONA, report="ndr-5.1.8", sender=BUCKY)
    world.front.choose_account(world.only_case(ticket, CaseState.NEEDS_PERSON), BUCKY, ALEX)
    world.tenant_faults.is_down = True
    world.reply(ticket, FIONA, "Any news?")
    assert world.ticket(ticket)["fields"]["Sending Status"] == "Unknown"
    world.tenant_faults.is_down = False
    world.pass_time(minutes=10)
    assert world.ticket(ticket)["fields"]["Sending Status"] == "Blocked"
    (_, note) = world.notes(ticket)
    assert "Bucky Badger" in note


def test_a_chosen_account_that_is_listed_anew_is_told_by_the_next_event(world: Any) -> None:
    """It was read to see who is meant; its case must not go on saying that it is released."""
    ticket = world.file(email=FIONA, report="ndr-5.1.8", sender=BUCKY)
    case = world.front.choose_account(world.only_case(ticket, CaseState.NEEDS_PERSON), BUCKY, ALEX)
    world.unblock(world.answer_all(case))
    world.pass_time(minutes=10)
    world.only_case(ticket, CaseState.UNBLOCKED)
    world.tenant.block("bbadger", "bbadger@example.edu", reason="spam")
    world.reply(ticket, FIONA, "Any news?")
    world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert world.ticket(ticket)["tags"] == ["m365-blocked"]


def test_a_chosen_account_that_the_next_event_reads_as_unknown_is_no_longer_said_to_be_released(world: Any) -> None:
    ticket = world.file(email=FIONA, report="ndr-5.1.8", sender=BUCKY)
    case = world.front.choose_account(world.only_case(ticket, CaseState.NEEDS_PERSON), BUCKY, ALEX)
    world.unblock(world.answer_all(case))
    world.pass_time(minutes=10)
    world.only_case(ticket, CaseState.UNBLOCKED)
    world.tenant.account("bbadger").stated = "Unknown"
    world.reply(ticket, FIONA, "Any news?")
    assert world.ticket(ticket)["fields"]["Sending Status"] == "Unknown"
    world.tenant.account("bbadger").stated = None
    world.pass_time(minutes=10)
    assert world.ticket(ticket)["fields"]["Sending Status"] == "Not Blocked"


def test_readings_that_fail_while_it_is_watched_are_no_release(world: Any) -> None:
    ticket, _ = pressed(world)
    world.tenant_faults.is_down = True
    world.pass_time(minutes=90)
    assert world.only_case(ticket, CaseState.OUTCOME_UNKNOWN).unblocked_at is None
    assert world.ticket(ticket)["fields"]["Sending Status"] == "Unknown"
    assert not [note for note in world.notes(ticket) if "reads “Not Blocked”" in note]


# ── rule 5: the clock ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_complaint_is_not_lost_where_the_read_after_it_fails(world: Any) -> None:
    ticket = world.file(email="ruth@partner.example", text="Bucky phoned.")
    case = world.front.open_case("desk", ticket, "bbadger", ALEX)
    world.run()
    world.unblock(world.answer_all(case))
    world.pass_time(hours=25)
    world.only_case(ticket, CaseState.CLOSED)
    world.tenant_faults.is_down = True
    world.reply(ticket, "ruth@partner.example", "My mail still bounces.")
    world.pass_time(minutes=5)
    world.tenant_faults.is_down = False
    world.pass_time(minutes=10)
    world.only_case(ticket, CaseState.OVERDUE)


def test_listed_again_by_the_same_block_takes_the_release_back(world: Any) -> None:
    ticket, _ = pressed(world)
    listed = [replace(entry, gone_at=None) for entry in world.tenant.account("bbadger").listed]
    world.pass_time(minutes=5)
    case = world.only_case(ticket, CaseState.UNBLOCKED)
    world.tenant.account("bbadger").listed.extend(listed)
    world.front.refresh(case, ALEX)
    world.run()
    case = world.only_case(ticket, CaseState.STILL_BLOCKED)
    assert world.ticket(ticket)["tags"] == ["m365-still-blocked"]
    assert case.escalate_after is None


def test_the_accounts_other_tickets_hear_of_the_release(world: Any) -> None:
    other = world.file(email=BUCKY, report="ndr-5.1.8")
    pressed(world)
    world.pass_time(minutes=10)
    assert world.ticket(other)["fields"]["Sending Status"] == "Not Blocked"


def test_an_account_gone_when_the_clock_ends_is_shown_as_unknown(world: Any) -> None:
    ticket, _ = pressed(world)
    world.pass_time(minutes=5)
    world.tenant.delete_account("bbadger")
    world.pass_time(hours=25)
    assert world.ticket(ticket)["fields"]["Sending Status"] == "Unknown"
    world.reply(ticket, BUCKY, "hello?")
    assert len(world.cases(ticket)) == 1


# ── what the ticket shows ────────────────────────────────────────────────────────────────────────────────────────


def test_a_lifted_referral_is_followed_by_a_note_that_says_so(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    badger = world.tenant.account("bbadger")
    for reason in ("HR Request", "Legal Hold"):
        badger.sign_in, badger.sign_in_reason, badger.sign_in_since = "disabled", reason, world.clock()
        world.front.refresh(world.only_case(ticket), ALEX)
        world.run()
        assert reason in world.notes(ticket)[-1]
    badger.sign_in, badger.sign_in_reason = "enabled", None
    world.front.refresh(world.only_case(ticket), ALEX)
    world.run()
    assert "do not re-enable" not in world.notes(ticket)[-1]


def test_a_tag_that_somebody_changed_by_hand_is_put_right_at_the_next_event(world: Any) -> None:
    from plugin.demo.desk.records import Person

    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    by_hand = Person(email="kim@example.edu", name="Kim", is_agent=True)
    world.desk.change_tags(ticket, by_hand, add=["m365-unblocked"], remove=["m365-blocked"])
    world.run()
    assert world.ticket(ticket)["tags"] == ["m365-blocked"]


def test_a_reply_that_names_any_address_of_ours_is_not_sent(world: Any) -> None:
    _ticket, case = pressed(world)
    world.pass_time(minutes=5)
    with pytest.raises(NotAllowed, match="philip"):
        world.front.send_reply(
            world.case(case.id), ReplyKind.CUSTOMER, "Mail of philip.shed@example.edu works again.", ALEX
        )


def test_two_findings_about_one_account_do_not_pull_the_case_to_and_fro(world: Any) -> None:
    ticket = world.file(email=FIONA, report="ndr-5.1.8")
    world.reply(ticket, FIONA, "and this", report="ndr-5.1.90", sender=FIONA)
    version = world.only_case(ticket).version
    for _ in range(3):
        world.reply(ticket, FIONA, "hello?")
    assert world.only_case(ticket).version == version


def test_times_are_as_the_clock_gave_them(world: Any) -> None:
    ticket, _ = pressed(world)
    world.pass_time(minutes=5)
    case = world.only_case(ticket, CaseState.UNBLOCKED)
    assert case.escalate_after - case.unblocked_at == timedelta(hours=24)


# ── merged tickets ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("told", ["by the ticket that is left", "by the one that is gone"])
def test_case_goes_with_its_ticket_into_the_one_it_is_merged_into(world: Any, told: str) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    other = world.desk.open_ticket(Person(email=BUCKY, name="Bucky"), "Any news?", "It is urgent.").id
    world.run()
    world.desk.merge(ticket, other, Person(email="alex@example.edu", name="Alex", is_agent=True))
    world.parts.workflow.handle("desk", other if told == "by the ticket that is left" else ticket)
    world.run()
    moved = world.only_case(other, CaseState.READY)
    assert moved.id == case.id
    assert world.store.cases_of_ticket("desk", ticket) == ()
    shown = world.desk.ticket(other)
    assert (shown.tags, shown.fields["Case State"]) == (("m365-blocked",), "Ready")
    world.unblock(moved)
    world.pass_time(minutes=5)
    keys = [
        message.key.rsplit("/", 1)[-1].partition("-")[0] for message in world.desk.ticket(other).messages if message.key
    ]
    assert keys == ["blocked", "unblocked"]


def test_other_ticket_of_the_account_that_is_not_merged_keeps_its_case(world: Any) -> None:
    first, second = world.file(email=BUCKY, report="ndr-5.1.8"), world.file(email=BUCKY, report="ndr-5.1.8")
    assert {world.only_case(first).ticket, world.only_case(second).ticket} == {first, second}


def test_case_whose_other_ticket_was_deleted_is_no_hindrance(world: Any) -> None:
    first = world.file(email=BUCKY, report="ndr-5.1.8")
    world.desk.delete_ticket(first)
    assert world.only_case(world.file(email=BUCKY, report="ndr-5.1.8"), CaseState.CHECKLIST_OPEN)


def test_case_whose_other_ticket_may_no_longer_be_seen_is_no_hindrance(world: Any) -> None:
    first = world.file(email=BUCKY, report="ndr-5.1.8")
    desk = world.desk_app.wsgi_app

    def hide(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] != f"/api/tickets/{first}":
            return desk(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"not yours"]

    world.desk_app.wsgi_app = hide
    assert world.only_case(world.file(email=BUCKY, report="ndr-5.1.8"), CaseState.CHECKLIST_OPEN)


def test_however_many_events_find_an_account_unreadable_one_task_reads_it_again(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.tenant_faults.is_down = True
    for number in range(4):
        world.reply(ticket, BUCKY, f"Any news? I have asked {number} times.")
        world.parts.casework.save(world.only_case(ticket), "Somebody did something meanwhile.")
    assert world.only_case(ticket).status.sending.value == "Unknown"
    assert len({task.base for task in world.store.waiting_tasks(1000) if task.name == "reread"}) == 1
