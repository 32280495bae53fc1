"""Jira's REST APIs over `plugin.http.Remote`, and what their refusals mean, for whoever looks after the settings.

Jira answers a token that it does not take as it would answer anybody who is not signed in: an issue is not found, a
search finds nothing. So every 404 is followed by a question that only somebody who is signed in is answered.
"""

from base64 import b64encode
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from plugin.errors import NotFound, PermanentError
from plugin.http import Remote, Reply, Traffic
from plugin.model import Attachment
from plugin.refusals import Said, json_object
from webhooks import files
from webhooks.answers import explaining_denials

PLATFORM = ("rest", "api", "3")
SERVICE_DESK = ("rest", "servicedeskapi")
CONTENT = (*PLATFORM, "attachment", "content")
AGENT = "to be an agent of the service project (role Service Desk Team, with a licence for Jira Service Management)"


class Rest:
    """The APIs of one Jira site, by the API token of one of its users."""

    def __init__(
        self,
        system: str,
        url: str,
        email: str,
        token: str,
        *,
        ca_file: str | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self.system = system
        sign_in = b64encode(f"{email}:{token}".encode()).decode("ascii")
        self._remote = Remote(
            system,
            url,
            sign_in,
            scheme="Basic",
            ca_file=ca_file,
            traffic=traffic,
            read_refusal=refusal,
            hidden=(token,),
        )

    def url(self, *segments: str) -> str:
        """An address of the site; every segment is percent-encoded."""
        return self._remote.url(*segments)

    def get(self, doing: str, *path: str, params: Mapping[str, str] | None = None, needs: str = "") -> Reply:
        """What is at a path. `needs` says what our user must be or have for it."""
        return self._call(doing, "GET", path, needs, params=params)

    def send(self, doing: str, method: str, *path: str, body: Any, needs: str = "") -> Reply:
        """A request with a body: one that changes something, or a search."""
        return self._call(doing, method, path, needs, json=body)

    def me(self, doing: str = "see who we are") -> Reply:
        """Our own user; `Denied` where Jira does not take the token."""
        with _told(""):
            return self._remote.call(doing, "GET", self.url(*PLATFORM, "myself"))

    def fetch(self, attachment: Attachment) -> bytes:
        """The bytes of an attachment of this site."""
        if not attachment.url.startswith(self.url(*CONTENT) + "/"):
            doing = f"fetch attachment {attachment.filename[:100]!r}"
            raise PermanentError(self.system, doing, "not fetched: it is no attachment of this Jira")
        with _told(""):
            return files.fetch(self._remote, attachment)

    def _call(self, doing: str, method: str, path: tuple[str, ...], needs: str, **more: Any) -> Reply:
        try:
            with _told(needs):
                return self._remote.call(doing, method, self.url(*path), **more)
        except NotFound:
            self.me(doing)
            raise


def refusal(_headers: Mapping[str, str], body: bytes) -> Said:
    """What the platform (`errorMessages`, `errors`) and the service desk (`errorMessage`) say."""
    said = json_object(body)
    messages, fields = said.get("errorMessages"), said.get("errors")
    told = [
        said.get("errorMessage"),
        *(messages if isinstance(messages, list) else ()),
        *(f"{name}: {why}" for name, why in (fields if isinstance(fields, dict) else {}).items()),
        said.get("message"),
    ]
    return Said(title="; ".join(text for text in told if isinstance(text, str) and text))


def _told(needs: str) -> AbstractContextManager[None]:
    return explaining_denials(
        unknown="Jira does not take the e-mail address and token together, or the token has run out: make a new one",
        forbidden=f"the token's user needs {needs}" if needs else "the token's user may not do this in the project",
    )
