"""The web process at the wire: what a socket is answered, however it behaves."""

import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.journeys.site import Site

DELIVERY = b"POST /webhooks/desk HTTP/1.1\r\nHost: plugin\r\nContent-Type: application/json\r\nConnection: close\r\n"


@pytest.fixture
def web(site: Site) -> subprocess.Popen[bytes]:
    started = site.start("web")
    site.until(lambda: site.get("/healthz") == 200)
    return started


@pytest.fixture
def wire(site: Site, web: subprocess.Popen[bytes]) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", site.port), timeout=25) as connected:
        yield connected


def answered(wire: socket.socket) -> bytes:
    """All that comes until the other side hangs up."""
    return b"".join(iter(lambda: wire.recv(65536), b""))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01 no HTTP\r\n\r\n", b"400"),
        (DELIVERY + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"400"),
        (DELIVERY + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", b"400"),
        (DELIVERY + b"".join(b"X-%d: x\r\n" % number for number in range(200)) + b"\r\n", b"431"),
        (DELIVERY + b"Content-Length: 2000000\r\n\r\n", b"413"),
        (DELIVERY + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"401"),
        (DELIVERY + b"Content-Length: 2\r\n\r\n{}", b"401"),
    ],
)
def test_what_is_wrong_at_the_wire_is_refused_and_hurts_nobody_else(
    site: Site, wire: socket.socket, sent: bytes, status: bytes
) -> None:
    wire.sendall(sent)
    assert answered(wire).startswith(b"HTTP/1.1 " + status)
    assert site.get("/healthz") == 200


def test_more_senders_that_stop_halfway_than_there_are_threads_do_not_stop_the_health_page(
    site: Site, web: subprocess.Popen[bytes]
) -> None:
    halfway = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(8)]
    for connection in halfway:
        connection.sendall(b"POST /webhooks/desk HTTP/1.1\r\nHost:")
    assert site.get("/healthz") == 200
    for connection in halfway:
        connection.close()


def test_a_request_under_way_when_the_process_is_to_end_is_answered(
    site: Site, web: subprocess.Popen[bytes], wire: socket.socket
) -> None:
    wire.sendall(DELIVERY + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert wire.recv(65536).startswith(b"HTTP/1.1 100")  # it is being worked on
    web.terminate()
    site.until(lambda: site.get("/healthz") == 0)
    wire.sendall(b"{}")
    assert answered(wire).startswith(b"HTTP/1.1 401")
    assert web.wait(25) == 0


def test_an_address_that_is_taken_ends_serve_with_the_setting_and_the_address(site: Site) -> None:
    with socket.create_server(("127.0.0.1", site.port)):
        code, said = site.run("serve")
    assert code == 2
    assert f"[server] listen: cannot listen at 127.0.0.1:{site.port}: Address already in use" in said
    assert "Traceback" not in said
