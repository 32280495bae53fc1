"""Certificates made for one run: an authority of the demo's own, one for its server, one for our application."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

LIFE = timedelta(days=90)


def server_side(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """TLS for a server on this machine, and the file with the authority that made its certificate."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key)
    here = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _begun(_name("demo of Microsoft 365"), authority.subject, key)
        .add_extension(x509.SubjectAlternativeName(here), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    file = folder / "exchange-server.pem"
    write_secret(file, _pem(certificate) + _pem_of_key(key))
    trusted = folder / "exchange-authority.pem"
    trusted.write_text(_pem(authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, trusted


def for_application() -> tuple[str, x509.Certificate]:
    """What our side signs in by (PEM, with the private key), and what is uploaded to the registration."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = _name("m365-unblock")
    certificate = _begun(name, name, key).sign(key, hashes.SHA256())
    return _pem_of_key(key) + _pem(certificate), certificate


def write_secret(file: Path, text: str) -> None:
    """A file for our own user only."""
    file.touch(mode=0o600)
    file.write_text(text)


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("m365-unblock demo")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    return (
        _begun(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _begun(subject: x509.Name, issuer: x509.Name, key: CertificateIssuerPrivateKeyTypes) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFE)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_of_key(key: CertificateIssuerPrivateKeyTypes) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
