"""A desk that signs as Standard Webhooks say, a clock that stands still, and nothing that reaches a network."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import responses

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a made-up key of thirty-two byte").decode()

Sign = Callable[..., dict[str, str]]


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def secret() -> str:
    return SECRET


@pytest.fixture
def sign() -> Sign:
    """Headers of a delivery, made by the words of the specification and not by the code under test."""

    def sign(
        body: bytes, *, delivery: str = "msg_1", at: datetime = NOW, secret: str = SECRET, **more: str
    ) -> dict[str, str]:
        seconds = str(int(at.timestamp()))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        mac = hmac.new(key, b".".join([delivery.encode(), seconds.encode(), body]), hashlib.sha256).digest()
        return {
            "content-type": "application/json",
            "webhook-id": delivery,
            "webhook-timestamp": seconds,
            "webhook-signature": "v1," + base64.b64encode(mac).decode(),
            **more,
        }

    return sign


@pytest.fixture
def settings() -> Mapping[str, Any]:
    return {
        "system": "generic",
        "api_url": "https://desk.example/api",
        "api_token": "a-made-up-desk-token",
        "webhook_secrets": [SECRET],
        "own_user": "m365-unblock@example.edu",
    }


@pytest.fixture(autouse=True)
def desk() -> Iterator[responses.RequestsMock]:
    """Every call must be expected, and every expected call made."""
    with responses.RequestsMock(assert_all_requests_are_fired=True) as mock:
        yield mock
