"""Jira's webhook deliveries → ticket events. Pure.

A comment is told twice, as ``comment_created`` and as ``jira:issue_updated``, and sometimes only by one of the two.
What is told is a hint only, the ticket is read by the API.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from plugin.errors import DeliveryRefused
from plugin.model import Delivery, Parsed, TicketEvent
from webhooks import markers
from webhooks.payloads import build_validator, check, invalid, read_json
from webhooks.signatures import BODY, Scheme, text_key, to_hex

LONGEST_ID = 200
CREATED, UPDATED, COMMENTED = "jira:issue_created", "jira:issue_updated", "comment_created"
TIMELY = timedelta(hours=1)  # a retry comes up to half an hour late, with the time of the event in it
OF_COMMENT = re.compile(r"/issue/([0-9]{1,18})/comment/[0-9]+$")

SIGNED = Scheme(  # “Secure admin webhooks”: HMAC-SHA256 over the request's body; the header's name has no -256
    signature_header="x-hub-signature",
    hash=hashlib.sha256,
    prefix="sha256=",
    encode=to_hex,
    signed=(BODY,),
    key=text_key,
)

_id = {"type": "string", "pattern": "^[0-9]{1,18}$"}
_somebody = {
    "type": ["object", "null"],
    "properties": {"accountId": {"type": ["string", "null"]}, "accountType": {"type": ["string", "null"]}},
}
_schema = build_validator(
    {
        "type": "object",
        "required": ["webhookEvent", "timestamp"],
        "properties": {
            "webhookEvent": {"type": "string"},
            "timestamp": {"type": "number"},
            "user": _somebody,
            "issue": {
                "type": ["object", "null"],
                "required": ["id", "key"],
                "properties": {
                    "id": _id,
                    "key": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*-[0-9]{1,18}$"},
                    "fields": {
                        "type": "object",
                        "properties": {
                            "project": {"type": ["object", "null"], "properties": {"key": {"type": "string"}}}
                        },
                    },
                },
            },
            "comment": {
                "type": ["object", "null"],
                "required": ["id"],
                "properties": {
                    "id": _id,
                    "self": {"type": "string"},
                    "author": _somebody,
                    "body": {"type": ["string", "object", "null"]},
                    "jsdPublic": {"type": ["boolean", "null"]},
                },
            },
            "changelog": {"type": ["object", "null"], "properties": {"id": _id}},
        },
    }
)


def check_time(delivery: Delivery, now: datetime) -> None:
    """Raise `DeliveryRefused` (401) for an event of long ago, whose delivery somebody may have recorded.

    The time is in the body, which is signed; it is that of the event, the same in every retry.
    """
    payload = read_json(delivery.body)
    told = payload.get("timestamp") if isinstance(payload, dict) else None
    if not _is_timely(told, now):
        minutes = TIMELY.total_seconds() / 60
        detail = f"The body's timestamp, in milliseconds, must be within {minutes:.0f} minutes of the true time."
        raise DeliveryRefused(401, "Delivery too old", detail)


def _is_timely(told: Any, now: datetime) -> bool:
    is_number = isinstance(told, int | float) and not isinstance(told, bool)
    return is_number and abs(int(now.timestamp() * 1000) - told) <= TIMELY.total_seconds() * 1000


def parse(delivery: Delivery, *, own_account: str, projects: frozenset[str]) -> Parsed:
    """The event in a verified delivery; none where its kind, its project or our own hand in it leaves nothing to do.

    `own_account` is the account id of our user, `projects` the keys of the projects that are meant. Raises
    `DeliveryRefused` (400, 422).
    """
    delivery_id = _delivery_id(delivery.headers)
    payload = read_json(delivery.body)
    check(_schema, payload)
    is_for_us = (
        payload["webhookEvent"] in (CREATED, UPDATED, COMMENTED)
        and not _is_ours(payload, own_account)
        and _is_in(payload, projects)
    )
    return Parsed(delivery_id=delivery_id, events=(_event(delivery.source, payload),) if is_for_us else ())


def _delivery_id(headers: Mapping[str, str]) -> str:
    given = headers.get("x-atlassian-webhook-identifier", "")  # stays the same when Jira tries again
    if not (given.isascii() and given.isprintable() and 0 < len(given) <= LONGEST_ID):
        detail = f"x-atlassian-webhook-identifier must hold 1 to {LONGEST_ID} printable ASCII characters."
        raise DeliveryRefused(400, "No delivery id", detail)
    return given


def _is_ours(payload: Mapping[str, Any], own_account: str) -> bool:
    """Whether we did it ourselves: by its author, else by the mark of our notes where no customer can have written."""
    comment = payload.get("comment") or {}
    author = comment.get("author") or payload.get("user") or {}
    if author.get("accountId") == own_account:
        return True
    body = comment.get("body")
    return comment.get("jsdPublic") is False and isinstance(body, str) and markers.is_marked(body)


def _is_in(payload: Mapping[str, Any], projects: frozenset[str]) -> bool:
    fields = (payload.get("issue") or {}).get("fields") or {}
    key = (fields.get("project") or {}).get("key")
    return key is None or key in projects


def _event(source: str, payload: Mapping[str, Any]) -> TicketEvent:
    issue, comment = payload.get("issue"), payload.get("comment")
    number = issue["id"] if issue else _issue_of(comment)
    kind, happening = _happening(payload)
    return TicketEvent(
        source=source, ticket=issue["key"] if issue else number, kind=kind, key=f"{source}:{number}:{happening}"
    )


def _issue_of(comment: Mapping[str, Any] | None) -> str:
    """The issue's id where the event brings a comment alone, as it sometimes does (zulip#11200)."""
    found = OF_COMMENT.search((comment or {}).get("self") or "")
    if found is None:
        raise invalid("/issue", "the issue is missing")
    return found[1]


def _happening(payload: Mapping[str, Any]) -> tuple[str, str]:
    """What happened, and which time: the same of one comment, whichever event tells of it.

    All of it is out of the body: the delivery's id is not signed.
    """
    if payload["webhookEvent"] == CREATED:
        return "ticket.created", "created"
    comment = payload.get("comment")
    if comment:
        return _kind_of(comment), f"comment:{comment['id']}"
    change = (payload.get("changelog") or {}).get("id")
    return "ticket.updated", f"changed:{change}" if change else f"at:{payload['timestamp']}"


def _kind_of(comment: Mapping[str, Any]) -> str:
    is_of_staff = (comment.get("author") or {}).get("accountType") == "atlassian"
    return "ticket.updated" if comment.get("jsdPublic") is False or is_of_staff else "ticket.replied"
