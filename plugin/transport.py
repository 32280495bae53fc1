"""How requests is held to bounds: no redirects, no cookies, nothing from the environment, one time for a whole answer.

requests' own read time-out starts anew with every byte, so a peer that sends one now and then holds a caller for ever.
"""

import io
from contextlib import nullcontext
from http.client import HTTPResponse, IncompleteRead
from http.cookiejar import DefaultCookiePolicy
from socket import socket
from ssl import SSLCertVerificationError, SSLSocket
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError, SSLError
from urllib3.util import wait_for_read

from plugin import computing

MOST_KEPT = 64
"""Connections to one origin that are kept for the next request: as many as `calls_at_once` may be at most."""


class BoundedSession(requests.Session):
    """A session that obeys its caller only. The read time-out is the time in which a whole answer must have come."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # no proxy and no .netrc password from the environment
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.mount("http://", BoundedAdapter())
        self.mount("https://", BoundedAdapter())

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None ever: even where redirects are not followed, requests reads their bodies to prepare for it."""


def why_unsent(error: requests.exceptions.ConnectionError) -> str | None:
    """Why surely nothing was sent, in words for people; None where something may have been.

    requests gives one class to "refused" and "reset in the middle".
    """
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no answer in time: a firewall may be in between"
    if isinstance(reason, NameResolutionError):
        return "there is no such host name"
    if isinstance(reason, NewConnectionError):
        cause = reason.__cause__
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused: nothing listens there"
        return (cause.strerror if isinstance(cause, OSError) else None) or "no connection"
    fault = reason.args[0] if isinstance(reason, SSLError) and reason.args else None
    if isinstance(fault, SSLCertVerificationError):
        return f"its certificate is not trusted here; nothing was sent ({fault.verify_message})"
    return None


class _TimedBytes(io.RawIOBase):
    """A socket's bytes, all of which must come before a moment."""

    def __init__(self, sock: socket, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw
        self.ended = False
        self._until = monotonic() + (sock.gettimeout() or 0.0)  # a caller who gives no time gets none

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left)
        # What has come is read on without giving the turn away: a long answer would else wait for it at each piece.
        with nullcontext() if self._has_come() else computing.waiting():
            count = self._raw.readinto(buffer)
        self.ended = count == 0
        return count

    def _has_come(self) -> bool:
        return (isinstance(self._sock, SSLSocket) and self._sock.pending() > 0) or wait_for_read(self._sock, 0)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._bytes = _TimedBytes(sock, self.fp.detach())
        self.fp = io.BufferedReader(self._bytes)

    def begin(self) -> None:
        super().begin()
        # http.client takes the end of a cut connection for the end of the headers: a 202 without a body, complete.
        if self._bytes.ended:
            raise IncompleteRead(b"")


class _Connection(HTTPConnection):
    response_class = _TimedResponse

    def connect(self) -> None:
        with computing.waiting():
            super().connect()


class _TLSConnection(_Connection, HTTPSConnection):
    """The same; `connect` is that of `HTTPSConnection` within ours."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class BoundedAdapter(HTTPAdapter):
    """Where bounded requests go out."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Over connections whose answers have a time."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class OriginAdapter(BoundedAdapter):
    """The way to one origin. What requests works out anew for each request is worked out once, when this is made.

    Whatever an address says, requests go to this origin only, by the same rules for certificates.
    `verify` is True, or a file of certificates to trust instead of the usual ones.
    """

    def __init__(self, origin: str, verify: bool | str = True) -> None:
        super().__init__(pool_maxsize=MOST_KEPT)
        self._pool = super().get_connection_with_tls_context(requests.Request("GET", origin).prepare(), verify)
        super().cert_verify(self._pool, origin, verify, None)  # type: ignore[no-untyped-call]

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> ConnectionPool:
        """The pool that was made for the origin."""
        return self._pool

    def cert_verify(self, *_args: Any) -> None:
        """The pool knows already what to trust."""

    def request_url(self, request: requests.PreparedRequest, _proxies: Any) -> str:
        """What stands in the request line, where there are no proxies."""
        return request.path_url

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Status, headers and bytes; cookies are neither looked for nor kept."""
        response = requests.Response()
        response.request, response.url, response.raw = req, req.url or "", resp
        response.status_code, response.headers = resp.status, CaseInsensitiveDict(resp.headers)
        return response
