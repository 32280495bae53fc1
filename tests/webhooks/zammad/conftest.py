"""A stand-in of Zammad that answers, an adapter that talks to it, and a whole office around both."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.stand_ins.fixtures import clock, desk, make_office, office, site, source  # noqa: F401
from tests.stand_ins.zammad import Running
from webhooks.zammad.attributes import PROMISED, attribute_of
from webhooks.zammad.install import command

SECRET = "a signature token that is long enough"


class ZammadSite:
    """A `tests.stand_ins.office.Site`."""

    def __init__(self, now: Callable[[], datetime], **settings: Any) -> None:
        self.running = Running(now)
        self.zammad = self.running.zammad
        self._more = settings

    def settings(self) -> Mapping[str, Any]:
        return {
            "system": "zammad",
            "url": self.running.url,
            "token": self.running.ours.token,
            "webhook_secrets": [SECRET],
            "own_user": "M365-unblock@example.edu",
            "customers_can_sign_in": False,
            **self._more,
        }

    def install(self, config: Path) -> str:
        """Run the real command; what it says."""
        token = config.parent / "admin-token"
        token.write_text(self.running.admin.token)
        done = CliRunner().invoke(command, ["--config", str(config), "--admin-token-file", str(token)])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    def file(self, email: str, subject: str, text: str, report: bytes | None) -> str:
        files = [("Undeliverable.eml", "message/rfc822", report)] if report else []
        return str(self.zammad.mail_in(email, subject, text, files=files))

    def reply(self, ticket: str, email: str, text: str) -> None:
        self.zammad.mail_on(int(ticket), email, text)

    def deliver(self) -> None:
        self.zammad.run_jobs()

    def internal_notes(self, ticket: str) -> list[str]:
        return [article["body"] for article in self._ours(ticket) if article["internal"]]

    def public_texts(self, ticket: str) -> list[str]:
        return [article["body"] for article in self._ours(ticket) if not article["internal"]]

    def _ours(self, ticket: str) -> list[dict[str, Any]]:
        ours = self.running.ours.id
        return [article for article in self.zammad.articles_of(int(ticket)) if article["created_by_id"] == ours]

    def tags(self, ticket: str) -> set[str]:
        return set(self.zammad.ticket_tags[int(ticket)])

    def fields(self, ticket: str) -> Mapping[str, str]:
        row = self.zammad.tickets[int(ticket)]
        return {name: row[attribute_of(name)] for name in PROMISED if row.get(attribute_of(name))}

    def close(self) -> None:
        self.running.close()


@pytest.fixture
def site_type() -> type[ZammadSite]:
    return ZammadSite
