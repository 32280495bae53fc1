"""The other systems of a run: the demo desk and the demo tenant behind their doors, and all that they received."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException

from plugin.demo.bodies import Problem
from plugin.demo.desk import api as desk_api
from plugin.demo.desk import wire
from plugin.demo.desk.config import DeskConfig
from plugin.demo.desk.records import Happening, Message, Person
from plugin.demo.desk.sender import sign
from plugin.demo.desk.tickets import Desk, NoSuchField, NoSuchTicket
from plugin.demo.tenant import api as tenant_api
from plugin.demo.tenant.world import Tenant

TOKEN = "a-token-for-the-tests"
WEBHOOK_SECRET = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
PANEL_SECRET = "a secret for launch tokens, thirty-two bytes or more"
OWN_USER = "m365-unblock@example.edu"


class ForgetfulDesk(Desk):
    """A desk that keeps every note it is sent, whatever its key."""

    def add_note(
        self, ticket_id: str, author: Person, *, key: str, visibility: str, subject: str, body_html: str
    ) -> tuple[Message, bool]:
        """Add a note."""
        with self._lock:
            note = self._message(author, body_html, visibility, html=True, key=key, subject=subject)
            return self._add(self.ticket(ticket_id), note), True


@dataclass(kw_only=True)
class Delivery:
    """An event on its way to the plugin."""

    id: str
    ticket: str
    kind: str
    by: str
    body: bytes
    acknowledged: bool = False

    def headers(self, now: datetime) -> dict[str, str]:
        """As of this attempt."""
        moment = str(int(now.timestamp()))
        return {
            "Content-Type": "application/json",
            "webhook-id": self.id,
            "webhook-timestamp": moment,
            "webhook-signature": sign(WEBHOOK_SECRET, self.id, moment, self.body),
        }


class DeskStandIn:
    """The desk, its API and the events that it has to send."""

    def __init__(self, chance: random.Random, clock: Callable[[], datetime], url: str, *, forgetful: bool) -> None:
        self.deliveries: list[Delivery] = []
        self._url, self._chance = url, chance
        kind = ForgetfulDesk if forgetful else Desk
        self.desk = kind(clock=clock, new_secret=self._secret, announce=self._announce)
        config = DeskConfig(
            base_url=url,
            api_token=TOKEN,
            webhook_url="http://127.0.0.1:9/webhooks/desk",
            webhook_secret=WEBHOOK_SECRET,
            source="desk",
            panel_url="http://127.0.0.1:9",
            panel_secret=PANEL_SECRET,
            people=(),
            clock=clock,
        )
        self.app = _app(desk_api.blueprint(self.desk, config), desk_api.as_problem, NoSuchTicket, NoSuchField)

    def notes(self, ticket: str) -> list[Message]:
        """The plugin's notes and replies on a ticket, oldest first."""
        return [message for message in self.desk.ticket(ticket).messages if message.key is not None]

    def _secret(self) -> str:
        return f"{self._chance.getrandbits(64):016x}"

    def _announce(self, happening: Happening) -> None:
        delivery = Delivery(
            id=f"msg_{self._secret()}",
            ticket=happening.ticket.id,
            kind=happening.kind,
            by=happening.actor.email,
            body=wire.event_body(happening, self._url),
        )
        self.deliveries.append(delivery)


class TenantStandIn:
    """The mail tenant and its API."""

    def __init__(self, accounts: Mapping[str, Any], clock: Callable[[], datetime], *, settle_seconds: float) -> None:
        self.tenant = Tenant(accounts, clock=clock, settle_seconds=settle_seconds)
        self.app = _app(tenant_api.blueprint(self.tenant, TOKEN), tenant_api.as_problem)

    def listed(self, netid: str) -> list[str]:
        """The addresses that are listed now."""
        return [entry.address for entry in self.tenant.account(netid).listed]


def _app(blueprint: Any, as_problem: Callable[[Any], Any], *errors: type[Exception]) -> Flask:
    app = Flask(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # a fault of a stand-in is a fault of the simulation
    app.register_blueprint(blueprint)
    for kind in (Problem, HTTPException, *errors):
        app.register_error_handler(kind, as_problem)
    return app


def said(body: bytes) -> dict[str, Any]:
    """A request's or an answer's JSON; empty where there is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
