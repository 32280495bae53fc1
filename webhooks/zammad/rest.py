"""Zammad's REST API over `plugin.http.Remote`, and what its refusals mean, for whoever looks after the settings."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from plugin.errors import PermanentError
from plugin.http import Remote, Reply, Traffic
from plugin.model import Attachment
from webhooks import files
from webhooks.answers import explaining_denials


class Rest:
    """The API of one Zammad, by the access token of one of its users."""

    def __init__(
        self, system: str, url: str, token: str, *, ca_file: str | None = None, traffic: Traffic | None = None
    ) -> None:
        self.system = system
        # Authorization: Token token=… (API introduction, “HTTP Token Authentication”).
        self._remote = Remote(
            system, f"{url}/api/v1", f"token={token}", scheme="Token", ca_file=ca_file, traffic=traffic
        )

    def url(self, *segments: str) -> str:
        """An address under ``/api/v1``; every segment is percent-encoded."""
        return self._remote.url(*segments)

    def get(self, doing: str, *path: str, needs: str = "", **params: str) -> Any:
        """What is at a path, as JSON. `needs` says what permission it takes."""
        with _told(needs):
            return self._remote.call(doing, "GET", self.url(*path), params=params).json()

    def found(self, doing: str, *path: str, params: Mapping[str, str]) -> Any:
        """As `get`, for parameters whose names are no Python names."""
        with _told(""):
            return self._remote.call(doing, "GET", self.url(*path), params=params).json()

    def send(self, doing: str, method: str, *path: str, body: Mapping[str, Any], needs: str = "") -> Reply:
        """A request that changes something."""
        with _told(needs):
            return self._remote.call(doing, method, self.url(*path), json=body)

    def fetch(self, attachment: Attachment) -> bytes:
        """The bytes of an attachment of this Zammad."""
        if not attachment.url.startswith(self.url("ticket_attachment") + "/"):
            doing = f"fetch attachment {attachment.filename[:100]!r}"
            raise PermanentError(self.system, doing, "not fetched: it is no attachment of this Zammad")
        with _told(""):
            return files.fetch(self._remote, attachment)


def _told(needs: str) -> AbstractContextManager[None]:
    return explaining_denials(
        unknown="Zammad does not know the token, or token access is switched off (System > API)",
        forbidden=f"the token needs the permission {needs}"
        if needs
        else "its user has no access to the ticket's group",
    )
