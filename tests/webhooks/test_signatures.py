"""Who may send: the signature schemes, by published vectors and by every way to get it wrong."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plugin.errors import DeliveryRefused, SettingsError
from webhooks.signatures import BODY, STANDARD_WEBHOOKS, Scheme, signing_keys, verify

BYTES = b'{"type": "ticket.created"}'
Sign = Callable[..., dict[str, str]]


@pytest.fixture
def keys(secret: str) -> tuple[bytes, ...]:
    return signing_keys(STANDARD_WEBHOOKS, [secret], "webhook_secrets")


def refused(scheme: Scheme, keys: tuple[bytes, ...], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    with pytest.raises(DeliveryRefused) as caught:
        verify(scheme, keys, headers, body, now)
    assert caught.value.status == 401
    return str(caught.value)


def test_published_vector_of_standard_webhooks_is_accepted() -> None:
    file = Path(__file__).parents[1] / "fixtures" / "standard-webhooks" / "signature-vector.json"
    vector = json.loads(file.read_text("utf-8"))
    keys = signing_keys(STANDARD_WEBHOOKS, [vector["secret"]], "webhook_secrets")
    verify(STANDARD_WEBHOOKS, keys, vector, vector["body"].encode(), datetime.fromtimestamp(1614265330, UTC))


def test_body_changed_by_one_byte_is_refused(keys: tuple[bytes, ...], sign: Sign, now: datetime) -> None:
    refused(STANDARD_WEBHOOKS, keys, sign(BYTES), BYTES + b" ", now)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_counts(header: str, keys: tuple[bytes, ...], sign: Sign, now: datetime) -> None:
    signed = sign(BYTES)
    for value in ("", signed[header] + "0", " " + signed[header] + "\x00", "€"):
        refused(STANDARD_WEBHOOKS, keys, signed | {header: value}, BYTES, now)
    del signed[header]
    assert f"{header} missing" in refused(STANDARD_WEBHOOKS, keys, signed, BYTES, now)


def test_signature_over_an_empty_id_is_refused(keys: tuple[bytes, ...], sign: Sign, now: datetime) -> None:
    refused(STANDARD_WEBHOOKS, keys, sign(BYTES, delivery=""), BYTES, now)


@pytest.mark.parametrize("off", [timedelta(seconds=-300), timedelta(seconds=300)])
def test_five_minutes_of_clock_skew_are_forgiven(
    off: timedelta, keys: tuple[bytes, ...], sign: Sign, now: datetime
) -> None:
    verify(STANDARD_WEBHOOKS, keys, sign(BYTES, at=now + off), BYTES, now)


@pytest.mark.parametrize("off", [timedelta(seconds=-301), timedelta(seconds=301), timedelta(days=-900)])
def test_stale_and_future_deliveries_are_refused(
    off: timedelta, keys: tuple[bytes, ...], sign: Sign, now: datetime
) -> None:
    refused(STANDARD_WEBHOOKS, keys, sign(BYTES, at=now + off), BYTES, now)


@pytest.mark.parametrize("timestamp", ["nan", "1e9", "-1", "+1", "1_0", "١٢", "", "9" * 4000, "inf", "17e8"])
def test_timestamp_in_any_other_spelling_is_refused(
    timestamp: str, keys: tuple[bytes, ...], sign: Sign, now: datetime
) -> None:
    refused(STANDARD_WEBHOOKS, keys, sign(BYTES) | {"webhook-timestamp": timestamp}, BYTES, now)


def test_one_good_signature_among_several_is_enough(keys: tuple[bytes, ...], sign: Sign, now: datetime) -> None:
    signed = sign(BYTES)
    signed["webhook-signature"] = f"v1,AAAA v1a,BBBB {signed['webhook-signature']} v2,CCCC"
    verify(STANDARD_WEBHOOKS, keys, signed, BYTES, now)


@pytest.mark.parametrize("version", ["v2,", "v1a,", "V1,", "", "v1=", "sha256="])
def test_only_version_one_is_read(version: str, keys: tuple[bytes, ...], sign: Sign, now: datetime) -> None:
    signed = sign(BYTES)
    signed["webhook-signature"] = version + signed["webhook-signature"].removeprefix("v1,")
    refused(STANDARD_WEBHOOKS, keys, signed, BYTES, now)


def test_each_of_several_secrets_is_good_while_one_is_being_replaced(secret: str, sign: Sign, now: datetime) -> None:
    newer = "whsec_" + base64.b64encode(b"n" * 32).decode()
    keys = signing_keys(STANDARD_WEBHOOKS, [newer, secret], "webhook_secrets")
    verify(STANDARD_WEBHOOKS, keys, sign(BYTES, secret=secret), BYTES, now)
    verify(STANDARD_WEBHOOKS, keys, sign(BYTES, secret=newer), BYTES, now)
    refused(STANDARD_WEBHOOKS, keys[:1], sign(BYTES, secret=secret), BYTES, now)


def test_refusal_does_not_tell_what_was_wrong(keys: tuple[bytes, ...], sign: Sign, now: datetime) -> None:
    stale = sign(BYTES, at=now - timedelta(hours=1))
    foreign = sign(BYTES, secret="whsec_" + base64.b64encode(b"x" * 32).decode())
    changed = sign(BYTES) | {"webhook-id": "another"}
    said = {refused(STANDARD_WEBHOOKS, keys, headers, BYTES, now) for headers in (stale, foreign, changed)}
    assert len(said) == 1


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "must begin with whsec_"),
        ("whsec_", "holds 0 bytes"),
        ("whsec_" + base64.b64encode(b"k" * 23).decode(), "holds 23 bytes"),
        (base64.b64encode(b"k" * 32).decode(), "must begin with whsec_"),
        ("xwhsec_" + base64.b64encode(b"k" * 32).decode(), "must begin with whsec_"),
        ("whsec_not base64 at all, though it is long enough", "base64"),
        ("whsec_ä" + "A" * 40, "base64"),
    ],
)
def test_unusable_secret_is_refused_at_start_without_being_told(secret: str, why: str) -> None:
    good = "whsec_" + base64.b64encode(b"k" * 24).decode()
    with pytest.raises(SettingsError, match=why) as caught:
        signing_keys(STANDARD_WEBHOOKS, [good, secret], "[sources.desk] webhook_secrets")
    assert "[sources.desk] webhook_secrets, entry 2" in str(caught.value)
    assert not secret or secret not in str(caught.value)


def test_no_secret_at_all_is_refused_at_start() -> None:
    with pytest.raises(SettingsError, match="at least one"):
        signing_keys(STANDARD_WEBHOOKS, [], "webhook_secrets")


# The table must be wide enough for what ticket systems really do; the vectors are the vendors' own, or computed apart.

PLAIN_BODY = replace(
    STANDARD_WEBHOOKS,
    signature_header="x-hub-signature",
    prefix="sha256=",
    encode=bytes.hex,
    signed=(BODY,),
    joined_by=b"",
    listed_by=None,
    timestamp_header=None,
    key=str.encode,
)
TIMESTAMP_LAST = replace(
    PLAIN_BODY,
    signature_header="x-glpi-signature",
    prefix="",
    signed=(BODY, "x-glpi-timestamp"),
    timestamp_header="x-glpi-timestamp",
    seconds=float,
)
TIMESTAMP_AS_TEXT = replace(
    STANDARD_WEBHOOKS,
    signature_header="x-zendesk-webhook-signature",
    prefix="",
    signed=("x-zendesk-webhook-signature-timestamp", BODY),
    joined_by=b"",
    listed_by=None,
    timestamp_header="x-zendesk-webhook-signature-timestamp",
    seconds=lambda text: datetime.fromisoformat(text).timestamp(),
    key=str.encode,
)


def test_a_scheme_may_sign_the_bare_body_in_hex(now: datetime) -> None:
    signature = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    keys = signing_keys(PLAIN_BODY, ["It's a Secret to Everybody"], "secrets")
    verify(PLAIN_BODY, keys, {"x-hub-signature": signature}, b"Hello World!", now)
    assert "true time" not in refused(PLAIN_BODY, keys, {"x-hub-signature": signature}, b"Hello, World!", now)


def test_the_hash_follows_the_configured_scheme_and_not_the_header(now: datetime) -> None:
    older = replace(PLAIN_BODY, hash=hashlib.sha1, prefix="sha1=")
    signature = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    refused(older, (b"It's a Secret to Everybody",), {"x-hub-signature": signature}, b"Hello World!", now)


@pytest.mark.parametrize(
    ("scheme", "secret", "timestamp", "body", "signature"),
    [
        (
            TIMESTAMP_LAST,
            b"glpi-test-secret",
            "1767225600",
            b'{"event":"update","item":{"id":7}}',
            "557cacdc376eebc0246c82a398c6269778f21d4f0dfc7d09e4e61e62a64dbfca",
        ),
        (
            TIMESTAMP_AS_TEXT,
            b"dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
            "2021-03-25T05:09:27Z",
            b'{"say": "hello"}',
            "P2iKOs0eFBXbqjyUNxNnoWmoN/cSSkVqIRoRhYZhv5o=",
        ),
    ],
)
def test_a_scheme_may_order_and_spell_things_differently(
    scheme: Scheme, secret: bytes, timestamp: str, body: bytes, signature: str
) -> None:
    assert scheme.timestamp_header
    sent_at = datetime.fromtimestamp(scheme.seconds(timestamp) or 0, UTC)
    headers = {scheme.signature_header: signature, scheme.timestamp_header: timestamp}
    verify(scheme, (secret,), headers, body, sent_at)
    refused(scheme, (secret,), headers, body, sent_at + timedelta(seconds=301))
    refused(scheme, (secret,), headers, body + b" ", sent_at)
