"""How soon the panel is there and how much it weighs, in Debian's Chromium: `python -m tests.benchmarks.panel`.

The demo runs on this machine, so the network takes no time. The figures depend on the machine and on what else runs on
it; they are no part of the tests. Ends with 1 where one is past its bound.
"""

import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from plugin.demo.agent import IFRAME
from plugin.demo.desk.records import Person
from plugin.demo.stage import Stage

if TYPE_CHECKING:  # the driver is installed by `make test-real` only
    from playwright.sync_api import Browser, Page

CHROMIUM = "/usr/bin/chromium"
MAIL = Path(__file__).parents[2] / "plugin" / "demo" / "mail"
BUCKY = "bucky.badger@example.edu"
ROUNDS = 15
SOONEST = 0.300  # seconds until the case is painted
MOST = 100_000  # bytes over the wire, with nothing in the browser's cache

PAINTED = """() => new Promise(resolve => new PerformanceObserver(list => {
  const last = list.getEntries().at(-1);
  const first = performance.getEntriesByName("first-contentful-paint")[0];
  if (last.element?.closest("article")) resolve([first.startTime, last.startTime]);
}).observe({type: "largest-contentful-paint", buffered: true}))"""
"""Milliseconds to the first paint of anything, and to the one that shows the case."""


def file_ticket(stage: Stage) -> str:
    """A ticket whose account is blocked, once its case is there."""
    desk = stage.desk_app.extensions["desk"]
    bounce = (MAIL / "ndr-5.1.8.eml").read_text("utf-8")
    words = {"sender": BUCKY, "recipient": "ruth.mensah@partner.example", "message_id": "<b1@example.edu>"}
    report = bounce.format(date="Tue, 24 Nov 2026 13:50:00 +0000", **words).encode()
    file = desk.keep_file("Undeliverable.eml", "message/rfc822", report)
    ticket: str = desk.open_ticket(Person(email=BUCKY, name="Bucky"), "undeliverable", "Help!", files=[file]).id
    end = time.monotonic() + 30
    while desk.ticket(ticket).fields["Case State"] != "Checklist open":
        if time.monotonic() > end:
            raise TimeoutError(f"ticket {ticket} got no case: {stage.end_of_log()}")
        time.sleep(0.1)
    return ticket


def open_panel(page: "Page", stage: Stage, ticket: str) -> tuple[float, float, int]:
    """Seconds to the first paint of the panel alone in a window, and to the case, and what came over the wire."""
    text = page.context.request.get(f"{stage.desk_url}/tickets/{ticket}").text()
    frame = IFRAME.search(text)
    assert frame is not None
    page.goto("about:blank")
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    sizes: list[int] = []
    wire.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    page.goto(frame[1].replace("&amp;", "&"))
    first, case = (float(moment) / 1000 for moment in page.evaluate(PAINTED))
    page.get_by_role("button", name=re.compile("^Unblock")).wait_for()
    wire.detach()
    return first, case, sum(sizes)


def measure(browser: "Browser", stage: Stage, ticket: str, *, is_known: bool) -> tuple[float, float, int]:
    """The median of some rounds, each in a browser that has never been here, or in one that has."""
    rounds = []
    context = browser.new_context(viewport={"width": 320, "height": 900})
    for _ in range(ROUNDS):
        if not is_known or not rounds:
            context = browser.new_context(viewport={"width": 320, "height": 900})
            context.request.get(stage.new_sign_in_link("alex"))
            if is_known:
                open_panel(context.new_page(), stage, ticket)
        rounds.append(open_panel(context.new_page(), stage, ticket))
    first, case, sizes = zip(*rounds, strict=True)
    return statistics.median(first), statistics.median(case), max(sizes)


def main() -> int:
    """Print the figures; 1 where one is past its bound."""
    from playwright.sync_api import sync_playwright

    switches = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder) / "demo", (0, 0, 0)) as stage:
        ticket = file_ticket(stage)
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=switches)
            told = {
                "first time": measure(browser, stage, ticket, is_known=False),
                "after that": measure(browser, stage, ticket, is_known=True),
            }
            browser.close()
    for when, (first, case, size) in told.items():
        words = f"painted after {first * 1000:.0f} ms, the case after {case * 1000:.0f} ms"
        sys.stdout.write(f"{when}: {words}, {size / 1000:.1f} kB over the wire\n")
    return 1 if any(case > SOONEST or size > MOST for _, case, size in told.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
