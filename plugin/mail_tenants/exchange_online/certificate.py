"""The certificate by which the application signs in: one PEM text with the private key and the certificate."""

import re
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from plugin.errors import SettingsError

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """What signs our requests for tokens, and by what Microsoft knows it."""

    pem: str  # the certificate alone
    private_key: str = field(repr=False)  # PEM, PKCS #8
    thumbprint: str  # SHA-1 in hexadecimal, as the application's registration shows it
    valid_from: datetime
    valid_until: datetime


def read(place: str, text: str) -> Certificate:
    """The certificate in a PEM text; `SettingsError`, with `place` before it and no word of the text, where it is none.

    Of several certificates the one that belongs to the key counts: files often hold a chain.
    """
    key = _private_key(place, text)
    for pem in CERTIFICATE.findall(text):
        try:
            certificate = x509.load_pem_x509_certificate(pem.encode())
        except ValueError as error:
            raise SettingsError(f"{place}: a certificate in it cannot be read") from error
        if certificate.public_key() == key.public_key():
            return Certificate(
                pem=pem,
                private_key=_as_text(key),
                thumbprint=certificate.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303 - a name, no signature
                valid_from=certificate.not_valid_before_utc,
                valid_until=certificate.not_valid_after_utc,
            )
    raise SettingsError(f"{place}: no certificate in it belongs to the private key; put both into one PEM file")


def _private_key(place: str, text: str) -> RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise SettingsError(f"{place}: the private key has a password; take it off (openssl rsa)") from None
    except (ValueError, UnsupportedAlgorithm):  # its words may hold a part of the key
        raise SettingsError(f"{place}: no private key in it can be read; it must be PEM, key and certificate") from None
    if not isinstance(key, RSAPrivateKey):
        raise SettingsError(f"{place}: the private key must be RSA, as Microsoft's sign-in for applications takes it")
    return key


def _as_text(key: RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
