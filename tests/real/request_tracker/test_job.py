"""The whole job inside Request Tracker: a customer's mail, RT's own ticket page with the panel in it, RT's history."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.real

UNBLOCK = re.compile("^Unblock")


def test_the_whole_job_in_rts_own_ticket_page(site: Any, take_rt_seat: Any, answer_checklist: Any, shoot: Any) -> None:
    rt, customer = site.rt, "main.job@example.edu"
    rt.mail_in(site.report(customer, "my mail bounces back"))
    ticket = rt.ticket("my mail bounces back")
    rt.until_state(ticket, "Checklist open")
    fields = rt.fields(ticket)
    assert (fields["Sending Status"], fields["M365 Tags"]) == (["Blocked"], ["m365-blocked"])
    assert sorted(fields["Blocked Addresses"][0].split(", ")) == [customer, "main@cs.example.edu"]
    [status_note] = rt.notes(ticket)
    assert customer in status_note
    assert rt.mailed(customer) == []

    seat = take_rt_seat("alex")
    panel = seat.open(ticket)
    expect(panel.get_by_role("heading", name="Main Job")).to_be_visible()
    expect(panel.get_by_role("button", name=UNBLOCK)).to_be_disabled()
    answer_checklist(panel, first=3)
    _take_picture(seat.page, shoot)
    answer_checklist(panel)
    panel.get_by_role("button", name=UNBLOCK).click()
    panel.get_by_role("button", name="Yes, ask Microsoft now").click()
    result = panel.get_by_role("region", name="Result")
    expect(result).to_contain_text("Do not escalate before")
    panel.get_by_role("button", name="Send to the customer").click()
    expect(result).to_contain_text("The reply to the customer was sent")

    assert site.asked("main") == [customer, "main@cs.example.edu"]
    rt.until_state(ticket, "Unblocked")
    fields = rt.fields(ticket)
    assert (fields["Sending Status"], fields["Blocked Addresses"]) == (["Not Blocked"], [])
    assert fields["M365 Tags"] == ["m365-unblocked"]
    assert fields["Escalate After"][0] > fields["Unblocked At"][0]
    kinds = [(message["type"], message["by"]) for message in rt.messages(ticket)]
    assert kinds == [
        ("Create", customer),
        ("Comment", "m365-unblock"),
        ("Comment", "m365-unblock"),
        ("Correspond", "m365-unblock"),
    ]
    [reply] = rt.mailed(customer)
    assert "within the next 24 hours" in reply
    assert "main@cs.example.edu" not in reply
    assert "Alex" not in reply

    seat.open(ticket)
    history = seat.page.locator(".history-container, #ticket-history, .history").first
    expect(history).to_contain_text("24 hours")
    expect(history).to_contain_text("unblocked; mail may take up to 24 hours")


def _take_picture(page: Any, shoot: Any) -> None:
    """RT's page with its facts about the ticket folded away, so that all fits: heading, panel, history."""
    # The arrow is drawn outside of the element that hears the click.
    page.locator(".titlebox").filter(has_text="Ticket metadata").first.locator(".toggle").first.dispatch_event("click")
    expect(page.locator(".ticket-info-basics").first).to_be_hidden()
    page.evaluate("scrollTo(0, 0)")
    shoot(page, "rt-panel.png", 1120)


def test_agent_outside_the_group_sees_all_and_can_press_nothing(site: Any, take_rt_seat: Any) -> None:
    site.rt.mail_in(site.report("vic.ewed@example.edu", "only looking"))
    ticket = site.rt.ticket("only looking")
    site.rt.until_state(ticket, "Checklist open")
    panel = take_rt_seat("vera").open(ticket)
    expect(panel.get_by_text("You are signed in as a viewer: you see everything")).to_be_visible()
    expect(panel.get_by_role("list", name="Blocked addresses")).to_contain_text("viewed@cs.example.edu")
    expect(panel.get_by_role("button", name=UNBLOCK)).to_be_disabled()
    expect(
        panel.locator("button:enabled:not(#times), textarea:enabled, input:enabled:not([type=hidden])")
    ).to_have_count(0)
    assert site.asked("viewed") == []


def test_panel_of_a_ticket_without_a_case_is_folded_until_an_agent_wants_it(site: Any, take_rt_seat: Any) -> None:
    body = {"Queue": "Support", "Subject": "printer", "Content": "It is on fire.", "ContentType": "text/plain"}
    ticket = site.rt.call("POST", "ticket", json=body)["id"]
    seat = take_rt_seat("alex")
    panel = seat.open(ticket)
    box = seat.page.locator(".titlebox.m365-unblock")
    expect(box).to_be_visible()
    expect(box.locator("iframe")).to_be_hidden()
    box.locator("summary").click()
    expect(panel.get_by_text("There is no case on this ticket")).to_be_visible()


def test_ticket_of_another_queue_has_no_panel_and_is_left_alone(site: Any, take_rt_seat: Any) -> None:
    body = {
        "Queue": "General",
        "Subject": "elsewhere",
        "Content": "my mail bounces: 5.1.8",
        "ContentType": "text/plain",
    }
    ticket = site.rt.call("POST", "ticket", json=body)["id"]
    seat = take_rt_seat("root")
    seat.open(ticket)
    expect(seat.page.locator(".history-container, #ticket-history, .history").first).to_be_visible()
    expect(seat.page.locator("iframe[src*='/panel/']")).to_have_count(0)
    assert site.rt.notes(ticket) == []
