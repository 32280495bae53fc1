"""The panel in Zendesk's sidebar, in a browser: a form with a token into a frame, the ticket asked for by message.

What Zendesk's page does around the frame is played by a page of ours, and its script for apps by a few lines that speak
as that does: by messages to the page around, which answers with the same id.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from flask import Flask

from plugin.demo.serving import serve
from plugin.model import CaseState
from tests.conftest import ndr
from tests.stand_ins.office import Office
from tests.webhooks.zendesk.conftest import ZendeskSite

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.real

CUSTOMER = "bbadger@example.edu"
FRAMEWORK = re.compile(r"^https://static\.zdassets\.com/zendesk_app_framework_sdk/2\.0/zaf_sdk\.min\.js$")
FRAMEWORK_PLAYED = """
window.ZAFClient = { init() {
  const query = new URLSearchParams(location.search);
  let last = 0;
  const ask = (request, params) => new Promise((resolve) => {
    const id = ++last;
    addEventListener("message", (event) => {
      const data = JSON.parse(event.data);
      if (event.origin === query.get("origin") && data.id === id) resolve(data.result);
    });
    parent.postMessage(JSON.stringify({ id, request, params, appGuid: query.get("app_guid") }), query.get("origin"));
  });
  return { get: (path) => ask("get", [path]), invoke: (name, value) => ask("invoke", { [name]: value }) };
} };
"""
DESK = """<!doctype html><title>Zendesk</title>
<iframe name="app" width="360" height="700" title="Microsoft 365 sending block"></iframe>
<form target="app" method="post" action="{url}"><input name="token" value="{token}"></form>
<script>
addEventListener("message", (event) => {{
  const data = JSON.parse(event.data);
  if (data.request === "get" && data.params[0] === "ticket.id" && data.appGuid === "guid-1")
    event.source.postMessage(JSON.stringify({{ id: data.id, result: {{ "ticket.id": {ticket} }} }}), event.origin);
}});
document.forms[0].submit();
</script>
"""


@pytest.fixture
def around() -> Iterator[tuple[str, dict[str, str]]]:
    """An origin of its own for Zendesk's page, and what is on it."""
    pages: dict[str, str] = {}
    app = Flask("around", static_folder=None)
    app.add_url_rule("/agent/tickets/<ticket>", view_func=lambda ticket: pages[ticket])
    server = serve(app, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.port}", pages
    server.close()


@pytest.fixture
def office(tmp_path: Path, around: tuple[str, dict[str, str]]) -> Iterator[Office]:
    office = Office(tmp_path, lambda clock: ZendeskSite(clock, panel_origins=[around[0]]))
    office.site.install(office.config)
    yield office
    office.close()


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context()
    context.route(FRAMEWORK, lambda route: route.fulfill(body=FRAMEWORK_PLAYED, content_type="text/javascript"))
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert [text for text in complaints if "status of 403" not in text] == []


def open_ticket(office: Office, around: Any, page: "Page", ticket: str, **claims: Any) -> Any:
    origin, pages = around
    url = f"{office.url}/panel/desk?origin={quote(origin, safe='')}&app_guid=guid-1"
    token = office.site.zendesk.launch_token(office.site.running.agent, **claims)
    pages[ticket] = DESK.format(url=url, token=token, ticket=ticket)
    page.goto(f"{origin}/agent/tickets/{ticket}")
    return page.frame_locator("iframe")


def test_agent_opens_the_ticket_and_has_its_case_in_the_sidebar(office: Office, around: Any, page: "Page") -> None:
    from playwright.sync_api import expect

    ticket = office.site.file(CUSTOMER, "my mail bounces back", "Please help.", ndr("ndr-5.1.8", CUSTOMER))
    office.run()
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)
    panel = open_ticket(office, around, page, ticket)
    expect(panel.get_by_role("list", name="Blocked addresses").get_by_role("listitem")).to_have_count(2)
    expect(panel.get_by_role("button", name=re.compile("^Unblock"))).to_be_disabled()
    frame = next(frame for frame in page.frames if "/panel/desk/" in frame.url)
    assert frame.url == f"{office.url}/panel/desk/{ticket}", "the token is no longer in the address"


def test_token_of_another_app_is_told_in_the_sidebar(office: Office, around: Any, page: "Page") -> None:
    from playwright.sync_api import expect

    ticket = office.site.file(CUSTOMER, "x", "y", None)
    panel = open_ticket(office, around, page, ticket, iss="evil.zendesk.com")
    expect(panel.get_by_role("status")).to_contain_text("not valid here")
