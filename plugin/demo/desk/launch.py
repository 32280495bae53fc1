"""Mints the launch token that tells the panel which agent is looking at which ticket."""

from urllib.parse import quote

import jwt

from plugin.demo.desk.config import DeskAgent, DeskConfig

AUDIENCE = "m365-unblock/panel"
SECONDS = 300  # the longest that the contract allows


def launch_token(config: DeskConfig, agent: DeskAgent, ticket: str) -> str:
    """A token for one opening of the panel by this agent on this ticket."""
    issued_at = int(config.clock().timestamp())
    claims = {
        "iss": config.source,
        "aud": AUDIENCE,
        "sub": agent.login,
        "email": agent.email,
        "name": agent.name,
        "ticket": ticket,
        "role": agent.role,
        "iat": issued_at,
        "exp": issued_at + SECONDS,
        "jti": config.new_secret(),
    }
    return jwt.encode(claims, config.panel_secret, algorithm="HS256")


def panel_address(config: DeskConfig, agent: DeskAgent, ticket: str) -> str:
    """Where the frame beside the ticket points to; the fragment keeps the token out of logs and referrers."""
    place = f"{config.panel_url}/panel/{quote(config.source, safe='')}/{quote(ticket, safe='')}"
    return f"{place}#token={launch_token(config, agent, ticket)}"
