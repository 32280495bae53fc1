"""What `Remote` makes of other systems, mostly of misbehaving ones: real servers that speak bytes on 127.0.0.1."""

import gzip
import ipaddress
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Event, Thread
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin import computing
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
from plugin.http import MAX_BODY, Remote, Reply
from plugin.refusals import Said
from plugin.transport import MOST_KEPT, BoundedSession, OriginAdapter

TOKEN = "correct-horse-battery-staple"
SOON = 0.4  # seconds; what these tests give an answer
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

Answer = Callable[[socket.socket, Event], None]


class Peer:
    """A server that does with each request what `answer` does; `heard` is what it was sent."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self._answer, self._tls = answer, tls
        self.heard: list[bytes] = []
        self.connections = 0
        self._stop = Event()
        self._listener = self._connection = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = Thread(target=self._run)

    def __enter__(self) -> "Peer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for waiting in (self._listener, self._connection):
            with suppress(OSError):
                waiting.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connection = connection
            self.connections += 1
            with suppress(OSError), connection:
                connection.settimeout(5)
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection:
            while request := self._request(connection):
                self.heard.append(request)
                self._answer(connection, self._stop)

    def _request(self, connection: socket.socket) -> bytes:
        request = b""
        while b"\r\n\r\n" not in request:
            received = connection.recv(65536)
            if not received:
                return b""
            request += received
        return request


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    with ExitStack() as running:
        yield lambda answer, **options: running.enter_context(Peer(answer, **options))


def remote(to: Peer | str) -> Remote:
    return Remote("campus", to if isinstance(to, str) else to.url, TOKEN, answer_seconds=SOON)


def get(to: Peer | str) -> Reply:
    ours = remote(to)
    return ours.call("reading", "GET", ours.url("thing"))


def says(head: str, body: bytes = b"", *, length: int | None = None) -> Answer:
    """An answer with a status line, headers and a body."""
    headers = f"{head}\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"

    def answer(connection: socket.socket, _: Event) -> None:
        connection.sendall(f"HTTP/1.1 {headers}".encode("latin-1") + body)

    return answer


def then_closes(answer: Answer) -> Answer:
    def closing(connection: socket.socket, stop: Event) -> None:
        answer(connection, stop)
        connection.shutdown(socket.SHUT_RDWR)

    return closing


def trickles(first: bytes, drop: bytes) -> Answer:
    """Sends a little, then a drop again and again: fast enough for a time-out that starts anew with each byte."""

    def answer(connection: socket.socket, stop: Event) -> None:
        connection.sendall(first)
        for _ in range(500):
            if stop.wait(0.02):
                return
            connection.sendall(drop)

    return answer


def endless(first: str) -> Answer:
    """A chunked body without end."""

    def answer(connection: socket.socket, stop: Event) -> None:
        connection.sendall(f"HTTP/1.1 {first}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        while not stop.is_set():
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")

    return answer


# ── answers that are none ────────────────────────────────────────────────────────────────────────────────────────


def test_nobody_listening_means_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        get(f"http://127.0.0.1:{port}")
    assert str(caught.value) == (
        f"campus: reading: could not connect to 127.0.0.1:{port}: the connection was refused: nothing listens there; "
        "see its address, under 'campus' in the settings"
    )


def resets(connection: socket.socket, stop: Event) -> None:
    says("200 OK", b'{"half":', length=100)(connection, stop)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


BROKEN = {
    "closed without a word": then_closes(lambda connection, stop: None),
    "reset in the middle of the body": resets,
    "closed in the status line": then_closes(lambda connection, stop: connection.sendall(b"HTTP/1.1 200 O")),
    "closed in the headers": then_closes(lambda connection, stop: connection.sendall(b"HTTP/1.1 204 Gone\r\nX: y\r\n")),
    "body shorter than announced": then_closes(says("200 OK", b"{}", length=100)),
    "chunks break off": then_closes(
        lambda connection, stop: connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}   \r\n"
        )
    ),
    "chunk sizes are no numbers": then_closes(
        lambda connection, stop: connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n{}\r\n0\r\n\r\n"
        )
    ),
    "not HTTP": then_closes(lambda connection, stop: connection.sendall(b"220 mail.example.edu ESMTP\r\n")),
    "two lengths": then_closes(
        lambda connection, stop: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 7\r\n\r\n{}")
    ),
    "not the compression it says": then_closes(says("200 OK\r\nContent-Encoding: gzip", b"{}")),
    "a header line without end": then_closes(
        lambda connection, stop: connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000)
    ),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_leaves_the_outcome_unknown(peer: Callable[..., Peer], answer: Answer) -> None:
    broken = peer(answer)
    with pytest.raises(OutcomeUnknown, match="campus: reading: "):
        get(broken)
    assert len(broken.heard) == 1  # never repeated


SLOW = {
    "silence": lambda connection, stop: stop.wait(10),
    "body": trickles(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b" "),
    "chunks": trickles(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a chunk's size": trickles(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "status line": trickles(b"HTTP/1.1 200 ", b"O"),
    "headers": trickles(b"HTTP/1.1 200 OK\r\nX-Header: ", b"x"),
    "always about to answer": trickles(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body until it closes": trickles(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
def test_a_trickle_of_bytes_is_given_up_when_the_time_for_an_answer_is_over(
    peer: Callable[..., Peer], answer: Answer
) -> None:
    slow = peer(answer)
    began = monotonic()
    with pytest.raises(OutcomeUnknown):
        get(slow)
    assert SOON * 0.9 < monotonic() - began < SOON * 5


def test_silence_after_a_late_beginning_is_given_up_at_the_same_time(peer: Callable[..., Peer]) -> None:
    def begins_late(connection: socket.socket, stop: Event) -> None:
        stop.wait(SOON * 0.9)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        stop.wait(10)

    slow = peer(begins_late)
    began = monotonic()
    with pytest.raises(OutcomeUnknown):
        get(slow)
    assert monotonic() - began < SOON * 1.6


def test_an_endless_answer_is_cut_at_the_cap(peer: Callable[..., Peer]) -> None:
    flood = peer(endless("200 OK"))
    patient = Remote("campus", flood.url, TOKEN)
    with pytest.raises(PermanentError, match=f"larger than {MAX_BODY} bytes") as caught:
        patient.call("reading", "GET", patient.url("thing"))
    assert caught.value.status == 200


def test_a_small_answer_that_unpacks_to_a_huge_one_is_cut_at_the_cap(peer: Callable[..., Peer]) -> None:
    bomb = gzip.compress(b" " * (MAX_BODY + 1), compresslevel=9)
    assert len(bomb) < 20_000
    with pytest.raises(PermanentError, match="larger than"):
        get(peer(says("200 OK\r\nContent-Encoding: gzip", bomb)))


@pytest.mark.parametrize(
    ("status", "kind"),
    [("500 Oops", OutcomeUnknown), ("401 No", Denied), ("302 Found\r\nLocation: /b", PermanentError)],
)
def test_an_endless_body_does_not_hide_the_status(
    peer: Callable[..., Peer], status: str, kind: type[RemoteError]
) -> None:
    with pytest.raises(kind) as caught:
        get(peer(endless(status)))
    assert caught.value.status == int(status[:3])


def test_a_refusal_that_breaks_off_is_still_that_refusal(peer: Callable[..., Peer]) -> None:
    with pytest.raises(Denied) as caught:
        get(peer(then_closes(says("403 Forbidden", b'{"title":', length=500))))
    assert caught.value.status == 403


# ── answers that are some ────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_is_read_to_its_end(peer: Callable[..., Peer]) -> None:
    reply = get(peer(says("201 Created\r\nX-Request-Id: 7", b'{"name": "B\xc3\xbccky"}')))
    assert (reply.status, reply.body) == (201, b'{"name": "B\xc3\xbccky"}')
    assert reply.headers["x-request-id"] == "7"
    assert reply.json() == {"name": "Bücky"}


@pytest.mark.parametrize(
    "body", [b"", b"<html>Sign in</html>", b"\xff\xfe\x00", b"[" * 100_000, b"1" * 5000], ids=lambda body: body[:6]
)
def test_a_body_that_is_no_json_is_said_to_be_none(peer: Callable[..., Peer], body: bytes) -> None:
    reply = get(peer(says("200 OK", body)))
    with pytest.raises(PermanentError, match="campus: reading: answered 200, but not with JSON") as caught:
        reply.json()
    assert caught.value.status == 200


def test_what_is_sent_is_what_was_given(peer: Callable[..., Peer]) -> None:
    listening = peer(says("200 OK", b"{}"))
    ours = remote(listening.url + "/base/")
    ours.call(
        "asking", "POST", ours.url("a", "b"), json={"n": 1}, params={"q": "x y"}, headers={"Idempotency-Key": "k"}
    )
    head, _, _ = listening.heard[0].decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    assert first == "POST /base/a/b?q=x+y HTTP/1.1"
    assert set(lines) >= {
        f"Host: 127.0.0.1:{listening.port}",
        f"Authorization: Bearer {TOKEN}",
        "User-Agent: m365-unblock",
        "Idempotency-Key: k",
        "Content-Type: application/json",
        "Content-Length: 8",
    }


def test_what_was_left_of_the_time_for_one_answer_does_not_limit_the_next(peer: Callable[..., Peer]) -> None:
    def late(connection: socket.socket, stop: Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        stop.wait(SOON * 0.7)
        connection.sendall(b"{}")

    slow = peer(late)
    ours = remote(slow)
    for _ in range(2):
        assert ours.call("reading", "GET", ours.url("thing")).body == b"{}"
    assert slow.connections == 1


def test_a_long_answer_does_not_wait_for_its_turn_at_each_piece(peer: Callable[..., Peer]) -> None:
    pieces = b"3e8\r\n%s\r\n" % (b"x" * 1000) * 12_000 + b"0\r\n\r\n"  # read in some 1500 pieces
    ours = Remote("campus", peer(lambda connection, _: connection.sendall(CHUNKED + pieces)).url, TOKEN)
    is_read, turns = Event(), []

    def compute() -> None:
        while not is_read.is_set():
            with computing.turn(60):
                turns.append(is_read.wait(0.001))
                with computing.waiting():
                    is_read.wait(0.001)

    with ThreadPoolExecutor(8) as pool:
        others = [pool.submit(compute) for _ in range(8)]
        with computing.turn(60):
            reply = ours.call("reading", "GET", ours.url("thing"))
        is_read.set()
    assert len(reply.body) == 12_000_000
    assert not any(other.exception() for other in others)
    assert len(turns) < 200


def test_as_many_connections_are_kept_as_there_may_be_calls_at_once() -> None:
    all_there, connections = Barrier(MOST_KEPT, timeout=10), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            connections.append(self.client_address)

        def do_GET(self) -> None:
            all_there.wait()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = MOST_KEPT

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        ours = Remote("campus", f"http://127.0.0.1:{server.server_address[1]}", TOKEN)
        for _ in range(2):
            with ThreadPoolExecutor(MOST_KEPT) as pool:
                calls = [pool.submit(ours.call, "reading", "GET", ours.url("thing")) for _ in range(MOST_KEPT)]
            assert {call.result().status for call in calls} == {204}
        server.shutdown()
        thread.join()
    assert len(connections) == MOST_KEPT


def test_a_header_that_goes_on_in_the_next_line_is_one_line(peer: Callable[..., Peer]) -> None:
    reply = get(peer(says("200 OK\r\nX-Long: first\r\n\t second", b"{}")))
    assert reply.headers["X-Long"] == "first second"


def test_token_follows_the_word_that_a_system_wants(peer: Callable[..., Peer]) -> None:
    listening = peer(says("200 OK", b"{}"))
    Remote("rt", listening.url, TOKEN, scheme="token").call("asking", "GET", listening.url)
    assert f"Authorization: token {TOKEN}\r\n".encode() in listening.heard[0]


def test_a_connection_serves_the_next_call_too(peer: Callable[..., Peer]) -> None:
    listening = peer(says("200 OK", b"{}"))
    ours = remote(listening)
    for _ in range(3):
        ours.call("reading", "GET", ours.url("thing"))
    assert (len(listening.heard), listening.connections) == (3, 1)


def test_cookies_are_not_kept(peer: Callable[..., Peer]) -> None:
    listening = peer(says("200 OK\r\nSet-Cookie: session=1; Path=/", b"{}"))
    ours = remote(listening)
    for _ in range(2):
        ours.call("reading", "GET", ours.url("thing"))
    assert b"Cookie" not in listening.heard[1]


def test_proxies_and_passwords_of_the_environment_are_ignored(
    peer: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy, listening = peer(says("200 OK", b"proxied")), peer(says("200 OK", b"{}"))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("http_proxy", proxy.url)
    assert get(listening).body == b"{}"
    assert f"Authorization: Bearer {TOKEN}".encode() in listening.heard[0]
    assert proxy.heard == []


# ── answers that say no ──────────────────────────────────────────────────────────────────────────────────────────

KINDS = {
    301: PermanentError,
    304: PermanentError,
    400: PermanentError,
    401: Denied,
    403: Denied,
    404: NotFound,
    408: OutcomeUnknown,
    409: PermanentError,
    410: NotFound,
    418: PermanentError,
    422: PermanentError,
    429: Throttled,
    500: OutcomeUnknown,
    502: OutcomeUnknown,
    503: Throttled,
    504: OutcomeUnknown,
    599: OutcomeUnknown,
}


@pytest.mark.parametrize(("status", "kind"), KINDS.items())
def test_each_refusal_says_whether_trying_again_makes_sense(
    peer: Callable[..., Peer], status: int, kind: type[RemoteError]
) -> None:
    with pytest.raises(RemoteError) as caught:
        get(peer(then_closes(says(f"{status} No"))))
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.system, caught.value.doing) == (status, "campus", "reading")
    assert f"answered {status}" in str(caught.value)


def test_a_problem_document_gives_type_and_title(peer: Callable[..., Peer]) -> None:
    body = b'{"type": "urn:account-admin:unblock-limit", "title": "Unblock limit reached", "status": 409}'
    with pytest.raises(PermanentError, match=r"answered 409 \(Unblock limit reached\)$") as caught:
        get(peer(says("409 Conflict\r\nContent-Type: application/problem+json", body)))
    assert caught.value.problem == "urn:account-admin:unblock-limit"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html><h1>Bad gateway</h1><script>alert(1)</script>",
        b"\x00\xff\xfe\x80",
        b'["title", "type"]',
        b'"title"',
        b'{"title": {"a": 1}, "type": ["x"]}',
        b'{"title": null, "type": 7}',
        b"[" * 50_000,
        b'{"title": "' + b"x" * 70_000 + b'"}',
    ],
    ids=range(9),
)
def test_an_error_without_a_proper_problem_document_is_told_by_its_status_alone(
    peer: Callable[..., Peer], body: bytes
) -> None:
    with pytest.raises(OutcomeUnknown, match=r"^campus: reading: answered 500$") as caught:
        get(peer(says("500 Oops", body)))
    assert caught.value.problem == ""


@pytest.mark.parametrize(
    "title",
    [
        f"Who is Bearer {TOKEN}?",
        f"{TOKEN}",
        "api_key=hunter2hunter2",
        "Bearer hunter2hunter2",
        "the Bearer token: hunter2hunter2",
        "Bearer token=hunter2hunter2",
        "Basic auth-hunter2hunter2",
        "Bearer token.hunter2hunter2",
        "Password: hunter2hunter2",
        "session eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        "see https://intern.example.edu/trace?t=hunter2hunter2",
        "see www.example.edu/hunter2hunter2",
        "<script>hunter2</script>",
        "half a <script",
        "two\r\nlines \x1b[31m",
        "a" * 5000,
        "<" * 5000,
        ("x" * 39 + " ") * 100,
    ],
)
def test_a_title_is_fit_for_people_before_it_gets_into_a_message(title: str) -> None:
    with responses.RequestsMock() as web:
        web.get("https://campus.example.edu/thing", status=400, json={"title": title})
        with pytest.raises(PermanentError) as caught:
            get("https://campus.example.edu")
    message = str(caught.value)
    assert TOKEN not in message
    assert not {"hunter2hunter2", "https:", "eyJ", "<script"} & {
        found for found in ("hunter2hunter2", "https:", "eyJ", "<script") if found in message
    }
    assert message.isprintable()
    assert len(message) < 250


@pytest.mark.parametrize(
    "title",
    [
        "Failed, correlation id 5f0c7b1e-8a57-4a0e-9f43-0d8f6d9e2b11",
        "The bearer token is missing or wrong.",
        "Basic authentication required",
    ],
)
def test_ordinary_words_of_a_title_stay_readable(title: str) -> None:
    with responses.RequestsMock() as web:
        web.get("https://campus.example.edu/thing", status=400, json={"title": title})
        with pytest.raises(PermanentError, match=title):
            get("https://campus.example.edu")


NOW = "Mon, 23 Nov 2026 20:00:00 GMT"


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ("Retry-After: 17", 17.0),
        ("Retry-After: 0", 0.0),
        (f"Date: {NOW}\r\nRetry-After: Mon, 23 Nov 2026 20:01:30 GMT", 90.0),
        (f"Date: {NOW}\r\nRetry-After: Mon, 23 Nov 2026 19:00:00 GMT", 0.0),
        (f"Date: {NOW}\r\nRetry-After: Wed, 23 Nov 2033 19:00:00 GMT", 86400.0),
        ("Retry-After: Mon, 23 Nov 2026 20:01:30 GMT", None),  # by whose clock?
        (f"Date: {NOW}\r\nRetry-After: Mon, 23 Nov 2026 20:01:30 -0000", None),  # of no zone
        (f"Date: {NOW}\r\nRetry-After: Mon, 23 Nov 99999999999999 20:01:30 GMT", None),
        ("Retry-After: 999999999999999999999999", 86400.0),
        ("Retry-After: -5", None),
        ("Retry-After: 1.5", None),
        ("Retry-After: soon", None),
        ("Retry-After: \xb2", None),
        ("X: y", None),
    ],
)
def test_a_system_that_asks_for_a_pause_says_how_long(
    peer: Callable[..., Peer], status: str, headers: str, seconds: float | None
) -> None:
    with pytest.raises(Throttled) as caught:
        get(peer(says(f"{status}\r\n{headers}")))
    assert caught.value.retry_after == seconds


@given(value=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60))
@settings(deadline=None)
def test_no_retry_after_header_is_too_odd(value: str) -> None:
    with responses.RequestsMock() as web:
        web.get("https://campus.example.edu/thing", status=429, headers={"Retry-After": value, "Date": NOW})
        with pytest.raises(Throttled) as caught:
            get("https://campus.example.edu")
    assert caught.value.retry_after is None or 0 <= caught.value.retry_after <= 86400


# ── where the bearer goes ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(peer: Callable[..., Peer], status: int) -> None:
    elsewhere = peer(says("200 OK", b"{}"))
    here = peer(says(f"{status} Moved\r\nLocation: {elsewhere.url}/thing"))
    with pytest.raises(PermanentError, match="redirects are not followed") as caught:
        get(here)
    assert caught.value.status == status
    assert (len(here.heard), elsewhere.connections) == (1, 0)


@pytest.mark.parametrize("location", ["http://[half", "//:99999999", "\xff\xfe", "javascript:alert(1)", ""])
def test_a_redirect_to_nonsense_is_a_redirect(peer: Callable[..., Peer], location: str) -> None:
    with pytest.raises(PermanentError, match="answered 302"):
        get(peer(says(f"302 Found\r\nLocation: {location}")))


ELSEWHERE = [
    "http://127.0.0.1:{other}/thing",
    "http://127.0.0.1:{other}\\@127.0.0.1:{ours}/thing",
    "http://127.0.0.1:{ours}@127.0.0.1:{other}/thing",
    "http://somebody:else@127.0.0.1:{ours}/thing",
    "https://127.0.0.1:{ours}/thing",
    "http://127.0.0.2:{ours}/thing",
    "http://localhost:{ours}/thing",
    "//127.0.0.1:{ours}/thing",
    "/thing",
    "127.0.0.1:{ours}/thing",
    "file:///etc/passwd",
    "http://[half/thing",
    "http://127.0.0.1:99999999/thing",
    "http:///thing",
    "",
]


@pytest.mark.parametrize("template", ELSEWHERE)
def test_the_bearer_is_sent_to_the_configured_origin_only(peer: Callable[..., Peer], template: str) -> None:
    ours, other = peer(says("200 OK", b"{}")), peer(says("200 OK", b"{}"))
    url = template.format(ours=ours.port, other=other.port)
    assert not remote(ours).is_ours(url)
    with pytest.raises(PermanentError, match="not sent: the address is not on the configured host") as caught:
        remote(ours).call("fetching", "GET", url)
    assert caught.value.status is None
    assert (ours.connections, other.connections) == (0, 0)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://desk.example.edu", "https://desk.example.edu/a?b#c"),
        ("https://desk.example.edu", "https://DESK.example.edu:443/a"),
        ("https://desk.example.edu:443/api", "HTTPS://desk.example.edu/other"),
        ("http://desk.example.edu", "http://desk.example.edu:80"),
        ("http://[::1]:8080", "http://[::1]:8080/a"),
    ],
)
def test_the_same_origin_in_other_words_is_ours(base: str, url: str) -> None:
    assert remote(base).is_ours(url)


PIECES = [
    "http://",
    "https://",
    "//",
    "desk.example.edu",
    "evil.example",
    ":80",
    ":81",
    "@",
    "\\",
    "/",
    "#",
    "?",
    "%",
    " ",
]


@given(pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8))
def test_what_counts_as_ours_is_where_a_request_would_really_go(pieces: list[str]) -> None:
    url = "".join(pieces)
    if remote("http://desk.example.edu").is_ours(url):
        target = urlsplit(requests.Request("GET", url).prepare().url)
        assert (target.scheme, target.hostname, target.port or 80) == ("http", "desk.example.edu", 80)


@pytest.mark.parametrize(
    "base",
    ["", "desk.example.edu", "ftp://desk.example.edu", "https://", "https://me:pw@desk.edu", "https://*.example.edu"],
)
def test_an_address_that_cannot_be_called_is_refused_at_the_start(base: str) -> None:
    with pytest.raises(SettingsError, match="campus: the address must be") as caught:
        remote(base)
    assert "pw" not in str(caught.value)


def test_no_id_climbs_out_of_its_place(peer: Callable[..., Peer]) -> None:
    listening = peer(says("200 OK", b"{}"))
    ours = remote(listening)
    for account in ["a/../../admin", "..%2f..", "a?b=c#d", "a\r\nX: y", "%2e%2e", "b\u00fccky@example.edu", "..."]:
        ours.call("reading", "GET", ours.url("v1", account))
    assert [request.split(b" ")[1] for request in listening.heard] == [
        b"/v1/a%2F..%2F..%2Fadmin",
        b"/v1/..%252f..",
        b"/v1/a%3Fb%3Dc%23d",
        b"/v1/a%0D%0AX%3A%20y",
        b"/v1/%252e%252e",
        b"/v1/b%C3%BCcky%40example.edu",
        b"/v1/...",
    ]


@pytest.mark.parametrize("account", ["", ".", "..", "\ud800"])
def test_an_id_that_no_address_can_hold_is_refused(account: str) -> None:
    with pytest.raises(PermanentError, match="campus: building an address"):
        remote("https://desk.example.edu").url("v1", account)


@pytest.mark.parametrize("value", ["two\r\nlines", "\u20ac", " leading"])
def test_a_header_that_cannot_be_sent_is_refused_before_anything_is(peer: Callable[..., Peer], value: str) -> None:
    listening = peer(says("200 OK", b"{}"))
    ours = remote(listening)
    with pytest.raises(PermanentError, match="not sent: no proper request") as caught:
        ours.call("asking", "POST", ours.url("thing"), json={}, headers={"Idempotency-Key": value})
    assert caught.value.status is None
    assert listening.connections == 0


def test_requests_go_to_one_origin_whatever_their_address_says(peer: Callable[..., Peer]) -> None:
    ours, other = peer(says("200 OK", b"{}")), peer(says("200 OK", b"{}"))
    with closing(OriginAdapter(ours.url)) as adapter:
        adapter.send(requests.Request("GET", f"{other.url}/thing").prepare(), timeout=(SOON, SOON)).close()
    assert (len(ours.heard), other.connections) == (1, 0)


# ── over TLS ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "campus")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "campus.pem"
    encoding = serialization.Encoding.PEM
    pem.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(encoding)
    )
    return pem


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_an_untrusted_certificate_is_told_nothing(peer: Callable[..., Peer], certificate: Path) -> None:
    impostor = peer(says("200 OK", b"{}"), tls=tls(certificate))
    with pytest.raises(Unreachable, match="certificate is not trusted here; nothing was sent"):
        get(impostor)
    assert impostor.heard == []


def test_the_time_for_an_answer_holds_over_tls(peer: Callable[..., Peer], certificate: Path) -> None:
    slow = peer(SLOW["headers"], tls=tls(certificate))
    began = monotonic()
    with BoundedSession() as session, pytest.raises(requests.exceptions.ReadTimeout):
        session.get(slow.url, timeout=(SOON, SOON), verify=str(certificate))
    assert monotonic() - began < SOON * 5


def test_a_session_that_is_given_no_time_takes_none(peer: Callable[..., Peer]) -> None:
    listening: Any = peer(says("200 OK", b"{}"))
    with BoundedSession() as session, pytest.raises(requests.exceptions.ReadTimeout):
        session.get(listening.url, timeout=None)


# ── a system whose tokens change, and whose errors have a form of their own ──────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "location", "kind"),
    [
        (301, "https://a.example/b", Moved),
        (302, "/b", Moved),
        (307, "https://a.example/b", Moved),
        (308, "https://a.example/b", Moved),
        (303, "https://a.example/b", PermanentError),  # a write that is answered so was done
        (302, "", PermanentError),
    ],
)
def test_where_a_redirect_leads_is_told_to_whoever_wants_to_follow(
    status: int, location: str, kind: type[PermanentError]
) -> None:
    with responses.RequestsMock() as web:
        web.get("https://desk.example/x", status=status, headers={"Location": location})
        with pytest.raises(PermanentError) as caught:
            Remote("desk", "https://desk.example", TOKEN).call("asking", "GET", "https://desk.example/x")
    assert type(caught.value) is kind
    assert getattr(caught.value, "location", location) == location
    assert caught.value.was_surely_not_done


def test_remote_without_a_token_sends_what_each_call_brings_and_a_form_as_a_form() -> None:
    remote = Remote("desk", "https://desk.example", None)
    with responses.RequestsMock() as web:
        web.post("https://desk.example/x")
        remote.call("asking", "POST", "https://desk.example/x", data={"a": "b c"})
        remote.call("asking", "POST", "https://desk.example/x", headers={"Authorization": "Bearer one"})
        first, second = (call.request for call in web.calls)
    assert "Authorization" not in first.headers
    assert (first.body, first.headers["Content-Type"]) == ("a=b+c", "application/x-www-form-urlencoded")
    assert second.headers["Authorization"] == "Bearer one"


def test_refusal_is_read_as_the_system_has_it_and_hides_its_secrets() -> None:
    def read(headers: Mapping[str, str], body: bytes) -> Said:
        return Said(title=f"{headers['X-Words']} {body.decode()}", kind="busy")

    remote = Remote("desk", "https://desk.example", None, read_refusal=read, hidden=("hunter~2",))
    with responses.RequestsMock() as web:
        web.get("https://desk.example/x", status=409, body="said hunter~2", headers={"X-Words": "It"})
        with pytest.raises(PermanentError) as caught:
            remote.call("asking", "GET", "https://desk.example/x")
    assert (caught.value.message, caught.value.problem) == ("answered 409 (It said …)", "busy")


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_pause_that_is_asked_for_with_no_clear_answer_is_passed_on(status: int) -> None:
    with responses.RequestsMock() as web:
        web.get("https://desk.example/x", status=status, headers={"Retry-After": "9"})
        with pytest.raises(OutcomeUnknown) as caught:
            Remote("desk", "https://desk.example", TOKEN).call("asking", "GET", "https://desk.example/x")
    assert caught.value.retry_after == 9
