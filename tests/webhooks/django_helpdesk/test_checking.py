"""What `m365-unblock check` says of a django-helpdesk; what its app tells was recorded from a real one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from plugin.ports import Check
from webhooks.ticket_systems import connect

FIXTURES = Path(__file__).parents[2] / "fixtures" / "webhooks" / "django_helpdesk"
SETTINGS = json.loads((FIXTURES / "source.json").read_text("utf-8"))["settings"] | {
    "launch_secrets": ["a-made-up-launch-secret-of-some-length"],
    "panel_origins": ["https://helpdesk.example.edu"],
}
SET_UP = f"{SETTINGS['api_url']}/set-up"


@pytest.fixture
def net() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def checked(net: responses.RequestsMock) -> Callable[..., list[Check]]:
    """The checks that are not ok, by what the app says and by our settings."""

    def checked(told: dict[str, Any], **settings: object) -> list[Check]:
        net.get(SET_UP, json=json.loads((FIXTURES / "set-up.json").read_text("utf-8")) | told)
        source = connect("helpdesk", SETTINGS | settings)
        return [check for check in source.check() if not check.ok]

    return checked


def test_real_one_with_everything_in_place_passes(net: responses.RequestsMock) -> None:
    net.get(SET_UP, json=json.loads((FIXTURES / "set-up.json").read_text("utf-8")))
    checks = list(connect("helpdesk", SETTINGS).check())
    assert len(checks) > 25
    assert [check for check in checks if not check.ok] == []


@pytest.mark.parametrize(
    ("told", "settings", "what", "remedy"),
    [
        ({"source": "desk"}, {}, "django-helpdesk calls itself helpdesk", "has SOURCE desk"),
        (
            {"webhook_url": "https://u.example/webhooks/desk"},
            {},
            "events go to https://u.example",
            "end in /webhooks/h",
        ),
        ({"fingerprints": {}}, {"launch_secrets": []}, "signs with a secret from webhook_secrets", "with another"),
        ({}, {"launch_secrets": ["another-launch-secret-of-thirty-two-bytes"]}, "from launch_secrets", "with another"),
        ({}, {"queues": ["support", "mail"]}, "events of all our queues come", "QUEUES lacks mail"),
        ({}, {"panel_origins": []}, "the panel may be shown in a frame", "panel_origins"),
        ({"checks": [{"what": "a field", "ok": False, "remedy": "mend it"}]}, {}, "a field", "mend it"),
    ],
)
def test_what_is_missing_is_told_with_its_remedy(
    checked: Callable[..., list[Check]], told: dict[str, Any], settings: dict[str, Any], what: str, remedy: str
) -> None:
    first = checked(told, **settings)[0]
    assert what in first.what
    assert remedy in first.remedy


@pytest.mark.parametrize(
    ("answer", "what", "remedy"),
    [
        ({"status": 401}, "the app knows our token", "install django_helpdesk"),
        ({"status": 404}, "our app answers", "urls.py"),
        ({"status": 200, "body": "<html>"}, "our app answers", "not with JSON"),
        ({"status": 200, "json": {"checks": []}}, "our app answers", "version"),
        (
            {"status": 503, "json": {"title": "M365_UNBLOCK will not do: run manage.py check"}},
            "our app",
            "manage.py check",
        ),
        ({"body": requests.ConnectionError("refused")}, "our app answers", ""),
    ],
)
def test_look_that_fails_is_a_check_that_is_not_ok(
    net: responses.RequestsMock, answer: dict[str, Any], what: str, remedy: str
) -> None:
    net.get(SET_UP, **answer)
    [failed] = [check for check in connect("helpdesk", SETTINGS).check() if not check.ok]
    assert what in failed.what
    assert remedy in failed.remedy
