"""One remote system over HTTP: the one place where requests' failures become ours.

Nothing is retried here; the caller knows whether a repeat is safe. Bodies are capped, redirects are not followed.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from plugin.errors import Denied, NotFound, OutcomeUnknown, PermanentError, Throttled, Unreachable

MAX_BODY = 16 * 1024 * 1024
CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0


class Remote:
    """A base address, a bearer token and a pooled session. `system` names it in errors."""

    def __init__(self, system: str, base_url: str, token: str) -> None:
        self.system = system
        self.base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc password from the environment
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._session.headers["User-Agent"] = "m365-unblock"

    def url(self, *segments: str) -> str:
        """An address under the base; every segment percent-encoded, so no id can climb out of its place."""
        return "/".join([self.base_url, *(quote(segment, safe="") for segment in segments)])

    def is_ours(self, url: str) -> bool:
        """Whether an address lies on this system's own origin (scheme, host and port)."""
        mine, theirs = urlsplit(self.base_url), urlsplit(url)
        return (mine.scheme, mine.hostname, _port(mine)) == (theirs.scheme, theirs.hostname, _port(theirs))

    def call(
        self,
        doing: str,
        method: str,
        url: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Make one request and return its 2xx answer, body read; raise a `RemoteError` for everything else."""
        try:
            with self._session.request(
                method,
                url,
                json=json,
                params=params,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                self._read(response, doing)
                self._check(response, doing)
                return response
        except requests.exceptions.ConnectTimeout as error:
            raise Unreachable(self.system, doing, "no connection in time") from error
        except requests.exceptions.ConnectionError as error:
            raise self._lost(error, doing) from error
        except requests.exceptions.RequestException as error:
            raise OutcomeUnknown(self.system, doing, f"no complete answer ({type(error).__name__})") from error

    def _read(self, response: requests.Response, doing: str) -> None:
        body = bytearray()
        for chunk in response.iter_content(65536):
            body += chunk
            if len(body) > MAX_BODY:
                raise PermanentError(self.system, doing, f"answer larger than {MAX_BODY} bytes")
        response._content = bytes(body)

    def _lost(self, error: requests.exceptions.ConnectionError, doing: str) -> Unreachable | OutcomeUnknown:
        # requests gives one class to "refused" and "reset in the middle"; only the first is surely unsent.
        if "NewConnectionError" in repr(error) or "NameResolutionError" in repr(error):
            return Unreachable(self.system, doing, "could not connect")
        return OutcomeUnknown(self.system, doing, "the connection broke before an answer came")

    def _check(self, response: requests.Response, doing: str) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        message = f"answered {status} {_title(response)}".rstrip()
        problem = _problem(response)
        if status in (429, 503):
            raise Throttled(self.system, doing, message, status=status, retry_after=_retry_after(response))
        if status in (401, 403):
            raise Denied(
                self.system, doing, f"{message}; check the token and its rights", status=status, problem=problem
            )
        if status in (404, 410):
            raise NotFound(self.system, doing, message, status=status, problem=problem)
        if status >= 500 or status == 408:
            raise OutcomeUnknown(self.system, doing, message, status=status, problem=problem)
        raise PermanentError(self.system, doing, message, status=status, problem=problem)


def _port(url: Any) -> int | None:
    default = {"http": 80, "https": 443}.get(url.scheme)
    return url.port or default


def _json_object(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _title(response: requests.Response) -> str:
    title = _json_object(response).get("title")
    return f"({title[:200]})" if isinstance(title, str) else ""


def _problem(response: requests.Response) -> str:
    kind = _json_object(response).get("type")
    return kind if isinstance(kind, str) else ""


def _retry_after(response: requests.Response) -> float | None:
    """Seconds from a Retry-After header, which is a number or an HTTP date (RFC 9110 §10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    # A server's clock against its own date header, so that our clock does not matter.
    try:
        now = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, TypeError, ValueError):
        now = datetime.now(UTC)
    if moment.tzinfo is None or now.tzinfo is None:
        return None
    return max(0.0, (moment - now).total_seconds())
