"""What is told of a connection that never came to be; all at real sockets."""

import datetime
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from plugin.transport import BoundedSession, why_unsent


def why(url: str, **options: object) -> str | None:
    with BoundedSession() as session, pytest.raises(requests.exceptions.ConnectionError) as caught:
        session.get(url, timeout=(0.3, 0.3), **options)  # type: ignore[arg-type]
    return why_unsent(caught.value)


def test_a_refused_connection_is_told_as_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert why(f"http://127.0.0.1:{port}") == "the connection was refused: nothing listens there"


def test_a_host_name_that_is_none_is_told_as_one() -> None:
    assert why("http://no-such-host.invalid") == "there is no such host name"


def test_a_peer_that_takes_no_connection_in_time_is_told_as_one() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.create_connection(address), socket.socket() as second:  # these fill its queue
            second.setblocking(False)
            second.connect_ex(address)
            assert why(f"http://127.0.0.1:{address[1]}") == "no answer in time: a firewall may be in between"


@pytest.fixture
def hangs_up() -> Iterator[int]:
    """The port of a peer that takes a request and closes without a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.recv(65536)
            connection.close()

        thread = Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_a_connection_that_was_there_is_never_said_to_be_unsent(hangs_up: int) -> None:
    assert why(f"http://127.0.0.1:{hangs_up}") is None


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "own.pem").write_bytes(private + made.public_bytes(pem))
    return tmp_path / "own.pem"


def test_a_certificate_that_is_not_trusted_is_told_as_one_with_what_is_wrong(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, pytest.raises(ssl.SSLError):
                context.wrap_socket(connection, server_side=True)

        thread = Thread(target=serve)
        thread.start()
        said = why(f"https://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert said == "its certificate is not trusted here; nothing was sent (self-signed certificate)"
