"""RT's REST 2.0 over `plugin.http.Remote`, and what its refusals mean, in words for whoever looks after the settings.

Every request costs RT a bcrypt, 0.1 to 0.6 seconds, so the adapter counts them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

from plugin.errors import Denied, NotFound, OutcomeUnknown, PermanentError
from plugin.http import Remote, Reply, Traffic

Params = Sequence[tuple[str, str]]


class TooLarge(PermanentError):
    """An answer longer than we take."""


class Rest:
    """REST 2.0 of one RT, by the token of our service user."""

    def __init__(
        self, system: str, url: str, token: str, *, ca_file: str | None = None, traffic: Traffic | None = None
    ) -> None:
        self.system = system
        self._remote = Remote(system, f"{url}/REST/2.0", token, scheme="token", ca_file=ca_file, traffic=traffic)

    def url(self, *segments: str) -> str:
        """An address under ``/REST/2.0``; every segment is percent-encoded."""
        return self._remote.url(*segments)

    def get(self, doing: str, url: str, params: Params = (), *, needs: str = "") -> Reply:
        """The record or collection at an address; `needs` says what the service user must have for it."""
        with _told(needs):
            # RT takes repeated names, such as two of orderby.
            reply = self._remote.call(doing, "GET", f"{url}?{urlencode(params, quote_via=quote)}" if params else url)
        return _checked(reply)

    def send(self, doing: str, method: str, url: str, body: Any, *, needs: str = "") -> Reply:
        """POST or PUT. The answer's body is nothing to go by: it is in the service user's language, and in Latin-1."""
        with _told(needs):
            return self._remote.call(doing, method, url, json=body)


@contextmanager
def _told(needs: str) -> Iterator[None]:
    try:
        yield
    except Denied as error:
        why = _unauthorized() if error.status == 401 else _forbidden(needs)
        raise Denied(error.system, error.doing, f"{error.message}; {why}", status=error.status) from error
    except OutcomeUnknown as error:
        if error.status is None:
            raise
        message = f"{error.message}; RT's own log says why"
        raise OutcomeUnknown(error.system, error.doing, message, status=error.status) from error
    except NotFound:
        raise
    except PermanentError as error:
        if error.status is not None and 200 <= error.status < 300:
            raise TooLarge(error.system, error.doing, error.message, status=error.status) from error
        if error.status is None or not 300 <= error.status < 400:
            raise
        message = f"{error.message}; a sign-in (SSO) in front of RT must let /REST/2.0 through"
        raise PermanentError(error.system, error.doing, message, status=error.status) from error


def _unauthorized() -> str:
    return "RT does not know the token, or the service user is disabled there"


def _forbidden(needs: str) -> str:
    return f"RT forbids it to the service user, which needs {needs}" if needs else "RT forbids it to the service user"


def _checked(reply: Reply) -> Reply:
    if "json" in reply.headers.get("Content-Type", "").lower():
        return reply
    raise PermanentError(
        reply.system,
        reply.doing,
        f"answered {reply.status}, but not with JSON: url does not lead to RT, or a sign-in stands before /REST/2.0",
        status=reply.status,
    )
