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
    expect(panel.locator("button:enabled, textarea:enabled, input:enabled:not([type=hidden])")).to_have_count(0)


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


def test_a_dropped_connection_is_told_and_nothing_typed_is_lost(seat: Any, customers: Any) -> None:
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
    expect(how).to_have_value("Called back on the number in the directory")
    expect(by_whom).to_have_value("Alex")

    seat.context.set_offline(False)
    item.get_by_role("button", name="Try again").click()
    expect(item.get_by_text("Saved. Alex Agent")).to_be_visible()
    expect(how).to_be_focused()
    expect(item.get_by_text("Not done.")).to_have_count(0)
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
