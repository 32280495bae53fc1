"""A note whose answer from RT is lost: RT makes two notes of what it is sent twice, so it is looked for first."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from plugin.app import Parts, migrate
from plugin.errors import OutcomeUnknown
from plugin.model import Case, CaseState
from plugin.settings import load

Answer = Callable[..., responses.BaseResponse]
Recorded = Callable[[str], Any]

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
CASE = Case(
    id="c1",
    source="rt",
    ticket="7",
    account="",
    state=CaseState.NEEDS_PERSON,
    round=1,
    opened_by="triage",
    created_at=NOW,
    updated_at=NOW,
    version=1,
    question="Several accounts are named.",
    candidates=("bbadger", "fine"),
)
POST = "POST /ticket/7/comment"
SETTINGS = """
[organisation]
domains = ["example.edu"]
[sources.rt]
system = "request_tracker"
url = "https://rt.example.edu"
token = "1-39-made-up-token"
webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
[mail_tenants.campus]
system = "account_admin"
url = "https://accounts.example.edu"
token = "a-token-for-the-tests"
"""


class Showing:
    """The plugin's own parts over an RT that answers as a test says, with a case that is to be shown on ticket 7."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        (folder / "m365-unblock.toml").write_text(SETTINGS)
        self.parts = Parts(load(folder / "m365-unblock.toml", {}), clock=lambda: self.now)
        migrate(self.parts.settings)
        with self.parts.casework.store.change() as change:
            change.add_case(CASE)

    def show(self, *, after: float = 0) -> None:
        """The annotation's next attempt, after so many seconds."""
        self.now += timedelta(seconds=after)
        self.parts.workflow.tasks()["annotate"]({"case": CASE.id})

    @property
    def key(self) -> str:
        (sent,) = self.parts.casework.store.notes(CASE.id)
        return sent.note.key

    @property
    def is_done(self) -> bool:
        (sent,) = self.parts.casework.store.notes(CASE.id)
        return sent.done_at is not None


@pytest.fixture
def showing(tmp_path: Path) -> Showing:
    return Showing(tmp_path)


def fields_of(showing: Showing) -> dict[str, Any]:
    """Ticket 7 with what the case shows on it."""
    held = {"M365 Tags": "m365-needs-person", "Case State": "Needs a person"}
    empty = ("Sending Status", "Blocked Addresses", "Unblocked At", "Escalate After")
    values = [{"name": name, "values": [value]} for name, value in held.items()]
    values += [{"name": name, "values": []} for name in empty]
    row = {"id": "7", "EffectiveId": "7", "Queue": {"id": "3", "Name": "Support"}, "CustomFields": values}
    return {"items": [row], "total": 1}


def lose(answer: Answer, desk: responses.RequestsMock, how: str) -> None:
    """RT's answer to the note is lost, and so is the one to what is written besides."""
    if how == "500":
        answer("POST", "/ticket/7/comment", None, status=500)
    else:
        error = {
            "cut": requests.exceptions.ChunkedEncodingError("cut"),
            "time-out": requests.exceptions.ReadTimeout("no answer"),
        }[how]
        desk.add("POST", "https://rt.example.edu/REST/2.0/ticket/7/comment", body=error)


def found(showing: Showing) -> dict[str, Any]:
    values = [{"name": "M365 Note Key", "values": [showing.key]}]
    return {"items": [{"id": "94", "Type": "Comment", "CustomFields": values}], "total": 1}


@pytest.mark.parametrize("how", ["500", "cut", "time-out"])
@pytest.mark.parametrize("seconds", [30, 90])
def test_note_that_appears_only_after_the_answer_was_lost_is_found_and_not_sent_again(
    showing: Showing,
    answer: Answer,
    asked: Callable[[], list[str]],
    recorded: Recorded,
    desk: responses.RequestsMock,
    how: str,
    seconds: float,
) -> None:
    lose(answer, desk, how)
    answer("PUT", "/ticket/7", [])
    answer("GET", "/tickets", fields_of(showing))
    with pytest.raises(OutcomeUnknown):
        showing.show()
    answer("GET", "/transactions", {"items": [], "total": 0})
    answer("GET", "/m365-unblock", recorded("set-up"))
    with pytest.raises(OutcomeUnknown, match="it was sent, no answer came, and it is not there") as raised:
        showing.show(after=5)
    assert raised.value.retry_after == 115  # so long it may still be on its way
    answer("GET", "/transactions", found(showing))
    showing.show(after=seconds)
    assert showing.is_done
    assert asked().count(POST) == 1


def test_note_that_is_not_there_once_it_can_no_longer_come_is_sent_again_with_the_same_key(
    showing: Showing,
    answer: Answer,
    asked: Callable[[], list[str]],
    recorded: Recorded,
    desk: responses.RequestsMock,
) -> None:
    lose(answer, desk, "500")
    answer("PUT", "/ticket/7", [])
    answer("GET", "/tickets", fields_of(showing))
    with pytest.raises(OutcomeUnknown):
        showing.show()
    answer("GET", "/transactions", {"items": [], "total": 0})
    answer("GET", "/m365-unblock", recorded("set-up"))
    answer("POST", "/ticket/7/comment", [], status=201, headers={"Location": "/REST/2.0/transaction/94"})
    answer("GET", "/transaction/94", found(showing)["items"][0])
    showing.show(after=121)
    assert showing.is_done
    assert asked().count(POST) == 2
    bodies = [json.loads(call.request.body or b"") for call in desk.calls if call.request.method == "POST"]
    assert [body["TxnCustomFields"] for body in bodies] == [{"M365 Note Key": showing.key}] * 2


def test_note_that_rt_has_done_but_cannot_show_is_looked_for_and_not_sent_again(
    showing: Showing, answer: Answer, asked: Callable[[], list[str]], desk: responses.RequestsMock
) -> None:
    answer("POST", "/ticket/7/comment", [], status=201, headers={"Location": "/REST/2.0/transaction/94"})
    desk.add(
        "GET",
        "https://rt.example.edu/REST/2.0/transaction/94",
        body="<html>Login</html>",
        content_type="text/html; charset=utf-8",
    )
    answer("PUT", "/ticket/7", [])
    answer("GET", "/tickets", fields_of(showing))
    with pytest.raises(Exception, match="not with JSON"):
        showing.show()
    answer("GET", "/transactions", found(showing))
    showing.show(after=10)
    assert showing.is_done
    assert asked().count(POST) == 1
