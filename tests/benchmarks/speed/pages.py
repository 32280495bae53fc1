"""How long the pages take that people and machines look at."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from statistics import median
from uuid import uuid4

import jwt
import requests

from plugin.case_pages.session import Cookies, secret_from
from plugin.launch_token import AUDIENCE
from plugin.model import Agent, Role
from plugin.settings import Settings
from tests.benchmarks.speed.processes import LAUNCH_SECRET, PANEL_SECRET, Plugin

ROUNDS = 9
READ_AGAIN = 5.2  # seconds after which /metrics reads the databases anew


def times(plugin: Plugin, settings: Settings) -> Mapping[str, float]:
    """Seconds that each takes, the median of some rounds; /metrics each time when it reads the databases."""
    cookie = {"m365-unblock": _signed_in(settings)}
    panel, bearer = _panel(plugin)
    return {
        "panel": median(_took(panel, headers=bearer) for _ in range(ROUNDS)),
        "/cases": median(_took(f"{plugin.url}/cases", cookies=cookie) for _ in range(ROUNDS)),
        "/metrics": median(_took(f"{plugin.url}/metrics", pause=READ_AGAIN) for _ in range(3)),
    }


def _took(
    url: str, *, pause: float = 0.0, headers: Mapping[str, str] | None = None, cookies: dict[str, str] | None = None
) -> float:
    time.sleep(pause)
    begun = time.monotonic()
    answer = requests.get(url, headers=headers, cookies=cookies, timeout=60, allow_redirects=False)
    took = time.monotonic() - begun
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text[:300]}"
    return took


def _panel(plugin: Plugin) -> tuple[str, Mapping[str, str]]:
    """The view of a ticket that is there from the filling, and the bearer that opens it."""
    ticket, now = "old-20", int(time.time())
    claims = {
        "iss": "desk", "aud": AUDIENCE, "sub": "alex", "email": "alex@example.edu", "name": "Alex Agent",
        "ticket": ticket, "role": "agent", "iat": now, "exp": now + 300, "jti": uuid4().hex,
    }  # fmt: skip
    address = f"{plugin.url}/panel/desk/{ticket}"
    launch = {"token": jwt.encode(claims, LAUNCH_SECRET, "HS256")}
    answer = requests.post(f"{address}/session", json=launch, timeout=60)
    assert answer.status_code == 200, answer.text
    return f"{address}/view", {"Authorization": f"Bearer {answer.json()['token']}"}


def _signed_in(settings: Settings) -> str:
    """The cookie of a session, as the program makes it after a sign-in."""
    assert settings.sign_in is not None
    chosen, now = settings.sign_in, datetime.now(UTC)
    cookies = Cookies(secret_from(PANEL_SECRET.encode()), session_for=chosen.session_for, idle_for=chosen.idle_for)
    agent = Agent(login="alex", name="Alex Agent", email="alex@example.edu", role=Role.AGENT, source="oidc")
    return cookies.renew(cookies.begin(agent, now), now)
