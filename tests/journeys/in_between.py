"""What stands between processes in a journey: a balancer before several web processes, a desk that keeps every note."""

import http.client
import io
import json
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import count
from typing import Any

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "server", "date"})


class Balancer:
    """Hands each request to the next web process in turn; to the one after it where nobody listens."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._turn = count()
        self.answered: Counter[int] = Counter()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        first = next(self._turn)
        for number in range(len(self._ports)):
            port = self._ports[(first + number) % len(self._ports)]
            try:
                status, headers, answer = _forward(port, environ, body)
            except ConnectionRefusedError:
                continue
            except (OSError, http.client.HTTPException):  # it was killed at work; whoever asked must ask again
                break
            self.answered[port] += 1
            start_response(status, headers)
            return [answer]
        start_response("502 Bad Gateway", [("Content-Type", "text/plain")])
        return [b"no web process answered"]


def _forward(port: int, environ: Any, body: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    path = environ["PATH_INFO"] + (f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else "")
    headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(environ["REQUEST_METHOD"], path, body or None, headers)
        answer = connection.getresponse()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        return f"{answer.status} {answer.reason}", kept, answer.read()


class Forgetful:
    """Stands in front of the demo desk, which keeps one note of a key: here a key sent again is one more note."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._one_at_a_time = threading.Lock()
        self.posted: Counter[str] = Counter()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].startswith("/api/"):
            note = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            with self._one_at_a_time:
                self.posted[note["key"]] += 1
                times = self.posted[note["key"]]
            if times > 1:
                note["key"] += f" (again {times})"
            body = json.dumps(note).encode()
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return self._app(environ, start_response)


class Crowd:
    """Stands in front of a stand-in; counts how many requests are there at once, and how many writes to one thing."""

    def __init__(self, app: Any, *, takes: float = 0.0) -> None:
        self._app, self.takes = app, takes
        self._changing = threading.Lock()
        self._never = threading.Event()
        self.here = self.most = self.all = 0
        self._writing: Counter[str] = Counter()
        self.most_writing: Counter[str] = Counter()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        # The ticket or the account, as in /api/tickets/1001/notes and /v1/accounts/bbadger/unblock.
        written = "" if environ["REQUEST_METHOD"] == "GET" else "/".join(environ["PATH_INFO"].split("/")[:4])
        with self._changing:
            self.here, self.all = self.here + 1, self.all + 1
            self.most = max(self.most, self.here)
            self._writing[written] += 1
            self.most_writing[written] = max(self.most_writing[written], self._writing[written])
        try:
            self._never.wait(self.takes)  # a system that takes its time
            return list(self._app(environ, start_response))
        finally:
            with self._changing:
                self.here -= 1
                self._writing[written] -= 1

    def most_at_one(self) -> dict[str, int]:
        """How many writes to one thing were here at once, for each that was written to."""
        return {place: most for place, most in self.most_writing.items() if place}
