"""How it looks and whom it lets in: hostile text, narrow and wide windows, light and dark, and what axe-core finds."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.real

UNBLOCK = re.compile("^Unblock")


def test_what_strangers_write_is_text_everywhere(
    take_seat: Any, customers: Any, answer_checklist: Any, markup: str
) -> None:
    seat = take_seat()
    ticket = customers.file(
        "hostile.tile@example.edu", "Checklist open", name=markup, subject=f"undeliverable {markup}", text=markup
    )
    seat.page.reload()
    expect(seat.page.get_by_role("row").filter(has_text=markup)).to_have_count(1)
    panel = seat.open(ticket)
    conversation = seat.page.get_by_role("region", name="Facts and conversation")
    expect(seat.page.get_by_role("heading", level=1)).to_contain_text(markup)
    expect(conversation.get_by_role("listitem").first).to_contain_text(markup)
    expect(panel.get_by_role("heading", level=2)).to_have_text(markup)

    first = panel.get_by_role("form", name="Compromise checklist").locator("ol > li").first
    for line in first.get_by_role("textbox").all():
        line.fill(markup)
        line.press("Tab")
    expect(first.get_by_text("Saved. ")).to_be_visible()
    panel.get_by_role("button", name="Refresh").click()
    for closed in panel.locator("details:not([open]) > summary").all():
        if closed.is_visible():
            closed.click()
    expect(panel.get_by_role("region", name="History")).to_contain_text(markup)
    expect(panel.locator("code").first).to_have_text(markup)
    for document in (seat.page, panel):
        expect(document.locator("[onerror], .hacked, img, main script")).to_have_count(0)


WINDOWS = [
    pytest.param((320, 800), 1, id="320 pixels"),
    pytest.param((1280, 900), 1, id="1280 pixels"),
    pytest.param((1600, 900), 1, id="1600 pixels"),
    pytest.param((640, 450), 2, id="1280 pixels at 200 %"),
]


@pytest.mark.parametrize(("size", "zoom"), WINDOWS)
def test_nothing_is_cut_off_and_every_control_can_be_reached(
    size: tuple[int, int], zoom: int, take_seat: Any, widths_ticket: str, shoot: Any
) -> None:
    width, height = size
    seat = take_seat(viewport={"width": width, "height": height}, device_scale_factor=zoom)
    seat.open(widths_ticket)
    expect(seat.panel.get_by_role("button", name=UNBLOCK)).to_be_visible()
    _nothing_is_wider_than_the_window(seat.page)

    page = seat.open_alone(widths_ticket)
    expect(page.get_by_role("button", name=UNBLOCK)).to_be_enabled()
    page.emulate_media(color_scheme="dark")
    if width == 320:
        shoot(page, "panel-320-dark.png")
    _nothing_is_wider_than_the_window(page)
    page.emulate_media(color_scheme="light")
    for closed in page.locator("details:not([open]) > summary").all():
        if closed.is_visible():
            closed.click()
    page.get_by_role("button", name=UNBLOCK).click()
    _nothing_is_wider_than_the_window(page)
    _every_control_is_reached_by_tab(page)


@pytest.fixture(scope="module")
def widths_ticket(file_answered: Any) -> str:
    """A ticket whose checklist is answered."""
    return str(file_answered("willa.dths@example.edu"))


CUT_OFF = """() => [...document.querySelectorAll("main *")]
  .filter(it => it.checkVisibility() && !it.closest(".unseen") && it.getBoundingClientRect().right > innerWidth + 1)
  .map(it => it.outerHTML.slice(0, 120))"""


def test_in_a_contrast_theme_and_with_reduced_motion_nothing_is_lost(
    take_seat: Any, widths_ticket: str, axe: Any
) -> None:
    page = take_seat(forced_colors="active", reduced_motion="reduce").open_alone(widths_ticket)
    unblock = page.get_by_role("button", name=UNBLOCK)
    expect(unblock).to_be_enabled()
    moving = "it => getComputedStyle(it).transitionDuration + getComputedStyle(it).animationName"
    assert unblock.evaluate(moving) == "0snone"
    unblock.click()
    confirm = page.get_by_role("form", name="Ask Microsoft to release these 2 addresses?")
    assert confirm.evaluate("it => getComputedStyle(it).borderTopWidth") == "1px"
    assert axe(page) == []


def _nothing_is_wider_than_the_window(page: Page) -> None:
    for frame in page.frames:
        scrolls = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert frame.evaluate(scrolls) <= 0, f"{frame.url.partition('#')[0]} scrolls sideways"
        assert frame.evaluate(CUT_OFF) == []


CONTROLS = """() => [...document.querySelectorAll("a[href], button, input, textarea, summary")]
  .filter(it => it.checkVisibility() && !it.disabled && !(it.type === "radio" && !it.checked)).map(it => {
    it.dataset.toReach = "yes";
    return it.outerHTML.slice(0, 120);
  })"""
REACHED = """() => {
  const it = document.activeElement;
  if (it === document.body || it.dataset.toReach !== "yes") return "";
  delete it.dataset.toReach;
  const box = it.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const style = getComputedStyle(it);
  const isSeen = top && (it.contains(top) || top.contains(it) || top.closest("label")?.contains(it));
  if (!isSeen) return "hidden: " + it.outerHTML;
  if (style.outlineStyle === "none" && style.boxShadow === "none") return "focus not seen: " + it.outerHTML;
  return "";
}"""


def _every_control_is_reached_by_tab(page: Page) -> None:
    count = len(page.evaluate(CONTROLS))
    assert count > 30
    page.locator("body").evaluate("body => { document.activeElement.blur(); getSelection().collapse(body, 0); }")
    faults = []
    for _ in range(count + 10):
        page.keyboard.press("Tab")
        faults.append(page.evaluate(REACHED))
    assert page.evaluate("() => [...document.querySelectorAll('[data-to-reach]')].map(it => it.outerHTML)") == []
    assert [fault for fault in faults if fault] == []


# ── axe-core ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_axe_finds_nothing_wrong_in_any_state_of_the_panel(
    take_seat: Any, customers: Any, file_answered: Any, axe: Any
) -> None:
    seat = take_seat()
    seat.expected.append("403")
    found: dict[str, list[str]] = {}

    def look(screen: str, page: Page) -> None:
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours, reduced_motion="reduce")
            found[f"{screen}, {colours}"] = axe(page.frames[-1])

    def look_at(state: str, ticket: str, who: Any = seat) -> None:
        page = who.open_alone(ticket)
        page.get_by_role("main").get_by_text(state, exact=True).first.wait_for()
        for closed in page.locator("details:not([open]) > summary").all():
            if closed.is_visible():
                closed.click()
        look(state, page)

    ready = file_answered("axel.exe@example.edu")
    fiona, harriet = "fiona.inell@example.edu", "harriet.hold@example.edu"
    look_at("Not blocked", customers.file(fiona, "Not blocked"))
    look_at("Refer to Security", customers.file(harriet, "Refer to Security"))
    look_at("Needs a person", customers.file(fiona, "Needs a person", sender=harriet))
    look_at("Checklist open", customers.file("nosay@example.edu", "Checklist open"))
    look_at("Ready", ready, take_seat("vera"))
    look_at("Ready", ready)
    seat.page.get_by_role("button", name="Refresh").hover()
    look("hovering", seat.page)
    seat.page.get_by_role("button", name=UNBLOCK).click()
    look("confirming", seat.page)
    seat.page.get_by_role("button", name="Yes, ask Microsoft now").click()
    seat.page.get_by_text("waiting for Microsoft").first.wait_for()
    look("Unblocking", seat.page)
    seat.page.get_by_role("textbox", name="Reply to the customer").wait_for()
    look("Unblocked", seat.page)
    used = seat.panel_address(ready)
    for _ in range(2):
        seat.page.goto("about:blank")
        seat.page.goto(used)
        seat.page.get_by_role("main").wait_for()
    seat.page.get_by_text("was used before").wait_for()
    look("refused token", seat.page)
    assert {screen: faults for screen, faults in found.items() if faults} == {}


def test_axe_finds_nothing_wrong_on_the_pages_of_the_demo(take_seat: Any, customers: Any, stage: Any, axe: Any) -> None:
    seat = take_seat("")
    seat.expected.append("the server responded with a status of 40[14]")
    page, desk, tenant = seat.page, stage.desk_url, stage.tenant_url
    ticket = customers.file("fiona.inell@example.edu", "Not blocked")
    found: dict[str, list[str]] = {}

    def look(address: str) -> None:
        page.goto(address)
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours)
            found[f"{address.partition('?')[0]}, {colours}"] = axe(page)

    look(f"{desk}/portal")
    look(f"{desk}/tickets")  # not signed in
    look(f"{tenant}/")
    seat.sign_in("alex")
    for place in ("/tickets", f"/tickets/{ticket}", "/deliveries", "/tickets/none"):
        look(desk + place)
    look(seat.admin_site())
    for place in ("/accounts/hrhold", "/accounts/phished", "/accounts/none"):
        look(tenant + place)
    assert {screen: faults for screen, faults in found.items() if faults} == {}
