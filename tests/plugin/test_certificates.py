"""A site with a certificate authority of its own: trusted where the settings name it, and nobody else is."""

import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from plugin.app import Parts
from plugin.errors import NotFound, Unreachable
from plugin.settings import load

SETTINGS = """
[organisation]
domains = ["example.edu"]
[sources.desk]
system = "generic"
api_url = "{url}/api"
api_token = "a-token-for-the-tests"
webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
{ca}
[mail_tenants.campus]
system = "account_admin"
url = "{url}"
token = "a-token-for-the-tests"
{ca}
"""


class Authority:
    """A certificate authority made up for a test."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        public = self._key.public_key()
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self.certificate = (
            self._begin(self._name, public)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _begin(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )

    def write(self, file: Path) -> None:
        """What a site puts beside its settings."""
        file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, file: Path) -> None:
        """A certificate for 127.0.0.1 with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._begin(x509.Name([]), key.public_key())
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)


class Nothing(BaseHTTPRequestHandler):
    """Answers that there is no such thing, which is answer enough."""

    def do_GET(self) -> None:
        self.server.heard.append(self.path)  # type: ignore[attr-defined]
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class TLSServer(ThreadingHTTPServer):
    def __init__(self, file: Path) -> None:
        super().__init__(("127.0.0.1", 0), Nothing)
        self.heard: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        # The handshake belongs to the connection's own thread.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: object) -> None:
        """A client that refuses our certificate is no error here."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TLSServer]:
    """A TLS server; the certificate of its authority is in ``ca.pem``, a stranger's in ``other.pem``."""
    authority = Authority("Campus")
    authority.write(tmp_path / "ca.pem")
    Authority("Stranger").write(tmp_path / "other.pem")
    authority.issue(tmp_path / "server.pem")
    server = TLSServer(tmp_path / "server.pem")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def parts(server: TLSServer, tmp_path: Path) -> Callable[[str], Parts]:
    """The plugin's parts with a line of settings for both systems."""

    def parts(ca: str) -> Parts:
        file = tmp_path / "m365-unblock.toml"
        file.write_text(SETTINGS.format(url=f"https://127.0.0.1:{server.server_port}", ca=ca))
        return Parts(load(file, {}))

    return parts


ASK = pytest.mark.parametrize(
    "ask",
    [lambda parts: parts.tenant.status("bbadger"), lambda parts: parts.sources["desk"].read_ticket("7")],
    ids=["tenant", "desk"],
)


@ASK
def test_the_authority_in_the_settings_is_trusted(
    server: TLSServer, parts: Callable[[str], Parts], ask: Callable[[Parts], object]
) -> None:
    with pytest.raises(NotFound):
        ask(parts('ca_file = "ca.pem"'))
    assert len(server.heard) == 1


@ASK
@pytest.mark.parametrize("ca", ["", 'ca_file = "other.pem"'], ids=["the usual ones", "a stranger's"])
def test_no_other_is_and_nothing_is_sent(
    server: TLSServer, parts: Callable[[str], Parts], ask: Callable[[Parts], object], ca: str
) -> None:
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        ask(parts(ca))
    assert server.heard == []


@ASK
def test_no_authority_from_the_environment_is_trusted(
    server: TLSServer,
    parts: Callable[[str], Parts],
    ask: Callable[[Parts], object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    with pytest.raises(Unreachable):
        ask(parts('ca_file = "other.pem"'))
