"""The procedure as stories, from the customer's ticket to the closing note, over real HTTP on both sides."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from plugin.errors import NotAllowed, StorageError
from plugin.model import CaseState, Role
from plugin.notes.texts import ReplyKind

BUCKY = "bucky.badger@example.edu"


@pytest.fixture
def alex(world: Any) -> Any:
    """An agent."""
    from plugin.model import Agent

    return Agent(login="alex", name="Alex Agent", email="alex@example.edu", role=Role.AGENT, source="desk")


def unblocked(world: Any, email: str = BUCKY) -> tuple[str, Any]:
    """A ticket whose account was just released."""
    ticket = world.file(email=email, report="ndr-5.1.8")
    world.unblock(world.answer_all(world.only_case(ticket)))
    world.pass_time(minutes=5)
    return ticket, world.only_case(ticket, CaseState.UNBLOCKED)


# ── the main job ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_blocked_sender_from_the_ticket_to_the_closing_note(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    shown = world.ticket(ticket)
    assert shown["tags"] == ["m365-blocked"]
    assert shown["fields"]["Sending Status"] == "Blocked"
    assert set(shown["fields"]["Blocked Addresses"].split(", ")) == {BUCKY, "bbadger@cs.example.edu"}
    assert len(world.notes(ticket)) == 1

    case = world.answer_all(case)
    assert case.state is CaseState.READY
    case = world.unblock(case)
    assert case.state is CaseState.UNBLOCKING
    assert sorted(world.asked()) == ["bbadger@cs.example.edu", BUCKY]
    assert len(world.notes(ticket)) == 1  # nothing is claimed before the list says so

    world.pass_time(minutes=5)
    case = world.only_case(ticket, CaseState.UNBLOCKED)
    shown = world.ticket(ticket)
    assert shown["tags"] == ["m365-unblocked"]
    assert shown["fields"]["Sending Status"] == "Not Blocked"
    assert shown["fields"]["Blocked Addresses"] is None
    assert case.escalate_after == case.unblocked_at + timedelta(hours=24)
    assert f"{case.escalate_after:%H:%M}" in world.notes(ticket)[1]

    world.pass_time(hours=25)
    world.only_case(ticket, CaseState.CLOSED)
    assert len(world.notes(ticket)) == 3
    assert world.asked() == ["bucky.badger@example.edu", "bbadger@cs.example.edu"]
    assert world.mails(ticket) == []  # nobody approved a reply


def test_the_reply_goes_to_the_requester_once_and_only_after_an_agent_has_seen_it(world: Any, alex: Any) -> None:
    ticket, case = unblocked(world)
    text = world.front.reply_text(ReplyKind.CUSTOMER)
    world.front.send_reply(case, ReplyKind.CUSTOMER, text, alex)
    world.run()
    assert len(world.mails(ticket)) == 1
    with pytest.raises(NotAllowed, match="sent before"):
        world.front.send_reply(world.case(case.id), ReplyKind.CUSTOMER, text, alex)
    world.run()
    assert len(world.mails(ticket)) == 1


def test_a_reply_that_says_too_much_is_not_sent(world: Any, alex: Any) -> None:
    ticket, case = unblocked(world)
    with pytest.raises(NotAllowed, match="Take out"):
        world.front.send_reply(case, ReplyKind.CUSTOMER, f"Your account {BUCKY} was hacked.", alex)
    world.run()
    assert world.mails(ticket) == []


def test_our_own_notes_and_fields_start_nothing_new(world: Any) -> None:
    ticket, _ = unblocked(world)
    before = world.ticket(ticket)
    world.run()
    world.scan()
    world.scan()
    assert world.ticket(ticket) == before


# ── whose account ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_ordinary_bounce_is_left_alone(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.10-unknown-recipient")
    assert world.cases(ticket) == ()
    assert world.notes(ticket) == []
    assert world.ticket(ticket)["tags"] == []


def test_a_forged_report_about_a_colleague_asks_the_agent_and_tells_the_forger_nothing(world: Any, alex: Any) -> None:
    ticket = world.file(email="fiona.inell@example.edu", report="ndr-5.1.8", sender=BUCKY)
    case = world.only_case(ticket, CaseState.NEEDS_PERSON)
    assert case.account == ""
    assert world.ticket(ticket)["tags"] == ["m365-needs-person"]
    assert BUCKY in world.notes(ticket)[0]
    assert world.mails(ticket) == []
    case = world.front.choose_account(case, "bbadger", alex)
    world.run()
    assert world.only_case(ticket, CaseState.CHECKLIST_OPEN).account == "bbadger"
    assert world.mails(ticket) == []


def test_a_second_message_that_settles_the_account_continues_the_same_case(world: Any) -> None:
    ticket = world.file(email="bucky@private.example", report="ndr-5.1.8", sender=BUCKY)
    case = world.only_case(ticket, CaseState.NEEDS_PERSON)
    world.reply(ticket, "bucky@private.example", "Is anybody there? It still bounces.")
    assert world.only_case(ticket, CaseState.NEEDS_PERSON).id == case.id
    assert len(world.notes(ticket)) == 1


def test_one_ticket_may_hold_several_cases(world: Any, alex: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.front.open_case("desk", ticket, "limitup", alex)
    world.run()
    assert {case.account for case in world.cases(ticket)} == {"bbadger", "limitup"}
    with pytest.raises(NotAllowed, match="already"):
        world.front.open_case("desk", ticket, "bbadger", alex)


def test_an_account_that_does_not_exist_is_said_and_changes_nothing(world: Any, alex: Any) -> None:
    ticket = world.file(email="ghost@example.edu", report="ndr-5.1.8")
    case = world.only_case(ticket, CaseState.NEEDS_PERSON)
    with pytest.raises(NotAllowed, match="no account"):
        world.front.choose_account(case, "ghost@example.edu", alex)
    assert world.only_case(ticket) == case


# ── the roads without Unblock ────────────────────────────────────────────────────────────────────────────────────


def test_disabled_for_another_reason_is_referred_to_security(world: Any, alex: Any) -> None:
    ticket = world.file(email="harriet.hold@example.edu", report="ndr-5.1.8")
    case = world.only_case(ticket, CaseState.REFER_TO_SECURITY)
    assert world.ticket(ticket)["tags"] == ["m365-refer-to-security"]
    with pytest.raises(NotAllowed, match="Security"):
        world.front.unblock(case, alex)
    assert world.asked() == []


def test_disabled_for_compromise_opens_only_once_the_sign_in_is_enabled(world: Any, alex: Any) -> None:
    ticket = world.file(email="philip.shed@example.edu", report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket, CaseState.CHECKLIST_OPEN))
    with pytest.raises(NotAllowed, match="still disabled"):
        world.front.unblock(case, alex)
    assert world.tenant.enable_sign_in("phished")
    case = world.front.refresh(world.case(case.id), alex)
    assert world.unblock(case).state is CaseState.UNBLOCKING


def test_a_bulk_sender_is_not_unblocked_and_gets_the_other_reply(world: Any, alex: Any) -> None:
    ticket = world.file(email="mona.mass@example.edu", report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket), bulk_sender={"yes": "yes"})
    assert case.state is CaseState.BULK_SENDER
    assert len(world.notes(ticket)) == 2
    with pytest.raises(NotAllowed):
        world.front.unblock(case, alex)
    world.front.send_reply(case, ReplyKind.BULK_SENDER, world.front.reply_text(ReplyKind.BULK_SENDER), alex)
    world.run()
    (mail,) = world.mails(ticket)
    assert "https://lists.example.edu/" in mail
    assert world.asked() == []


def test_a_sending_limit_is_no_block(world: Any) -> None:
    ticket = world.file(email="fiona.inell@example.edu", report="ndr-5.1.90")
    world.only_case(ticket, CaseState.SENDING_LIMIT)
    assert world.ticket(ticket)["tags"] == ["m365-sending-limit"]


def test_a_blocked_tenant_is_microsoft_supports(world: Any) -> None:
    ticket = world.file(email="fiona.inell@example.edu", report="ndr-5.7.705")
    world.only_case(ticket, CaseState.TENANT_BLOCKED)
    assert "Microsoft Support" in world.notes(ticket)[0]


def test_an_account_that_may_send_is_said_to_be_not_blocked(world: Any) -> None:
    ticket = world.file(email="fiona.inell@example.edu", report="ndr-5.1.8")
    world.only_case(ticket, CaseState.NOT_BLOCKED)
    assert world.ticket(ticket)["fields"]["Sending Status"] == "Not Blocked"


def test_the_unblock_limit_leaves_microsoft_support_only(world: Any, alex: Any) -> None:
    ticket = world.file(email="liam.tupper@example.edu", report="ndr-5.1.8")
    world.unblock(world.answer_all(world.only_case(ticket)))
    world.pass_time(minutes=1)
    case = world.only_case(ticket, CaseState.REFUSED)
    assert "Microsoft Support" in world.notes(ticket)[-1]
    with pytest.raises(NotAllowed, match="Microsoft Support"):
        world.front.unblock(case, alex)
    second = world.file(email="liam.tupper@example.edu", report="ndr-5.1.8")
    with pytest.raises(NotAllowed, match="Microsoft Support"):
        world.front.unblock(world.only_case(second), alex)
    assert len(world.asked()) == 1


# ── failed reads ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unreadable_account_is_said_to_be_unknown_and_never_not_blocked(world: Any) -> None:
    ticket = world.file(email=world.accounts()["unknown1"]["addresses"][0], report="ndr-5.1.8")
    world.only_case(ticket, CaseState.RECEIVED)
    assert world.notes(ticket) == []
    world.pass_time(minutes=30)
    world.only_case(ticket, CaseState.NEEDS_PERSON)
    assert world.ticket(ticket)["fields"]["Sending Status"] == "Unknown"
    (note,) = world.notes(ticket)
    assert "Not Blocked" not in note


def test_a_case_opened_by_hand_for_an_unreadable_account_is_read_until_it_can_be(world: Any, alex: Any) -> None:
    ticket = world.file(email="ruth@partner.example", text="A colleague phoned.")
    case = world.front.open_case("desk", ticket, "unknown1", alex)
    assert case.state is CaseState.RECEIVED
    world.pass_time(minutes=20)
    world.only_case(ticket, CaseState.NEEDS_PERSON)
    world.tenant.account("unknown1").stated = None
    world.pass_time(minutes=10)
    world.only_case(ticket, CaseState.NOT_BLOCKED)


def test_a_tenant_down_for_an_hour_is_said_once_and_made_good_without_a_person(world: Any) -> None:
    world.tenant_faults.is_down = True
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    assert world.notes(ticket) == []
    world.pass_time(hours=1)
    world.only_case(ticket, CaseState.NEEDS_PERSON)
    assert len(world.notes(ticket)) == 1
    assert "Not Blocked" not in world.notes(ticket)[0]
    world.tenant_faults.is_down = False
    world.pass_time(minutes=10)
    world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert len(world.notes(ticket)) == 2


def test_an_unblock_that_was_done_although_the_answer_was_500_is_found_released_and_asked_once(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.tenant_faults.spoil_unblock = "after"
    world.unblock(world.answer_all(world.only_case(ticket)))
    world.pass_time(minutes=5)
    world.only_case(ticket, CaseState.UNBLOCKED)
    assert len(world.asked()) == 2


def test_an_unblock_without_an_answer_is_never_sent_again_until_an_agent_decides(world: Any, alex: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.tenant_faults.spoil_unblock = "before"
    world.unblock(world.answer_all(world.only_case(ticket)))
    world.tenant_faults.spoil_unblock = ""
    world.pass_time(minutes=70)
    case = world.only_case(ticket, CaseState.OUTCOME_UNKNOWN)
    assert world.asked() == []
    assert world.ticket(ticket)["tags"] == ["m365-still-blocked"]
    world.unblock(case)
    world.pass_time(minutes=5)
    world.only_case(ticket, CaseState.UNBLOCKED)
    assert len(world.asked()) == 2


def test_a_release_that_comes_after_the_watching_is_found_by_a_refresh_and_starts_the_clock(
    make_world: Callable[..., Any], alex: Any
) -> None:
    world = make_world(settle_seconds=7200)
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.unblock(world.answer_all(world.only_case(ticket)))
    world.pass_time(minutes=70)
    case = world.only_case(ticket, CaseState.STILL_BLOCKED)
    world.pass_time(hours=2)
    world.front.refresh(case, alex)
    world.run()
    case = world.only_case(ticket, CaseState.UNBLOCKED)
    world.pass_time(hours=25)
    world.only_case(ticket, CaseState.CLOSED)


# ── rules across tickets and agents ──────────────────────────────────────────────────────────────────────────────


def test_two_agents_pressing_at_once_ask_once(world: Any, alex: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    world.front.unblock(case, alex)
    with pytest.raises((NotAllowed, StorageError)):
        world.front.unblock(case, replace(alex, login="kim", name="Kim"))
    world.run()
    assert len(world.asked()) == 2


def test_two_tickets_for_one_account_ask_once_and_both_end_unblocked(world: Any, alex: Any) -> None:
    first, second = world.file(email=BUCKY, report="ndr-5.1.8"), world.file(email=BUCKY, report="ndr-5.1.8")
    world.unblock(world.answer_all(world.only_case(first)))
    case = world.only_case(second, CaseState.CHECKLIST_OPEN)
    earlier = world.front.view(case, alex).earlier
    assert earlier.case.id == world.only_case(first).id
    case = world.front.rely_on(case, earlier.case.id, alex)
    assert case.state is CaseState.READY
    world.unblock(case)
    world.pass_time(minutes=5)
    world.only_case(first, CaseState.UNBLOCKED)
    world.only_case(second, CaseState.UNBLOCKED)
    assert len(world.asked()) == 2


def test_a_viewer_can_do_nothing(world: Any, alex: Any) -> None:
    viewer = replace(alex, role=Role.VIEWER)
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    for attempt in (
        lambda: world.front.unblock(case, viewer),
        lambda: world.front.answer(case, "password-changed", {"done": "yes"}, viewer),
        lambda: world.front.rely_on(case, "x", viewer),
        lambda: world.front.open_case("desk", ticket, "fine", viewer),
        lambda: world.front.send_reply(case, ReplyKind.CUSTOMER, "hello", viewer),
    ):
        with pytest.raises(NotAllowed, match="viewer"):
            attempt()
    world.run()
    assert world.asked() == []


def test_a_new_block_during_the_checklist_voids_the_answers_and_nothing_is_asked(world: Any, alex: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    world.clock.forward(minutes=1)
    world.tenant.block("bbadger", "bbadger@example.edu", reason="OutboundSpamLast24Hours=7")
    case = world.unblock(case)
    assert case.state is CaseState.CHECKLIST_OPEN
    assert "not answered" in case.reason
    assert world.asked() == []


def test_listed_again_after_the_release_is_a_new_round_with_a_new_checklist(world: Any, alex: Any) -> None:
    ticket, case = unblocked(world)
    world.clock.forward(hours=2)
    world.tenant.block("bbadger", BUCKY, reason="OutboundSpamLast24Hours=99")
    world.pass_time(hours=23)
    case = world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert case.round == 2
    assert world.ticket(ticket)["tags"] == ["m365-blocked"]
    assert world.front.view(case, alex).answers == {}


def test_a_complaint_before_the_end_gets_the_hour_and_after_it_overdue(world: Any) -> None:
    ticket, case = unblocked(world)
    world.clock.forward(hours=3)
    world.reply(ticket, BUCKY, "It still bounces, same error as before.")
    world.only_case(ticket, CaseState.UNBLOCKED)
    notes = world.notes(ticket)
    assert len(notes) == 3
    assert f"{case.escalate_after:%H:%M}" in notes[2]
    world.pass_time(hours=22)
    world.only_case(ticket, CaseState.OVERDUE)
    assert world.ticket(ticket)["tags"] == ["m365-overdue"]


def test_a_complaint_after_closing_is_overdue(world: Any) -> None:
    ticket, _ = unblocked(world)
    world.pass_time(hours=25)
    world.only_case(ticket, CaseState.CLOSED)
    world.clock.forward(hours=1)
    world.reply(ticket, BUCKY, "My mail still bounces.")
    world.only_case(ticket, CaseState.OVERDUE)


# ── nothing lost, nothing harmful ────────────────────────────────────────────────────────────────────────────────


def test_an_event_that_never_arrived_is_made_good_by_the_scan(world: Any) -> None:
    world.sender.stop()
    ticket = world.file(email=BUCKY, report="ndr-5.1.8", quietly=True)
    assert world.cases(ticket) == ()
    world.scan()
    world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert len(world.notes(ticket)) == 1


def test_a_ticket_deleted_in_between_ends_the_work_without_a_fuss(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    world.desk.delete_ticket(ticket)
    world.unblock(case)
    world.pass_time(hours=26)
    assert world.case(case.id).state is CaseState.CLOSED
    assert world.store.waiting_tasks(10) == ()


HOSTILE = '<script>alert(1)</script>{{7*7}}{% raw %}<img src=x onerror=alert(1)> https://evil.example/ "quoted"'


def test_markup_and_template_syntax_in_a_ticket_stay_inert(world: Any) -> None:
    ticket = world.file(email=BUCKY, subject=HOSTILE, text=HOSTILE, report="ndr-5.1.8")
    (note,) = world.notes(ticket)
    assert "<script" not in note
    assert "<img" not in note
    assert "49" not in note
    assert "evil.example" not in note


def test_nothing_a_ticket_says_unblocks(world: Any) -> None:
    words = "I am the admin. Checklist completed, please unblock now. Status: Not Blocked. Role: supervisor."
    ticket = world.file(email=BUCKY, text=words, report="ndr-5.1.8")
    world.pass_time(hours=30)
    world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert world.asked() == []


def test_a_site_that_sets_other_times_gets_them(make_world: Callable[..., Any]) -> None:
    world = make_world(settings='\n[procedure]\nfollow_up_after = "2h"\n')
    _, case = unblocked(world)
    assert case.escalate_after == case.unblocked_at + timedelta(hours=2)


def test_an_account_that_is_gone_when_the_clock_ends_is_said_and_not_called_closed(world: Any) -> None:
    ticket, _ = unblocked(world)
    world.tenant.delete_account("bbadger")
    world.pass_time(hours=25)
    world.only_case(ticket, CaseState.NEEDS_PERSON)
    assert "no longer known" in world.notes(ticket)[-1]


def test_an_answer_that_refers_to_security_can_be_taken_back(make_world: Callable[..., Any], alex: Any) -> None:
    accounts = {
        "quiet": {
            "display_name": "Quentin Quiet",
            "addresses": ["quentin@example.edu"],
            "blocked": [{"address": "quentin@example.edu", "minutes_ago": 30}],
            "sign_in": {"state": "disabled", "minutes_ago": 20},
        }
    }
    world = make_world(accounts)
    ticket = world.file(email="quentin@example.edu", report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket), security_confirmed={"yes": "no"})
    assert case.state is CaseState.REFER_TO_SECURITY
    with pytest.raises(NotAllowed):
        world.front.unblock(case, alex)
    case = world.front.answer(case, "security-confirmed", {"yes": "yes"}, alex)
    assert case.state is CaseState.READY
    with pytest.raises(NotAllowed, match="still disabled"):
        world.front.unblock(case, alex)


def test_a_refresh_of_a_ready_case_leaves_it_ready(world: Any, alex: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    journal = len(world.store.journal(case.id))
    case = world.front.refresh(case, alex)
    assert case.state is CaseState.READY
    assert len(world.store.journal(case.id)) == journal + 1
