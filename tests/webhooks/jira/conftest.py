"""A stand-in of Jira that answers, an adapter that talks to it, and a whole office around both."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.stand_ins.fixtures import clock, desk, make_office, office, site, source  # noqa: F401
from tests.stand_ins.jira import Running, rendered_html
from webhooks.jira.fields import as_text
from webhooks.jira.install import command

SECRET = "a secret of the webhook that is long enough"


class JiraSite:
    """A `tests.stand_ins.office.Site`."""

    def __init__(self, now: Callable[[], datetime], **settings: Any) -> None:
        self.running = Running(now)
        self.jira = self.running.jira
        self._more = settings

    def settings(self) -> Mapping[str, Any]:
        return {
            "system": "jira",
            "url": self.running.url,
            "email": "M365-unblock@example.edu",
            "token": self.running.ours.token,
            "own_account": self.running.ours.account,
            "webhook_secrets": [SECRET],
            "projects": ["SUP"],
            **self._more,
        }

    def install(self, config: Path, *more: str) -> str:
        """Run the real command; what it says."""
        token = config.parent / "admin-token"
        token.write_text(self.running.admin.token)
        given = ["--config", str(config), "--admin-email", self.running.admin.email, "--admin-token-file", str(token)]
        done = CliRunner().invoke(command, [*given, *more])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    def file(self, email: str, subject: str, text: str, report: bytes | None) -> str:
        files = [("Undeliverable.eml", "message/rfc822", report)] if report else []
        return self.jira.write_in(email, subject, text, files=files)

    def reply(self, ticket: str, email: str, text: str) -> None:
        self.jira.write_on(ticket, email, text)

    def deliver(self) -> None:
        self.jira.run_jobs()

    def internal_notes(self, ticket: str) -> list[str]:
        """As agents see them."""
        return [rendered_html(comment["body"]) for comment in self.ours(ticket) if not comment["public"]]

    def public_texts(self, ticket: str) -> list[str]:
        return [rendered_html(comment["body"]) for comment in self.ours(ticket) if comment["public"]]

    def ours(self, ticket: str) -> list[dict[str, Any]]:
        """Our comments."""
        ours = self.running.ours.account
        return [comment for comment in self.jira.comments_of(ticket) if comment["author"] == ours]

    def tags(self, ticket: str) -> set[str]:
        return set(self.jira.issue_of(ticket)["labels"])

    def fields(self, ticket: str) -> Mapping[str, str]:
        row = self.jira.issue_of(ticket)
        named = {
            kept["name"]: as_text(row.get(number)) for number, kept in self.jira.fields.items() if "description" in kept
        }
        return {name: value for name, value in named.items() if value}

    def close(self) -> None:
        self.running.close()


@pytest.fixture
def site_type() -> type[JiraSite]:
    return JiraSite
