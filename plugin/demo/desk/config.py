"""All that the demo desk must be told."""

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from plugin.demo.doors import MakeSecret, random_secret

ROLES = ("viewer", "agent", "supervisor")
SHORTEST_PANEL_SECRET = 32  # bytes; launch-token contract


@dataclass(frozen=True, kw_only=True, slots=True)
class DeskAgent:
    """Somebody who works at the desk. `sign_in_key` opens ``/sign-in?key=…`` once."""

    login: str
    name: str
    email: str
    role: str
    sign_in_key: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeskConfig:
    """Settings of one demo desk. `clock` gives aware UTC moments; addresses are without a trailing slash."""

    base_url: str  # the desk's own, such as http://localhost:8700
    api_token: str = field(repr=False)
    webhook_url: str
    webhook_secret: str = field(repr=False)  # whsec_…, as Standard Webhooks writes them
    source: str  # the desk's name in the plugin's settings
    panel_url: str  # such as http://127.0.0.1:8800
    panel_secret: str = field(repr=False)
    people: tuple[DeskAgent, ...]
    clock: Callable[[], datetime]
    service_email: str = "m365-unblock@example.edu"  # the user behind the API token
    service_name: str = "M365 Unblock"
    page_size: int = 50  # rows of the changed-tickets list
    new_secret: MakeSecret = random_secret

    def __post_init__(self) -> None:
        """Raise `ValueError` for what could not work."""
        if len(self.panel_secret.encode()) < SHORTEST_PANEL_SECRET:
            raise ValueError(f"panel_secret is shorter than {SHORTEST_PANEL_SECRET} bytes")
        if not self.webhook_secret.startswith("whsec_"):
            raise ValueError("webhook_secret does not start with whsec_")
        b64decode(self.webhook_secret.removeprefix("whsec_"), validate=True)
        if strange := sorted({agent.role for agent in self.people} - set(ROLES)):
            raise ValueError(f"unknown roles: {', '.join(strange)}")

    @property
    def panel_origin(self) -> str:
        """Scheme, host and port of the panel."""
        parts = urlsplit(self.panel_url)
        return f"{parts.scheme}://{parts.netloc}"
