"""Items that check themselves, over the demo of Microsoft 365: found at once, put right, overridden, gone through."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from plugin.demo.stage import Stage
from tests.real.conftest import Customers

pytestmark = pytest.mark.real

FORWARDING = "No forwarding that the customer did not set up"
RULES = "Inbox rules checked, hidden ones too"


@pytest.fixture(scope="module")
def microsoft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage of its own, where Microsoft 365 itself is asked."""
    folder = tmp_path_factory.mktemp("microsoft") / "demo"
    with Stage(folder, (0, 0, 0, 0), settles_after=1, follow_up_after="24h") as stage:
        yield stage


def item(panel: Any, words: str) -> Any:
    return panel.get_by_role("form", name="Compromise checklist").locator("ol > li").filter(has_text=words)


def test_what_is_found_keeps_unblock_closed_until_it_is_right_or_overridden(
    take_seat: Any, microsoft: Stage, audit: Any, shoot: Any
) -> None:
    ticket = Customers(microsoft).file("philip.shed@example.edu", "Checklist open", name="Philip Shed")
    alex, sven = take_seat(at=microsoft), take_seat("sven", at=microsoft)
    for seat in (alex, sven):
        seat.expected = ["409"]
    panel, supervisor = alex.open(ticket), sven.open(ticket)
    expect(item(panel, FORWARDING).get_by_text("Not so.")).to_be_visible()
    expect(item(panel, FORWARDING)).to_contain_text("drop@mailbox.example")
    expect(item(panel, RULES).get_by_role("listitem")).to_have_count(2)
    expect(panel.get_by_role("button", name="Override")).to_have_count(0)
    expect(panel.get_by_text(f"“{RULES}” is not so.")).to_be_visible()

    world = microsoft.microsoft.world  # type: ignore[union-attr]
    world.user("philip.shed@example.edu").forwards_to = None
    item(panel, FORWARDING).get_by_role("button", name="Check again").focus()
    alex.page.keyboard.press("Enter")
    expect(item(panel, FORWARDING).get_by_text("Verified.")).to_be_visible()
    expect(item(panel, FORWARDING).get_by_text("Checked just now.")).to_be_visible()

    mine = item(supervisor, RULES)
    mine.get_by_label("Why it may be unblocked all the same").fill("Security knows these two, SEC-7")
    mine.get_by_role("button", name="Override, in my name").click()
    for seen in (item(panel, RULES), mine):
        expect(seen.get_by_text("Overridden by Sven Supervisor (sven)")).to_be_visible()
    expect(panel.get_by_text(f"“{RULES}” is not so.")).to_have_count(0)

    page = take_seat(at=microsoft, viewport={"width": 320, "height": 900}).open_alone(ticket)
    expect(item(page, RULES).get_by_text("Overridden by")).to_be_visible()
    audit(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    shoot(page, "checks-320.png")


def test_main_job_where_most_of_the_checklist_is_verified(
    take_seat: Any, microsoft: Stage, answer_checklist: Any
) -> None:
    customers = Customers(microsoft)
    ticket = customers.file("bucky.badger@example.edu", "Checklist open", name="Bucky Badger")
    seat = take_seat(at=microsoft)
    panel = seat.open(ticket)
    expect(panel.locator(".verdict").filter(has_text="Verified.")).to_have_count(5)
    answer_checklist(panel)
    panel.get_by_role("button", name="Unblock").click()
    panel.get_by_role("button", name="Yes, ask Microsoft now").click()
    customers.until(ticket, "Unblocked")
