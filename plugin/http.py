"""One remote system over HTTP: the one place where requests' failures become ours.

Nothing is retried here; the caller knows whether a repeat is safe. What a misbehaving system can do to us is bounded:
an answer has a size and a time in which all of it must have come, redirects are not followed, cookies are not kept, and
the token goes to the configured origin only.
"""

import json as json_codec
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from plugin import trace
from plugin.errors import (
    Denied,
    NotFound,
    OutcomeUnknown,
    PermanentError,
    RemoteError,
    SettingsError,
    Throttled,
    Unreachable,
)
from plugin.log import masked
from plugin.model import Call
from plugin.transport import BoundedSession, why_unsent

MAX_BODY = 16 * 1024 * 1024
MAX_PROBLEM = 64 * 1024  # what is read of an answer that says no
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 30.0
MAX_TITLE = 200  # characters of it that people are shown
ABOUT_TOKENS = r"(?:token|auth|authentication|authorization|credentials|scheme)(?![\w~+/=-]|\.\w)"
"""Words that people put after Bearer or Basic where no secret stands."""
NOT_FOR_PEOPLE = (
    re.compile(r"[a-z][a-z0-9+.-]*://\S*|\bwww\.\S*", re.IGNORECASE),
    re.compile(
        rf"\b(bearer|basic)\s+(?!{ABOUT_TOKENS})\S+|\b\w*(token|password|secret|key)\s*[:=]\s*\S+", re.IGNORECASE
    ),
    re.compile(r"[\w+/=.-]{40,}"),  # a correlation id has 36
    re.compile(r"<[^>]*>?|>"),
)
MAX_WAIT = 24 * 3600.0  # seconds; no Retry-After makes us wait longer


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A 2xx answer, read to its end. Header names count in any case."""

    system: str
    doing: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; `PermanentError` if it is none, such as a proxy's sign-in page answered with 200."""
        try:
            return json_codec.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise PermanentError(
                self.system, self.doing, f"answered {self.status}, but not with JSON", status=self.status
            ) from error


class Traffic:
    """What goes on around every request; this one keeps it with the attempt that makes it, and holds nothing up.

    `told` hears of every request that was made.
    """

    def __init__(self, told: Callable[[Call], None] | None = None) -> None:
        self._told = told

    def slot(self, system: str) -> AbstractContextManager[object]:  # noqa: ARG002 - others look at it
        """Room for one request to a system, which may have to be waited for."""
        return nullcontext()

    def done(self, call: Call) -> None:
        """A request was made and answered, or failed."""
        trace.keep(call)
        if self._told is not None:
            self._told(call)


class Remote:
    """A base address, a token and a pooled session. `system` names it in errors.

    `scheme` is the word before the token, for a system that wants another than Bearer (RFC 6750). `ca_file` names
    certificates to trust instead of the usual ones. `answer_seconds` is how long an answer may take, from the request's
    last byte to the answer's last byte.
    `traffic` hears of every request.
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        token: str,
        *,
        scheme: str = "Bearer",
        ca_file: str | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        traffic: Traffic | None = None,
    ) -> None:
        self.system = system
        self._traffic = traffic or Traffic()
        self.base_url = base_url.rstrip("/")
        origin = _origin(base_url)
        if origin is None:
            raise SettingsError(f"{system}: the address must be http:// or https:// with a host and no password")
        self._origin = origin
        self._token = token
        self._timeout = (CONNECT_SECONDS, answer_seconds)
        self._session = BoundedSession()
        self._session.headers["Authorization"] = f"{scheme} {token}"
        self._session.headers["User-Agent"] = "m365-unblock"
        if ca_file is not None:
            _check_certificates(system, ca_file)
            self._session.verify = ca_file

    def url(self, *segments: str) -> str:
        """An address under the base; every segment percent-encoded, so no id can climb out of its place."""
        return "/".join([self.base_url, *(self._segment(segment) for segment in segments)])

    def _segment(self, text: str) -> str:
        # A dot has no percent-encoded form that stays one on the way, so these two cannot be said at all.
        if text in ("", ".", ".."):
            raise PermanentError(self.system, "building an address", f"{text!r} cannot be part of one")
        try:
            return quote(text, safe="")
        except UnicodeEncodeError as error:
            raise PermanentError(self.system, "building an address", f"{text!r:.80} is not proper text") from error

    def is_ours(self, url: str) -> bool:
        """Whether an address lies on this system's own origin (scheme, host and port)."""
        return _origin(url) == self._origin

    def call(
        self,
        doing: str,
        method: str,
        url: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Make one request and return its 2xx answer; raise a `RemoteError` for everything else.

        Nothing was done after `Unreachable`, `Throttled` with status 429, and a `PermanentError` without a status. A
        write may have been done after `OutcomeUnknown` and after `Throttled` with 503, which a gateway may have said.
        """
        if not self.is_ours(url):
            raise PermanentError(self.system, doing, "not sent: the address is not on the configured host")
        prepared = self._prepare(doing, requests.Request(method, url, headers=headers, params=params, json=json))
        with self._traffic.slot(self.system):
            at, began = datetime.now(UTC), monotonic()
            try:
                reply = self._send(prepared, doing)
            except RemoteError as error:
                self._traffic.done(self._told(prepared, doing, at, began, error.status, error.message))
                raise
            self._traffic.done(self._told(prepared, doing, at, began, reply.status, f"{len(reply.body)} bytes"))
            return reply

    def _told(
        self,
        request: requests.PreparedRequest,
        doing: str,
        at: datetime,
        began: float,
        status: int | None,
        answer: str,
    ) -> Call:
        return Call(
            at=at,
            system=self.system,
            doing=masked(doing),
            method=request.method or "",
            path=masked(urlsplit(request.url or "").path),
            sent=_what_was_sent(request.body),
            status=status,
            answer=masked(answer),
            seconds=round(monotonic() - began, 3),
        )

    def _send(self, prepared: requests.PreparedRequest, doing: str) -> Reply:
        try:
            with self._session.send(prepared, timeout=self._timeout, allow_redirects=False, stream=True) as response:
                return self._read(response, doing)
        except requests.exceptions.ConnectionError as error:
            raise self._lost(error, doing) from error
        except (requests.exceptions.RequestException, HTTPError) as error:
            raise OutcomeUnknown(self.system, doing, f"no complete answer ({type(error).__name__})") from error

    def _prepare(self, doing: str, request: requests.Request) -> requests.PreparedRequest:
        try:
            prepared = self._session.prepare_request(request)
            for value in request.headers.values():
                str(value).encode("latin-1")  # fails here rather than half-way through sending
        except (requests.exceptions.RequestException, UnicodeError) as error:
            raise PermanentError(self.system, doing, f"not sent: no proper request ({type(error).__name__})") from error
        return prepared

    def _read(self, response: requests.Response, doing: str) -> Reply:
        status = response.status_code
        if not 200 <= status < 300:
            raise self._refused(response, doing)
        body = bytearray()
        for chunk in response.iter_content(65536):
            body += chunk
            if len(body) > MAX_BODY:
                raise PermanentError(self.system, doing, f"answer larger than {MAX_BODY} bytes", status=status)
        headers = CaseInsensitiveDict(response.headers)
        return Reply(system=self.system, doing=doing, status=status, headers=headers, body=bytes(body))

    def _lost(self, error: requests.exceptions.ConnectionError, doing: str) -> Unreachable | OutcomeUnknown:
        if why := why_unsent(error):
            _, host, port = self._origin
            setting = f"see its address, under {self.system!r} in the settings"
            return Unreachable(self.system, doing, f"could not connect to {host}:{port}: {why}; {setting}")
        return OutcomeUnknown(self.system, doing, "the connection broke or stalled before all of the answer came")

    def _refused(self, response: requests.Response, doing: str) -> RemoteError:
        status, said = response.status_code, _problem(response)
        title, problem = self._line(said.get("title")), said.get("type")
        problem = problem if isinstance(problem, str) else ""
        message = f"answered {status} ({title})" if title else f"answered {status}"
        if status in (429, 503):
            return Throttled(self.system, doing, message, status=status, retry_after=_retry_after(response.headers))
        if status in (401, 403):
            message += "; check the token and its rights"
            return Denied(self.system, doing, message, status=status, problem=problem)
        if status in (404, 410):
            return NotFound(self.system, doing, message, status=status, problem=problem)
        if status >= 500 or status == 408:
            return OutcomeUnknown(self.system, doing, message, status=status, problem=problem)
        if 300 <= status < 400:
            message += "; redirects are not followed, check the address in the settings"
        return PermanentError(self.system, doing, message, status=status, problem=problem)

    def _line(self, value: Any) -> str:
        """A stranger's words for people to read: one short line, no markup, no links, and nothing like a token."""
        text = value if isinstance(value, str) else ""
        text = text.replace(self._token, "…")[:1000] if self._token else text[:1000]
        for pattern in NOT_FOR_PEOPLE:
            text = pattern.sub("…", text)
        return "".join(c if c.isprintable() else " " for c in text).strip()[:MAX_TITLE]


def _what_was_sent(body: object) -> str:
    """The size of a body and the names at its top; nothing of what it says."""
    if not isinstance(body, bytes):
        return ""
    try:
        document = json_codec.loads(body)
    except ValueError:
        document = None
    names = ", ".join(document) if isinstance(document, dict) else ""
    return f"{len(body)} bytes" + (f": {names}" if names else "")


def _check_certificates(system: str, ca_file: str) -> None:
    """Said at start rather than at the first call."""
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        why = "it holds no certificate (PEM)" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(f"{system}: ca_file: cannot use {ca_file}: {why}") from error


def _origin(url: str) -> tuple[str | None, str | None, int | None] | None:
    """Scheme, host and port by the parser that also makes the connection: two parsers could be told two hosts."""
    try:
        parts = parse_url(url)
    except LocationParseError:
        return None
    default = {"http": 80, "https": 443}.get(parts.scheme or "")
    if default is None or not parts.host or parts.auth is not None:
        return None
    return parts.scheme, parts.host, parts.port or default


def _problem(response: requests.Response) -> dict[str, Any]:
    """The problem document (RFC 9457) of an answer that says no; empty if it has none, is endless or breaks off."""
    body = bytearray()
    try:
        for chunk in response.iter_content(MAX_PROBLEM):
            body += chunk
            if len(body) > MAX_PROBLEM:
                return {}
        document = json_codec.loads(body)
    except (requests.exceptions.RequestException, HTTPError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header, a number or an HTTP date (RFC 9110 §10.2.3), a day at most.

    A date is taken against the answer's own Date header, so that a clock that is wrong here or there does not matter.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_WAIT)
    try:
        seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(headers["Date"])).total_seconds()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), MAX_WAIT)
