"""Deliveries that are no good, and those that are just so."""

import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plugin.errors import DeliveryRefused, NotAllowed, SettingsError
from plugin.model import Delivery
from plugin.ports import TicketSystem
from tests.conftest import START
from tests.webhooks.jira.conftest import SECRET
from webhooks.jira.deliveries import SIGNED
from webhooks.signatures import text_key, verify
from webhooks.ticket_systems import connect

SETTINGS = {
    "system": "jira", "url": "https://example.atlassian.net", "email": "m365-unblock@example.edu", "token": "t" * 20,
    "own_account": "712020:ours", "webhook_secrets": [SECRET], "projects": ["SUP"],
}  # fmt: skip
NOW = int(START.timestamp() * 1000)
ISSUE = {"id": "10041", "key": "SUP-1", "fields": {"project": {"key": "SUP"}}}
CREATED = {"webhookEvent": "jira:issue_created", "issue": ISSUE}
COMMENT = {"id": "10050", "author": {"accountId": "c", "accountType": "customer"}, "body": "x", "jsdPublic": True}


def source() -> TicketSystem:
    return connect("desk", SETTINGS)


def delivery(payload: Any, **headers: str) -> Delivery:
    given = {"content-type": "application/json", "x-atlassian-webhook-identifier": "id-1", **headers}
    payload = {"timestamp": NOW, **payload} if isinstance(payload, dict) else payload
    return Delivery(source="desk", headers=given, body=json.dumps(payload).encode(), received_at=START)


def signed(payload: Any) -> Delivery:
    made = delivery(payload)
    mac = hmac.new(SECRET.encode(), made.body, "sha256").hexdigest()
    return delivery(payload, **{"x-hub-signature": f"sha256={mac}"})


def key_of(payload: Any) -> str:
    [event] = source().parse(delivery(payload)).events
    return event.key


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ([], ""),
        ({}, ""),
        ({"webhookEvent": 7}, "/webhookEvent"),
        ({"webhookEvent": "jira:issue_created", "issue": ISSUE, "timestamp": "now"}, "/timestamp"),
        ({"webhookEvent": "jira:issue_created"}, "/issue"),
        ({"webhookEvent": "jira:issue_created", "issue": {"id": "1"}}, "/issue"),
        ({"webhookEvent": "jira:issue_created", "issue": ISSUE | {"id": "../1"}}, "/issue/id"),
        ({"webhookEvent": "jira:issue_created", "issue": ISSUE | {"key": "SUP-1/../2"}}, "/issue/key"),
        ({"webhookEvent": "comment_created", "issue": ISSUE, "comment": {}}, "/comment"),
        ({"webhookEvent": "comment_created", "comment": {"id": "1", "self": "https://x.example/1"}}, "/issue"),
    ],
)
def test_payload_that_is_no_event_is_refused_with_its_place(payload: Any, pointer: str) -> None:
    with pytest.raises(DeliveryRefused) as refused:
        source().parse(delivery(payload))
    assert (refused.value.status, refused.value.pointer) == (422, pointer)


@pytest.mark.parametrize("given", ["", "ü", "x" * 201])
def test_delivery_without_a_proper_id_is_refused(given: str) -> None:
    with pytest.raises(DeliveryRefused, match="x-atlassian-webhook-identifier"):
        source().parse(delivery(CREATED, **{"x-atlassian-webhook-identifier": given}))


@pytest.mark.parametrize("kind", ["jira:issue_deleted", "comment_updated", "user_created", "something new"])
def test_event_of_another_kind_is_kept_and_leads_to_nothing(kind: str) -> None:
    assert source().parse(delivery({"webhookEvent": kind})).events == ()


def test_key_tells_happenings_apart_and_nothing_else() -> None:
    commented = {"webhookEvent": "comment_created", "issue": ISSUE, "comment": COMMENT}
    twin = {"webhookEvent": "jira:issue_updated", "issue": ISSUE, "comment": COMMENT, "timestamp": NOW + 7}
    moved = {**commented, "issue": {"id": "10041", "key": "SUP-9", "fields": {"project": {"key": "SUP"}}}}
    assert key_of(commented) == key_of(twin) == key_of(moved) == "desk:10041:comment:10050"
    assert key_of({**commented, "comment": {**COMMENT, "id": "10051"}}) != key_of(commented)
    changed = {"webhookEvent": "jira:issue_updated", "issue": ISSUE, "changelog": {"id": "5"}}
    assert key_of(changed) == "desk:10041:changed:5"


def test_event_sent_once_more_under_another_id_is_the_same_event() -> None:
    bare = {"webhookEvent": "jira:issue_updated", "issue": ISSUE}
    first, again = (source().parse(delivery(bare, **{"x-atlassian-webhook-identifier": it})) for it in ("a", "b"))
    assert first.delivery_id != again.delivery_id
    assert first.events == again.events


@pytest.mark.parametrize(
    ("minutes", "is_good"), [(0, True), (59, True), (61, False), (-59, True), (-61, False), (60 * 24 * 365, False)]
)
def test_retry_half_an_hour_late_is_good_and_a_recording_of_last_year_is_not(minutes: int, is_good: bool) -> None:
    made = signed(CREATED | {"timestamp": NOW})
    if is_good:
        source().verify(made, START + timedelta(minutes=minutes))
        return
    with pytest.raises(DeliveryRefused, match="timestamp") as refused:
        source().verify(made, START + timedelta(minutes=minutes))
    assert refused.value.status == 401


@pytest.mark.parametrize("told", [None, "now", True, {}, [], float(10**300), 10**400])
def test_delivery_that_tells_no_time_is_refused(told: Any) -> None:
    with pytest.raises(DeliveryRefused, match="timestamp"):
        source().verify(signed(CREATED | {"timestamp": told}), START)


def test_time_is_not_read_before_the_signature_holds() -> None:
    with pytest.raises(DeliveryRefused, match="does not vouch"):
        source().verify(delivery(CREATED, **{"x-hub-signature": "sha256=" + "0" * 64}), START)


def test_vector_that_atlassian_documents_is_good() -> None:
    vector = json.loads((Path(__file__).parents[2] / "fixtures" / "jira" / "signature-vector.json").read_text("utf-8"))
    headers, body = {"x-hub-signature": vector["X-Hub-Signature"]}, vector["body"].encode()
    verify(SIGNED, [text_key(vector["secret"])], headers, body, START)
    with pytest.raises(DeliveryRefused):
        verify(SIGNED, [text_key(vector["secret"])], headers, b"Hello, World!", START)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-hub-signature": "sha1={sha1}"},
        {"x-hub-signature": "sha256={sha1}"},
        {"x-hub-signature": "{sha256}"},
        {"x-hub-signature-256": "sha256={sha256}"},
    ],
)
def test_algorithm_is_that_of_the_source_whatever_the_sender_says(headers: Mapping[str, str]) -> None:
    made = delivery(CREATED | {"timestamp": NOW})
    sums = {name: hmac.new(SECRET.encode(), made.body, name).hexdigest() for name in ("sha1", "sha256")}
    given = {name: value.format(**sums) for name, value in headers.items()}
    with pytest.raises(DeliveryRefused) as refused:
        source().verify(delivery(CREATED | {"timestamp": NOW}, **given), START)
    assert refused.value.status == 401


def test_short_secret_is_refused_at_start() -> None:
    with pytest.raises(SettingsError, match="webhook_secrets, entry 1: the secret holds 5 bytes"):
        connect("desk", {**SETTINGS, "webhook_secrets": ["short"]})


def test_jira_has_no_panel_and_says_where_to_go() -> None:
    with pytest.raises(NotAllowed, match="link in the note"):
        source().open_panel("x", "SUP-1", START)
