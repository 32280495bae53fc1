"""A fault-injecting proxy: real HTTP on loopback before a stand-in, one request at a time, each treated as it is told.

Nobody waits in here. A time-out is a cut connection, and whoever runs the simulation moves the clock.
"""

import random
import socket
import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from werkzeug.test import Client

HEARD_AT_ONCE = 65536


class Fault(Enum):
    """What becomes of a request."""

    NONE = "answered"
    REFUSED = "connection refused"
    CUT_BEFORE = "connection cut before the work was done"
    CUT_AFTER = "connection cut after the work was done"
    CUT_MIDDLE = "cut in the middle of the answer, the work was done"
    TIMEOUT_BEFORE = "timed out, nothing was done"
    TIMEOUT_AFTER = "timed out after the work was done"
    LATE = "timed out, and the work is done only later"
    ERROR_BEFORE = "500, nothing was done"
    ERROR_AFTER = "500 although the work was done"
    BUSY_BEFORE = "503, nothing was done"
    BUSY_AFTER = "503 of a gateway although the work was done"
    THROTTLED = "429, nothing was done"
    WRONG_BEFORE = "200 with an error inside, nothing was done"
    WRONG_AFTER = "200 with an error inside although the work was done"
    RUBBISH_BEFORE = "200 with a sign-in page, nothing was done"
    RUBBISH_AFTER = "200 with a sign-in page although the work was done"


DONE = frozenset(
    {
        Fault.NONE,
        Fault.CUT_AFTER,
        Fault.CUT_MIDDLE,
        Fault.TIMEOUT_AFTER,
        Fault.ERROR_AFTER,
        Fault.BUSY_AFTER,
        Fault.WRONG_AFTER,
        Fault.RUBBISH_AFTER,
    }
)
SILENT = frozenset({Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER, Fault.LATE})
TIMED_OUT = frozenset({Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER, Fault.LATE})
SURELY_NOT_DONE = frozenset({Fault.REFUSED, Fault.THROTTLED})
"""What the caller may rely on: it may send the same again."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str  # with its query
    headers: dict[str, str]
    body: bytes


@dataclass(kw_only=True)
class Exchange:
    """A request, what became of it, and the stand-in's answer where it was done."""

    request: Request
    fault: Fault
    status: int | None = None
    body: bytes = field(default=b"", repr=False)


class Door:
    """A stand-in behind its port. `fault` is how the next request is treated, `last` what became of the last one."""

    def __init__(self) -> None:
        self.app: Any = None
        self.fault = Fault.NONE
        self.retry_after = 5
        self.last: Exchange | None = None
        self.error: BaseException | None = None
        self.port = 0
        self._listening: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self.open()

    def open(self) -> None:
        """Listen, on the port of before."""
        self._listening = _listen(self.port)
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(self._listening,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Refuse connections."""
        if self._listening is not None and self._thread is not None:
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
            self._thread.join()
            self._listening.close()
            self._listening = None

    def perform(self, request: Request) -> Any:
        """Have the stand-in do what is asked."""
        return Client(self.app).open(
            request.path, method=request.method, headers=list(request.headers.items()), data=request.body
        )

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                self._handle(connection)

    def _handle(self, connection: socket.socket) -> None:
        try:
            request = _read(connection)
            if request is not None:
                connection.sendall(self._answer(request))
        except OSError:
            pass  # the other side is gone
        except BaseException as error:  # noqa: BLE001 - raised again in the simulation's own thread
            self.error = error

    def _answer(self, request: Request) -> bytes:
        exchange = Exchange(request=request, fault=self.fault)
        answer = b""
        if self.fault in DONE:
            response = self.perform(request)
            exchange.status, exchange.body = response.status_code, response.get_data()
            answer = _bytes_of(response.status, list(response.headers.items()), exchange.body)
        self.last = exchange
        return self._spoilt(answer)

    def _spoilt(self, answer: bytes) -> bytes:
        later = [("Retry-After", str(self.retry_after)), ("Content-Type", "text/plain")]
        match self.fault:
            case Fault.NONE:
                return answer
            case Fault.CUT_MIDDLE:
                return answer[: len(answer) * 2 // 3]
            case Fault.ERROR_BEFORE | Fault.ERROR_AFTER:
                return _bytes_of("500 Internal Server Error", [("Content-Type", "text/plain")], b"out of order")
            case Fault.BUSY_BEFORE | Fault.BUSY_AFTER:
                return _bytes_of("503 Service Unavailable", later, b"later")
            case Fault.THROTTLED:
                return _bytes_of("429 Too Many Requests", later, b"later")
            case Fault.WRONG_BEFORE | Fault.WRONG_AFTER:
                return _bytes_of("200 OK", [("Content-Type", "application/json")], b'{"error": "database unavailable"}')
            case Fault.RUBBISH_BEFORE | Fault.RUBBISH_AFTER:
                return _bytes_of("200 OK", [("Content-Type", "text/html")], b"<html><title>Sign in</title></html>")
        return b""


def _listen(port: int) -> socket.socket:
    if port:
        return _listen_again(port)
    for _ in range(1000):
        # Below the ports that outgoing connections are given, so that ours is not taken while the door is shut.
        try:
            return socket.create_server(("127.0.0.1", random.randint(10_000, 32_000)))
        except OSError:
            continue
    raise OSError("no free port")


def _listen_again(port: int) -> socket.socket:
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            continue


def _read(connection: socket.socket) -> Request | None:
    said = b""
    while b"\r\n\r\n" not in said:
        more = connection.recv(HEARD_AT_ONCE)
        if not more:
            return None
        said += more
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    length = int(headers.get("Content-Length", "0"))
    while len(body) < length:
        body += connection.recv(HEARD_AT_ONCE)
    return Request(method=method, path=path, headers=headers, body=body)


def _bytes_of(status: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    kept = [(name, value) for name, value in headers if name.lower() not in ("content-length", "connection")]
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in kept)]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
