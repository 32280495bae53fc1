"""A stand-in of Zammad that answers, an adapter that talks to it, and a whole office around both."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plugin.ports import TicketSystem
from tests.conftest import Clock
from tests.stand_ins.office import Office
from tests.stand_ins.zammad import Running
from webhooks.ticket_systems import connect
from webhooks.zammad.attributes import PROMISED, attribute_of
from webhooks.zammad.install import command

SECRET = "a signature token that is long enough"


class ZammadSite:
    """A `tests.stand_ins.office.Site`."""

    def __init__(self, clock: Callable[[], datetime], **settings: Any) -> None:
        self.running = Running(clock)
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


@pytest.fixture(autouse=True)
def desk() -> None:
    """The mock of the other folders is not for here: these tests talk to a server."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(clock: Clock) -> Iterator[ZammadSite]:
    site = ZammadSite(clock)
    yield site
    site.close()


@pytest.fixture
def source(site: ZammadSite) -> TicketSystem:
    return connect("desk", site.settings())


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path, ZammadSite)
    yield office
    office.close()


@pytest.fixture
def make_office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Offices to order, with settings of the source."""
    made: list[Office] = []

    def make(**settings: Any) -> Office:
        folder = tmp_path / f"office-{len(made)}"
        folder.mkdir()
        made.append(Office(folder, lambda clock: ZammadSite(clock, **settings)))
        return made[-1]

    yield make
    for office in made:
        office.close()
