"""What `install zammad` puts into Zammad, and what it compares it with. Pure.

Zammad never tells a webhook's secret again, so its fingerprint stands in the webhook's note.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

OURS = "Written by: m365-unblock install zammad."
CUSTOMER = 2  # the id of the sender “Customer”, the same in every Zammad


def webhook(source: str, public_url: str, secret: str) -> dict[str, Any]:
    """The webhook, with the default payload: what is told by it is only a hint."""
    return {
        "name": f"m365-unblock {source}",
        "endpoint": f"{public_url}/webhooks/{source}",
        "signature_token": secret,
        "ssl_verify": public_url.startswith("https:"),
        "customized_payload": False,
        "note": f"{OURS} Secret {fingerprint(secret)}.",
        "active": True,
    }


def triggers(source: str, webhook_id: int) -> tuple[dict[str, Any], ...]:
    """A new ticket, and an article of a customer. What agents write leads to nothing, so it is not sent at all."""
    perform = {"notification.webhook": {"webhook_id": webhook_id}}
    common = {
        "perform": perform,
        "disable_notification": True,
        "activator": "action",
        "execution_condition_mode": "selective",
        "note": OURS,
        "active": True,
    }
    return (
        {
            "name": f"m365-unblock {source}: new ticket",
            "condition": {"ticket.action": {"operator": "is", "value": "create"}},
        }
        | common,
        {
            "name": f"m365-unblock {source}: customer writes",
            "condition": {
                "ticket.action": {"operator": "is", "value": "update"},
                "article.sender_id": {"operator": "is", "value": CUSTOMER},
            },
        }
        | common,
    )


def template_name(title: str, checklist: str, version: str) -> str:
    """The name of the checklist template; another version is another template: its steps may mean something else."""
    return f"{title} ({checklist} {version}; progress only)"


def fingerprint(secret: str) -> str:
    """Tells secrets apart without giving them away."""
    return sha256(b"m365-unblock install zammad\x00" + secret.encode()).hexdigest()[:12]


def differs(there: Mapping[str, Any], wanted: Mapping[str, Any], *, but_for: Sequence[str] = ()) -> bool:
    """Whether something is not as wanted; what Zammad has besides does not matter."""
    return any(_plain(there.get(name)) != _plain(value) for name, value in wanted.items() if name not in but_for)


def _plain(value: Any) -> Any:
    """Zammad gives some numbers back as texts, and ids in lists."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return _plain(value[0]) if len(value) == 1 else [_plain(inner) for inner in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
