"""What is not unblocked, as agents see it: each road with its words, and no Unblock to press."""

import re
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, expect

pytestmark = pytest.mark.real

UNBLOCK = re.compile("^Unblock")
FIONA, HARRIET, MONA, LIAM = (
    f"{name}@example.edu" for name in ("fiona.inell", "harriet.hold", "mona.mass", "liam.tupper")
)


@pytest.mark.parametrize(
    ("email", "report", "state", "next_step"),
    [
        (FIONA, "ndr-5.1.8", "Not blocked", "Do not unblock anything: look for another cause"),
        (FIONA, "ndr-5.1.90", "Sending limit", "A limit ends by itself within 24 hours"),
        (FIONA, "ndr-5.7.705", "Tenant blocked", "They open a case with Microsoft Support"),
        (HARRIET, "ndr-5.1.8", "Refer to Security", "Do not re-enable the sign-in, and do not unblock"),
    ],
)
def test_a_road_without_an_unblock_says_what_to_do(
    email: str, report: str, state: str, next_step: str, seat: Any, customers: Any
) -> None:
    panel = seat.open(customers.file(email, state, report=report))
    case = panel.get_by_role("article")
    expect(case.locator("header").get_by_text(state, exact=True)).to_be_visible()
    expect(case.get_by_role("paragraph").filter(has_text="Next:")).to_contain_text(next_step)
    _nothing_can_be_unblocked(panel)


def test_security_s_reason_is_shown_apart_from_microsoft_s_block(seat: Any, customers: Any) -> None:
    panel = seat.open(customers.file(HARRIET, "Refer to Security"))
    blocks = panel.get_by_role("region", name="Account status").locator("dl > div")
    expect(blocks.nth(0)).to_contain_text("Blocked")
    expect(blocks.nth(1)).to_contain_text(re.compile("Disabled since .* HR Request"))
    expect(panel.get_by_role("link", name="Reach Security")).to_have_attribute("rel", "noopener noreferrer")


def test_a_bulk_sender_gets_a_reply_that_the_agent_has_seen_instead_of_an_unblock(
    seat: Any, customers: Any, answer_checklist: Any
) -> None:
    ticket = customers.file(MONA, "Checklist open")
    panel = seat.open(ticket)
    answer_checklist(panel, {})
    result = panel.get_by_role("region", name="Result")
    expect(result).to_contain_text("No unblock: this customer mails many recipients on purpose.")
    _nothing_can_be_unblocked(panel)

    reply = panel.get_by_role("textbox", name="Reply to the customer")
    kept = reply.input_value()
    seat.expected.append("409")
    reply.fill(f"{kept}\nYour address {MONA} was blocked.")
    panel.get_by_role("button", name="Send to the customer").click()
    expect(result.get_by_text(re.compile("Not sent. Take out: .*mona.mass@example.edu"))).to_be_visible()
    expect(reply).to_have_value(re.compile("Your address mona.mass"))
    assert customers.mails(ticket) == []
    reply.fill(f"{kept}\nGreetings, Alex")
    panel.get_by_role("button", name="Send to the customer").click()
    expect(result).to_contain_text("The reply to the customer was sent")
    (mail,) = customers.mails(ticket)
    assert "Greetings, Alex" in mail
    assert customers.asked("mmass") == []


def test_an_unclear_account_is_chosen_by_a_person(seat: Any, customers: Any, audit: Any) -> None:
    ticket = customers.file(FIONA, "Needs a person", sender=LIAM)
    panel = seat.open(ticket)
    expect(panel.get_by_text("Say which account this is about")).to_be_visible()
    _nothing_can_be_unblocked(panel)
    which = panel.get_by_role("region", name="Which account")
    for name in ("Fiona Inell", "Liam Tupper"):  # who each candidate is, before anything is decided
        expect(which.get_by_text(name)).to_be_visible()
    typed = panel.get_by_role("textbox", name="Another NetID or mail address")
    typed.fill("nobody-of-ours")
    panel.get_by_role("button", name="Look up").click()
    expect(panel.get_by_text("There is no account “nobody-of-ours”.")).to_be_visible()
    expect(typed).to_have_value("nobody-of-ours")
    typed.fill("hrhold")  # and is shown without a press
    expect(which.get_by_role("button", name="It is Harriet Hold")).to_be_visible()
    audit(seat.page, seat.page.frames[-1])
    panel.get_by_role("button", name=f"It is {LIAM}").click()
    expect(panel.get_by_role("heading", name="Liam Tupper")).to_be_visible()
    expect(panel.get_by_role("form", name="Compromise checklist")).to_be_visible()
    expect(panel.get_by_role("button", name=UNBLOCK)).to_be_disabled()


def test_past_microsoft_s_unblock_limit_the_agent_is_sent_to_microsoft_support(
    seat: Any, customers: Any, answer_checklist: Any
) -> None:
    ticket = customers.file(LIAM, "Checklist open")
    panel = seat.open(ticket)
    answer_checklist(panel)
    panel.get_by_role("button", name=UNBLOCK).click()
    panel.get_by_role("button", name="Yes, ask Microsoft now").click()
    expect(panel.get_by_role("region", name="Result")).to_contain_text("Microsoft's side refused.")
    next_step = panel.get_by_role("paragraph").filter(has_text="Next:")
    expect(next_step).to_contain_text("Only Microsoft Support can release it now")
    expect(panel.get_by_role("list", name="Blocked addresses")).to_contain_text("refused")
    assert customers.asked("limitup") == [LIAM]


def test_on_a_ticket_without_a_case_an_agent_opens_one_by_hand(seat: Any, customers: Any) -> None:
    ticket = customers.file(FIONA, None, report="ndr-5.1.10-unknown-recipient")
    panel = seat.open(ticket)
    expect(panel.get_by_text("There is no case on this ticket")).to_be_visible()
    panel.get_by_text("Open a case for another account").click()
    panel.get_by_role("textbox", name="NetID or mail address").fill("phished")
    panel.get_by_role("button", name="Look up").click()
    expect(panel.get_by_role("status").filter(has_text="Philip Shed")).to_contain_text("Sign-in: Disabled")
    expect(panel.get_by_role("article")).to_have_count(0)
    panel.get_by_role("button", name="Open a case for Philip Shed").click()
    expect(panel.get_by_role("heading", name="Philip Shed")).to_be_visible()
    expect(panel.get_by_role("region", name="Account status")).to_contain_text("Compromised Account")
    expect(panel.get_by_text("Why the sign-in was disabled, and by whom", exact=True)).to_be_visible()


def test_of_several_cases_one_is_shown_and_each_is_a_press_away(
    seat: Any, customers: Any, shoot: Any, audit: Any
) -> None:
    page = seat.open_alone(customers.file(FIONA, "Not blocked"))
    expect(page.get_by_role("navigation")).to_have_count(0)
    page.get_by_text("Open a case for another account").click()
    page.get_by_role("textbox", name="NetID or mail address").fill("phished")
    expect(page.get_by_role("button", name="Open a case for Philip Shed")).to_be_visible()
    audit(page)
    page.get_by_role("button", name="Open a case for Philip Shed").click()
    expect(page.get_by_role("heading", name="Philip Shed")).to_be_visible()  # the new one
    expect(page.get_by_role("article")).to_have_count(1)
    cases = page.get_by_role("navigation", name="Cases on this ticket")
    expect(cases.get_by_role("button")).to_have_count(2)
    expect(cases.get_by_role("button", pressed=True)).to_contain_text("Philip Shed")
    expect(cases.get_by_role("button").first).to_contain_text("Checklist open")
    audit(page)
    shoot(page, "panel-cases.png")
    cases.get_by_role("button", name="Fiona Inell").click()
    expect(page.get_by_role("article")).to_have_accessible_name("Fiona Inell")
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_text("Read again just now.")).to_be_visible()
    expect(page.get_by_role("article")).to_have_accessible_name("Fiona Inell")


def test_the_admin_site_shows_a_help_desk_agent_the_same_status(take_seat: Any) -> None:
    seat = take_seat("")
    page = seat.page
    page.goto(seat.admin_site())
    page.get_by_label("NetID or mail address").fill("hrhold")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="Harriet Hold")).to_be_visible()
    office = page.get_by_role("region", name="Office 365")
    expect(office).to_contain_text(re.compile(r"Sending Status\s*Blocked"))
    expect(office.get_by_role("button", name=f"Unblock {HARRIET}")).to_be_visible()
    expect(page.get_by_role("region", name="NetID sign-in")).to_contain_text("HR Request")


def _nothing_can_be_unblocked(panel: FrameLocator) -> None:
    expect(panel.get_by_role("article")).to_be_visible()
    expect(panel.locator("button:enabled", has_text=re.compile("^(Unblock|Yes)"))).to_have_count(0)
