"""The whole job as an agent does it beside a customer's ticket: by mouse, by keyboard, and across reloads."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Locator, Page, expect

pytestmark = pytest.mark.real

UNBLOCK = re.compile("^Unblock")
BUCKY = "bucky.badger@example.edu"


def test_the_whole_job_by_mouse(
    seat: Any, customers: Any, answer_checklist: Any, shoot: Any, take_seat: Any, stage: Any
) -> None:
    ticket, portal = _file_at_the_portal(take_seat(""), customers, stage)
    customers.until(ticket, "Checklist open")
    page, panel = seat.page, seat.panel
    presses = _count_presses(seat.context)
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.get_by_role("link", name="Tickets").click()
    page.get_by_role("link", name=f"#{ticket}").click()

    _both_blocks_are_told_apart(panel, "Blocked", "Enabled")
    addresses = panel.get_by_role("list", name="Blocked addresses").get_by_role("listitem")
    expect(addresses).to_have_count(2)
    expect(addresses.nth(0)).to_contain_text(BUCKY)
    expect(addresses.nth(1)).to_contain_text("bbadger@cs.example.edu")
    unblock = panel.get_by_role("button", name=UNBLOCK)
    expect(unblock).to_be_disabled()
    expect(unblock).to_have_accessible_description(re.compile("13 of the checklist's required items"))

    answer_checklist(panel, first=3)
    expect(panel.get_by_role("form", name="Compromise checklist")).to_contain_text("3 of 14 answered")
    panel.get_by_role("heading", name="Bucky Badger").scroll_into_view_if_needed()
    shoot(page, "panel.png", 1000)
    answer_checklist(panel)
    unblock.click()
    expect(panel.get_by_text("Ask Microsoft to release these 2 addresses?")).to_be_visible()
    panel.get_by_role("button", name="Not yet").click()
    expect(panel.get_by_text("Ask Microsoft to release these 2 addresses?")).to_be_hidden()
    assert customers.asked("bbadger") == []
    unblock.click()
    panel.get_by_role("button", name="Yes, ask Microsoft now").click()

    for line in (addresses.nth(0), addresses.nth(1)):
        expect(line).to_contain_text("waiting for Microsoft")
    for line in (addresses.nth(0), addresses.nth(1)):
        expect(line).to_contain_text("Not Blocked")
    _both_blocks_are_told_apart(panel, "Not Blocked", "Enabled")
    result = panel.get_by_role("region", name="Result")
    expect(result).to_contain_text("Do not escalate before")
    _hour_is_a_day_from_now(result)
    conversation = page.get_by_role("region", name="Facts and conversation")
    expect(conversation).to_contain_text("Bucky Badger (bbadger): unblocked; mail may take up to 24 hours")
    panel.get_by_role("heading", name="Bucky Badger").scroll_into_view_if_needed()
    shoot(page, "panel-result.png", 1000)

    reply = panel.get_by_role("textbox", name="Reply to the customer")
    expect(reply).to_have_value(re.compile("within the next 24 hours"))
    panel.get_by_role("button", name="Send to the customer").click()
    expect(result).to_contain_text("The reply to the customer was sent")
    assert 4 <= len(presses) <= 12, presses
    expect(page.locator("li.message.internal")).to_have_count(2)
    assert len(customers.mails(ticket)) == 1
    assert len(customers.notes(ticket)) == len(set(customers.notes(ticket))) == 3
    assert customers.asked("bbadger") == [BUCKY, "bbadger@cs.example.edu"]

    portal.reload()
    expect(portal.get_by_role("listitem").filter(has_text="within the next 24 hours")).to_have_count(1)
    expect(portal.locator("main")).not_to_contain_text("bbadger@cs.example.edu")


def test_the_whole_job_by_keyboard_only(seat: Any, customers: Any) -> None:
    ticket = customers.file("kay.board@example.edu", "Checklist open")
    page, panel = seat.page, seat.panel
    page.reload()
    _press(page, page.get_by_role("link", name=f"#{ticket}"), "Enter")
    items = panel.get_by_role("form", name="Compromise checklist").locator("ol > li")
    items.first.wait_for()
    for item in items.all():
        _answer_by_keyboard(page, item)
    _press(page, panel.get_by_role("button", name=UNBLOCK), "Enter")
    question = panel.get_by_role("paragraph").filter(has_text="Ask Microsoft to release these 2 addresses?")
    expect(question).to_be_focused()
    _press(page, panel.get_by_role("button", name="Yes, ask Microsoft now"), "Enter")
    expect(panel.get_by_role("heading", name="Kay Board")).to_be_focused()
    result = panel.get_by_role("region", name="Result")
    expect(result).to_contain_text("Do not escalate before")
    _press(page, panel.get_by_role("button", name="Send to the customer"), "Space")
    expect(result).to_contain_text("The reply to the customer was sent")
    assert customers.asked("keys") == ["kay.board@example.edu", "keys@cs.example.edu"]


def test_nothing_is_lost_by_reloading_in_the_middle(seat: Any, customers: Any, answer_checklist: Any) -> None:
    ticket = customers.file("rhea.load@example.edu", "Checklist open")
    panel = seat.open(ticket)
    answer_checklist(panel, first=4)
    seat.page.reload()
    checklist = panel.get_by_role("form", name="Compromise checklist")
    expect(checklist).to_contain_text("4 of 14 answered")
    expect(checklist.get_by_text("Saved. Alex Agent")).to_have_count(4)
    expect(checklist.get_by_role("textbox", name="By whom")).to_have_value("Alex Agent")
    expect(checklist.get_by_role("checkbox", name="Password changed")).to_be_checked()

    answer_checklist(panel)
    panel.get_by_role("button", name=UNBLOCK).click()
    panel.get_by_role("button", name="Yes, ask Microsoft now").click()
    expect(panel.get_by_role("region", name="Result")).to_contain_text("Microsoft is being asked")
    seat.page.reload()
    addresses = panel.get_by_role("list", name="Blocked addresses").get_by_role("listitem")
    expect(addresses.nth(0)).to_contain_text("waiting for Microsoft")
    expect(addresses.nth(1)).to_contain_text("Not Blocked")
    expect(panel.get_by_role("region", name="Result")).to_contain_text("Do not escalate before")
    assert customers.asked("reload") == ["rhea.load@example.edu", "reload@cs.example.edu"]


def test_after_going_back_the_panel_says_how_to_get_on(seat: Any, customers: Any, stage: Any) -> None:
    # The browser opens the frame at the address it had last, from which the launch token was taken away at once.
    panel = seat.open(customers.file("barry.ack@example.edu", "Checklist open"))
    expect(panel.get_by_role("region", name="Account status")).to_be_visible()
    seat.page.goto(f"{stage.desk_url}/tickets")
    seat.page.go_back()
    expect(panel.get_by_text("Open this panel from the ticket, or reload the ticket")).to_be_visible()
    seat.page.reload()
    expect(panel.get_by_role("region", name="Account status")).to_be_visible()


def _count_presses(context: Any) -> list[str]:
    """What is pressed from now on, but for the checklist's own items."""
    presses: list[str] = []
    context.expose_binding("pressed", lambda _source, words: presses.append(words))
    context.add_init_script(
        "addEventListener('click', ({isTrusted, target}) => {"
        " if (isTrusted && !target.closest('.item')) pressed(target.textContent.trim()); }, true)"
    )
    return presses


def _file_at_the_portal(customer: Any, customers: Any, stage: Any) -> tuple[str, Page]:
    """Bucky's own browser; the ticket's number and page."""
    page = customer.page
    page.goto(f"{stage.desk_url}/portal")
    page.get_by_label("Your name").fill("Bucky Badger")
    page.get_by_label("Your mail address").fill(BUCKY)
    page.get_by_label("Subject").fill("my mail bounces back: undeliverable")
    page.get_by_label("What happened?").fill("Nobody gets my mail any more!")
    bounce = {"name": "Undeliverable.eml", "mimeType": "message/rfc822", "buffer": customers.bounce(BUCKY)}
    page.get_by_label("Attachments").set_input_files(files=[bounce])
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("listitem", name="").first).to_contain_text("Nobody gets my mail any more!")
    (ticket,) = re.findall(r"#(\d+)", page.title())
    return ticket, page


def _both_blocks_are_told_apart(panel: FrameLocator, sending: str, sign_in: str) -> None:
    lines = panel.get_by_role("region", name="Account status").locator("dl > div")
    expect(lines).to_have_count(2)
    expect(lines.nth(0)).to_contain_text(re.compile(rf"Sending Microsoft's block\s*{sending}"))
    expect(lines.nth(1)).to_contain_text(re.compile(rf"Sign-in Security's switch\s*{sign_in}"))


def _hour_is_a_day_from_now(result: Locator) -> None:
    hour = datetime.fromisoformat(str(result.locator(".clock time").get_attribute("datetime")))
    assert abs(hour - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=1)


def _tab_to(page: Page, target: Locator) -> None:
    target.wait_for()
    for _ in range(150):
        if target.evaluate("element => element.matches(':focus')"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} is not reached by Tab")


def _press(page: Page, target: Locator, key: str) -> None:
    _tab_to(page, target)
    page.keyboard.press(key)


def _answer_by_keyboard(page: Page, item: Locator) -> None:
    if item.get_by_role("checkbox").count():
        _press(page, item.get_by_role("checkbox"), "Space")
    elif item.get_by_role("radio").count():
        _press(page, item.get_by_role("radio", name="Yes"), "Space")
        if "mail many individual recipients" in item.inner_text():
            page.keyboard.press("ArrowDown")
    for line in item.get_by_role("textbox").all():
        _tab_to(page, line)
        page.keyboard.type("Seen")
        page.keyboard.press("Tab")
    expect(item.get_by_text("Saved. ")).to_be_visible()
