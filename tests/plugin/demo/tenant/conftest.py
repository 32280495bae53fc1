"""A demo tenant in the demo's own world, its API and its pages."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from plugin.demo.tenant import create_app


@pytest.fixture
def app(clock) -> Flask:
    return create_app("bearer-of-the-api", clock=clock, settle_seconds=20, page_key="page-key")


@pytest.fixture
def tenant(app) -> Any:
    return app.extensions["tenant"]


@pytest.fixture
def read(app) -> Callable[[str], dict[str, Any]]:
    def account(name: str) -> dict[str, Any]:
        answer = app.test_client().get(f"/v1/accounts/{name}", headers={"Authorization": "Bearer bearer-of-the-api"})
        assert answer.status_code == 200
        return answer.get_json()

    return account


@pytest.fixture
def unblock(app) -> Callable[..., Any]:
    def ask(name: str, address: str, *, key: str | None = None, ticket: str = "desk:1001") -> Any:
        headers = {"Authorization": "Bearer bearer-of-the-api"} | ({"Idempotency-Key": key} if key else {})
        body = {"address": address, "requested_by": "Ada", "ticket": ticket}
        return app.test_client().post(f"/v1/accounts/{name}/office365/unblock", json=body, headers=headers)

    return ask


@pytest.fixture
def browser(app) -> FlaskClient:
    """Signed in at the pages."""
    client = app.test_client()
    assert client.get("/?key=page-key").status_code == 303
    return client


@pytest.fixture
def form_token(browser) -> str:
    """What the pages put into their forms for this session."""
    found = re.search(r'name="form_token" value="([^"]+)"', browser.get("/accounts/bbadger").text)
    assert found is not None
    return found[1]
