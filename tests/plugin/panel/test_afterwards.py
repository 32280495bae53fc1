"""After the release: the customer who still cannot send, before and after the 24 hours, and the way to Office 365."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from plugin.model import CaseState, Sending

DAY = timedelta(hours=24)


def released(office: Any, hours_ago: float, state: CaseState = CaseState.UNBLOCKED, **changes: Any) -> Any:
    """A case whose release was confirmed some hours ago."""
    at = office.clock() - timedelta(hours=hours_ago)
    status = replace(office.case(ticket="9").status, sending=Sending.NOT_BLOCKED, blocked=())
    return office.case(
        state, status=status, asked_at=at, unblocked_at=at, escalate_after=at + DAY, updated_at=at, **changes
    )


def tasks(office: Any, name: str) -> list[Any]:
    return [task for task in office.work.store.waiting_tasks(99) if task.name == name]


def test_a_complaint_within_the_24_hours_is_recorded_and_gets_the_hour(office: Any) -> None:
    case = released(office, hours_ago=2)

    answer = office.open().act(case, "complaint")

    assert answer.status_code == 200
    read = office.text_of(answer.text)
    assert "Next: Ask the customer to wait until the hour below, and to try again then. Do not escalate before." in read
    assert "Do not escalate before Tue 24 Nov 2026, 12:05 UTC" in read
    assert "Heard 14:05 from the customer: mail still fails. Compare the time of the bounce" in read
    assert office.said(answer.text, f"after-{case.id}") == "Noted. What to do next stands above."
    now = office.now_of(case)
    assert (now.state, now.complained_at) == (CaseState.UNBLOCKED, office.clock())
    (entry,) = office.work.store.journal(case.id)
    assert (entry.actor, entry.what) == ("Ada Lovelace (ada)", "Says that the customer still cannot send.")
    assert len(tasks(office, "annotate")) == 1  # the note with the hour
    assert tasks(office, "follow_up") == []


def test_a_complaint_is_taken_once(office: Any) -> None:
    case = released(office, hours_ago=2)
    panel = office.open()
    panel.act(case, "complaint")

    again = panel.act(case, "complaint")

    assert again.status_code == 409
    assert office.said(again.text, f"after-{case.id}") == "It is noted already that mail still fails."
    assert "Customer still cannot send" not in again.text


@pytest.mark.parametrize("state", [CaseState.UNBLOCKED, CaseState.CLOSED])
def test_a_complaint_after_the_24_hours_has_the_account_read_again_at_once(office: Any, state: CaseState) -> None:
    case = released(office, hours_ago=25, state=state)
    panel = office.open()
    assert "The 24 hours are over: the account is read again" in panel.look().text

    answer = panel.act(case, "complaint")

    assert "Next: Wait. The 24 hours are over, and the account is being read again" in office.text_of(answer.text)
    assert 'hx-trigger="every 3s' in answer.text
    (task,) = tasks(office, "follow_up")
    assert task.not_before <= office.clock()


@pytest.mark.parametrize("state", [CaseState.CHECKLIST_OPEN, CaseState.NOT_BLOCKED, CaseState.OVERDUE])
def test_where_nothing_was_released_there_is_nothing_to_complain_about(office: Any, state: CaseState) -> None:
    case = office.case(state)
    panel = office.open()

    assert "Customer still cannot send" not in panel.look().text
    assert panel.act(case, "complaint").status_code == 409
    assert office.now_of(case) == case


def test_an_overdue_case_is_escalated_once_by_name(office: Any) -> None:
    case = released(office, hours_ago=25, state=CaseState.OVERDUE)
    ada, sven = office.open(), office.open(sub="sven", name="Sven")
    assert "Escalate with the evidence" in ada.look().text

    first, second = ada.act(case, "escalation"), sven.act(case, "escalation")

    assert (first.status_code, second.status_code) == (200, 409)
    read = office.text_of(first.text)
    assert "Handed to the Office 365 team 14:05 by Ada Lovelace (ada); the evidence is on the ticket." in read
    assert "Next: It is with the Office 365 team now. Wait for their answer." in read
    assert "Escalate with the evidence" not in first.text
    said = office.said(second.text, f"after-{case.id}")
    assert said == "Ada Lovelace (ada) has handed this to the Office 365 team already."
    (entry,) = office.work.store.journal(case.id)
    assert (entry.actor, entry.what) == (
        "Ada Lovelace (ada)",
        "Escalated to the Office 365 team, with the evidence.",
    )
    assert office.now_of(case).escalated_by == "Ada Lovelace (ada)"


def test_what_microsoft_refused_may_be_escalated_too(office: Any) -> None:
    case = office.case(CaseState.REFUSED, asked_at=office.clock())

    assert office.open().act(case, "escalation").status_code == 200
    assert office.now_of(case).escalated_at == office.clock()


@pytest.mark.parametrize("state", [CaseState.UNBLOCKED, CaseState.CHECKLIST_OPEN, CaseState.STILL_BLOCKED])
def test_what_is_not_due_is_not_escalated(office: Any, state: CaseState) -> None:
    case = released(office, hours_ago=2, state=state)
    panel = office.open()

    assert "Escalate with the evidence" not in panel.look().text
    refused = panel.act(case, "escalation")
    assert refused.status_code == 409
    assert "it is not due to be escalated" in refused.text
    assert office.now_of(case) == case
