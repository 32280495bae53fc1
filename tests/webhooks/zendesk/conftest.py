"""A stand-in of Zendesk that answers, an adapter that talks to it, and a whole office around both.

Every request that goes out in these tests is held to what Zendesk publishes of its API.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from tests.stand_ins.fixtures import clock, desk, make_office, office, site, source  # noqa: F401
from tests.stand_ins.zendesk import PUBLIC_KEY, Call, Running
from webhooks.zendesk.install import command
from webhooks.zendesk.set_up import APP
from webhooks.zendesk.ticket_fields import PROMISED

SECRET = "YSBzaWduaW5nIHNlY3JldCwgYXMgWmVuZGVzayBtYWtlcyBpdA=="
PUBLISHED = json.loads((Path(__file__).parents[2] / "fixtures/webhooks/zendesk/api.json").read_text("utf-8"))


def undocumented(calls: list[Call]) -> list[str]:
    """What of our requests Zendesk's published description does not know."""
    return [f"{call.method} {call.path}: {why}" for call in calls if (why := _why_not(call))]


def _why_not(call: Call) -> str:
    for known, described in PUBLISHED["operations"].items():
        method, path = known.split()
        pattern = re.escape(path).replace(r"\{id\}", "[A-Za-z0-9]+")
        if (
            method == call.method
            and re.fullmatch(pattern, call.path)
            and ("{id}" not in path or "/me" not in call.path)
        ):
            strange = set(call.query) - set(described.get("query", ()))
            schema = {"$defs": PUBLISHED["$defs"], **described.get("body", {"type": "null"})}
            faults = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(call.body)]
            return ", ".join([*(f"unknown parameter {name}" for name in strange), *faults])
    return "no such operation"


class ZendeskSite:
    """A `tests.stand_ins.office.Site`."""

    def __init__(self, now: Callable[[], datetime], **settings: Any) -> None:
        self.running = Running(now)
        self.zendesk = self.running.zendesk
        self.zendesk.make_secret = lambda: SECRET
        manifest = {"name": APP, "signedUrls": True, "location": {"support": {"ticket_sidebar": {"url": "https://x"}}}}
        self.installation = self.zendesk.install_app(manifest)
        self._more = settings

    def settings(self) -> Mapping[str, Any]:
        return {
            "system": "zendesk",
            "url": self.running.url,
            "own_user": "m365-unblock@example.edu",
            "token": self.zendesk.token,
            "webhook_secrets": [SECRET],
            "content_hosts": ["localhost"],
            "panel_origins": [self.running.url],
            "app_installation": self.installation,
            "app_public_keys": [PUBLIC_KEY],
            **self._more,
        }

    def run_install(self, config: Path, *more: str) -> Any:
        """Run the real command."""
        token = config.parent / "admin-token"
        token.write_text(self.zendesk.token)
        given = ["--config", str(config), "--admin", "admin@example.edu", "--admin-token-file", str(token), *more]
        return CliRunner().invoke(command, given)

    def install(self, config: Path, *more: str) -> str:
        """Run the real command; what it says."""
        done = self.run_install(config, *more)
        assert done.exit_code == 0, (done.output, done.exception)
        return str(done.output)

    def make_fields(self) -> None:
        """The ticket fields, where a test has no need of the rest of the installation."""
        for name in PROMISED:
            self.zendesk.add_field({"type": "text", "title": name})

    def file(self, email: str, subject: str, text: str, report: bytes | None) -> str:
        files = [("Undeliverable.eml", "message/rfc822", report)] if report else []
        return str(self.zendesk.mail_in(email, subject, text, files=files))

    def reply(self, ticket: str, email: str, text: str) -> None:
        self.zendesk.mail_on(int(ticket), email, text)

    def deliver(self) -> None:
        self.zendesk.deliver()

    def internal_notes(self, ticket: str) -> list[str]:
        return [comment["html_body"] for comment in self._ours(ticket) if not comment["public"]]

    def public_texts(self, ticket: str) -> list[str]:
        return [comment["html_body"] for comment in self._ours(ticket) if comment["public"]]

    def _ours(self, ticket: str) -> list[dict[str, Any]]:
        ours = self.running.ours.id
        return [comment for comment in self.zendesk.comments_of(int(ticket)) if comment["author_id"] == ours]

    def tags(self, ticket: str) -> set[str]:
        return set(self.zendesk.tickets[int(ticket)]["tags"])

    def fields(self, ticket: str) -> Mapping[str, str]:
        titles = {number: row["title"] for number, row in self.zendesk.ticket_fields.items()}
        held = self.zendesk.tickets[int(ticket)]["fields"]
        return {titles[number]: value for number, value in held.items() if value}

    def updates(self, ticket: str) -> list[Any]:
        """The updates of a ticket that were asked for."""
        path = f"/tickets/{ticket}"
        return [call.body["ticket"] for call in self.zendesk.calls if (call.method, call.path) == ("PUT", path)]

    def close(self) -> None:
        self.running.close()
        assert undocumented(self.zendesk.calls) == []


@pytest.fixture
def site_type() -> type[ZendeskSite]:
    return ZendeskSite
