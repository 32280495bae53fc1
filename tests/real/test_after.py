"""After Unblock was pressed, where a day takes seconds: nobody knows what came of it, or mail still fails."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from plugin.demo.agent import AgentAtDesk

pytestmark = pytest.mark.real

UNBLOCK = re.compile("^Unblock")


@pytest.fixture
def seat(take_seat: Any, hasty: Any) -> Any:
    """Alex's, on that stage."""
    return take_seat(at=hasty)


def _ready(hasty: Any, customers: Any, email: str) -> str:
    """A ticket whose checklist is answered."""
    ticket: str = customers.file(email, "Checklist open")
    agent = AgentAtDesk(hasty.desk_url, hasty.new_sign_in_link("alex").partition("key=")[2])
    agent.open(ticket).answer_checklist({"bulk-sender": "no"})
    return ticket


def _press(page: Page) -> None:
    page.get_by_role("button", name=UNBLOCK).click()
    page.get_by_role("button", name="Yes, ask Microsoft now").click()


def test_a_customer_who_still_cannot_send_within_the_day_and_after_it(
    seat: Any, hasty: Any, hasty_customers: Any, shoot: Any, audit: Any
) -> None:
    late, early = (_ready(hasty, hasty_customers, f"{name}@example.edu") for name in ("lara.ate", "earl.y"))
    _press(seat.open_alone(late))
    hasty_customers.until(late, "Unblocked")
    page = seat.open_alone(early)
    _press(page)
    result = page.get_by_role("region", name="Result")
    page.get_by_role("button", name="Customer still cannot send").click()
    expect(result).to_contain_text("Heard")
    expect(page.get_by_role("paragraph").filter(has_text="Next:")).to_contain_text("Do not escalate before.")
    expect(result.locator(".clock")).to_contain_text("Do not escalate before")
    expect(page.get_by_role("button", name=re.compile("^Escalate"))).to_have_count(0)
    audit(page)

    expect(page.get_by_role("article").locator("header").get_by_text("Overdue", exact=True)).to_be_visible(
        timeout=60_000
    )
    audit(page)
    page.get_by_role("button", name="Escalate with the evidence").click()
    expect(result).to_contain_text(re.compile("Handed to the Office 365 team .* by Alex Agent"))
    expect(page.get_by_role("button", name=re.compile("^Escalate"))).to_have_count(0)
    audit(page)
    shoot(page, "panel-escalated.png")
    note = seat.page.context.new_page()
    note.goto(f"{hasty.desk_url}/tickets/{early}")
    evidence = note.locator("li.message.internal").filter(has_text="handed to the Office 365 team")
    expect(evidence).to_have_count(1)
    expect(evidence).to_contain_text("OutboundSpamLast24Hours=412")
    shoot(note, "note-escalation.png")

    page = seat.open_alone(late)
    expect(page.get_by_role("article").locator("header").get_by_text("Closed", exact=True)).to_be_visible()
    page.get_by_role("button", name="Customer still cannot send").click()
    expect(page.get_by_role("article").locator("header").get_by_text("Overdue", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Escalate with the evidence")).to_be_enabled()


def test_what_nobody_knows_is_told_and_asked_again_only_by_an_agent(
    seat: Any, hasty: Any, hasty_customers: Any, audit: Any
) -> None:
    page = seat.open_alone(_ready(hasty, hasty_customers, "una.sure@example.edu"))
    _press(page)
    addresses = page.get_by_role("list", name="Blocked addresses")
    expect(addresses).to_contain_text("asked, no answer yet")
    expect(page.get_by_role("region", name="Result")).to_contain_text("nobody knows what came of it", timeout=60_000)
    expect(addresses).to_contain_text("outcome unknown: no clear answer came to the request")
    expect(page.get_by_role("paragraph").filter(has_text="Next:")).to_contain_text("Look at the account at Microsoft")
    page.get_by_role("button", name=UNBLOCK).click()
    expect(page.get_by_text("It was asked before")).to_be_visible()
    audit(page)
    page.get_by_role("button", name="Not yet").click()
