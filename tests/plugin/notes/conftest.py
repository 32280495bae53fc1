"""A case to write about, and a reader that sees a note's HTML as a browser would."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from plugin.model import (
    AccountStatus,
    BlockedAddress,
    Candidate,
    CaseState,
    Cause,
    Confidence,
    Finding,
    Label,
    Origin,
    Sending,
    SignIn,
    SignInState,
)
from plugin.notes.facts import AddressResult, Facts
from plugin.notes.texts import Texts

RELEASED = datetime(2026, 11, 23, 20, 5, tzinfo=UTC)
LINKS = {
    "distribution_lists": "https://it.example.edu/lists",
    "mass_email": "https://it.example.edu/mass?kind=news&size=big",
    "sign_in_tool": "https://accounts.example.edu/",
    "security_team": "mailto:security@example.edu?subject=ticket",
    "office365_team": "https://it.example.edu/o365",
    "microsoft_support": "https://admin.example.com/support",
}


@dataclass
class Page(HTMLParser):
    """What a note's HTML comes to."""

    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str | None]] = field(default_factory=list)
    text: str = ""
    open_tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "br":
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment came through: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration came through: {decl}")


@pytest.fixture(scope="session")
def links() -> dict[str, str]:
    """Every link set."""
    return dict(LINKS)


@pytest.fixture(scope="session")
def texts() -> Texts:
    """The built-in texts of a site in Chicago."""
    return Texts(overrides=None, links=LINKS, zone=ZoneInfo("America/Chicago"))


@pytest.fixture(scope="session")
def read() -> Callable[[str], Page]:
    """HTML as a browser reads it; every tag opened is closed."""

    def parsed(html: str) -> Page:
        page = Page()
        page.feed(html)
        page.close()
        assert page.open_tags == []
        return page

    return parsed


@pytest.fixture(scope="session")
def finding() -> Finding:
    """What triage made of a bounce."""
    return Finding(
        label=Label.SENDER_BLOCKED,
        confidence=Confidence.CERTAIN,
        code="5.1.8",
        candidates=(Candidate(account="bucky.badger@example.edu", origin=Origin.REPORT),),
        rule="code",
        evidence=("550 5.1.8 Access denied, bad outbound sender AS(42004)",),
    )


@pytest.fixture(scope="session")
def status() -> AccountStatus:
    """An account with two blocked addresses."""
    return AccountStatus(
        tenant="example",
        netid="bbadger",
        display_name="Bucky Badger",
        primary_address="bucky.badger@example.edu",
        addresses=("bucky.badger@example.edu", "bbadger@cs.example.edu"),
        sending=Sending.BLOCKED,
        blocked=(
            BlockedAddress(
                address="Bucky.Badger@example.edu",
                reason="OutboundSpamLast24Hours=412;"
                "Last Spam Message MessagetraceId:1f0c6a52-8c0e-4b27-9d51-3b7de2a94f10",
                cause=Cause.SPAM,
                blocked_at=RELEASED - timedelta(hours=3),
            ),
            BlockedAddress(address="bbadger@cs.example.edu"),
        ),
        sign_in=SignInState(state=SignIn.DISABLED, reason="Compromised Account", since=RELEASED),
        checked_at=RELEASED,
    )


@pytest.fixture(scope="session")
def about(finding: Finding, status: AccountStatus) -> Callable[..., Facts]:
    """Facts of a case in a state, with anything changed."""

    def made(state: CaseState, **changed: Any) -> Facts:
        known: dict[str, Any] = {
            "state": state,
            "finding": finding,
            "status": status,
            "results": (
                AddressResult(
                    address="Bucky.Badger@example.edu",
                    outcome="Not Blocked",
                    asked_at=RELEASED - timedelta(minutes=9),
                    asked_by="Alex Agent (alex)",
                    confirmed_at=RELEASED,
                ),
            ),
            "question": "",
            "candidates": (),
            "agent": "Alex Agent (alex)",
            "reason": "",
            "unblocked_at": RELEASED,
            "escalate_after": RELEASED + timedelta(hours=24),
            "panel_url": "https://unblock.example.edu/panel/rt/4711?case=1&x=2",
            "earlier_unblocks": 0,
        }
        return Facts(**known | changed)

    return made
