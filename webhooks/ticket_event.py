"""The neutral ticket event (ticket-event.schema.json) → ticket events. Pure.

Whatever we write ourselves to be put inside a ticket system sends it, as may any script of a site.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from plugin.errors import DeliveryRefused
from plugin.model import Delivery, Message, Parsed, Person, Ticket, TicketEvent
from webhooks.payloads import build_validator, check, invalid, read_json

ACTED_ON = frozenset({"ticket.created", "ticket.replied", "ticket.updated"})
LONGEST_ID = 200

_schema = build_validator(json.loads(Path(__file__).with_name("ticket-event.schema.json").read_text("utf-8")))


def parse(delivery: Delivery, *, own_user: str, queues: frozenset[str]) -> Parsed:
    """The event in a verified delivery; none where the kind, the queue or our own hand in it leaves nothing to do.

    `own_user` in lower case, empty if unknown; `queues` empty for all. Raises `DeliveryRefused` (400, 422).
    """
    delivery_id = _delivery_id(delivery.headers)
    payload = read_json(delivery.body)
    check(_schema, payload)
    event = _event(delivery.source, delivery_id, payload)
    ours = payload["type"] in ACTED_ON and _is_for_us(payload["data"], own_user, queues)
    return Parsed(delivery_id=delivery_id, events=(event,) if ours else ())


def ticket_in(source: str, body: bytes) -> Ticket | None:
    """The new ticket in the body of an event that brings all of it; None of any other event.

    All of it: who asks, subject, text, and a list of attachments that is there and empty. Senders are told that they
    may leave texts and attachments out, so a list that is missing says nothing. Nor is it known what the ticket is made
    of where somebody else than the requester has opened it.
    """
    payload = read_json(body)
    data = payload["data"]
    ticket, message, requester = data["ticket"], data.get("message", {}), data.get("requester", {})
    is_by_requester = _address(data.get("actor", requester)) == _address(requester) != ""
    has_words = bool(ticket.get("subject", "").strip() and message.get("text", "").strip())
    if payload["type"] != "ticket.created" or message.get("attachments") != [] or not (is_by_requester and has_words):
        return None
    author = Person(email=requester["email"], is_agent=requester.get("is_agent", False))
    said = Message(
        id=_id_at("/data/message/id", message["id"]),
        author=author,
        text=message["text"],
        content_type=message.get("content_type", "text/plain"),
    )
    return Ticket(
        source=source,
        id=_id_at("/data/ticket/id", ticket["id"]),
        subject=ticket["subject"],
        requester=author,
        messages=(said,),
    )


def _address(person: Mapping[str, Any]) -> str:
    return str(person.get("email", "")).strip().lower()


def _delivery_id(headers: Mapping[str, str]) -> str:
    given = headers.get("webhook-id", "")
    if not given.isascii() or not _is_id(given):
        raise DeliveryRefused(
            400, "No delivery id", f"webhook-id must hold 1 to {LONGEST_ID} printable ASCII characters."
        )
    return given


def _is_for_us(data: Mapping[str, Any], own_user: str, queues: frozenset[str]) -> bool:
    actor = data.get("actor", {}).get("email", "").strip().lower()
    queue = data["ticket"].get("queue")
    return not (own_user and actor == own_user) and (not queues or queue is None or queue in queues)


def _event(source: str, delivery_id: str, payload: Mapping[str, Any]) -> TicketEvent:
    ticket = _id_at("/data/ticket/id", payload["data"]["ticket"]["id"])
    kind = payload["type"]
    happening = _happening(delivery_id, payload)
    # Colons inside an id are encoded, so that no two events can be spelled the same.
    key = f"{source}:{quote(ticket, safe='')}:{kind}:{happening}"
    return TicketEvent(source=source, ticket=ticket, kind=kind, key=key)


def _happening(delivery_id: str, payload: Mapping[str, Any]) -> str:
    """Which event of its kind it is, by the best the sender gives: the message, the moment, the delivery."""
    message = payload["data"].get("message")
    message_id = _id_at("/data/message/id", message["id"]) if message else ""
    # A message is added once, but a ticket can be changed many times after the same last message.
    if message_id and payload["type"] != "ticket.updated":
        return quote(message_id, safe="")
    if "timestamp" in payload:
        return f"at:{datetime.fromisoformat(payload['timestamp']).isoformat()}"
    return f"delivery:{delivery_id}"


def _id_at(at: str, given: str | float) -> str:
    """1, 1.0 and "1" are one id."""
    text = given if isinstance(given, str) else str(int(given))
    # A lone dot or two would be a step in the path of an address, whatever the encoding.
    if not _is_id(text) or text in {".", ".."}:
        raise invalid(at, f"an id has 1 to {LONGEST_ID} printable characters and is not made of dots alone")
    return text


def _is_id(text: str) -> bool:
    return 0 < len(text) <= LONGEST_ID and text.isprintable()
