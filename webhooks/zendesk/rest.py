"""Zendesk's REST API over `plugin.http.Remote`, and what its refusals mean, for whoever looks after the settings."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from time import monotonic
from typing import Any
from urllib.parse import unquote, urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from plugin.errors import Moved, PermanentError, Throttled
from plugin.http import Remote, Reply, Traffic
from plugin.model import Attachment
from plugin.refusals import Said, json_object
from webhooks import files
from webhooks.answers import explaining_denials

CONTENT_HOSTS = ("zdusercontent.com",)  # where Zendesk keeps the bytes of attachments
SPARED = 0.1  # of what the account may ask in a minute; what can wait leaves it to agents and to notes


class Rest:
    """The API of one Zendesk, by the API token of one of its users."""

    def __init__(
        self,
        system: str,
        url: str,
        user: str,
        token: str,
        *,
        content_hosts: Sequence[str] = CONTENT_HOSTS,
        ca_file: str | None = None,
        traffic: Traffic | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.system = system
        # Basic {email}/token:{api_token} (API reference, “Security and authentication”).
        basic = b64encode(f"{user}/token:{token}".encode()).decode()
        self._remote = Remote(
            system, f"{url}/api/v2", basic, scheme="Basic", ca_file=ca_file, traffic=traffic,
            read_refusal=read_refusal, hidden=(token,),
        )  # fmt: skip
        self._content_hosts = tuple(content_hosts)
        self._ca_file, self._traffic = ca_file, traffic
        self._clock = clock
        self._scarce_until = 0.0

    def get(self, doing: str, *path: str, needs: str = "", params: Mapping[str, str] | None = None) -> Any:
        """What is at a path below ``/api/v2``, as JSON. `needs` says what it takes."""
        with _told(needs):
            return self._noted(self._remote.call(doing, "GET", self._remote.url(*path), params=params)).json()

    def text(self, doing: str, *path: str, needs: str = "") -> str:
        """What is at a path, as text."""
        with _told(needs):
            reply = self._noted(self._remote.call(doing, "GET", self._remote.url(*path)))
        return reply.body.decode("utf-8", "replace")

    def send(self, doing: str, method: str, *path: str, body: Mapping[str, Any], needs: str = "") -> Reply:
        """A request that changes something."""
        with _told(needs):
            return self._noted(self._remote.call(doing, method, self._remote.url(*path), json=body))

    def fetch(self, attachment: Attachment) -> bytes:
        """The bytes of an attachment of this Zendesk, which sends us on to where it keeps them."""
        doing = f"fetch attachment {attachment.filename[:100]!r}"
        if not (self._remote.is_ours(attachment.url) and _is_attachment(attachment.url)):
            raise PermanentError(self.system, doing, "not fetched: it is no attachment of this Zendesk")
        with _told(""):
            try:
                return files.fetch(self._remote, attachment)
            except Moved as moved:
                return files.fetch(self._store(doing, moved), replace(attachment, url=moved.location))

    def _store(self, doing: str, moved: Moved) -> Remote:
        """Where an attachment was moved to; nobody is told our token there."""
        try:
            parts = parse_url(moved.location)
        except LocationParseError:
            raise moved from None
        host = (parts.host or "").lower()
        is_known = any(host == known or host.endswith(f".{known}") for known in self._content_hosts)
        if parts.scheme != urlsplit(self._remote.base_url).scheme or parts.auth is not None or not is_known:
            why = f"sent on to {host or 'no host'}, where Zendesk keeps no attachments: not followed"
            raise PermanentError(self.system, doing, why)
        origin = f"{parts.scheme}://{parts.netloc}"
        return Remote(self.system, origin, None, ca_file=self._ca_file, traffic=self._traffic)

    def _noted(self, reply: Reply) -> Reply:
        """Remember whether little is left of what the account may ask."""
        headers = reply.headers
        limit, left = (_number(headers.get(name)) for name in ("X-Rate-Limit", "X-Rate-Limit-Remaining"))
        if limit is not None and left is not None:
            is_scarce = left < SPARED * limit
            self._scarce_until = self._clock() + (_number(headers.get("ratelimit-reset")) or 60) if is_scarce else 0.0
        return reply

    def spare(self, doing: str) -> None:
        """Raise `Throttled` where little is left: for what can wait, since all of an account share its limit."""
        left = self._scarce_until - self._clock()
        if left > 0:
            message = "not asked: the account's limit for this minute is nearly used up"
            raise Throttled(self.system, doing, message, status=429, retry_after=left)


def read_refusal(_headers: Mapping[str, str], body: bytes) -> Said:
    """``{"error": …, "description": …, "details": {field: [{"description": …}]}}``; some answers are plain text."""
    document = json_object(body)
    error, details = document.get("error"), document.get("details")
    named = (error.get("title"), error.get("message")) if isinstance(error, dict) else (error,)
    said = [*named, document.get("description"), *_details(details if isinstance(details, dict) else {})]
    return Said(title=": ".join(dict.fromkeys(text for text in said if isinstance(text, str) and text)))


def _details(details: Mapping[str, Any]) -> Iterator[Any]:
    for rows in details.values():
        for row in rows if isinstance(rows, list) else ():
            yield row.get("description") if isinstance(row, dict) else None


def _is_attachment(url: str) -> bool:
    path = unquote(urlsplit(url).path)
    return path.startswith("/attachments/") and ".." not in path


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def _told(needs: str) -> AbstractContextManager[None]:
    return explaining_denials(
        unknown="Zendesk does not know this user with this token, or token access is switched off "
        "(Admin Center > APIs)",
        forbidden=f"it takes {needs}" if needs else "our user may not see or change it",
    )
