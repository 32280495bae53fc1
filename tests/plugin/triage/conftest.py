"""Mails from the shared fixtures, and tickets made of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from plugin.model import AttachedFile, Finding, Said, TicketText
from plugin.triage import triage

MAIL = Path(__file__).parents[2] / "fixtures" / "mail"
DOMAINS = ("example.edu",)


@pytest.fixture
def attached() -> Callable[..., AttachedFile]:
    def make(name: str, content_type: str = "message/rfc822") -> AttachedFile:
        return AttachedFile(filename=name, content_type=content_type, content=(MAIL / name).read_bytes())

    return make


@pytest.fixture
def report_text(attached: Callable[..., AttachedFile]) -> Callable[[str], str]:
    """The plain text of a report, as somebody pastes it."""

    def make(name: str) -> str:
        text = attached(name).content.decode()
        return text.split("8bit\n\n", 1)[1].split("--_ndr-text_", 1)[0]

    return make


@pytest.fixture
def found() -> Callable[..., tuple[Finding, ...]]:
    def make(text: str = "", *files: AttachedFile, subject: str = "", requester: str = "") -> tuple[Finding, ...]:
        ticket = TicketText(subject=subject, said=(Said(text=text, files=files),), requester=requester)
        return triage(ticket, DOMAINS)

    return make
