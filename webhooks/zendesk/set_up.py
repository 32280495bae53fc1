"""What `install zendesk` puts into Zendesk, and the app that is uploaded there. Pure."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

OURS = "Written by: m365-unblock install zendesk."
APP = "Microsoft 365 sending block"
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in the app, so that the same app is the same bytes
AUTHOR = {"name": "m365-unblock", "email": "m365-unblock@example.com"}


def webhook(source: str, public_url: str) -> dict[str, Any]:
    """The webhook; Zendesk itself makes the secret that it signs with."""
    return {
        "name": f"m365-unblock {source}",
        "description": OURS,
        "endpoint": f"{public_url}/webhooks/{source}",
        "http_method": "POST",
        "request_format": "json",
        "status": "active",
        "subscriptions": ["conditional_ticket_events"],
    }


def triggers(source: str, webhook_id: str, groups: Sequence[int]) -> tuple[dict[str, Any], ...]:
    """A new ticket, and a comment of an end user. What agents write leads to nothing, so it is not sent at all."""
    ours = [{"field": "group_id", "operator": "is", "value": str(group)} for group in groups]

    def trigger(title: str, happened: str, *conditions: Mapping[str, str]) -> dict[str, Any]:
        return {
            "title": f"m365-unblock {source}: {title}",
            "description": OURS,
            "active": True,
            "conditions": {"all": [*conditions], "any": ours},
            "actions": [{"field": "notification_webhook", "value": [webhook_id, body(happened)]}],
        }

    return (
        trigger("new ticket", "created", {"field": "update_type", "operator": "is", "value": "Create"}),
        trigger(
            "customer writes",
            "replied",
            {"field": "update_type", "operator": "is", "value": "Change"},
            {"field": "role", "operator": "is", "value": "end_user"},
            {"field": "comment_is_public", "operator": "is", "value": "not_relevant"},  # present, public or not
        ),
    )


def body(happened: str) -> str:
    """What a trigger sends. Numbers only: a text of a ticket could hold quotes, and then it were no JSON."""
    return json.dumps({"ticket_id": "{{ticket.id}}", "happened": happened})


def app(source: str, public_url: str, version: str) -> bytes:
    """The sidebar app as a zip file: our address in a manifest, since the panel is ours and not Zendesk's to keep."""
    manifest = {
        "name": APP,
        "author": AUTHOR,
        "defaultLocale": "en",
        "private": True,
        "location": {"support": {"ticket_sidebar": {"url": f"{public_url}/panel/{source}", "flexible": True}}},
        "version": version,
        "frameworkVersion": "2.0",
        "signedUrls": True,
        "singleInstall": True,
    }
    texts = {
        "app": {
            "name": APP,
            "short_description": "Says whether Microsoft 365 blocks a sender, and unblocks.",
            "long_description": "Shows the account's status, the compromise checklist and the button Unblock.",
            "installation_instructions": "Install, then run m365-unblock install zendesk once more.",
        }
    }
    files = {"manifest.json": manifest, "translations/en.json": texts}
    return _zipped({name: json.dumps(content, indent=2).encode() + b"\n" for name, content in files.items()})


def _zipped(files: Mapping[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as package:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            package.writestr(entry, files[name])
    return whole.getvalue()


def differs(there: Any, wanted: Any) -> bool:
    """Whether something is not as wanted; what Zendesk has besides does not matter, nor whether a number is a text."""
    if isinstance(wanted, Mapping):
        return not isinstance(there, Mapping) or any(differs(there.get(name), wanted[name]) for name in wanted)
    if isinstance(wanted, list):
        is_as_long = isinstance(there, list) and len(there) == len(wanted)
        return not is_as_long or any(differs(*pair) for pair in zip(there, wanted, strict=True))
    return bool(there != wanted if isinstance(wanted, bool) else str(there) != str(wanted))
