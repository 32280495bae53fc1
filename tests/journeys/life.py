"""The plugin as real processes between real stand-ins, with workers that a test may kill at any request they make."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import requests

from plugin.demo import desk as demo_desk
from plugin.demo import tenant as demo_tenant
from plugin.demo.agent import AgentAtDesk, OpenPanel
from plugin.demo.desk.records import Person
from plugin.demo.serving import RunningServer, bind, serve
from tests.journeys.in_between import Balancer, Crowd, Forgetful
from tests.ports import free_port

TOKEN = "a-token-for-the-tests"
OWN_USER = "m365-unblock@example.edu"
MAIL = Path(demo_desk.__file__).parent.parent / "mail"
DATABASES = ("DELIVERIES_URL", "CASES_URL", "ENGINE_URL")

SETTINGS = """
[server]
listen = "127.0.0.1:{port}"
public_url = "{plugin}"
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
calls_at_once = {calls_at_once}
[mail_tenants.campus]
system = "account_admin"
url = "{tenant}"
token = "a-token-for-the-tests"
calls_at_once = {calls_at_once}
[procedure]
recheck_first_after = "0.3s"
recheck_pause_at_most = "0.5s"
recheck_for = "{recheck_for}"
follow_up_after = "{follow_up_after}"
retry_first_after = "0.2s"
retry_pause_at_most = "1s"
note_settles_within = "{note_settles_within}"
scan_every = "0s"
"""


class Reaper:
    """Stands in front of a stand-in; at chosen requests it kills the worker, before or after the work was done."""

    def __init__(self, app: Any, name: str, life: "Life") -> None:
        self._app, self._name, self._life = app, name, life

    def __call__(self, environ: Any, start_response: Any) -> Any:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        step = self._life.step(self._name, environ["REQUEST_METHOD"], environ["PATH_INFO"], body)
        if step is None:
            return self._app(environ, start_response)
        if self._life.mode == "after":
            list(self._app(environ, lambda *_: None))
        self._life.kill(step)
        start_response("500 Killed", [("Content-Type", "text/plain")])
        return [b"nobody is listening"]


class Life:
    """Web and worker as processes, one of each unless told otherwise.

    `mode`: a killing request is done first (after) or not at all (before). `database` is the address of one to be used
    in place of three SQLite files, `program` a folder with another release of the plugin, `accounts` the tenant's as in
    world.json. A `forgetful` desk makes a new note of every one that it is sent; each request to the stand-ins takes
    `takes` seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        mode: str = "",
        database: str = "",
        webs: int = 1,
        workers: int = 1,
        program: Path | None = None,
        accounts: Mapping[str, Any] | None = None,
        forgetful: bool = False,
        takes: float = 0.0,
        **settings: Any,
    ) -> None:
        self.mode = mode
        self.killed: list[str] = []
        self.wanted: Callable[[str], bool] = lambda _step: True
        self._seen: Counter[str] = Counter()
        self._one_at_a_time = threading.Lock()
        self._servers: list[RunningServer] = []
        self._folder, self._program = folder, program
        self._stores = {f"M365_UNBLOCK__STORE__{name}": database for name in DATABASES if database}
        self.ports = [free_port() for _ in range(webs)]
        self.balancer = Balancer(self.ports)
        self.url = self._serve(self.balancer) if webs > 1 else f"http://127.0.0.1:{self.ports[0]}"
        tenant_app = demo_tenant.create_app(TOKEN, clock=_now, settle_seconds=0.5, page_key="k", accounts=accounts)
        self.tenant = tenant_app.extensions["tenant"]
        self.at_tenant = Crowd(tenant_app.wsgi_app, takes=takes)
        tenant_url = self._serve(Reaper(self.at_tenant, "tenant", self))
        listening = bind("127.0.0.1")
        self.desk_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        desk_app = self._make_desk()
        self.desk, self.sender = desk_app.extensions["desk"], desk_app.extensions["sender"]
        self._sign_in_links = desk_app.extensions["sign_in_links"]
        self.at_desk = Crowd(desk_app.wsgi_app, takes=takes)
        self.keeping = Forgetful(self.at_desk) if forgetful else self.at_desk
        self._servers.append(serve(Reaper(self.keeping, "desk", self), "127.0.0.1", 0, listening=listening))  # type: ignore[arg-type]
        self.config = folder / "m365-unblock.toml"
        usual = {"recheck_for": "60s", "follow_up_after": "3s", "note_settles_within": "2m", "calls_at_once": 8}
        chosen = {"port": self.ports[0], "plugin": self.url, "desk": self.desk_url, "tenant": tenant_url}
        self.config.write_text(SETTINGS.format(**(usual | chosen | settings)))
        self.log = (folder / "plugin.log").open("ab")
        began = time.monotonic()
        self.webs = [self.start("web", number) for number in range(webs)]
        self.workers = [self.start("worker") for _ in range(workers)]
        for port in self.ports:
            self.until(lambda port=port: _is_ready(port), "the web process is ready")
        self.started_within = time.monotonic() - began  # seconds
        self.sender.start()

    def _make_desk(self) -> Any:
        config = demo_desk.DeskConfig(
            base_url=self.desk_url,
            api_token=TOKEN,
            webhook_url=f"{self.url}/webhooks/desk",
            webhook_secret="whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
            source="desk",
            panel_url=self.url,
            panel_secret="a secret for launch tokens, thirty-two bytes or more",
            people=(
                demo_desk.DeskAgent(
                    login="alex", name="Alex", email="alex@example.edu", role="agent", sign_in_key="alex-key"
                ),
            ),
            clock=_now,
        )
        return demo_desk.create_app(config, pauses=(0.2,) * 300)

    def _serve(self, app: Any) -> str:
        server = serve(app, "127.0.0.1", 0)
        self._servers.append(server)
        return f"http://127.0.0.1:{server.port}"

    # ── the processes ────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, name: str, number: int = 0, *more: str, program: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a ``web`` of this number, or another command; `program` is a release other than this life's."""
        ours = {variable: value for variable, value in os.environ.items() if not variable.startswith("M365_UNBLOCK_")}
        listen = {"M365_UNBLOCK__SERVER__LISTEN": f"127.0.0.1:{self.ports[number]}"}
        return subprocess.Popen(
            [sys.executable, "-m", "plugin.cli", name, "--config", str(self.config), *more],
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            cwd=program or self._program,
            env=ours | self._stores | listen,
        )

    @property
    def web(self) -> subprocess.Popen[bytes]:
        """The first web process."""
        return self.webs[0]

    @web.setter
    def web(self, process: subprocess.Popen[bytes]) -> None:
        self.webs[0] = process

    @property
    def worker(self) -> subprocess.Popen[bytes]:
        """The first worker."""
        return self.workers[0]

    @worker.setter
    def worker(self, process: subprocess.Popen[bytes]) -> None:
        self.workers[0] = process

    def close(self) -> None:
        """End everything."""
        self.mode = ""
        self.sender.stop()
        with self._one_at_a_time:
            pass
        for process in (*self.webs, *self.workers):
            process.kill()
            process.wait()
        for server in self._servers:
            server.close()
        self.log.close()

    def said(self) -> str:
        """What all processes have logged."""
        self.log.flush()
        return (self._folder / "plugin.log").read_text("utf-8", "replace")

    # ── killing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def step(self, name: str, method: str, path: str, body: bytes) -> str | None:
        """The name of the step if the worker is to die at this request; each step kills once."""
        if not self.mode or not _is_workers(name, path):
            return None
        step = f"{name} {method} {path} {_occasion(body)}".strip()
        self._seen[step] += 1
        if method == "GET":  # a reading is the same each time: kill at its first, third and fifth
            step = f"{step} #{self._seen[step]}"
            is_new = self._seen[step.rsplit(" #", 1)[0]] in (1, 3, 5)
        else:
            is_new = self._seen[step] == 1
        return step if is_new and self.wanted(step) else None

    def kill(self, step: str) -> None:
        """SIGKILL for the worker, and a new one in its place."""
        with self._one_at_a_time:  # the worker's threads may make two such requests at once
            self.killed.append(step)
            os.kill(self.worker.pid, signal.SIGKILL)
            self.worker.wait()
            self.worker = self.start("worker")

    # ── the story ────────────────────────────────────────────────────────────────────────────────────────────────

    def file(self, email: str = "bucky.badger@example.edu") -> str:
        """A customer files a ticket with a bounce."""
        bounce = (
            (MAIL / "ndr-5.1.8.eml")
            .read_text("utf-8")
            .format(
                sender=email,
                recipient="ruth@partner.example",
                date="Tue, 24 Nov 2026 13:50:00 +0000",
                message_id="<b1@example.edu>",
            )
        )
        file = self.desk.keep_file("Undeliverable.eml", "message/rfc822", bounce.encode())
        return str(self.desk.open_ticket(self.customer(email), "undeliverable", "Help!", files=[file]).id)

    def customer(self, email: str) -> Person:
        """Who files tickets from an address."""
        return Person(email=email, name="B")

    def open_panel(self, ticket: str) -> OpenPanel:
        """An agent opens the ticket."""
        mode, self.mode = self.mode, ""  # the agent's own requests kill nobody
        key = token_urlsafe(16)
        self._sign_in_links.add(key, "alex")
        panel = AgentAtDesk(self.desk_url, key).open(ticket)
        self.mode = mode
        return panel

    def press_unblock(self, panel: OpenPanel) -> None:
        """The agent presses Unblock."""
        panel.look()
        (form,) = panel.forms(r"/unblock$")
        panel.send(form, form.values)

    def state(self, ticket: str) -> str | None:
        """The case's state as the ticket shows it."""
        found: str | None = self.desk.ticket(ticket).fields["Case State"]
        return found

    def until_state(self, ticket: str, *states: str) -> str:
        """Wait until the ticket shows one of these states; the one it shows."""
        self.until(lambda: self.state(ticket) in states, f"ticket {ticket} is {' or '.join(states)}")
        return self.state(ticket) or ""

    def until(self, happened: Callable[[], bool], what: str, seconds: float = 90) -> None:
        """Wait until something has happened; `AssertionError` with the log's end if it does not."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if happened():
                return
            time.sleep(0.05)
        raise AssertionError(f"did not happen: {what}; killed at {self.killed}\n{self.said()[-3000:]}")

    def notes(self, ticket: str) -> list[str]:
        """The keys of the plugin's notes."""
        return [message.key for message in self.desk.ticket(ticket).messages if message.key]

    def asked(self) -> list[str]:
        """The addresses that the tenant was asked to unblock."""
        return sorted(asked.address for asked in self.tenant.asked)


def _is_workers(name: str, path: str) -> bool:
    """Requests that the worker makes: the desk's API and the tenant's, not the pages that people open."""
    return path.startswith("/api/" if name == "desk" else "/v1/")


def _occasion(body: bytes) -> str:
    """What tells two writes to one place apart."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    told = said.get("key") or said.get("address") or said.get("add") or said.get("Case State")
    return str(told).rsplit("/", 1)[-1]


def _is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).ok
    except requests.ConnectionError:
        return False


def _now() -> datetime:
    return datetime.now(UTC)
