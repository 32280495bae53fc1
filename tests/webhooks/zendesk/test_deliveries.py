"""Deliveries that are no good, and those that are just so."""

import base64
import hmac
import json
from typing import Any

import pytest

from plugin.errors import DeliveryRefused, SettingsError
from plugin.model import Delivery
from tests.conftest import START
from webhooks.ticket_systems import connect

SETTINGS = {
    "system": "zendesk", "url": "https://example.zendesk.com", "own_user": "m365-unblock@example.edu",
    "token": "t" * 20, "webhook_secrets": ["a signing secret of this webhook"],
}  # fmt: skip
STAMP = "2026-11-24T14:05:00Z"
# As printed on an older page of the vendor's, where the body came first (event-connectors/webhooks/verifying).
OLD_SECRET = "HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA="
OLD_STAMP, OLD_BODY = "2021-07-25T10:00:00Z", b'{"say": "hello"}'
OLD_SIGNATURE = "tRDSF7URY8BLCDlaBcQ7FHu051Zk+aAB0NKMP53teMw="


def delivery(payload: Any, **headers: str) -> Delivery:
    given = {"content-type": "application/json", "x-zendesk-webhook-invocation-id": "8350205582", **headers}
    return Delivery(source="desk", headers=given, body=json.dumps(payload).encode(), received_at=START)


def signed(secret: str, stamp: str, body: bytes, *, over: bytes | None = None) -> Delivery:
    mac = hmac.new(secret.encode(), stamp.encode() + body if over is None else over, "sha256")
    headers = {
        "x-zendesk-webhook-signature": base64.b64encode(mac.digest()).decode(),
        "x-zendesk-webhook-signature-timestamp": stamp,
    }
    return Delivery(source="desk", headers=headers, body=body, received_at=START)


def is_taken(one: Delivery, secret: str = SETTINGS["webhook_secrets"][0], now: Any = START) -> bool:
    try:
        connect("desk", {**SETTINGS, "webhook_secrets": [secret]}).verify(one, now)
    except DeliveryRefused:
        return False
    return True


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ([], ""),
        ({}, ""),
        ({"ticket": {"id": 1}}, ""),
        ({"ticket_id": "{{ticket.id}}"}, "/ticket_id"),
        ({"ticket_id": ""}, "/ticket_id"),
        ({"ticket_id": 0}, "/ticket_id"),
        ({"ticket_id": True}, "/ticket_id"),
        ({"ticket_id": 1, "happened": "exploded"}, "/happened"),
        ({"type": "zen:event-type:ticket.created", "detail": {}, "id": "x"}, "/detail"),
        ({"type": "zen:event-type:ticket.created", "detail": {"id": "1"}}, ""),
        ({"type": "zen:event-type:ticket.created", "detail": {"id": "../1"}, "id": "x"}, "/detail/id"),
        ({"type": 1, "detail": {"id": "1"}, "id": "x"}, "/type"),
    ],
)
def test_payload_that_is_no_event_is_refused_with_its_place(payload: Any, pointer: str) -> None:
    with pytest.raises(DeliveryRefused) as refused:
        connect("desk", SETTINGS).parse(delivery(payload))
    assert (refused.value.status, refused.value.pointer) == (422, pointer)


@pytest.mark.parametrize("given", ["", "ü", "x" * 201])
def test_delivery_without_a_proper_id_is_refused(given: str) -> None:
    with pytest.raises(DeliveryRefused, match="x-zendesk-webhook-invocation-id"):
        connect("desk", SETTINGS).parse(delivery({"ticket_id": 1}, **{"x-zendesk-webhook-invocation-id": given}))


def test_two_replies_within_a_minute_are_two_events() -> None:
    source = connect("desk", SETTINGS)
    ids = ("8350205582", "8350205583", "8350205582")
    made = [
        source.parse(delivery({"ticket_id": 7, "happened": "replied"}, **{"x-zendesk-webhook-invocation-id": one}))
        for one in ids
    ]
    keys = [parsed.events[0].key for parsed in made]
    assert keys[0] != keys[1]
    assert keys[0] == keys[2], "the same invocation again is the same event"


def test_time_comes_before_the_body_in_what_is_signed() -> None:
    secret, body = SETTINGS["webhook_secrets"][0], b'{"ticket_id": 7}'
    assert is_taken(signed(secret, STAMP, body))
    assert not is_taken(signed(secret, STAMP, body, over=body + STAMP.encode()))


def test_the_vendors_older_example_is_of_the_other_order_and_refused() -> None:
    mac = hmac.new(OLD_SECRET.encode(), OLD_BODY + OLD_STAMP.encode(), "sha256")
    assert base64.b64encode(mac.digest()).decode() == OLD_SIGNATURE, "the example is right, for the rule of its time"
    then = START.fromisoformat(OLD_STAMP)
    headers = {
        "x-zendesk-webhook-signature": OLD_SIGNATURE,
        "x-zendesk-webhook-signature-timestamp": OLD_STAMP,
    }
    assert not is_taken(Delivery(source="desk", headers=headers, body=OLD_BODY, received_at=then), OLD_SECRET, then)
    assert is_taken(signed(OLD_SECRET, OLD_STAMP, OLD_BODY), OLD_SECRET, then)


@pytest.mark.parametrize(
    "stamp", ["", "1764000000", "2026-11-24T14:05:00", "2026-11-24T13:59:59Z", "2026-11-24T14:10:01Z", "yesterday"]
)
def test_delivery_without_a_true_time_is_refused(stamp: str) -> None:
    assert not is_taken(signed(SETTINGS["webhook_secrets"][0], stamp, b"{}"))


def test_time_in_another_zone_is_the_same_time() -> None:
    assert is_taken(signed(SETTINGS["webhook_secrets"][0], "2026-11-24T08:05:00-06:00", b"{}"))


@pytest.mark.parametrize("others", [[], ["a signing secret of this webhook"]])
def test_secret_that_everybody_knows_is_refused_at_start(others: list[str]) -> None:
    secrets = [*others, "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="]
    with pytest.raises(SettingsError, match=r"\[sources.desk\] webhook_secrets: .*the same for everybody") as refused:
        connect("desk", {**SETTINGS, "webhook_secrets": secrets})
    assert "dGhpc19" not in str(refused.value)


def test_field_of_another_name_is_refused_at_start() -> None:
    with pytest.raises(SettingsError, match="field_numbers: there is no 'Sending'; there are Sending Status, "):
        connect("desk", {**SETTINGS, "field_numbers": {"Sending": 1}})


def test_what_is_no_public_key_is_refused_at_start() -> None:
    with pytest.raises(SettingsError, match="not a public key in PEM form"):
        connect("desk", {**SETTINGS, "app_public_keys": ["-----BEGIN"]})
