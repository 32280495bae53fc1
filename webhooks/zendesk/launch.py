"""Who is looking at a ticket, as Zendesk vouches for them: the token that it posts to an app with signed addresses.

The token (RS256, five minutes) names installation and user, neither ticket nor role: those are looked up. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from plugin import signed
from plugin.errors import NotAllowed
from plugin.launch_token import LEEWAY, LONGEST_LIFE, LONGEST_TOKEN
from plugin.model import Role
from webhooks.zendesk.records import TicketRow, User

LOOKING = frozenset({1, 2, 3, 5})  # light agents, agents of chats, contributors, billing admins


@dataclass(frozen=True, kw_only=True, slots=True)
class Launcher:
    """What the settings say of the sidebar app and of roles. Groups and custom roles are numbers."""

    url: str
    public_keys: tuple[str, ...] = ()
    installation: int | None = None
    agent_groups: frozenset[int] = frozenset()  # empty: all agents
    supervisor_groups: frozenset[int] = frozenset()
    viewer_roles: frozenset[int] = frozenset()

    @property
    def audience(self) -> str:
        """Of the tokens for our installation."""
        return f"{self.url}/api/v2/apps/installations/{self.installation}.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Vouched:
    """A user at a moment."""

    user: int
    jti: str
    expires_at: datetime


def read(token: str, launcher: Launcher, now: datetime) -> Vouched:
    """Whom a token vouches for; `NotAllowed`, with words for the agent, if it is no good."""
    if launcher.installation is None or not launcher.public_keys:
        raise NotAllowed(
            "The panel is not set up: app_installation and app_public_keys are missing in the settings. Tell your "
            "administrator."
        )
    if not token.isascii() or len(token) > LONGEST_TOKEN:
        raise _not_valid()
    claims = _claims(token, launcher)
    issued, expires = _seconds(claims["iat"]), _seconds(claims["exp"])
    # Whatever life it was given: none that was issued longer ago than any token may live.
    ends = min(expires, issued + LONGEST_LIFE)
    if issued > now.timestamp() + LEEWAY or now.timestamp() >= ends:
        raise NotAllowed("This page was opened too long ago: reload the ticket.")
    given = claims.get("jti")
    jti = given if isinstance(given, str) and given else token
    return Vouched(
        user=_user(claims["sub"]), jti=sha256(jti.encode()).hexdigest(), expires_at=datetime.fromtimestamp(ends, UTC)
    )


def role_of(user: User, groups: frozenset[int], launcher: Launcher) -> Role:
    """What somebody may do here; `NotAllowed` for whoever does not work in this Zendesk."""
    if not (user.is_staff and user.is_active):
        raise NotAllowed("Only agents of this Zendesk may open the panel.")
    if user.role_type in LOOKING or user.custom_role_id in launcher.viewer_roles:
        return Role.VIEWER
    if groups & launcher.supervisor_groups:
        return Role.SUPERVISOR
    return Role.AGENT if not launcher.agent_groups or groups & launcher.agent_groups else Role.VIEWER


def may_see(user: User, groups: frozenset[int], row: TicketRow) -> bool:
    """Whether Zendesk lets somebody see a ticket: the token does not say for which one it was made."""
    if user.ticket_restriction is None:
        return True
    is_theirs = user.id in (row.assignee_id, row.requester_id)
    return is_theirs or (user.ticket_restriction == "groups" and row.group_id in groups)


def _claims(token: str, launcher: Launcher) -> Mapping[str, Any]:
    host = urlsplit(launcher.url).netloc
    keys = [(key, signed.RS256) for key in launcher.public_keys]
    try:
        return signed.claims_in(
            token,
            keys,
            required=["iss", "aud", "sub", "iat", "exp"],
            audience=launcher.audience,
            issuer=[host, f"https://{host}"],
        )
    except signed.NotValid as error:
        raise _not_valid() from error


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e11:
        raise _not_valid()
    return value


def _user(sub: object) -> int:
    """The user's number: alone, or at the end of the user's address in the API."""
    text = str(sub).rsplit("/", 1)[-1].removesuffix(".json") if isinstance(sub, str | int) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _not_valid()
    return int(text)


def _not_valid() -> NotAllowed:
    return NotAllowed(
        "Zendesk's token is not valid here. Reload the ticket; if that does not help, tell your administrator."
    )
