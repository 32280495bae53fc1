"""The plugin as real processes between real stand-ins, with a worker that a test may kill at any request it makes."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from plugin.demo import desk as demo_desk
from plugin.demo import tenant as demo_tenant
from plugin.demo.agent import AgentAtDesk, OpenPanel
from plugin.demo.desk.records import Person
from plugin.demo.serving import RunningServer, bind, serve

TOKEN = "a-token-for-the-tests"
OWN_USER = "m365-unblock@example.edu"
MAIL = Path(demo_desk.__file__).parent.parent / "mail"

SETTINGS = """
[server]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
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
[procedure]
recheck_first_after = "0.3s"
recheck_pause_at_most = "0.5s"
recheck_for = "{recheck_for}"
follow_up_after = "{follow_up_after}"
retry_first_after = "0.2s"
retry_pause_at_most = "1s"
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
    """Web and worker as processes; `mode`: a killing request is done first (after) or not at all (before)."""

    def __init__(self, folder: Path, *, mode: str = "", recheck_for: str = "60s", follow_up_after: str = "3s") -> None:
        self.mode = mode
        self.killed: list[str] = []
        self.wanted: Callable[[str], bool] = lambda _step: True
        self._seen: Counter[str] = Counter()
        self._one_at_a_time = threading.Lock()
        self._servers: list[RunningServer] = []
        web = bind("127.0.0.1")
        self.port = web.getsockname()[1]
        web.close()
        self._folder = folder
        tenant_app = demo_tenant.create_app(TOKEN, clock=_now, settle_seconds=0.5, page_key="k")
        self.tenant = tenant_app.extensions["tenant"]
        tenant_app.wsgi_app = Reaper(tenant_app.wsgi_app, "tenant", self)  # type: ignore[method-assign]
        tenant_url = self._serve(tenant_app)
        listening = bind("127.0.0.1")
        self.desk_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        desk_app = demo_desk.create_app(
            demo_desk.DeskConfig(
                base_url=self.desk_url,
                api_token=TOKEN,
                webhook_url=f"http://127.0.0.1:{self.port}/webhooks/desk",
                webhook_secret="whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
                source="desk",
                panel_url=f"http://127.0.0.1:{self.port}",
                panel_secret="a secret for launch tokens, thirty-two bytes or more",
                people=(
                    demo_desk.DeskAgent(
                        login="alex", name="Alex", email="alex@example.edu", role="agent", sign_in_key="alex-key"
                    ),
                ),
                clock=_now,
            ),
            pauses=(0.2,) * 20,
        )
        self.desk, self.sender = desk_app.extensions["desk"], desk_app.extensions["sender"]
        desk_app.wsgi_app = Reaper(desk_app.wsgi_app, "desk", self)  # type: ignore[method-assign]
        self._servers.append(serve(desk_app, "127.0.0.1", 0, listening=listening))
        self.config = folder / "m365-unblock.toml"
        self.config.write_text(
            SETTINGS.format(
                port=self.port,
                desk=self.desk_url,
                tenant=tenant_url,
                recheck_for=recheck_for,
                follow_up_after=follow_up_after,
            )
        )
        self.log = (folder / "plugin.log").open("ab")
        self.web = self.start("web")
        self.worker = self.start("worker")
        self._until(lambda: _is_ready(self.port), "the web process is ready")
        self.sender.start()

    def _serve(self, app: Any) -> str:
        server = serve(app, "127.0.0.1", 0)
        self._servers.append(server)
        return f"http://127.0.0.1:{server.port}"

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start ``web`` or ``worker``."""
        return subprocess.Popen(
            [sys.executable, "-m", "plugin.cli", name, "--config", str(self.config)],
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
        )

    def close(self) -> None:
        """End everything."""
        self.mode = ""
        self.sender.stop()
        with self._one_at_a_time:
            pass
        for process in (self.web, self.worker):
            process.kill()
            process.wait()
        for server in self._servers:
            server.close()
        self.log.close()

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
        return str(self.desk.open_ticket(Person(email=email, name="B"), "undeliverable", "Help!", files=[file]).id)

    def open_panel(self, ticket: str) -> OpenPanel:
        """An agent opens the ticket."""
        mode, self.mode = self.mode, ""  # the agent's own requests kill nobody
        panel = AgentAtDesk(self.desk_url, "alex-key").open(ticket)
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
        self._until(lambda: self.state(ticket) in states, f"ticket {ticket} is {' or '.join(states)}")
        return self.state(ticket) or ""

    def _until(self, happened: Callable[[], bool], what: str, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if happened():
                return
            time.sleep(0.05)
        self.log.flush()
        tail = (self._folder / "plugin.log").read_text("utf-8")[-3000:]
        raise AssertionError(f"did not happen: {what}; killed at {self.killed}\n{tail}")

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


@pytest.fixture
def make_life(tmp_path: Path) -> Iterator[Callable[..., Life]]:
    """Lives to order."""
    made: list[Life] = []

    def make(**options: Any) -> Life:
        made.append(Life(tmp_path, **options))
        return made[-1]

    yield make
    for life in made:
        life.close()
