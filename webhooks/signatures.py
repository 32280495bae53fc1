"""Pure checks of webhook signatures. No two ticket systems sign alike: a `Scheme` says how one does.

The hash belongs to the configured scheme and never follows a prefix that the sender chose: one header name carries
SHA-1 at one vendor and SHA-256 at another.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from plugin.errors import DeliveryRefused, SettingsError

BODY = ":body"  # stands for the request's bytes among header names; no header can be called so
SHORTEST_KEY = 24  # bytes; the least that Standard Webhooks allows


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    """How one kind of sender signs. Header names are in lower case."""

    signature_header: str
    hash: Callable[[], "hashlib._Hash"]
    prefix: str  # before each signature; anything else in the header is passed over
    encode: Callable[[bytes], str]
    signed: tuple[str, ...]  # header names and BODY, in the order of concatenation
    joined_by: bytes = b""
    listed_by: str | None = None  # what stands between several signatures in one header; None: there is only one
    timestamp_header: str | None = None
    seconds: Callable[[str], float | None] = lambda _: None  # reads the timestamp as Unix time; None if it is none
    tolerance: timedelta = timedelta(seconds=300)
    key: Callable[[str], bytes]  # a secret as the settings hold it → key; ValueError says what is wrong with it


def whsec_key(secret: str) -> bytes:
    """The key in a Standard Webhooks secret, ``whsec_<base64>``."""
    prefix, marker, encoded = secret.partition("whsec_")
    if prefix or not marker:
        raise ValueError("must begin with whsec_")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be padded base64 after whsec_") from None


def text_key(secret: str) -> bytes:
    """A secret that is the key as it stands."""
    return secret.encode("utf-8")


def unix_seconds(text: str) -> float | None:
    """Whole seconds since 1970, in plain digits."""
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def to_base64(mac: bytes) -> str:
    """Padded base64 in the ordinary alphabet."""
    return base64.b64encode(mac).decode("ascii")


def to_hex(mac: bytes) -> str:
    """In small letters."""
    return mac.hex()


STANDARD_WEBHOOKS = (
    Scheme(  # https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
        signature_header="webhook-signature",
        hash=hashlib.sha256,
        prefix="v1,",
        encode=to_base64,
        signed=("webhook-id", "webhook-timestamp", BODY),
        joined_by=b".",
        listed_by=" ",
        timestamp_header="webhook-timestamp",
        seconds=unix_seconds,
        key=whsec_key,
    )
)


def signing_keys(scheme: Scheme, secrets: Sequence[str], setting: str) -> tuple[bytes, ...]:
    """The keys in the configured secrets; `SettingsError` names the setting and the entry, never the secret."""
    if not secrets:
        raise SettingsError(f"{setting}: give at least one secret, or anybody could send events")
    return tuple(_key(scheme, secret, f"{setting}, entry {number}") for number, secret in enumerate(secrets, 1))


def _key(scheme: Scheme, secret: str, entry: str) -> bytes:
    try:
        key = scheme.key(secret)
    except ValueError as error:
        raise SettingsError(f"{entry}: the secret {error}") from None
    if len(key) < SHORTEST_KEY:
        raise SettingsError(f"{entry}: the secret holds {len(key)} bytes; make a new one of {SHORTEST_KEY} or more")
    return key


def fingerprint(secret: str) -> str:
    """Tells secrets apart without giving them away: what our extensions tell `check` of the one they sign with."""
    return hmac.new(secret.encode(), b"m365-unblock check", hashlib.sha256).hexdigest()[:12]


def verify(scheme: Scheme, keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Raise `DeliveryRefused` (401) unless one of the keys signed exactly these bytes, and lately.

    One answer for every signature that does not hold: who is guessing learns nothing from it, an honest sender finds
    all there is to check. Which header is missing, whoever did not send it may know.
    """
    missing = [name for name in _needed(scheme) if not headers.get(name)]
    if missing:
        raise DeliveryRefused(401, "Signature refused", f"{' and '.join(missing)} missing: every delivery is signed.")
    # Both are always worked out, so that the time taken does not tell which one failed.
    if not all((_is_signed(scheme, keys, headers, body), _is_recent(scheme, headers, now))):
        raise DeliveryRefused(
            401,
            "Signature refused",
            f"{scheme.signature_header} does not vouch for this body. Sign the bytes exactly as they are sent, with a "
            f"secret from the plugin's settings{_clock_hint(scheme)}.",
        )


def _needed(scheme: Scheme) -> list[str]:
    """The headers without which no delivery can be good."""
    named = (*(part for part in scheme.signed if part != BODY), scheme.timestamp_header, scheme.signature_header)
    return list(dict.fromkeys(name for name in named if name))


def _clock_hint(scheme: Scheme) -> str:
    if scheme.timestamp_header is None:
        return ""
    return f", with a {scheme.timestamp_header} within {scheme.tolerance.total_seconds():.0f} seconds of the true time"


def _is_signed(scheme: Scheme, keys: Sequence[bytes], headers: Mapping[str, str], body: bytes) -> bool:
    complete = all(part == BODY or headers.get(part) for part in scheme.signed)
    content = scheme.joined_by.join(body if part == BODY else _as_sent(headers.get(part, "")) for part in scheme.signed)
    expected = [_as_sent(scheme.encode(hmac.new(key, content, scheme.hash).digest())) for key in keys]
    offered = _offered(scheme, headers)
    # Every pair is compared, so the time taken does not tell which secret is in use.
    matches = [hmac.compare_digest(mine, theirs) for mine in expected for theirs in offered]
    return complete and any(matches)


def _offered(scheme: Scheme, headers: Mapping[str, str]) -> list[bytes]:
    value = headers.get(scheme.signature_header, "")
    entries = value.split(scheme.listed_by) if scheme.listed_by else [value]
    return [_as_sent(entry.removeprefix(scheme.prefix)) for entry in entries if entry.startswith(scheme.prefix)]


def _is_recent(scheme: Scheme, headers: Mapping[str, str], now: datetime) -> bool:
    if scheme.timestamp_header is None:
        return True
    sent = scheme.seconds(headers.get(scheme.timestamp_header, ""))
    return sent is not None and abs(now.timestamp() - sent) <= scheme.tolerance.total_seconds()


def _as_sent(text: str) -> bytes:
    # Header bytes come decoded as Latin-1 (PEP 3333).
    return text.encode("latin-1", "replace")
