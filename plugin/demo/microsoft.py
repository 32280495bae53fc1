"""The demo of Microsoft 365 on the stage: made, served over TLS, and how the plugin's settings reach it.

Microsoft knows who is blocked; the demo account-admin site beside it knows why a sign-in is disabled, as a local
identity system does.
"""

import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask import Flask

from plugin.demo import exchange
from plugin.demo.exchange import certificates
from plugin.demo.exchange.world import World
from plugin.demo.serving import RunningServer, serve
from plugin.demo.tenant.world import Account, default_accounts

SETTINGS = """\
[mail_tenants.microsoft]
system = "exchange_online"
tenant_id = "{tenant_id}"
client_id = "{client_id}"
certificate_file = "application.pem"
sign_in_from = "campus"
login_url = "{url}"
exchange_url = "{url}"
graph_url = "{url}"
ca_file = "{ca_file}"
"""


class Microsoft:
    """Its application, its world and the server's certificate, made for this run in a folder."""

    def __init__(self, folder: Path, listening: socket.socket, clock: Callable[[], datetime], settles_after: float):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._listening = listening
        self._url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        self._tls, self._trusted = certificates.server_side(folder)
        pem, certificate = certificates.for_application()
        certificates.write_secret(folder / "application.pem", pem)
        self.application = exchange.Application(
            tenant_id=str(uuid4()), client_id=str(uuid4()), certificates=[certificate]
        )
        self.app: Flask = exchange.create_app(
            self.application, base_url=self._url, clock=clock, settle_seconds=settles_after
        )

    @property
    def world(self) -> World:
        """Who is there, and who is blocked."""
        world: World = self.app.extensions["world"]
        return world

    def serve(self) -> RunningServer:
        """Answer requests."""
        host, port = self._listening.getsockname()
        return serve(self.app, host, port, listening=self._listening, tls=self._tls)

    def settings(self) -> str:
        """Its part of the plugin's settings; the section of the sign-in side, *campus*, is another's."""
        return SETTINGS.format(
            tenant_id=self.application.tenant_id,
            client_id=self.application.client_id,
            url=self._url,
            ca_file=self._trusted.name,
        )

    def accounts(self) -> Mapping[str, Any]:
        """The same people for the account-admin site, which knows of their sign-ins alone."""
        known = default_accounts()
        return {
            user.netid: {
                "display_name": user.display_name,
                "addresses": list(dict.fromkeys([*user.addresses, user.upn])),
                "sign_in": known.get(user.netid, {}).get("sign_in", {"state": "enabled"}),
            }
            for user in self.world.users()
        }

    def blocked(self, accounts: list[Account]) -> list[Account]:
        """Those of the account-admin site's whom Microsoft blocks now, with what it has left for them."""
        listed = [entry.address for entry in self.world.listed()]
        users = {user.netid: user for user in self.world.users() if any(user.is_called(address) for address in listed)}
        return [
            replace(account, unblocks_left=users[account.netid].unblocks_left)
            for account in accounts
            if account.netid in users
        ]
