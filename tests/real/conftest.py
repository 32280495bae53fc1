"""People in front of a browser: Debian's Chromium over the demo's stage, with the panel in a frame from another host.

Whatever a test does, its browser may ask only the two hosts, and nothing may complain on the console: each seat keeps
watch, and its test fails at the end if something did.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from plugin.demo.agent import IFRAME, TOLD, AgentAtDesk
from plugin.demo.desk.records import Person
from plugin.demo.stage import Stage
from plugin.demo.tenant.world import default_accounts

if TYPE_CHECKING:  # the driver is installed by `make test-real` only
    from playwright.sync_api import Browser, BrowserContext, FrameLocator, Locator, Page

CHROMIUM = "/usr/bin/chromium"
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MAIL = Path(__file__).parents[2] / "plugin" / "demo" / "mail"
AXE = Path(__file__).parent / "vendor" / "axe" / "axe.min.js"
PATIENCE = 30.0  # seconds for the worker to have done something
STORIES = {
    "keys": "Kay Board",
    "shared": "Shay Red",
    "reload": "Rhea Load",
    "back": "Barry Ack",
    "offline": "Otto Fline",
    "viewed": "Vic Ewed",
    "tokens": "Toni Kens",
    "hostile": "Hostile Tile",
    "widths": "Willa Dths",
    "axe": "Axel Exe",
    "disagree": "Dis Agree",
    "drafts": "Drew Aft",
    "zones": "Zoe Ones",
}
"""Each story's own account, by NetID."""

HASTY_STORIES = {"late": "Lara Ate", "early": "Earl Y", "unsure": "Una Sure"}
"""Those on the stage where a day takes seconds."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make test` installs no browser driver, so these files are read only where they may be run."""
    return True if config.option.markexpr == "not real" else None


# ── the stage ────────────────────────────────────────────────────────────────────────────────────────────────────


def _account(netid: str, name: str) -> dict[str, Any]:
    addresses = [f"{name.lower().replace(' ', '.')}@example.edu", f"{netid}@cs.example.edu"]
    reason = "OutboundSpamLast24Hours=412;OutboundMailLast24Hours=455;OutboundSpamPercent=90;"
    blocked = [{"address": address, "reason": reason, "minutes_ago": 190} for address in addresses]
    return {"display_name": name, "addresses": addresses, "blocked": blocked}


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The demo's stage with one more blocked account for each story, and the 24 hours as long as they are."""
    accounts = default_accounts() | {netid: _account(netid, name) for netid, name in STORIES.items()}
    hostile = accounts["hostile"]
    hostile["display_name"] = MARKUP
    hostile["blocked"][0]["reason"] = MARKUP
    folder = tmp_path_factory.mktemp("stage") / "demo"
    with Stage(folder, (0, 0, 0), accounts=accounts, settles_after=5, follow_up_after="24h") as stage:
        yield stage


@pytest.fixture(scope="session")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Another stage: the 24 hours take 25 seconds, the watch ends after 3, and Una's unblock is answered 500."""
    accounts = {netid: _account(netid, name) for netid, name in HASTY_STORIES.items()}
    folder = tmp_path_factory.mktemp("hasty") / "demo"
    with Stage(folder, (0, 0, 0), accounts=accounts, settles_after=1, follow_up_after="25s", recheck_for="3s") as stage:
        _spoil(stage)
        yield stage


def _spoil(stage: Stage) -> None:
    good = stage.tenant_app.wsgi_app

    def spoiled(environ: Any, start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "POST" and path.endswith("/unblock") and "/unsure" in path:
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"out of order"]
        return good(environ, start_response)

    stage.tenant_app.wsgi_app = spoiled  # type: ignore[method-assign]


MARKUP = """<img src="/x" onerror="alert('hacked')"><script>alert('hacked')</script><b class="hacked">{{ 7 * 7 }}</b>"""
"""What somebody writes who wants it to run in an agent's browser."""


@pytest.fixture
def markup() -> str:
    """Text that wants to be run."""
    return MARKUP


class Customers:
    """File tickets, and see what became of them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._desk = stage.desk_app.extensions["desk"]

    def file(
        self,
        email: str,
        state: str | None,
        *,
        report: str = "ndr-5.1.8",
        sender: str = "",
        name: str = "A Customer",
        subject: str = "my mail bounces back: undeliverable",
        text: str = "Nobody gets my mail any more!",
    ) -> str:
        """A ticket with a bounce attached, whose case has come to a state; its number."""
        file = self._desk.keep_file("Undeliverable.eml", "message/rfc822", self.bounce(sender or email, report))
        ticket: str = self._desk.open_ticket(Person(email=email, name=name), subject, text, files=[file]).id
        if state:
            self.until(ticket, state)
        return ticket

    def bounce(self, sender: str, report: str = "ndr-5.1.8") -> bytes:
        """What Microsoft sent back to them."""
        text = (MAIL / f"{report}.eml").read_text("utf-8")
        return text.format(
            sender=sender,
            recipient="ruth.mensah@partner.example",
            date="Tue, 24 Nov 2026 13:50:00 +0000",
            message_id="<b1@example.edu>",
        ).encode()

    def until(self, ticket: str, state: str) -> None:
        """Wait until the ticket shows a state."""
        end = time.monotonic() + PATIENCE
        while (shown := self._desk.ticket(ticket).fields["Case State"]) != state:
            if time.monotonic() > end:
                log = self._stage.log.read_text("utf-8")[-2000:]
                raise AssertionError(f"ticket {ticket} is “{shown}”, not “{state}”:\n{log}")
            time.sleep(0.05)

    def notes(self, ticket: str) -> list[str]:
        """What the plugin wrote on a ticket, by the end of each key."""
        return [message.key for message in self._desk.ticket(ticket).messages if message.key]

    def mails(self, ticket: str) -> list[str]:
        """What was mailed to the requester."""
        return [mail.body for mail in self._desk.outbox if mail.ticket == ticket]

    def asked(self, netid: str) -> list[str]:
        """The addresses of an account that Microsoft's side was really asked about, in order."""
        return [asked.address for asked in self._stage.tenant_app.extensions["tenant"].asked if asked.netid == netid]


@pytest.fixture(scope="session")
def customers(stage: Stage) -> Customers:
    """The other side of the tickets."""
    return Customers(stage)


@pytest.fixture(scope="session")
def hasty_customers(hasty: Stage) -> Customers:
    """Those of the other stage."""
    return Customers(hasty)


@pytest.fixture(scope="session")
def file_answered(stage: Stage, customers: Customers) -> Callable[[str], str]:
    """A ticket whose checklist an agent has answered already, without a browser."""

    def file(email: str) -> str:
        ticket = customers.file(email, "Checklist open")
        agent = AgentAtDesk(stage.desk_url, stage.new_sign_in_link("alex").partition("key=")[2])
        agent.open(ticket).answer_checklist({"bulk-sender": "no"})
        return ticket

    return file


# ── the browser ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=15_000)
    if not Path(CHROMIUM).exists():
        pytest.fail(f"{CHROMIUM} is missing: run  sudo apt-get install chromium  and try again", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


class Seat:
    """One person's browser. `expected` are patterns of console messages that the story itself brings about."""

    def __init__(self, context: "BrowserContext", stage: Stage) -> None:
        self.context, self._stage = context, stage
        self.expected: list[str] = []
        self._complaints: list[str] = []
        self._hosts: set[str] = set()
        context.set_default_timeout(PATIENCE * 1000)
        context.on("request", lambda asked: self._hosts.add(urlsplit(asked.url).netloc))
        context.on("console", lambda said: self._hear(said.type, said.text))
        context.on("weberror", lambda error: self._hear("error", str(error.error)))
        context.on("dialog", lambda dialog: (self._hear("error", f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page: Page = context.new_page()

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self._complaints.append(text)

    def sign_in(self, login: str) -> None:
        """At the desk, by a link that works once."""
        self.page.goto(self._stage.new_sign_in_link(login))

    def admin_site(self) -> str:
        """An address that signs the help desk in at the account-admin site, once."""
        key = token_urlsafe(16)
        self._stage.tenant_app.extensions["sign_in_links"].add(key, "Help desk")
        return f"{self._stage.tenant_url}/?key={key}"

    def open(self, ticket: str) -> "FrameLocator":
        """The ticket's page; the panel in it."""
        self.page.goto(f"{self._stage.desk_url}/tickets/{ticket}")
        return self.panel

    @property
    def panel(self) -> "FrameLocator":
        """The panel beside the ticket."""
        return self.page.frame_locator("aside iframe")

    def panel_address(self, ticket: str) -> str:
        """The panel's address with a launch token nobody has used, as another page of the ticket carries it."""
        page = self.context.request.get(f"{self._stage.desk_url}/tickets/{ticket}")
        frame = IFRAME.search(page.text())
        assert frame is not None
        return frame[1].replace("&amp;", "&")

    def open_alone(self, ticket: str) -> "Page":
        """The panel over the whole window, as desks show it that have a page for it."""
        self.page.goto("about:blank")  # else only the address's fragment changes
        self.page.goto(self.panel_address(ticket))
        return self.page

    def faults(self) -> list[str]:
        """What nobody may see: complaints that are not expected, and hosts that are not ours."""
        ours = {urlsplit(self._stage.desk_url).netloc, urlsplit(self._stage.plugin_url).netloc, ""}
        ours.add(urlsplit(self._stage.tenant_url).netloc)
        unexpected = [it for it in self._complaints if not any(re.search(each, it) for each in self.expected)]
        return unexpected + [f"asked {host}" for host in sorted(self._hosts - ours)]


@pytest.fixture
def take_seat(browser: "Browser", stage: Stage) -> Iterator[Callable[..., Seat]]:
    """Seats to order, signed in at the desk; `options` are the browser's (viewport, colours)."""
    taken: list[Seat] = []

    def take(login: str = "alex", *, at: Stage = stage, **options: Any) -> Seat:
        seat = Seat(browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options)), at)
        taken.append(seat)
        if login:
            seat.sign_in(login)
        return seat

    yield take
    for seat in taken:
        seat.context.close()
    assert [fault for seat in taken for fault in seat.faults()] == []


@pytest.fixture
def seat(take_seat: Callable[..., Seat]) -> Seat:
    """Alex's."""
    return take_seat()


RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NOT_BULK = {"mail many individual recipients": "No"}


# ── what people do ───────────────────────────────────────────────────────────────────────────────────────────────


def _answer(item: "Locator", said: Mapping[str, str]) -> None:
    from playwright.sync_api import expect

    if item.get_by_text("Verified.").count():  # it checks itself: nobody needs to say so
        return
    ticks, choices = item.get_by_role("checkbox"), item.get_by_role("radio")
    if ticks.count():
        ticks.check()
    elif choices.count():
        question = item.locator("legend").inner_text()
        wanted = next((answer for words, answer in said.items() if words in question), "Yes")
        choices.and_(item.get_by_label(wanted, exact=True)).check()
    for line in item.get_by_role("textbox").all():
        line.fill(TOLD.get(str(line.get_attribute("name")), "Seen"))
        line.press("Tab")
    expect(item.get_by_text("Saved. ")).to_be_visible()


@pytest.fixture
def answer_checklist() -> "Callable[..., None]":
    """Answer items by mouse, all or the first; `said` are answers to yes-no questions by words in them, else yes."""

    def answer(panel: "FrameLocator | Page", said: Mapping[str, str] = NOT_BULK, *, first: int | None = None) -> None:
        items = panel.get_by_role("form", name="Compromise checklist").locator("ol > li")
        items.first.wait_for()
        for item in items.all()[:first]:
            _answer(item, said)

    return answer


@pytest.fixture
def axe() -> Callable[[Any], list[str]]:
    """What axe-core finds wrong in a page or frame, by WCAG 2.2 AA and its own advice: rule and first places."""
    source = AXE.read_text("utf-8")

    def run(frame: Any) -> list[str]:
        frame.evaluate(f"() => {{ {source} }}")
        options = {"iframes": False, "resultTypes": ["violations"], "runOnly": RULES}
        found = frame.evaluate("options => axe.run(document, options)", options)
        return [f"{it['id']}: {[node['html'][:160] for node in it['nodes'][:4]]}" for it in found["violations"]]

    return run


@pytest.fixture
def audit(axe: Callable[[Any], list[str]]) -> "Callable[..., None]":
    """Nothing is wrong with a page as it is now, in light and dark, with all that is folded up unfolded."""

    def run(page: "Page", frame: Any = None) -> None:
        for closed in page.locator("details:not([open]) > summary").all():
            if closed.is_visible():
                closed.click()
        faults = {}
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours, reduced_motion="reduce")
            faults[colours] = axe(frame or page)
        page.emulate_media(color_scheme="light", reduced_motion="no-preference")
        assert faults == {"light": [], "dark": []}

    return run


@pytest.fixture
def shoot() -> Callable[..., None]:
    """Save a screenshot where M365_UNBLOCK_SCREENSHOTS names a folder."""
    folder = os.environ.get("M365_UNBLOCK_SCREENSHOTS")

    def save(page: "Page", name: str, height: int | None = None) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.emulate_media(reduced_motion="reduce")  # nothing half faded in
            width = page.viewport_size["width"] if page.viewport_size else 1280
            clip = {"x": 0, "y": 0, "width": width, "height": height} if height else None
            page.screenshot(path=str(Path(folder) / name), animations="disabled", clip=clip)

    return save
