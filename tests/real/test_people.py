"""Who is at the panel: a viewer, two agents at once, somebody whose connection drops, the bearer of a wrong token."""

import re
from typing import Any

import jwt
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.real

UNBLOCK = re.compile("^Unblock")
CHECKED_HOW = "How it was checked"


def test_a_viewer_sees_everything_and_can_press_nothing(take_seat: Any, customers: Any) -> None:
    ticket = customers.file("vic.ewed@example.edu", "Checklist open")
    panel = take_seat("vera").open(ticket)
    expect(panel.get_by_text("You are signed in as a viewer: you see everything")).to_be_visible()
    expect(panel.get_by_role("region", name="Account status")).to_contain_text("Blocked")
    addresses = panel.get_by_role("list", name="Blocked addresses")
    expect(addresses).to_contain_text("viewed@cs.example.edu")
    checklist = panel.get_by_role("form", name="Compromise checklist")
    expect(checklist.get_by_role("checkbox")).to_have_count(11)
    expect(panel.get_by_role("button", name=UNBLOCK)).to_be_disabled()
    expect(panel.get_by_role("button", name="Refresh")).to_be_disabled()
    panel.get_by_text("Open a case for another account").click()
    controls = panel.locator("button:enabled:not(#times), textarea:enabled, input:enabled:not([type=hidden])")
    expect(controls).to_have_count(0)


def test_two_agents_see_each_others_answers_and_the_unblock_is_asked_once(
    take_seat: Any, customers: Any, answer_checklist: Any
) -> None:
    ticket = customers.file("shay.red@example.edu", "Checklist open")
    seats = [take_seat(login) for login in ("alex", "sven")]
    alex, sven = (seat.open(ticket) for seat in seats)
    for seat in seats:  # whoever presses second is told that it is being done
        seat.expected.append("409")
    password, sessions = (re.compile(words) for words in ("^Password changed", "^Signed out everywhere"))
    expect(sven.get_by_role("checkbox", name=password)).not_to_be_checked()
    alex.get_by_role("checkbox", name=password).check()
    expect(alex.get_by_text("Saved. Alex Agent")).to_be_visible()
    sven.get_by_role("checkbox", name=sessions).check()
    expect(sven.get_by_text("Saved. Sven Supervisor")).to_be_visible()
    expect(sven.get_by_text("Saved. Alex Agent")).to_be_visible()
    expect(sven.get_by_role("checkbox", name=password)).to_be_checked()

    alex.get_by_label(CHECKED_HOW).fill("Called back")  # and is still looking for the second half
    answer_checklist(sven, first=1)
    alex.get_by_role("button", name="Refresh").click()
    expect(alex.get_by_role("checkbox", name=sessions)).to_be_checked()
    expect(alex.get_by_label(CHECKED_HOW)).to_have_value("Called back")
    expect(alex.get_by_text("Saved. Sven Supervisor")).to_have_count(2)

    answer_checklist(sven)
    alex.get_by_role("button", name="Refresh").click()
    expect(alex.get_by_role("button", name=UNBLOCK)).to_be_enabled()
    for panel in (alex, sven):
        panel.get_by_role("button", name=UNBLOCK).click()
    for panel in (alex, sven):
        panel.get_by_role("button", name="Yes, ask Microsoft now").dispatch_event("click")
    for panel in (alex, sven):
        expect(panel.get_by_role("region", name="Result")).to_contain_text("Do not escalate before")
    assert customers.asked("shared") == ["shay.red@example.edu", "shared@cs.example.edu"]
    assert len(customers.notes(ticket)) == 2


def test_an_answer_that_another_agent_gave_meanwhile_is_never_written_over(
    take_seat: Any, customers: Any, audit: Any
) -> None:
    ticket = customers.file("dis.agree@example.edu", "Checklist open")
    seats = [take_seat(login) for login in ("alex", "sven")]
    alex, sven = (seat.open(ticket) for seat in seats)
    seats[1].expected.append("409")
    first = sven.get_by_role("form", name="Compromise checklist").locator("ol > li").first
    sven.get_by_label(CHECKED_HOW).fill("Knows the caller's voice")  # and is still typing when the other is done
    alex.get_by_label(CHECKED_HOW).fill("Called back")
    alex.get_by_label("By whom").fill("Alex")
    alex.get_by_label("By whom").press("Tab")
    expect(alex.get_by_text("Saved. Alex Agent")).to_be_visible()
    expect(first.get_by_text("Saved. Alex Agent")).to_be_visible()  # without a press: the page looks by itself
    expect(sven.get_by_label(CHECKED_HOW)).to_have_value("Knows the caller's voice")
    sven.get_by_label("By whom").fill("Sven")
    sven.get_by_label("By whom").press("Tab")
    refused = first.get_by_text("Not saved: Alex Agent (alex) answered “Called back, Alex” meanwhile.")
    expect(refused).to_be_visible()
    expect(sven.get_by_label(CHECKED_HOW)).to_have_value("Knows the caller's voice")
    audit(seats[1].page, seats[1].page.frames[-1])

    first.get_by_role("button", name="Keep theirs").click()
    expect(sven.get_by_label(CHECKED_HOW)).to_have_value("Called back")
    expect(refused).to_have_count(0)
    sven.get_by_label(CHECKED_HOW).fill("Called back twice")
    sven.get_by_label(CHECKED_HOW).press("Tab")
    expect(first.get_by_text("Saved. Sven Supervisor")).to_be_visible()
    expect(alex.get_by_label(CHECKED_HOW)).to_have_value("Called back twice")


def test_what_was_typed_survives_a_reload_and_no_other_agent_gets_it(take_seat: Any, customers: Any) -> None:
    ticket = customers.file("drew.aft@example.edu", "Checklist open")
    seat = take_seat()
    page = seat.open_alone(ticket)
    page.get_by_label(CHECKED_HOW).fill("Called back on the num")
    page = seat.open_alone(ticket)
    expect(page.get_by_label(CHECKED_HOW)).to_have_value("Called back on the num")
    expect(page.get_by_text("Typed before the page was reloaded, and not saved yet.")).to_be_visible()
    seat.sign_in("sven")
    page = seat.open_alone(ticket)
    expect(page.get_by_label(CHECKED_HOW)).to_have_value("")
    seat.sign_in("alex")
    page = seat.open_alone(ticket)
    expect(page.get_by_label(CHECKED_HOW)).to_have_value("Called back on the num")
    page.get_by_label(CHECKED_HOW).fill("Called back on the number in the directory")
    page.get_by_label("By whom").fill("Alex")
    page.get_by_label("By whom").press("Tab")
    expect(page.get_by_text("Saved. Alex Agent")).to_be_visible()
    assert page.evaluate("Object.keys(sessionStorage).filter(key => key.startsWith('m365-unblock'))") == []


def test_where_a_browser_keeps_nothing_for_frames_it_asks_before_it_reloads(take_seat: Any, customers: Any) -> None:
    ticket = customers.file("drew.aft@example.edu", "Checklist open")
    seat = take_seat()
    panel = seat.open(ticket)
    panel.get_by_label(CHECKED_HOW).press_sequentially("Called")
    asked: list[str] = []
    seat.expected.append("^dialog: ")
    seat.page.on("dialog", lambda dialog: asked.append(dialog.type))
    seat.page.evaluate("setTimeout(() => location.reload())")
    expect(panel.get_by_label(CHECKED_HOW)).to_have_value("Called")
    seat.page.wait_for_timeout(1)
    expect(panel.get_by_label(CHECKED_HOW)).to_be_visible()
    assert asked == ["beforeunload"]


def test_times_are_the_reader_s_with_the_site_s_at_hand(take_seat: Any, customers: Any) -> None:
    ticket = customers.file("zoe.ones@example.edu", "Checklist open")
    seat = take_seat(timezone_id="Asia/Kolkata")
    page = seat.open_alone(ticket)
    since = page.get_by_role("region", name="Account status").locator("dd").first.locator("time")
    expect(since).to_have_attribute("title", re.compile(r"GMT\+5:30 \(.* UTC at the site\)$"))
    hour = page.evaluate(
        "at => new Date(at).toLocaleTimeString('en-GB', {hour: '2-digit', minute: '2-digit'})",
        since.get_attribute("datetime"),
    )
    expect(since).to_contain_text(hour)
    checked = page.locator(".checked time")
    expect(checked).to_have_text(re.compile("^(just now|[1-9]0 s ago)$"))
    # Ten seconds of "just now", five to the next look at the clock, one that the server's Date header leaves out.
    expect(checked).to_have_text(re.compile("^[1-9]0 s ago$"), timeout=30_000)
    page.get_by_role("button", name="Exact times").click()
    expect(since).to_have_text(re.compile(r"GMT\+5:30 \(.* UTC at the site\)$"))
    expect(checked).to_have_text(re.compile(r" UTC at the site\)$"))
    seat.page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_text("Read again just now.")).to_be_visible()
    expect(checked).to_have_text(re.compile(r" UTC at the site\)$"))


def test_a_dropped_connection_is_told_and_nothing_typed_is_lost(seat: Any, customers: Any, audit: Any) -> None:
    seat.expected.append("net::ERR_INTERNET_DISCONNECTED|htmx:(afterRequest|sendError)")
    ticket = customers.file("otto.fline@example.edu", "Checklist open")
    panel = seat.open(ticket)
    item = panel.get_by_role("form", name="Compromise checklist").locator("ol > li").first
    how, by_whom = item.get_by_label(CHECKED_HOW), item.get_by_label("By whom")
    how.fill("Called back on the number in the directory")
    seat.context.set_offline(True)
    by_whom.fill("Alex")
    by_whom.press("Tab")
    expect(item.get_by_text("Not done. The panel could not be reached.")).to_be_visible()
    expect(panel.get_by_text("No connection. What you type is kept here")).to_be_visible()
    expect(how).to_have_value("Called back on the number in the directory")
    expect(by_whom).to_have_value("Alex")
    audit(seat.page, seat.page.frames[-1])
    item.get_by_role("button", name="Try again").click()
    expect(how).to_be_focused()
    expect(item.get_by_text("Not done. The panel could not be reached.")).to_be_visible()

    seat.context.set_offline(False)  # and nobody presses anything
    expect(item.get_by_text("Saved. Alex Agent")).to_be_visible()
    expect(item.get_by_text("Not done.")).to_have_count(0)
    expect(panel.get_by_text("No connection.")).to_have_count(0)
    seat.page.reload()
    expect(how).to_have_value("Called back on the number in the directory")


@pytest.mark.parametrize("how", ["used", "expired", "another ticket's", "a stranger's", "none"])
def test_a_token_that_does_not_hold_gets_a_clear_message(
    how: str, seat: Any, customers: Any, stage: Any, tokens_ticket: str
) -> None:
    address = seat.panel_address(tokens_ticket)
    place, _, token = address.partition("#token=")
    claims = jwt.decode(token, options={"verify_signature": False})
    if how == "used":
        seat.page.goto(address)
        expect(seat.page.get_by_role("region", name="Account status")).to_be_visible()
    elif how == "expired":
        old = claims | {"iat": claims["iat"] - 900, "exp": claims["exp"] - 900}
        address = f"{place}#token={jwt.encode(old, stage.panel_secret, 'HS256')}"
    elif how == "another ticket's":
        other = customers.file("fiona.inell@example.edu", None)
        address = f"{place}#token={seat.panel_address(other).partition('#token=')[2]}"
    elif how == "a stranger's":
        address = f"{place}#token={jwt.encode(claims, 'a secret of somebody else, thirty-two bytes', 'HS256')}"
    else:
        address = place
    seat.expected.append("the server responded with a status of 403")
    seat.page.goto("about:blank")
    seat.page.goto(address)
    notice = seat.page.get_by_role("status")
    expect(notice).to_have_text(TOLD[how])
    _nothing_of_the_ticket_is_shown(seat.page)


TOLD = {
    "used": re.compile("This link to the panel was used before. Reload the ticket"),
    "expired": re.compile("opened too long ago: reload the ticket"),
    "another ticket's": re.compile("opened for another ticket: reload the ticket"),
    "a stranger's": re.compile("token is not valid here"),
    "none": re.compile("Open this panel from the ticket"),
}


@pytest.fixture(scope="module")
def tokens_ticket(customers: Any) -> str:
    """One ticket for all the tokens."""
    return str(customers.file("toni.kens@example.edu", "Checklist open"))


def _nothing_of_the_ticket_is_shown(page: Page) -> None:
    expect(page.get_by_role("article")).to_have_count(0)
    assert "example.edu" not in page.locator("main").inner_text()
