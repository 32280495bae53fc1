"""An RT that answers as the real one did (RT 5.0.3; recorded in tests/fixtures/webhooks/request_tracker/answers)."""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import responses
from responses import matchers

from plugin.ports import Abilities, TicketSystem
from webhooks.request_tracker.adapter import connect

ANSWERS = Path(__file__).parents[2] / "fixtures" / "webhooks" / "request_tracker" / "answers"
RT = "https://rt.example.edu"
TOKEN = matchers.header_matcher({"Authorization": "token 1-39-made-up-token"})
ALL = Abilities(notes_by_key=True, one_note_per_key=False, tags=True, fields=True, panel=True, scan=True)

Recorded = Callable[[str], Any]
Answer = Callable[..., responses.BaseResponse]


@pytest.fixture
def settings() -> Mapping[str, Any]:
    return {
        "system": "request_tracker",
        "url": RT,
        "token": "1-39-made-up-token",
        "webhook_secrets": ["whsec_" + base64.b64encode(b"k" * 32).decode()],
        "launch_secrets": ["l" * 40],
        "panel_origins": [RT],
    }


@pytest.fixture
def connected(settings: Mapping[str, Any]) -> Callable[..., TicketSystem]:
    return lambda **changed: connect("rt", {**settings, **changed}, ALL)


@pytest.fixture
def rt(connected: Callable[..., TicketSystem]) -> TicketSystem:
    return connected()


@pytest.fixture
def recorded() -> Recorded:
    return lambda name: json.loads((ANSWERS / f"{name}.json").read_text("utf-8"))


@pytest.fixture
def answer(desk: responses.RequestsMock) -> Answer:
    """RT's next answer to a method and a path below /REST/2.0."""

    def answer(method: str, path: str, body: object = None, *match: Any, status: int = 200, **more: Any) -> Any:
        return desk.add(method, f"{RT}/REST/2.0{path}", json=body, status=status, match=[TOKEN, *match], **more)

    return answer


@pytest.fixture
def asked(desk: responses.RequestsMock) -> Callable[[], list[str]]:
    """What was asked of RT so far, in order."""

    def asked() -> list[str]:
        urls = [str(call.request.url).removeprefix(f"{RT}/REST/2.0").partition("?")[0] for call in desk.calls]
        return [f"{call.request.method} {url}" for call, url in zip(desk.calls, urls, strict=True)]

    return asked


@pytest.fixture
def ticket_answers(answer: Answer, recorded: Recorded) -> Callable[[str, str], None]:
    """RT's four answers for a ticket that was recorded."""

    def answers(case: str, ticket: str) -> None:
        answer("GET", "/tickets", recorded(f"{case}/ticket"))
        answer("GET", f"/ticket/{ticket}/history", recorded(f"{case}/history"))
        for name in ("parts", "contents"):
            answer("GET", f"/ticket/{ticket}/attachments", recorded(f"{case}/{name}"))

    return answers
