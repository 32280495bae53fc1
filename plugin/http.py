"""One remote system over HTTP: the one place where requests' failures become ours.

Nothing is retried here; the caller knows whether a repeat is safe. What a misbehaving system can do to us is bounded:
an answer has a size and a time in which all of it must have come, redirects are not followed, cookies are not kept, and
the token goes to the configured origin only.
"""

import json as json_codec
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.utils import default_headers
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from plugin import trace
from plugin.errors import (
    Denied,
    Moved,
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
from plugin.refusals import ReadRefusal, body_of, line_for_people, problem_document, retry_after
from plugin.transport import OriginAdapter, why_unsent

MAX_BODY = 16 * 1024 * 1024
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 30.0
NO_RIGHTS = "; check the token and its rights"  # for those who have nothing more exact to say
NO_ADDRESS = "the address must be http:// or https:// with a host and no password"
MOVED = (301, 302, 307, 308)  # not 303, which a write is answered with once it was done


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
    `read_refusal` is how its answers that say no are read. `traffic` hears of every request.
    A system whose tokens change has no `token` here: each call brings its own header, and `hidden` are the secrets that
    must not come back in what it says.
    """

    def __init__(
        self,
        system: str,
        base_url: str,
        token: str | None,
        *,
        scheme: str = "Bearer",
        ca_file: str | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        traffic: Traffic | None = None,
        read_refusal: ReadRefusal = problem_document,
        hidden: Sequence[str] = (),
    ) -> None:
        self.system = system
        self._traffic = traffic or Traffic()
        self.base_url = base_url.rstrip("/")
        origin = _origin(base_url)
        if origin is None:
            raise SettingsError(f"{system}: {NO_ADDRESS}")
        self._origin = origin
        self._hidden = (*hidden, token or "")
        self._read_refusal = read_refusal
        self._timeout = (CONNECT_SECONDS, answer_seconds)
        self._headers = {**default_headers(), "User-Agent": "m365-unblock"}
        if token is not None:
            self._headers["Authorization"] = f"{scheme} {token}"
        if ca_file is not None:
            _check_certificates(system, ca_file)
        self._adapter = _adapter(system, base_url, ca_file or True)

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
        data: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Make one request and return its 2xx answer; raise a `RemoteError` for everything else.

        Nothing was done after `Unreachable`, `Throttled` with status 429, and a `PermanentError` without a status. A
        write may have been done after `OutcomeUnknown` and after `Throttled` with 503, which a gateway may have said.
        """
        if not self.is_ours(url):
            raise PermanentError(self.system, doing, "not sent: the address is not on the configured host")
        request = self._prepare(doing, method, url, json=json, data=data, params=params, headers=headers or {})
        told = partial(self._told, request, doing, _what_was_sent(request.body, json))
        with self._traffic.slot(self.system):
            at, began = datetime.now(UTC), monotonic()
            try:
                reply = self._send(request, doing)
            except RemoteError as error:
                self._traffic.done(told(at, began, error.status, error.message))
                raise
            self._traffic.done(told(at, began, reply.status, f"{len(reply.body)} bytes"))
            return reply

    def _told(
        self,
        request: requests.PreparedRequest,
        doing: str,
        sent: str,
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
            sent=sent,
            status=status,
            answer=masked(answer),
            seconds=round(monotonic() - began, 3),
        )

    def _send(self, request: requests.PreparedRequest, doing: str) -> Reply:
        try:
            with self._adapter.send(request, stream=True, timeout=self._timeout) as response:
                return self._read(response, doing)
        except requests.exceptions.ConnectionError as error:
            raise self._lost(error, doing) from error
        except (requests.exceptions.RequestException, HTTPError) as error:
            raise OutcomeUnknown(self.system, doing, f"no complete answer ({type(error).__name__})") from error

    def _prepare(
        self,
        doing: str,
        method: str,
        url: str,
        *,
        json: Any,
        data: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str],
    ) -> requests.PreparedRequest:
        """What a session would prepare that has our headers, no cookies and no hooks."""
        request = requests.PreparedRequest()
        try:
            request.prepare_method(method)
            request.prepare_url(url, params)
            request.prepare_headers({**self._headers, **headers})
            request.prepare_body(data, None, json)
            for value in headers.values():
                value.encode("latin-1")  # fails here rather than half-way through sending
        except (requests.exceptions.RequestException, UnicodeError) as error:
            raise PermanentError(self.system, doing, f"not sent: no proper request ({type(error).__name__})") from error
        return request

    def _read(self, response: requests.Response, doing: str) -> Reply:
        status = response.status_code
        if not 200 <= status < 300:
            raise self._refused(response, doing)
        body = bytearray()
        for chunk in response.iter_content(65536):
            body += chunk
            if len(body) > MAX_BODY:
                raise PermanentError(self.system, doing, f"answer larger than {MAX_BODY} bytes", status=status)
        return Reply(system=self.system, doing=doing, status=status, headers=response.headers, body=bytes(body))

    def _lost(self, error: requests.exceptions.ConnectionError, doing: str) -> Unreachable | OutcomeUnknown:
        if why := why_unsent(error):
            _, host, port = self._origin
            setting = f"see its address, under {self.system!r} in the settings"
            return Unreachable(self.system, doing, f"could not connect to {host}:{port}: {why}; {setting}")
        return OutcomeUnknown(self.system, doing, "the connection broke or stalled before all of the answer came")

    def _refused(self, response: requests.Response, doing: str) -> RemoteError:
        status, said = response.status_code, self._read_refusal(response.headers, body_of(response))
        title, problem = line_for_people(said.title, self._hidden), said.kind
        message = f"answered {status} ({title})" if title else f"answered {status}"
        if status in (429, 503):
            return Throttled(self.system, doing, message, status=status, retry_after=retry_after(response.headers))
        if status in (401, 403):
            return Denied(self.system, doing, message + NO_RIGHTS, status=status, problem=problem)
        if status in (404, 410):
            return NotFound(self.system, doing, message, status=status, problem=problem)
        if status >= 500 or status == 408:
            unknown = OutcomeUnknown(self.system, doing, message, status=status, problem=problem)
            unknown.retry_after = retry_after(response.headers)
            return unknown
        if 300 <= status < 400:
            message += "; redirects are not followed, check the address in the settings"
            if (location := response.headers.get("Location")) and status in MOVED:
                return Moved(self.system, doing, message, status=status, location=location)
        return PermanentError(self.system, doing, message, status=status, problem=problem)


def _what_was_sent(body: object, json: object) -> str:
    """The size of a JSON body and the names at its top; nothing of what it says."""
    if not isinstance(body, bytes):
        return ""
    names = ", ".join(json) if isinstance(json, Mapping) else ""
    return f"{len(body)} bytes" + (f": {names}" if names else "")


def _adapter(system: str, base_url: str, verify: bool | str) -> OriginAdapter:
    try:
        return OriginAdapter(base_url, verify)
    except requests.exceptions.InvalidURL as error:
        raise SettingsError(f"{system}: {NO_ADDRESS}") from error


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
