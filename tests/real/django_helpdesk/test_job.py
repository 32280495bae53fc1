"""The whole job inside django-helpdesk: the public form, its own ticket page with the panel in it, its follow-ups."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.real

UNBLOCK = re.compile("^Unblock")


def test_the_whole_job_in_django_helpdesks_own_ticket_page(
    site: Any, take_helpdesk_seat: Any, answer_checklist: Any, shoot: Any
) -> None:
    helpdesk, customer = site.helpdesk, "main.job@example.edu"
    ticket = site.file(customer, "my mail bounces back")
    helpdesk.until_state(ticket, "Checklist open")
    fields = helpdesk.fields(ticket)
    assert (fields["Sending Status"], fields["M365 Tags"]) == ("Blocked", "m365-blocked")
    assert sorted(fields["Blocked Addresses"].split(", ")) == [customer, "main@cs.example.edu"]
    [status_note] = helpdesk.notes(ticket)
    assert customer in status_note
    assert helpdesk.answers(customer) == []

    seat = take_helpdesk_seat("alex")
    panel = seat.open(ticket)
    expect(panel.get_by_role("heading", name="Main Job")).to_be_visible()
    expect(panel.get_by_role("button", name=UNBLOCK)).to_be_disabled()
    expect(seat.page.locator("#followup-list")).to_contain_text("Reach the customer by phone")
    answer_checklist(panel, first=3)
    seat.page.evaluate("scrollTo(0, 0)")
    shoot(seat.page, "django-helpdesk-panel.png")
    answer_checklist(panel)
    panel.get_by_role("button", name=UNBLOCK).click()
    panel.get_by_role("button", name="Yes, ask Microsoft now").click()
    result = panel.get_by_role("region", name="Result")
    expect(result).to_contain_text("Do not escalate before")
    panel.get_by_role("button", name="Send to the customer").click()
    expect(result).to_contain_text("The reply to the customer was sent")

    assert site.asked("main") == [customer, "main@cs.example.edu"]
    helpdesk.until_state(ticket, "Unblocked")
    fields = helpdesk.fields(ticket)
    assert (fields["Sending Status"], fields["M365 Tags"]) == ("Not Blocked", "m365-unblocked")
    assert "Blocked Addresses" not in fields
    assert fields["Escalate After"] > fields["Unblocked At"]
    assert [(it["by"], it["public"]) for it in helpdesk.messages(ticket)] == [
        (None, 1),
        ("m365-unblock", 0),
        ("m365-unblock", 0),
        ("m365-unblock", 1),
    ]
    [reply] = helpdesk.answers(customer)
    assert "within the next 24 hours" in reply
    assert "main@cs.example.edu" not in reply
    assert "Alex" not in reply

    seat.open(ticket)
    history = seat.page.locator("#followup-list")
    expect(history).to_contain_text("unblocked; mail may take up to 24 hours")
    expect(history.get_by_text("Private")).to_have_count(2)


def test_report_that_came_by_mail_is_read_with_its_bounce(site: Any) -> None:
    site.helpdesk.mail_in(site.report("mae.led@example.edu", "undeliverable again"))
    ticket = site.helpdesk.ticket("undeliverable again")
    site.helpdesk.until_state(ticket, "Checklist open")
    assert len(site.helpdesk.notes(ticket)) == 1


def test_agent_outside_the_group_sees_all_and_can_press_nothing(site: Any, take_helpdesk_seat: Any) -> None:
    ticket = site.file("vic.ewed@example.edu", "only looking")
    site.helpdesk.until_state(ticket, "Checklist open")
    panel = take_helpdesk_seat("vera").open(ticket)
    expect(panel.get_by_text("You are signed in as a viewer: you see everything")).to_be_visible()
    expect(panel.get_by_role("list", name="Blocked addresses")).to_contain_text("viewed@cs.example.edu")
    expect(panel.get_by_role("button", name=UNBLOCK)).to_be_disabled()
    expect(
        panel.locator("button:enabled:not(#times), textarea:enabled, input:enabled:not([type=hidden])")
    ).to_have_count(0)
    assert site.asked("viewed") == []


def test_panel_of_a_ticket_without_a_case_is_folded_until_an_agent_wants_it(site: Any, take_helpdesk_seat: Any) -> None:
    ticket = site.helpdesk.submit("a@example.edu", "printer", text="It is on fire.")
    seat = take_helpdesk_seat("alex")
    panel = seat.open(ticket)
    box = seat.page.locator("#m365-unblock")
    expect(box).to_be_visible()
    expect(box.locator("iframe")).to_be_hidden()
    box.locator("summary").click()
    expect(panel.get_by_text("There is no case on this ticket")).to_be_visible()


def test_ticket_of_another_queue_has_no_panel_and_is_left_alone(site: Any, take_helpdesk_seat: Any) -> None:
    ticket = site.helpdesk.submit(
        "main.job@example.edu", "elsewhere", queue="Printers", text="my mail bounces: 550 5.1.8"
    )
    seat = take_helpdesk_seat("root")
    seat.open(ticket)
    expect(seat.page.locator("#followup-list")).to_be_visible()
    expect(seat.page.locator("iframe[src*='/panel/']")).to_have_count(0)
    assert site.helpdesk.notes(ticket) == []
    assert site.helpdesk.waiting(ticket) == []
