"""Systems that do not behave: what stands in front of a stand-in and spoils the answers that a test names."""

import io
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

LOGIN_PAGE = b"<!DOCTYPE html><html><body><form action='/login'>Please sign in</form></body></html>"
ERROR = b'{"error": "the database is being moved"}'


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """How a request is answered, and whether what it asks for is done all the same."""

    status: str = "200 OK"
    body: bytes = b""
    content_type: str = "application/json"
    is_done: bool = False
    is_cut: bool = False  # the connection ends in the middle of the answer


FAULTS = {
    "500 after the work": Fault(status="500 Internal Server Error", body=b"out of order", is_done=True),
    "500 before the work": Fault(status="500 Internal Server Error", body=b"out of order"),
    "an error inside 200": Fault(body=ERROR),
    "a sign-in page with 200": Fault(body=LOGIN_PAGE, content_type="text/html; charset=utf-8"),
    "an empty 200": Fault(),
    "200 with other words after the work": Fault(body=b'{"ok": true}', is_done=True),
    "cut after the work": Fault(body=b'{"id": "1', is_done=True, is_cut=True),
    "cut before the work": Fault(body=b'{"id": "1', is_cut=True),
}

REQUESTS = {
    "read": ("GET", "/api/tickets/0"),
    "find": ("GET", "/api/tickets/0/notes"),
    "note": ("POST", "/api/tickets/0/notes"),
    "tags": ("PATCH", "/api/tickets/0/tags"),
    "fields": ("PATCH", "/api/tickets/0/fields"),
    "list": ("GET", "/api/tickets"),
    "fetch": ("GET", "/api/attachments/0"),
    "account": ("GET", "/v1/accounts/0"),
    "unblock": ("POST", "/v1/accounts/0/office365/unblock"),
}
"""What the plugin asks of desk and tenant, by a word of our own; 0 stands for an id."""


def asked_for(environ: Any) -> str:
    """Which of `REQUESTS` this is; empty for any other."""
    parts = environ["PATH_INFO"].split("/")
    path = "/".join("0" if number == 3 else part for number, part in enumerate(parts))
    known = {request: word for word, request in REQUESTS.items()}
    return known.get((environ["REQUEST_METHOD"], path), "")


class Spoiled:
    """Spoils requests by their word in `faults`, as long as it stands there, and counts all of them in `seen`."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.faults: dict[str, Fault] = {}
        self.seen: Counter[str] = Counter()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        word = asked_for(environ)
        self.seen[word] += 1
        fault = self.faults.get(word)
        if fault is None:
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        _take_body(environ)
        if fault.is_done:
            _do(self._app, environ)
        length = len(fault.body) + (100 if fault.is_cut else 0)
        start_response(fault.status, [("Content-Type", fault.content_type), ("Content-Length", str(length))])
        return [fault.body]


class Late:
    """A desk behind a gateway that gives up on notes: they are on the ticket only `after` the gateway has said so."""

    def __init__(self, app: Any, clock: Callable[[], datetime], after: timedelta) -> None:
        self._app, self._clock, self._after = app, clock, after
        self._under_way: list[tuple[datetime, Any]] = []
        self.is_late = True

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.catch_up()
        if not self.is_late or asked_for(environ) != "note":
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        _take_body(environ)
        self._under_way.append((self._clock() + self._after, environ))
        start_response("504 Gateway Timeout", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return [b""]

    def catch_up(self) -> None:
        """Do what is due by now."""
        due = [(at, environ) for at, environ in self._under_way if at <= self._clock()]
        for item in due:
            self._under_way.remove(item)
            _do(self._app, item[1])


def _take_body(environ: Any) -> None:
    """A body that is not read before the answer may cost the other side the answer."""
    environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))


def _do(app: Any, environ: Any) -> None:
    list(app(environ, lambda *_: None))


class Outage:
    """A system that is away while `is_down`, and remembers when each request came, by the world's clock."""

    def __init__(self, app: Any, clock: Callable[[], datetime]) -> None:
        self._app, self._clock = app, clock
        self.came: list[datetime] = []
        self.is_down = False

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.came.append(self._clock())
        if not self.is_down:
            return self._app(environ, start_response)  # type: ignore[no-any-return]
        _take_body(environ)
        start_response("502 Bad Gateway", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return [b""]

    def between(self, begin: datetime, end: datetime) -> int:
        """How many requests came from a moment on and before another one."""
        return sum(begin <= at < end for at in self.came)
