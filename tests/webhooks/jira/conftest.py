"""A stand-in of Jira that answers, an adapter that talks to it, and a whole office around both."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plugin.ports import TicketSystem
from tests.conftest import Clock
from tests.stand_ins.jira import Running, rendered_html
from tests.stand_ins.office import Office
from webhooks.jira.fields import as_text
from webhooks.jira.install import command
from webhooks.ticket_systems import connect

SECRET = "a secret of the webhook that is long enough"


class JiraSite:
    """A `tests.stand_ins.office.Site`."""

    def __init__(self, clock: Callable[[], datetime], **settings: Any) -> None:
        self.running = Running(clock)
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


@pytest.fixture(autouse=True)
def desk() -> None:
    """The mock of the other folders is not for here: these tests talk to a server."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(clock: Clock) -> Iterator[JiraSite]:
    site = JiraSite(clock)
    yield site
    site.close()


@pytest.fixture
def source(site: JiraSite) -> TicketSystem:
    return connect("desk", site.settings())


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path, JiraSite)
    yield office
    office.close()


@pytest.fixture
def make_office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Offices to order, with settings of the source."""
    made: list[Office] = []

    def make(**settings: Any) -> Office:
        folder = tmp_path / f"office-{len(made)}"
        folder.mkdir()
        made.append(Office(folder, lambda clock: JiraSite(clock, **settings)))
        return made[-1]

    yield make
    for office in made:
        office.close()
