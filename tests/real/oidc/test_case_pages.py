"""The desk's own pages in a browser without JavaScript, signed in at a certified provider."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from plugin.demo.agent import TOLD

pytestmark = pytest.mark.real

UNBLOCK = re.compile("^Unblock")


def _answer_all(page: Page) -> None:
    """Each item of the checklist, saved one by one: the page comes anew every time."""
    items = page.get_by_role("form", name="Compromise checklist").locator("ol > li")
    for number in range(items.count()):
        item = items.nth(number)
        if item.get_by_role("checkbox").count():
            item.get_by_role("checkbox").check()
        elif item.get_by_role("radio").count():
            is_bulk = "mail many individual recipients" in item.locator("legend").inner_text()
            item.get_by_label("No" if is_bulk else "Yes", exact=True).check()
        for line in item.get_by_role("textbox").all():
            line.fill(TOLD.get(str(line.get_attribute("name")), "Seen"))
        item.get_by_role("button", name="Save").click()
        expect(items.nth(number)).to_contain_text("Saved. Ada Lovelace (ada)")


def test_the_whole_job_without_javascript(visit: Any, customers: Any, shoot: Any) -> None:
    customers.file("lena.list@example.edu", "Checklist open")
    ticket = customers.file("nora.script@example.edu", "Checklist open")
    visitor = visit()
    page = visitor.page
    visitor.sign_in("ada")
    expect(page).to_have_url(visitor.cases)
    expect(page.get_by_role("banner")).to_contain_text("Ada Lovelace agent")

    expect(page.get_by_role("row")).to_have_count(3)
    shoot(page, "cases.png", 420)
    page.get_by_text("Find and filter").click()
    page.get_by_label("Account, address or ticket").fill("nora")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page.get_by_role("link", name=f"desk:{ticket}")).to_have_attribute("href", re.compile(f"/tickets/{ticket}$"))
    page.get_by_role("link", name="Nora Script").click()
    expect(page.get_by_role("region", name="Account status")).to_contain_text("Blocked")
    expect(page.get_by_role("button", name=UNBLOCK)).to_be_disabled()

    _answer_all(page)
    page.get_by_role("button", name=UNBLOCK).click()
    expect(page.get_by_role("form", name="Ask Microsoft to release these 2 addresses?")).to_be_visible()
    page.get_by_role("link", name="Not yet").click()
    page.get_by_role("button", name=UNBLOCK).click()
    page.get_by_role("button", name="Yes, ask Microsoft now").click()
    expect(page.get_by_role("main")).to_contain_text("Microsoft is being asked.")
    customers.until(ticket, "Unblocked")
    page.get_by_role("link", name="Look again").click()

    expect(page.get_by_role("region", name="Result")).to_contain_text("Do not escalate before")
    page.get_by_role("button", name="Send to the customer").click()
    expect(page.get_by_role("region", name="Result")).to_contain_text("The reply goes to the customer.")
    page.get_by_text("History").click()
    expect(page.get_by_role("region", name="History")).to_contain_text("Pressed Unblock.")
    expect(page.get_by_role("region", name="History")).to_contain_text("Ada Lovelace (ada)")
    assert len(customers.asked("nora")) == 2
    page.get_by_role("link", name="Figures").click()
    expect(page.get_by_role("main")).to_contain_text("Half of 1 took at most")


def test_a_viewer_sees_and_somebody_else_does_not_get_in(visit: Any, customers: Any) -> None:
    customers.file("vivi.ewed@example.edu", "Checklist open")
    viewer = visit()
    viewer.sign_in("vera")
    viewer.page.get_by_role("link", name="Vivi Ewed").click()
    expect(viewer.page.get_by_role("main")).to_contain_text("you see everything here and can change nothing")
    expect(viewer.page.get_by_role("button", name="Refresh")).to_be_disabled()

    other = visit()
    other.sign_in("mallory")
    expect(other.page.get_by_role("heading", level=1)).to_have_text("Not signed in")
    expect(other.page.get_by_role("main")).to_contain_text("You signed in as mallory, who is in none of the groups")
    other.page.goto(other.cases)
    expect(other.page.get_by_role("heading", level=1)).to_have_text("Not signed in")


def test_signing_out_here_and_at_the_provider(visit: Any) -> None:
    visitor = visit()
    visitor.sign_in("ada")
    page = visitor.page
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Signed out")
    page.get_by_role("link", name="Sign in").click()  # at the provider somebody is still signed in
    expect(page.get_by_role("heading", level=1)).to_have_text("Cases")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign out at 127.0.0.1").click()
    page.get_by_role("button", name="Yes, sign me out").click()
    expect(page).to_have_url(f"{visitor.cases}/signed-out")
    page.goto(visitor.cases)
    expect(page.get_by_role("heading", level=1)).to_have_text("Campus sign-in")


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_cut_off_and_axe_finds_nothing_wrong(
    width: int, visit: Any, customers: Any, axe: Any, shoot: Any
) -> None:
    customers.file("lena.list@example.edu", "Checklist open")
    visitor = visit(viewport={"width": width, "height": 800}, java_script_enabled=True)
    page = visitor.page
    visitor.sign_in("ada")
    case = page.get_by_role("link", name="Lena List").first.get_attribute("href")
    found: dict[str, list[str]] = {}
    for path in ("", "?tab=all&text=e&since=2020-01-01", "?tab=unknown", "/figures", str(case).removeprefix("/cases")):
        page.goto(visitor.cases + path)
        for closed in page.locator("details:not([open]) > summary").all():
            if closed.is_visible():
                closed.click()
        wider = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wider) <= 0, path
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours, reduced_motion="reduce")
            found[f"{path} {colours}"] = axe(page)
    for path in ("/none", "/signed-out"):
        page.goto(visitor.cases + path)
        found[path] = axe(page)
    assert {screen: faults for screen, faults in found.items() if faults} == {}
