"""Ticket events of the generic kind: what is taken, what is left alone, what is sent back with a pointer."""

import json
from datetime import datetime
from typing import Any

import pytest

from plugin.errors import DeliveryRefused
from plugin.model import Delivery, Parsed, Ticket
from webhooks.ticket_event import parse, ticket_in


def event(kind: str = "ticket.created", ticket: object = "7", **data: object) -> dict[str, Any]:
    return {"type": kind, "data": {"ticket": {"id": ticket}, **data}}


def parsed(
    payload: object, now: datetime, *, delivery_id: str = "msg_1", own_user: str = "", queues: tuple[str, ...] = ()
) -> Parsed:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    delivery = Delivery(source="desk", headers={"webhook-id": delivery_id}, body=body, received_at=now)
    return parse(delivery, own_user=own_user, queues=frozenset(queues))


def key(payload: object, now: datetime, *, delivery_id: str = "msg_1") -> str:
    [only] = parsed(payload, now, delivery_id=delivery_id).events
    return only.key


@pytest.mark.parametrize("kind", ["ticket.created", "ticket.replied", "ticket.updated"])
def test_three_kinds_are_acted_on(kind: str, now: datetime) -> None:
    [only] = parsed(event(kind), now).events
    assert (only.source, only.ticket, only.kind) == ("desk", "7", kind)


@pytest.mark.parametrize("kind", ["ticket.merged", "ticket.created.late", "sla.breached", "ticket.created\n"])
def test_any_other_kind_is_kept_and_left_alone(kind: str, now: datetime) -> None:
    assert parsed(event(kind), now) == Parsed(delivery_id="msg_1", events=())


def test_number_and_text_are_the_same_ticket_and_message(now: datetime) -> None:
    keys = {key(event(ticket=same, message={"id": same}), now) for same in (1, "1", 1.0)}
    assert keys == {"desk:1:ticket.created:1"}


def test_the_same_message_in_two_deliveries_is_one_event(now: datetime) -> None:
    replied = event("ticket.replied", message={"id": 9})
    assert key(replied, now, delivery_id="msg_1") == key(
        replied | {"timestamp": "2026-11-23T12:00:00Z"}, now, delivery_id="msg_2"
    )


def test_two_changes_after_the_same_message_are_two_events(now: datetime) -> None:
    updated = event("ticket.updated", message={"id": 9})
    first = key(updated | {"timestamp": "2026-11-23T12:00:00Z"}, now)
    second = key(updated | {"timestamp": "2026-11-23T12:00:01Z"}, now)
    assert first != second


def test_without_a_message_the_moment_tells_events_apart_and_then_the_delivery(now: datetime) -> None:
    moment = event() | {"timestamp": "2026-11-23T12:00:00Z"}
    assert key(moment, now, delivery_id="msg_1") == key(moment, now, delivery_id="msg_2")
    assert key(event(), now, delivery_id="msg_1") != key(event(), now, delivery_id="msg_2")


def test_no_id_can_be_spelled_so_that_it_passes_for_another_event(now: datetime) -> None:
    crafted = event(ticket="7:ticket.created:9", message={"id": "1"})
    assert key(crafted, now) != key(event(message={"id": "9:ticket.created:1"}), now)
    assert key(event(message={"id": "delivery:msg_1"}), now) != key(event(), now)


def test_our_own_changes_are_left_alone(now: datetime) -> None:
    ours = event("ticket.updated", actor={"email": " Robot@Example.edu "})
    assert parsed(ours, now, own_user="robot@example.edu").events == ()
    assert len(parsed(ours, now, own_user="somebody@example.edu").events) == 1


def test_event_without_an_actor_is_not_taken_for_ours(now: datetime) -> None:
    for actor in ({}, {"email": ""}):
        assert len(parsed(event(actor=actor), now, own_user="").events) == 1


def test_only_the_configured_queues_are_ours(now: datetime) -> None:
    def of(ticket: dict[str, object]) -> dict[str, Any]:
        return {"type": "ticket.created", "data": {"ticket": {"id": 1, **ticket}}}

    assert parsed(of({"queue": "Printers"}), now, queues=("Email",)).events == ()
    assert len(parsed(of({"queue": "Email"}), now, queues=("Email",)).events) == 1
    assert len(parsed(of({}), now, queues=("Email",)).events) == 1
    assert len(parsed(of({"queue": "Printers"}), now).events) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        '{"type": "ticket.created"}'.encode("utf-16"),
        b'{"type": "ticket.created", "type": "ticket.updated", "data": {"ticket": {"id": 1}}}',
        b'{"type": "ticket.created", "data": {"ticket": {"id": NaN}}}',
        b'{"type": "ticket.created", "data": {"ticket": {"id": -Infinity}}}',
        b'{"type": "ticket.created", "data": {"ticket": {"id": ' + b"9" * 5000 + b"}}}",
        b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
)
def test_unreadable_body_is_told_so(body: bytes, now: datetime) -> None:
    with pytest.raises(DeliveryRefused) as caught:
        parsed(body, now)
    assert (caught.value.status, caught.value.pointer) == (400, None)


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ([], ""),
        ("text", ""),
        ({"data": {"ticket": {"id": 1}}}, ""),
        ({"type": "ticket.created"}, ""),
        (event("Created"), "/type"),
        ({"type": 5, "data": {"ticket": {"id": 1}}}, "/type"),
        ({"type": "ticket.created", "data": {}}, "/data"),
        ({"type": "ticket.created", "data": {"ticket": "1"}}, "/data/ticket"),
        ({"type": "ticket.created", "data": {"ticket": {}}}, "/data/ticket"),
        (event(ticket=None), "/data/ticket/id"),
        (event(ticket=True), "/data/ticket/id"),
        (event(ticket=1.5), "/data/ticket/id"),
        (event(ticket=[1]), "/data/ticket/id"),
        (event(ticket=""), "/data/ticket/id"),
        (event(ticket="."), "/data/ticket/id"),
        (event(ticket=".."), "/data/ticket/id"),
        (event(ticket="1\n"), "/data/ticket/id"),
        (event(ticket="1\x00"), "/data/ticket/id"),
        (event(ticket="\ud800"), "/data/ticket/id"),
        (event(ticket="x" * 201), "/data/ticket/id"),
        (event(ticket=10**201), "/data/ticket/id"),
        (event(ticket=1e300), "/data/ticket/id"),
        (event(message={"id": "\x1b[2J"}), "/data/message/id"),
        (event(message={"id": "y" * 201}), "/data/message/id"),
        (event(message={"text": "no id"}), "/data/message"),
        (event(message={"id": 1, "attachments": [{"filename": "a"}, {}]}), "/data/message/attachments/1"),
        (event(actor={"email": 5}), "/data/actor/email"),
        (event() | {"timestamp": "yesterday"}, "/timestamp"),
        (event() | {"timestamp": "2026-11-23T12:00:00"}, "/timestamp"),
        (event() | {"timestamp": 1763899200}, "/timestamp"),
    ],
)
def test_improper_event_is_sent_back_with_a_pointer(payload: object, pointer: str, now: datetime) -> None:
    with pytest.raises(DeliveryRefused) as caught:
        parsed(payload, now)
    assert (caught.value.status, caught.value.pointer) == (422, pointer)
    assert len(caught.value.detail) < 300


def test_key_stays_short_however_long_the_moment_is_spelled(now: datetime) -> None:
    assert len(key(event() | {"timestamp": f"2026-11-23T12:00:00.{'0' * 5000}Z"}, now)) < 100


@pytest.mark.parametrize("delivery_id", ["", "x" * 201, "a\nb", "ä"])
def test_delivery_without_a_usable_id_is_refused(delivery_id: str, now: datetime) -> None:
    with pytest.raises(DeliveryRefused, match="webhook-id") as caught:
        parsed(event(), now, delivery_id=delivery_id)
    assert caught.value.status == 400


def test_longest_ids_are_taken(now: datetime) -> None:
    assert parsed(event(ticket="x" * 200), now, delivery_id="y" * 200).delivery_id == "y" * 200


# ── an event that brings its whole ticket ────────────────────────────────────────────────────────────────────────────

RUTH = {"email": "ruth@example.edu", "name": "Ruth", "is_agent": False}
WHOLE: dict[str, Any] = {
    "type": "ticket.created",
    "data": {
        "ticket": {"id": 7, "subject": "Printer"},
        "requester": RUTH,
        "actor": RUTH | {"email": "Ruth@example.edu"},
        "message": {"id": 1, "text": "<p>Empty pages.</p>", "content_type": "text/html", "attachments": []},
    },
}


def brought(payload: dict[str, Any]) -> Ticket | None:
    return ticket_in("desk", json.dumps(payload).encode())


def changed(path: str, value: object) -> dict[str, Any]:
    """The whole event with one value of its data changed, or taken out for None."""
    payload = json.loads(json.dumps(WHOLE))
    *above, name = path.split(".")
    place = payload["data"]
    for step in above:
        place = place[step]
    place[name] = value
    if value is None:
        del place[name]
    return dict(payload)


def test_an_event_that_brings_all_of_a_new_ticket_is_that_ticket() -> None:
    ticket = brought(WHOLE)
    assert ticket is not None
    assert (ticket.source, ticket.id, ticket.subject) == ("desk", "7", "Printer")
    assert ticket.requester.email == "ruth@example.edu"
    (message,) = ticket.messages
    assert (message.text, message.content_type) == ("<p>Empty pages.</p>", "text/html")
    assert (message.author, message.attachments) == (ticket.requester, ())


def test_an_event_may_leave_out_who_acted_and_what_kind_of_text_it_is() -> None:
    assert brought(changed("actor", None)) is not None
    plain = brought(changed("message.content_type", None))
    assert plain is not None
    assert plain.messages[0].content_type == "text/plain"


@pytest.mark.parametrize(
    "payload",
    [
        WHOLE | {"type": "ticket.replied"},
        WHOLE | {"type": "ticket.updated"},
        changed("message.attachments", None),  # senders may leave the list out (docs/generic.md): it says nothing
        changed("message.attachments", [{"filename": "Undeliverable.eml"}]),
        changed("message.text", None),
        changed("message.text", " "),
        changed("message", None),
        changed("ticket.subject", None),
        changed("ticket.subject", ""),
        changed("requester", None),
        changed("requester.email", None),
        changed("requester.email", ""),
        changed("actor.email", "agent@example.edu"),
        changed("actor.email", None),
    ],
)
def test_an_event_that_may_lack_anything_of_its_ticket_is_none(payload: dict[str, Any]) -> None:
    assert brought(payload) is None
