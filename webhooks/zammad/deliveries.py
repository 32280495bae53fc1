"""Zammad's webhook deliveries → ticket events. Pure.

The default payload names no event: what happened is told by the article that came along. It is a hint only, the ticket
is read by the API. So a payload of the site's own will do too, as long as it has ``ticket.id``.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from plugin.errors import DeliveryRefused
from plugin.model import Delivery, Parsed, TicketEvent
from webhooks import markers
from webhooks.payloads import build_validator, check, read_json
from webhooks.signatures import BODY, Scheme, text_key, to_hex

LONGEST_ID = 200

SIGNED = Scheme(  # lib/user_agent.rb: HMAC-SHA1 over the request's body, no timestamp, nothing that is used once
    signature_header="x-hub-signature",
    hash=hashlib.sha1,
    prefix="sha1=",
    encode=to_hex,
    signed=(BODY,),
    key=text_key,
)

_id = {"type": ["integer", "string"], "pattern": "^[0-9]{1,18}$", "minimum": 1, "maximum": 10**18 - 1}
_somebody = {
    "type": ["object", "string", "null"],
    "properties": {"login": {"type": ["string", "null"]}, "email": {"type": ["string", "null"]}},
}
_schema = build_validator(
    {
        "type": "object",
        "required": ["ticket"],
        "properties": {
            "ticket": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": _id,
                    "article_ids": {"type": "array", "items": {"type": "integer"}},
                    "group": {"type": ["object", "string", "null"], "properties": {"name": {"type": "string"}}},
                    "updated_at": {"type": "string", "format": "date-time"},
                    "updated_by": _somebody,
                },
            },
            "article": {
                "type": ["object", "null"],
                "properties": {
                    "id": _id,
                    "sender": {"type": "string"},
                    "body": {"type": ["string", "null"]},
                    "created_by": _somebody,
                },
            },
        },
    }
)


def parse(delivery: Delivery, *, own_user: str, groups: frozenset[str]) -> Parsed:
    """The event in a verified delivery; none where the group or our own hand in it leaves nothing to do.

    `own_user` is the login or mail address of our user, in lower case; `groups` empty for all. Raises `DeliveryRefused`
    (400, 422).
    """
    delivery_id = _delivery_id(delivery.headers)
    payload = read_json(delivery.body)
    check(_schema, payload)
    ticket, article = payload["ticket"], payload.get("article") or {}
    event = _event(delivery.source, delivery_id, ticket, article)
    is_for_us = not _is_ours(ticket, article, own_user) and _is_in(ticket, groups)
    return Parsed(delivery_id=delivery_id, events=(event,) if is_for_us else ())


def _delivery_id(headers: Mapping[str, str]) -> str:
    # The id of Zammad's background job, which stays the same when it tries again.
    given = headers.get("x-zammad-delivery", "")
    if not (given.isascii() and given.isprintable() and 0 < len(given) <= LONGEST_ID):
        raise DeliveryRefused(
            400, "No delivery id", f"x-zammad-delivery must hold 1 to {LONGEST_ID} printable ASCII characters."
        )
    return given


def _is_ours(ticket: Mapping[str, Any], article: Mapping[str, Any], own_user: str) -> bool:
    """Whether we did it ourselves: by its author, else by the mark of our notes, unless a customer quotes it."""
    if own_user in _names(article.get("created_by") if article else ticket.get("updated_by")):
        return True
    return article.get("sender") != "Customer" and markers.is_marked(article.get("body") or "")


def _names(somebody: Any) -> set[str]:
    given = [somebody.get("login"), somebody.get("email")] if isinstance(somebody, dict) else [somebody]
    return {name.strip().lower() for name in given if isinstance(name, str) and name.strip()}


def _is_in(ticket: Mapping[str, Any], groups: frozenset[str]) -> bool:
    group = ticket.get("group")
    name = group.get("name") if isinstance(group, dict) else group
    return not groups or not name or name in groups


def _event(source: str, delivery_id: str, ticket: Mapping[str, Any], article: Mapping[str, Any]) -> TicketEvent:
    number = str(int(ticket["id"]))
    kind, happening = _happening(delivery_id, ticket, article)
    return TicketEvent(source=source, ticket=number, kind=kind, key=f"{source}:{number}:{kind}:{happening}")


def _happening(delivery_id: str, ticket: Mapping[str, Any], article: Mapping[str, Any]) -> tuple[str, str]:
    """What happened, and which time: an article is written once, whatever triggers tell of it (zammad#5841)."""
    if "id" in article:
        number = int(article["id"])
        if number == min(ticket.get("article_ids") or (0,)):
            return "ticket.created", str(number)
        return ("ticket.replied" if article.get("sender") == "Customer" else "ticket.updated"), str(number)
    if "updated_at" in ticket:
        return "ticket.updated", f"at:{datetime.fromisoformat(ticket['updated_at']).isoformat()}"
    return "ticket.updated", f"delivery:{quote(delivery_id, safe='')}"
