"""A whole world for a test: demo desk and demo tenant over real HTTP, the plugin's own parts, and a clock to hand in.

Only the workflow engine is missing: `World.run` takes due tasks out of the outbox itself, one after the other, so that
a test decides when time passes. The engine has tests of its own, with real processes (tests/journeys).
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from plugin import rules
from plugin.app import Parts, create_app, migrate
from plugin.demo import desk as demo_desk
from plugin.demo import tenant as demo_tenant
from plugin.demo.desk.records import Person
from plugin.demo.serving import RunningServer, bind, serve
from plugin.desk import Desk
from plugin.model import Agent, Case, CaseState, Role, Task, Verdict
from plugin.relay import relay, scan
from plugin.settings import load
from tests.postgresql import cluster, postgresql

__all__ = ["cluster", "postgresql"]

START = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
WEBHOOK_SECRET = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
PANEL_SECRET = "a secret for launch tokens, thirty-two bytes or more"
TOKEN = "a-token-for-the-tests"
MAIL = Path(__file__).parent.parent / "plugin" / "demo" / "mail"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


ALEX = Agent(login="alex", name="Alex Agent", email="alex@example.edu", role=Role.AGENT, source="desk")
VERA = Agent(login="vera", name="Vera Viewer", email="vera@example.edu", role=Role.VIEWER, source="desk")
SVEN = Agent(login="sven", name="Sven Supervisor", email="sven@example.edu", role=Role.SUPERVISOR, source="desk")


class Faults:
    """Stands in front of the tenant and spoils its answers while a test says so."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.spoil_unblock = ""  # "before": 500, nothing done; "after": 500 although it was done
        self.throttled = ""  # unblocks of addresses that hold this are answered 429
        self.refused_account = ""  # readings of this account are answered 400
        self.is_down = False

    def __call__(self, environ: Any, start_response: Any) -> Any:
        is_unblock = environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith("/unblock")
        if self.throttled and is_unblock and self._is_about_throttled(environ):
            start_response("429 Too Many Requests", [("Retry-After", "5"), ("Content-Type", "text/plain")])
            return [b"later"]
        if self.refused_account and environ["PATH_INFO"].endswith(f"/{self.refused_account}"):
            start_response("400 Bad Request", [("Content-Type", "text/plain")])
            return [b"no"]
        if self.is_down or (is_unblock and self.spoil_unblock == "before"):
            return _failing(start_response)
        if is_unblock and self.spoil_unblock == "after":
            list(self._app(environ, lambda *_: None))
            return _failing(start_response)
        return self._app(environ, start_response)

    def _is_about_throttled(self, environ: Any) -> bool:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        return self.throttled.encode() in body


def _failing(start_response: Any) -> list[bytes]:
    start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
    return [b"out of order"]


class World:
    """Desk, tenant and plugin, with the actions a story is told in."""

    def __init__(
        self,
        folder: Path,
        accounts: Mapping[str, Any] | None,
        settings: str,
        settle_seconds: float,
        parts: type[Parts] = Parts,
    ) -> None:
        self.clock = Clock()
        self.servers: list[RunningServer] = []
        plugin_socket, desk_socket = bind("127.0.0.1"), bind("127.0.0.1")
        plugin_url, desk_url = (f"http://127.0.0.1:{it.getsockname()[1]}" for it in (plugin_socket, desk_socket))
        tenant_app = demo_tenant.create_app(
            TOKEN, clock=self.clock, settle_seconds=settle_seconds, page_key="page-key", accounts=accounts
        )
        self.tenant_app, self.tenant = tenant_app, tenant_app.extensions["tenant"]
        self.tenant_faults = Faults(tenant_app.wsgi_app)
        tenant_app.wsgi_app = self.tenant_faults
        self.tenant_server = self._serve(tenant_app)
        desk_app = demo_desk.create_app(
            demo_desk.DeskConfig(
                base_url=desk_url,
                api_token=TOKEN,
                webhook_url=f"{plugin_url}/webhooks/desk",
                webhook_secret=WEBHOOK_SECRET,
                source="desk",
                panel_url=plugin_url,
                panel_secret=PANEL_SECRET,
                people=(),
                clock=self.clock,
            )
        )
        self.desk_app, self.desk = desk_app, desk_app.extensions["desk"]
        self.sender = desk_app.extensions["sender"]
        self._serve(desk_app, desk_socket)
        config = folder / "m365-unblock.toml"
        config.write_text(
            SETTINGS.format(desk=desk_url, tenant=f"http://127.0.0.1:{self.tenant_server.port}", url=plugin_url)
            + settings
        )
        self.parts = parts(load(config, {}), clock=self.clock)
        migrate(self.parts.settings)
        self.store = self.parts.casework.store
        self.front = Desk(
            casework=self.parts.casework, tenant=self.parts.tenant, texts=self.parts.texts, domains=("example.edu",)
        )
        self.plugin_app = create_app(self.parts)
        self._serve(self.plugin_app, plugin_socket)
        self.sender.start()

    def _serve(self, app: Any, listening: Any = None) -> RunningServer:
        server = serve(app, "127.0.0.1", 0, listening=listening)
        self.servers.append(server)
        return server

    def close(self) -> None:
        """Stop everything."""
        self.sender.stop()
        for server in self.servers:
            server.close()

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def file(
        self,
        *,
        email: str,
        subject: str = "my mail bounces back: undeliverable",
        text: str = "Please help, see the attachment.",
        report: str | None = None,
        sender: str = "",
        quietly: bool = False,
    ) -> str:
        """A customer files a ticket, with a bounce attached if a report is named; the ticket's id."""
        files = (
            [self.desk.keep_file("Undeliverable.eml", "message/rfc822", ndr(report, sender or email))] if report else []
        )
        ticket = self.desk.open_ticket(Person(email=email, name=email.split("@")[0]), subject, text, files=files)
        if not quietly:
            self.run()
        return str(ticket.id)

    def reply(self, ticket: str, email: str, text: str, *, report: str | None = None, sender: str = "") -> None:
        """The customer writes again."""
        files = [self.desk.keep_file("Undeliverable.eml", "message/rfc822", ndr(report, sender))] if report else []
        self.desk.reply(ticket, Person(email=email, name=email.split("@")[0]), text, "public", files=files)
        self.run()

    def accounts(self) -> Any:
        """The demo's accounts as its world.json has them."""
        return json.loads((MAIL.parent / "tenant" / "world.json").read_text("utf-8"))

    def run(self) -> None:
        """Let the sender deliver, then do every task that is due by the clock."""
        assert self.sender.flush(10), "the desk could not deliver its events"
        self._work_off()

    def _work_off(self) -> None:
        while True:
            while relay(self.parts.deliveries, self.store, self.clock(), self.parts.settling.leaves_alone):
                pass
            due = [task for task in self.store.waiting_tasks(1000) if _is_due(task, self.clock())]
            if not due:
                return
            for task in due:
                with self.store.change() as change:
                    change.handed([task], self.clock())
                self.parts.attempts.attempt(task)

    def pass_time(self, **by: float) -> None:
        """Time passes in steps, so that what is due in between happens in between."""
        end = self.clock() + timedelta(**by)
        while self.clock() < end:
            self.clock.now = min(
                end, self.clock() + timedelta(seconds=max(10.0, (end - self.clock()).total_seconds() / 200))
            )
            self.run()

    def scan(self) -> int:
        """The catch-up scan."""
        found = scan("desk", self.parts.sources["desk"], self.store, back=timedelta(hours=1), now=self.clock())
        self._work_off()
        return found

    def answer_all(self, case: Case, *, agent: Agent = ALEX, **instead: Mapping[str, str]) -> Case:
        """Answer every item that the checklist asks; `instead` replaces an item's form, by its id with underscores."""
        view = self.front.view(case, agent)
        for item in view.items:
            form = instead.get(item.id.replace("-", "_")) or form_of(item)
            if item.id in view.checking:
                looked = view.looks[item.id]
                if looked.verdict in (Verdict.VERIFIED, Verdict.NOT_SO):
                    continue
                form = {"done": "yes", "reason": "seen by myself", rules.MARK: rules.mark_of(looked)}
            case = self.front.answer(case, item.id, form, agent, seen=view.seen.get(item.id, ""))
        self.run()
        return self.case(case.id)

    def unblock(self, case: Case, agent: Agent = ALEX) -> Case:
        """Press Unblock and let the worker ask."""
        self.front.unblock(self.case(case.id), agent)
        self.run()
        return self.case(case.id)

    # ── what can be seen ─────────────────────────────────────────────────────────────────────────────────────────

    def case(self, case_id: str) -> Case:
        """The case as it is now."""
        case = self.store.case(case_id)
        assert case is not None
        return case

    def cases(self, ticket: str) -> tuple[Case, ...]:
        """All cases of a ticket."""
        return self.store.cases_of_ticket("desk", ticket)

    def only_case(self, ticket: str, state: CaseState | None = None) -> Case:
        """The one case of a ticket, in a state."""
        (case,) = self.cases(ticket)
        assert state is None or case.state is state, f"{case.state}: {case.reason}"
        return case

    def ticket(self, ticket: str) -> Any:
        """The ticket as an integration sees it."""
        answer = requests.get(
            f"{self.parts.settings.sources['desk']['api_url']}/tickets/{ticket}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=10,
        )
        return answer.json()

    def notes(self, ticket: str) -> list[str]:
        """The plugin's notes on a ticket as agents read them, oldest first."""
        return [it["text"] for it in self.ticket(ticket)["messages"] if it["author"].get("email") == OWN_USER]

    def mails(self, ticket: str) -> list[str]:
        """What was mailed to the requester."""
        return [mail.body for mail in self.desk.outbox if mail.ticket == ticket]

    def asked(self) -> list[str]:
        """The addresses that the tenant really was asked to unblock, in order."""
        return [asked.address for asked in self.tenant.asked]


OWN_USER = "m365-unblock@example.edu"

SETTINGS = """
[server]
public_url = "{url}"
[organisation]
domains = ["example.edu"]
[sources.desk]
system = "generic"
api_url = "{desk}/api"
api_token = "a-token-for-the-tests"
webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
own_user = "m365-unblock@example.edu"
launch_secrets = ["a secret for launch tokens, thirty-two bytes or more"]
panel_origins = ["{desk}"]
[mail_tenants.campus]
system = "account_admin"
url = "{tenant}"
token = "a-token-for-the-tests"
[links]
distribution_lists = "https://lists.example.edu/"
mass_email = "https://massmail.example.edu/"
"""


def ndr(name: str | None, sender: str) -> bytes:
    """A realistic bounce for a sender, such as ``ndr-5.1.8``."""
    text = (MAIL / f"{name}.eml").read_text("utf-8")
    return text.format(
        sender=sender,
        recipient="ruth.mensah@partner.example",
        date="Tue, 24 Nov 2026 13:50:00 +0000",
        message_id="<b1@example.edu>",
    ).encode()


def form_of(item: Any) -> dict[str, str]:
    """An answer that lets an item pass."""
    if item.kind == "done":
        return {"done": "yes"}
    if item.kind == "yes-no":
        return {"yes": "no" if "yes" in item.leads_to else "yes"}
    return {field.id: "as I was told" for field in item.fields}


def _is_due(task: Task, now: datetime) -> bool:
    return task.not_before is None or task.not_before <= now


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Worlds to order: `accounts` as in world.json, `settings` as more TOML, `parts` in place of the usual."""
    made: list[World] = []

    def make(
        accounts: Mapping[str, Any] | None = None,
        settings: str = "",
        settle_seconds: float = 90,
        parts: type[Parts] = Parts,
    ) -> World:
        folder = tmp_path / f"world-{len(made)}"
        folder.mkdir()
        made.append(World(folder, accounts, settings, settle_seconds, parts))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """The demo's world."""
    return make_world()
