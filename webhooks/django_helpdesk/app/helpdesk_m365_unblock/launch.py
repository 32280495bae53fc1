"""The panel's address for one agent on one ticket, with a launch token (docs/launch-token.md of m365-unblock)."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any
from urllib.parse import quote

from helpdesk.decorators import is_helpdesk_staff
from helpdesk.models import Ticket
from helpdesk.user import HelpdeskUser

from helpdesk_m365_unblock.conf import Settings, load

SECONDS = 300  # the longest life that the plugin allows


def panel_address(user: Any, ticket: Ticket) -> str | None:
    """Where the frame points to; none for whoever may not see the ticket as staff, and for tickets not ours."""
    settings = load()
    may_see = is_helpdesk_staff(user) and HelpdeskUser(user).can_access_ticket(ticket)
    if not may_see or ticket.merged_to_id is not None or not settings.is_ours(ticket.queue):
        return None
    place = f"{settings.url}/panel/{quote(settings.source, safe='')}/{ticket.pk}"
    return f"{place}#token={token(user, ticket, settings, int(time.time()))}"


def role_of(user: Any) -> str:
    """By Django's permissions, which groups grant; superusers have them all."""
    if user.has_perm("helpdesk_m365_unblock.override"):
        return "supervisor"
    return "agent" if user.has_perm("helpdesk_m365_unblock.unblock") else "viewer"


def token(user: Any, ticket: Ticket, settings: Settings, now: int) -> str:
    """A JWT (RFC 7519), HS256, good once within five minutes."""
    claims = {
        "iss": settings.source,
        "aud": "m365-unblock/panel",
        "sub": user.get_username(),
        "email": user.email or "",
        "name": user.get_full_name(),
        "ticket": str(ticket.pk),
        "role": role_of(user),
        "iat": now,
        "exp": now + SECONDS,
        "jti": uuid.uuid4().hex,
    }
    content = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    mac = hmac.new(settings.launch_secret.encode(), content.encode(), hashlib.sha256).digest()
    return f"{content}.{_encoded(mac)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
