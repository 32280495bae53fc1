"""The stage: demo desk, demo tenant and the plugin itself, each a real server, with secrets made for this run."""

import os
import shutil
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import Any

import requests
from flask import Flask

from plugin.demo import desk as demo_desk
from plugin.demo import tenant as demo_tenant
from plugin.demo.serving import RunningServer, bind, serve

SETTLES_AFTER = 6.0
"""Seconds until an unblock shows on the demo tenant's list; in life up to an hour."""

CLOCK = "20s"
"""The demo's 24 hours."""

SETTINGS = """\
# Made for this run of the demo; nothing in it is worth keeping.
[server]
listen = "127.0.0.1:{plugin_port}"
public_url = "http://127.0.0.1:{plugin_port}"

[organisation]
domains = ["example.edu"]

[sources.desk]
system = "generic"
api_url = "{desk}/api"
api_token = "{desk_token}"
webhook_secrets = ["{webhook_secret}"]
launch_secrets = ["{panel_secret}"]
own_user = "m365-unblock@example.edu"
panel_origins = ["{desk}"]

[mail_tenants.campus]
system = "account_admin"
url = "{tenant}"
token = "{tenant_token}"

[procedure]
recheck_first_after = "1s"
recheck_pause_at_most = "2s"
follow_up_after = "{clock}"
retry_first_after = "1s"
scan_every = "10s"

[links]
distribution_lists = "https://kb.example.edu/distribution-lists"
mass_email = "https://kb.example.edu/mass-email"
sign_in_tool = "{tenant}/"
security_team = "https://security.example.edu/"
office365_team = "https://kb.example.edu/office365-team"
"""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody at the demo desk, with a fresh sign-in link."""

    name: str
    role: str
    key: str


class Stage:
    """Everything that runs, started by `__enter__` and ended by `__exit__`."""

    def __init__(
        self,
        folder: Path,
        ports: tuple[int, int, int],
        *,
        accounts: Mapping[str, Any] | None = None,
        settles_after: float = SETTLES_AFTER,
        follow_up_after: str = CLOCK,
    ) -> None:
        """`ports` are the plugin's, the desk's and the tenant's, 0 picks a free one; `accounts` as in world.json."""
        self.folder = folder
        self._plugin_port, self._desk_port, self._tenant_port = ports
        self._accounts, self._settles_after, self._follow_up_after = accounts, settles_after, follow_up_after
        self._servers: list[RunningServer] = []
        self._plugin: subprocess.Popen[bytes] | None = None
        self.desk_app: Flask
        self.tenant_app: Flask
        self.desk_url = self.tenant_url = self.plugin_url = ""
        self.desk_token, self.page_key, self.panel_secret = token_urlsafe(24), token_urlsafe(16), token_urlsafe(48)
        self.people = {
            login: Person(name=name, role=role, key=token_urlsafe(16))
            for login, name, role in (
                ("alex", "Alex Agent", "agent"),
                ("vera", "Vera Viewer", "viewer"),
                ("sven", "Sven Supervisor", "supervisor"),
            )
        }

    def __enter__(self) -> "Stage":
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        tenant_token = token_urlsafe(24)
        self.tenant_app = demo_tenant.create_app(
            tenant_token,
            clock=_now,
            settle_seconds=self._settles_after,
            page_key=self.page_key,
            accounts=self._accounts,
        )
        self.tenant_url = self._serve(self.tenant_app, "127.0.0.1", self._tenant_port)
        plugin_socket = bind("127.0.0.1", self._plugin_port)
        self._plugin_port = plugin_socket.getsockname()[1]
        self.plugin_url = f"http://127.0.0.1:{self._plugin_port}"
        plugin_socket.close()
        webhook_secret = "whsec_" + b64encode(token_bytes(32)).decode()
        self._open_desk(webhook_secret)
        self._start_plugin(
            SETTINGS.format(
                plugin_port=self._plugin_port,
                desk=self.desk_url,
                desk_token=self.desk_token,
                webhook_secret=webhook_secret,
                panel_secret=self.panel_secret,
                tenant=self.tenant_url,
                tenant_token=tenant_token,
                clock=self._follow_up_after,
            )
        )
        self.desk_app.extensions["sender"].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.desk_app.extensions["sender"].stop()
        if self._plugin is not None:
            self._plugin.terminate()
            try:
                self._plugin.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._plugin.kill()
        for server in self._servers:
            server.close()

    @property
    def log(self) -> Path:
        """Where the plugin's own log goes."""
        return self.folder / "plugin.log"

    def is_plugin_running(self) -> bool:
        """Whether the plugin's command is still there."""
        return self._plugin is not None and self._plugin.poll() is None

    def new_sign_in_link(self, login: str) -> str:
        """A link that signs a person in, once; for a person's own browser."""
        key = token_urlsafe(16)
        self.desk_app.extensions["sign_in_links"].add(key, login)
        return f"{self.desk_url}/sign-in?key={key}"

    def _serve(self, app: Flask, host: str, port: int) -> str:
        server = serve(app, host, port)
        self._servers.append(server)
        return f"http://{host}:{server.port}"

    def _open_desk(self, webhook_secret: str) -> None:
        listening = bind("localhost", self._desk_port)
        # Another host name than the plugin's, so that the panel is a stranger's frame, as in life.
        self.desk_url = f"http://localhost:{listening.getsockname()[1]}"
        self.desk_app = demo_desk.create_app(
            demo_desk.DeskConfig(
                base_url=self.desk_url,
                api_token=self.desk_token,
                webhook_url=f"{self.plugin_url}/webhooks/desk",
                webhook_secret=webhook_secret,
                source="desk",
                panel_url=self.plugin_url,
                panel_secret=self.panel_secret,
                people=tuple(
                    demo_desk.DeskAgent(
                        login=login,
                        name=person.name,
                        email=f"{login}@example.edu",
                        role=person.role,
                        sign_in_key=person.key,
                    )
                    for login, person in self.people.items()
                ),
                clock=_now,
            )
        )
        self._servers.append(serve(self.desk_app, "localhost", 0, listening=listening))

    def _start_plugin(self, settings: str) -> None:
        config = self.folder / "m365-unblock.toml"
        config.touch(mode=0o600)
        config.write_text(settings)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("M365_UNBLOCK_")}
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "plugin.cli", "serve", "--config", str(config)]
            self._plugin = subprocess.Popen(  # noqa: S603 - our own program
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        self._await_ready()

    def _await_ready(self) -> None:
        for _ in range(300):
            if not self.is_plugin_running():
                raise RuntimeError(f"the plugin ended at once:\n{self.log.read_text('utf-8')[-2000:]}")
            try:
                if requests.get(f"{self.plugin_url}/readyz", timeout=2).ok:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"the plugin was not ready within 30 seconds; see {self.log}")


def _now() -> datetime:
    return datetime.now(UTC)
