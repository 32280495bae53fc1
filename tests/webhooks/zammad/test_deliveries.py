"""Deliveries that are no good, and those that are just so."""

import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest

from plugin.errors import DeliveryRefused, NotAllowed, SettingsError
from plugin.model import Delivery
from tests.conftest import START
from tests.webhooks.zammad.conftest import SECRET
from webhooks.ticket_systems import connect

SETTINGS = {
    "system": "zammad", "url": "https://zammad.example.edu", "token": "t" * 20, "webhook_secrets": [SECRET],
    "own_user": "m365-unblock@example.edu",
}  # fmt: skip


def delivery(payload: Any, **headers: str) -> Delivery:
    given = {"content-type": "application/json", "x-zammad-delivery": "job-1", **headers}
    return Delivery(source="desk", headers=given, body=json.dumps(payload).encode(), received_at=START)


@pytest.mark.parametrize(
    ("payload", "status", "pointer"),
    [
        ([], 422, ""),
        ({}, 422, ""),
        ({"ticket": {}}, 422, "/ticket"),
        ({"ticket": {"id": "#{ticket.id}"}}, 422, "/ticket/id"),
        ({"ticket": {"id": 0}}, 422, "/ticket/id"),
        ({"ticket": {"id": 1.5}}, 422, "/ticket/id"),
        ({"ticket": {"id": True}}, 422, "/ticket/id"),
        ({"ticket": {"id": 1, "updated_at": "yesterday"}}, 422, "/ticket/updated_at"),
        ({"ticket": {"id": 1}, "article": {"id": "x"}}, 422, "/article/id"),
    ],
)
def test_payload_that_is_no_event_is_refused_with_its_place(payload: Any, status: int, pointer: str) -> None:
    with pytest.raises(DeliveryRefused) as refused:
        connect("desk", SETTINGS).parse(delivery(payload))
    assert (refused.value.status, refused.value.pointer) == (status, pointer)


@pytest.mark.parametrize("given", ["", "ü", "x" * 201])
def test_delivery_without_a_proper_id_is_refused(given: str) -> None:
    with pytest.raises(DeliveryRefused, match="x-zammad-delivery"):
        connect("desk", SETTINGS).parse(delivery({"ticket": {"id": 1}}, **{"x-zammad-delivery": given}))


@pytest.mark.parametrize(
    "headers",
    [
        {"x-hub-signature": "sha256={sha256}"},
        {"x-hub-signature": "sha1={sha256}"},
        {"x-hub-signature": "{sha1}"},
        {"x-hub-signature-256": "sha256={sha256}"},
    ],
)
def test_algorithm_is_that_of_the_source_whatever_the_sender_says(headers: Mapping[str, str]) -> None:
    made = delivery({"ticket": {"id": 1}})
    sums = {name: hmac.new(SECRET.encode(), made.body, name).hexdigest() for name in ("sha1", "sha256")}
    signed = delivery({"ticket": {"id": 1}}, **{name: value.format(**sums) for name, value in headers.items()})
    with pytest.raises(DeliveryRefused) as refused:
        connect("desk", SETTINGS).verify(signed, START)
    assert refused.value.status == 401
    good = delivery({"ticket": {"id": 1}}, **{"x-hub-signature": f"sha1={sums['sha1']}"})
    connect("desk", SETTINGS).verify(good, START)


def test_short_signature_token_is_refused_at_start() -> None:
    with pytest.raises(SettingsError, match="webhook_secrets, entry 1: the secret holds 5 bytes"):
        connect("desk", {**SETTINGS, "webhook_secrets": ["short"]})


def test_zammad_has_no_panel_and_says_where_to_go() -> None:
    with pytest.raises(NotAllowed, match="link in the note"):
        connect("desk", SETTINGS).open_panel("x", "1", START)
