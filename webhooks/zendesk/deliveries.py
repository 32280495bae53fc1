"""Zendesk's webhook deliveries → ticket events. Pure.

Two kinds (anatomy of a webhook request): of an event subscription, whose form is fixed, and of a trigger, whose body is
the one that `m365-unblock install zendesk` writes, or a site's own with ``ticket_id``. Either is a hint only.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from plugin.errors import DeliveryRefused, SettingsError
from plugin.model import Delivery, Parsed, TicketEvent
from webhooks import markers
from webhooks.payloads import build_validator, check, read_json
from webhooks.signatures import BODY, Scheme, signing_keys, text_key, to_base64

LONGEST_ID = 200
TEST_SECRET = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="  # noqa: S105 - signs test deliveries of every Zendesk
EVENT = "zen:event-type:ticket."
OF_INTEREST = {
    "created": "ticket.created",
    "comment_added": "ticket.replied",
    "subject_changed": "ticket.updated",
    "requester_changed": "ticket.updated",
    "attachment_linked_to_comment": "ticket.updated",
    "merged": "ticket.updated",
    "undeleted": "ticket.updated",
}
"""Of the event types of tickets those after which triage may say something else; our own tags and fields are not."""


def iso_seconds(text: str) -> float | None:
    """Unix time of an ISO 8601 moment with its zone; None if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None


SIGNED = Scheme(  # “Verifying webhook authenticity”: base64(HMAC-SHA256(secret, timestamp + body)), the secret as text
    signature_header="x-zendesk-webhook-signature",
    hash=hashlib.sha256,
    prefix="",
    encode=to_base64,
    signed=("x-zendesk-webhook-signature-timestamp", BODY),
    timestamp_header="x-zendesk-webhook-signature-timestamp",
    seconds=iso_seconds,
    key=text_key,
)

_id = {"type": ["integer", "string"], "pattern": "^[0-9]{1,18}$", "minimum": 1, "maximum": 10**18 - 1}
_happened = {"enum": ["created", "replied", "updated"]}
_schema = build_validator(
    {
        "type": "object",
        "if": {"required": ["type", "detail"]},
        "then": {
            "required": ["id"],
            "properties": {
                "type": {"type": "string"},
                "id": {"type": "string", "minLength": 1, "maxLength": LONGEST_ID},
                "detail": {
                    "type": "object",
                    "required": ["id"],
                    "properties": {"group_id": {"type": ["integer", "string", "null"]}},
                },
                "event": {
                    "type": ["object", "null"],
                    "properties": {
                        "comment": {
                            "type": ["object", "null"],
                            "properties": {
                                "id": {"type": ["integer", "string"]},
                                "body": {"type": ["string", "null"]},
                                "author": {"type": ["object", "null"], "properties": {"is_staff": {"type": "boolean"}}},
                            },
                        }
                    },
                },
            },
        },
        "else": {"required": ["ticket_id"], "properties": {"ticket_id": _id, "happened": _happened}},
    }
)
_ticket_id = build_validator({"properties": {"detail": {"properties": {"id": _id}}}})


def keys(secrets: list[str], setting: str) -> tuple[bytes, ...]:
    """The keys in the settings; `SettingsError` also for the secret that everybody knows."""
    if TEST_SECRET in secrets:
        raise SettingsError(
            f"{setting}: this is the secret that Zendesk signs tests of unsaved webhooks with, the same for everybody: "
            "put in the webhook's own (Admin Center > Webhooks > Reveal secret, or m365-unblock install zendesk)"
        )
    return signing_keys(SIGNED, secrets, setting)


def parse(delivery: Delivery, *, groups: frozenset[int]) -> Parsed:
    """The event in a verified delivery; none where its kind, the group or our own hand in it leaves nothing to do.

    `groups` are numbers, empty for all. Raises `DeliveryRefused` (400, 422).
    """
    delivery_id = _delivery_id(delivery.headers)
    payload = read_json(delivery.body)
    check(_schema, payload)
    if "detail" in payload and "type" in payload:
        events = _subscribed(delivery.source, payload, groups)
    else:
        events = _triggered(delivery.source, delivery_id, payload)
    return Parsed(delivery_id=delivery_id, events=events)


def _delivery_id(headers: Mapping[str, str]) -> str:
    # One invocation has one id over all its attempts (Webhooks API, “Invocation attempts”).
    given = headers.get("x-zendesk-webhook-invocation-id", "")
    if not (given.isascii() and given.isprintable() and 0 < len(given) <= LONGEST_ID):
        raise DeliveryRefused(
            400,
            "No delivery id",
            f"x-zendesk-webhook-invocation-id must hold 1 to {LONGEST_ID} printable ASCII characters.",
        )
    return given


def _triggered(source: str, delivery_id: str, payload: Mapping[str, Any]) -> tuple[TicketEvent, ...]:
    kind = f"ticket.{payload.get('happened', 'updated')}"
    # Placeholders tell whole minutes only, in which a customer may write twice; but each invocation has its id.
    return (_event(source, payload["ticket_id"], kind, f"delivery:{quote(delivery_id, safe='')}"),)


def _subscribed(source: str, payload: Mapping[str, Any], groups: frozenset[int]) -> tuple[TicketEvent, ...]:
    kind = OF_INTEREST.get(payload["type"].removeprefix(EVENT)) if payload["type"].startswith(EVENT) else None
    if kind is None or not _is_in(payload["detail"].get("group_id"), groups):
        return ()
    check(_ticket_id, payload)
    comment = (payload.get("event") or {}).get("comment") or {}
    is_staff = bool((comment.get("author") or {}).get("is_staff"))
    # Our own notes, by their mark; a customer who answers one quotes it.
    if is_staff and markers.is_marked(comment.get("body") or ""):
        return ()
    kind = "ticket.updated" if kind == "ticket.replied" and is_staff else kind
    happening = f"comment:{comment['id']}" if "id" in comment else f"event:{payload['id']}"
    return (_event(source, payload["detail"]["id"], kind, quote(happening, safe=":")),)


def _is_in(group: Any, groups: frozenset[int]) -> bool:
    return not groups or group is None or str(group) in {str(number) for number in groups}


def _event(source: str, ticket: Any, kind: str, happening: str) -> TicketEvent:
    number = str(int(ticket))
    return TicketEvent(source=source, ticket=number, kind=kind, key=f"{source}:{number}:{kind}:{happening}")
