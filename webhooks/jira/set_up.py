"""What `install jira` puts into Jira, and what it compares it with. Pure.

Jira never tells a webhook's secret again, so its fingerprint stands in the webhook's name.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from webhooks.jira.deliveries import COMMENTED, CREATED, UPDATED

COMPARED = ("name", "url", "events", "filters", "excludeBody")
OF_ISSUES = "issue-related-events-section"


def webhook(source: str, public_url: str, secret: str, projects: Sequence[str]) -> dict[str, Any]:
    """The webhook: new and changed issues and new comments of the projects, signed."""
    keys = ", ".join(f'"{project}"' for project in projects)
    return {
        "name": f"m365-unblock {source} (secret {fingerprint(secret)})",
        "url": f"{public_url}/webhooks/{source}",
        "events": [CREATED, UPDATED, COMMENTED],
        "filters": {OF_ISSUES: f"project in ({keys})"},
        "excludeBody": False,
        "secret": secret,
    }


def is_ours(there: Mapping[str, Any], source: str, wanted: Mapping[str, Any]) -> bool:
    """Whether a webhook is the one of this source, by its name or by where it goes."""
    name = there.get("name")
    is_named = isinstance(name, str) and name.startswith(f"m365-unblock {source} (secret ")
    return is_named or there.get("url") == wanted["url"]


def differs(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a webhook is not as wanted, or is switched off; what Jira has besides does not matter."""
    is_off = there.get("enabled") is False
    return is_off or any(_plain(there.get(name)) != _plain(wanted[name]) for name in COMPARED)


def fingerprint(secret: str) -> str:
    """Tells secrets apart without giving them away."""
    return sha256(b"m365-unblock install jira\x00" + secret.encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    """Jira keeps events in an order of its own."""
    return sorted(value) if isinstance(value, list) else value
