"""Panel tokens: which agent is looking at which ticket, once the launch token was exchanged. Pure.

A panel token lives for 15 minutes and is renewed with every answer, for at most 60 minutes from the launch. Its
audience is its own, so a launch token is never taken for one, nor one for a launch token, even under one secret.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask_babel import gettext as _

from plugin import signed
from plugin.errors import NotAllowed
from plugin.model import Agent

AUDIENCE = "m365-unblock/panel-session"
LIFE = timedelta(minutes=15)
LONGEST = timedelta(minutes=60)


def _ended() -> str:
    return str(_("Your time in this panel is over. Reload the ticket to go on; what is saved stays saved."))


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """An agent at one ticket, since the launch."""

    agent: Agent
    ticket: str
    launched_at: datetime


def secret_from(*systems: Mapping[str, Mapping[str, Any]]) -> bytes:
    """A secret of the panel's own, for settings that name none, from the secrets of the configured systems by name.

    It comes out the same in every web process and after a restart, and nobody else knows all that it is made of.
    """
    secrets = ("webhook_secrets", "api_token", "token")
    known = [{name: [chosen.get(key) for key in secrets] for name, chosen in each.items()} for each in systems]
    return hmac.digest(json.dumps(known, sort_keys=True).encode(), AUDIENCE.encode(), hashlib.sha256)


def issue(session: Session, secret: bytes, now: datetime) -> str:
    """A token for the session, good from now."""
    claims = {
        "aud": AUDIENCE,
        "agent": session.agent.as_json(),
        "ticket": session.ticket,
        "launched": session.launched_at.timestamp(),
        "exp": min(now + LIFE, session.launched_at + LONGEST).timestamp(),
    }
    return signed.sign(claims, secret)


def read(token: str, secret: bytes, now: datetime) -> Session:
    """The session in a token; `NotAllowed`, with words for the agent, if it is not ours or is over."""
    try:
        # A token of ours was made by `issue`, so its claims have the form they were given there.
        claims = signed.claims_in(
            token, [(secret, signed.HS256)], required=["aud", "exp", "agent", "ticket", "launched"], audience=AUDIENCE
        )
    except signed.NotValid as error:
        raise NotAllowed(_ended()) from error
    if now.timestamp() >= claims["exp"]:
        raise NotAllowed(_ended())
    return Session(
        agent=Agent.from_json(claims["agent"]),
        ticket=claims["ticket"],
        launched_at=datetime.fromtimestamp(claims["launched"], UTC),
    )
