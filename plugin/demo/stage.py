"""The stage: demo desk, demo tenant and the plugin itself, each a real server, with secrets made for this run."""

import socket
from base64 import b64encode
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import Any

from flask import Flask

from plugin.demo import desk as demo_desk
from plugin.demo import tenant as demo_tenant
from plugin.demo.microsoft import Microsoft
from plugin.demo.plugin_process import PluginProcess
from plugin.demo.serving import bind, serve
from plugin.demo.tenant.world import Account

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

{microsoft}[mail_tenants.campus]
system = "account_admin"
url = "{tenant}"
token = "{tenant_token}"

[procedure]
recheck_first_after = "1s"
recheck_pause_at_most = "2s"
recheck_for = "{watch}"
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


PLACES = (
    ("127.0.0.1", "the plugin"),
    ("localhost", "the demo desk"),
    ("127.0.0.1", "the demo tenant"),
    ("127.0.0.1", "the demo of Microsoft 365"),
)
"""Where each listens; the last only where there is a fourth port.

The desk's host has another name, so that the panel is a stranger's frame in it, as in life.
"""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody at the demo desk, with a fresh sign-in link."""

    name: str
    role: str
    key: str


class Stage:
    """Everything that runs, started by `__enter__` and ended by `__exit__`, or by `__enter__` where it fails."""

    def __init__(
        self,
        folder: Path,
        ports: tuple[int, ...],
        *,
        accounts: Mapping[str, Any] | None = None,
        settles_after: float = SETTLES_AFTER,
        follow_up_after: str = CLOCK,
        recheck_for: str = "60m",
        more_settings: str = "",
    ) -> None:
        """`folder` takes the plugin's files; `accounts` as in world.json; `more_settings` are sections of their own.

        `ports` are the plugin's, the desk's and the tenant's; 0 picks a free one. With a fourth, Microsoft 365 is there
        as well: it knows the blocks then, and the tenant knows the sign-ins.
        """
        self.folder = folder
        self._ports = ports
        self._accounts, self._settles_after, self._follow_up_after = accounts, settles_after, follow_up_after
        self._recheck_for, self._more_settings = recheck_for, more_settings
        self._to_end = ExitStack()
        self._plugin = PluginProcess(folder)
        self.desk_app: Flask
        self.tenant_app: Flask
        self.microsoft: Microsoft | None = None
        self.desk_url = self.tenant_url = self.plugin_url = ""
        self.desk_token, self.panel_secret = token_urlsafe(24), token_urlsafe(48)
        self.people = {
            login: Person(name=name, role=role, key=token_urlsafe(16))
            for login, name, role in (
                ("alex", "Alex Agent", "agent"),
                ("vera", "Vera Viewer", "viewer"),
                ("sven", "Sven Supervisor", "supervisor"),
            )
        }

    def __enter__(self) -> "Stage":
        with ExitStack() as to_end:  # whatever comes in between, Ctrl-C too, what was started until then is ended
            self._start(to_end)
            self._to_end = to_end.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._to_end.close()

    def _start(self, to_end: ExitStack) -> None:
        plugin, desk, tenant, *more = (
            to_end.enter_context(bind(host, port, what=what))
            for (host, what), port in zip(PLACES, self._ports, strict=False)
        )
        tenant_token, webhook_secret = token_urlsafe(24), "whsec_" + b64encode(token_bytes(32)).decode()
        self.plugin_url, self.desk_url, self.tenant_url = (
            f"http://{host}:{listening.getsockname()[1]}"
            for (host, _), listening in zip(PLACES, (plugin, desk, tenant), strict=False)
        )
        for listening in more:
            self.microsoft = Microsoft(self.folder, listening, _now, self._settles_after)
            to_end.callback(self.microsoft.serve().close)
        self.tenant_app = self._make_tenant(tenant_token)
        self._serve(self.tenant_app, tenant, to_end)
        self.desk_app = self._make_desk(webhook_secret)
        self._serve(self.desk_app, desk, to_end)
        plugin_port = plugin.getsockname()[1]
        plugin.close()
        self._plugin.write_settings(
            SETTINGS.format(
                plugin_port=plugin_port,
                desk=self.desk_url,
                desk_token=self.desk_token,
                webhook_secret=webhook_secret,
                panel_secret=self.panel_secret,
                tenant=self.tenant_url,
                tenant_token=tenant_token,
                microsoft="" if self.microsoft is None else f"{self.microsoft.settings()}\n",
                clock=self._follow_up_after,
                watch=self._recheck_for,
            )
            + self._more_settings
        )
        to_end.callback(self._plugin.end)
        self._plugin.start()
        self._plugin.await_ready(self.plugin_url)
        sender = self.desk_app.extensions["sender"]
        to_end.callback(sender.stop)
        sender.start()

    @property
    def log(self) -> Path:
        """Where the plugin's own log goes."""
        return self._plugin.log

    def end_of_log(self) -> str:
        """What the plugin said last."""
        return self._plugin.end_of_log()

    def is_plugin_running(self) -> bool:
        """Whether the plugin's command is still there."""
        return self._plugin.is_running()

    def new_sign_in_link(self, login: str) -> str:
        """A link that signs a person in, once; for a person's own browser."""
        key = token_urlsafe(16)
        self.desk_app.extensions["sign_in_links"].add(key, login)
        return f"{self.desk_url}/sign-in?key={key}"

    def new_admin_link(self) -> str:
        """A link that opens the demo tenant's pages, once."""
        key = token_urlsafe(16)
        self.tenant_app.extensions["sign_in_links"].add(key, "Help desk")
        return f"{self.tenant_url}/?key={key}"

    def enable_sign_in(self, netid: str) -> None:
        """What Security or the help desk does in the identity system."""
        self.tenant_app.extensions["tenant"].enable_sign_in(netid)

    def blocked_accounts(self) -> list[Account]:
        """Whom Microsoft blocks in the demo tenant now."""
        accounts: list[Account] = self.tenant_app.extensions["tenant"].accounts()
        if self.microsoft is not None:
            return self.microsoft.blocked(accounts)
        return [account for account in accounts if account.listed]

    def _serve(self, app: Flask, listening: socket.socket, to_end: ExitStack) -> None:
        host, port = listening.getsockname()
        to_end.callback(serve(app, host, port, listening=listening).close)

    def _make_tenant(self, token: str) -> Flask:
        return demo_tenant.create_app(
            token,
            clock=_now,
            settle_seconds=self._settles_after,
            page_key=token_urlsafe(16),
            accounts=self._accounts if self.microsoft is None else self.microsoft.accounts(),
            mailboxes=None if self.microsoft is None else self.microsoft.world,
        )

    def _make_desk(self, webhook_secret: str) -> Flask:
        return demo_desk.create_app(
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


def _now() -> datetime:
    return datetime.now(UTC)
