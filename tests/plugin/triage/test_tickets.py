"""Tickets in many languages, each with the answer a person at the help desk would give."""

import json
from pathlib import Path
from typing import Any

import pytest

from plugin.model import Confidence, Label, Said, TicketText
from plugin.triage import triage

TICKETS = json.loads((Path(__file__).parent / "tickets.json").read_text("utf-8"))


@pytest.mark.parametrize("ticket", TICKETS, ids=lambda ticket: ticket["name"])
def test_a_ticket_gets_the_label_that_a_person_would_give_it(ticket: dict[str, Any]) -> None:
    first = triage(TicketText(subject=ticket["subject"], said=(Said(text=ticket["body"]),)), ("example.edu",))[0]
    assert first.label == ticket["label"], first
    if "code" in ticket:
        assert first.code == ticket["code"]
    if "account" in ticket:
        assert first.candidates[0].account == ticket["account"]


@pytest.mark.parametrize(
    ("body", "confidence"),
    [
        ("550 5.1.8 Access denied, bad outbound sender AS(42004)", Confidence.CERTAIN),
        ("Microsoft restricted me from sending, I am on the restricted entities page.", Confidence.LIKELY),
        ("The bounce says I was not recognized as a valid sender.", Confidence.LIKELY),
        ("My mailbox is blocked from sending any mail.", Confidence.UNSURE),
        ("My mail bounces with 550 5.1.8", Confidence.UNSURE),
        ("Er staat dat ik niet als geldige afzender word gezien: Delivery has failed\nals geldige afzender", None),
    ],
)
def test_confidence_follows_what_the_finding_rests_on(body: str, confidence: Confidence | None) -> None:
    first = triage(TicketText(subject="", said=(Said(text=body),)), ("example.edu",))[0]
    assert first.label is Label.SENDER_BLOCKED
    assert first.confidence is (confidence or Confidence.UNSURE)
