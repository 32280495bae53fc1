"""Who may open the panel: every claim counts, and no key serves another kind than its own."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from plugin.errors import NotAllowed, SettingsError
from plugin.launch_token import CLAIMS, check_keys, verify
from plugin.model import Agent, Launch, Role

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
SECRET, OLDER_SECRET = "a made-up secret of enough bytes", "the one before, also long enough to do"


def public(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


RSA, EC = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
RSA_PUBLIC, EC_PUBLIC = public(RSA), public(EC)


def claims(**changed: object) -> dict[str, Any]:
    return {
        "iss": "desk",
        "aud": "m365-unblock/panel",
        "sub": "gil",
        "email": "gil@example.edu",
        "name": "Gil Amelio",
        "ticket": "4711",
        "role": "agent",
        "iat": SECONDS,
        "exp": SECONDS + 300,
        "jti": "j-1",
        **changed,
    }


def minted(key: Any = SECRET, algorithm: str = "HS256", **changed: object) -> str:
    return jwt.encode(claims(**changed), key, algorithm)


def forged(header: object, payload: object, sign_with: bytes | None = None) -> str:
    """A token put together by hand, as no honest library would."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload)]
    content = b".".join(parts)
    mac = hmac.new(sign_with, content, hashlib.sha256).digest() if sign_with is not None else b""
    return (content + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def opened(
    token: str, *, ticket: str = "4711", secrets: Sequence[str] = (SECRET,), public_keys: Sequence[str] = ()
) -> Launch:
    return verify(token, source="desk", ticket=ticket, secrets=secrets, public_keys=public_keys, now=NOW)


def refused(token: str, **keys: Any) -> str:
    with pytest.raises(NotAllowed) as caught:
        opened(token, **keys)
    return str(caught.value)


def test_good_token_names_the_agent_and_the_ticket() -> None:
    assert opened(minted()) == Launch(
        agent=Agent(login="gil", name="Gil Amelio", email="gil@example.edu", role=Role.AGENT, source="desk"),
        ticket="4711",
        jti="j-1",
        expires_at=NOW + timedelta(seconds=300),
    )


@pytest.mark.parametrize("role", list(Role))
def test_each_known_role_is_taken_as_given(role: Role) -> None:
    assert opened(minted(role=role.value)).agent.role is role


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256")])
def test_token_signed_by_a_private_key_is_checked_with_the_public_one(key: Any, algorithm: str) -> None:
    both = [EC_PUBLIC, RSA_PUBLIC]
    assert opened(minted(key, algorithm), secrets=(), public_keys=both).jti == "j-1"
    others = [public(rsa.generate_private_key(65537, 2048)), public(ec.generate_private_key(ec.SECP256R1()))]
    assert "not valid" in refused(minted(key, algorithm), public_keys=others)


def test_each_of_several_secrets_is_good_while_one_is_being_replaced() -> None:
    assert opened(minted(OLDER_SECRET), secrets=(SECRET, OLDER_SECRET)).jti == "j-1"
    assert "not valid" in refused(minted(OLDER_SECRET), secrets=(SECRET,))


def test_number_and_text_are_the_same_ticket() -> None:
    assert opened(minted(ticket=4711)).ticket == "4711"


def test_token_for_another_ticket_says_reload() -> None:
    assert "another ticket: reload" in refused(minted(), ticket="4712")


@pytest.mark.parametrize("missing", CLAIMS)
def test_every_claim_is_needed(missing: str) -> None:
    some = {name: value for name, value in claims().items() if name != missing}
    assert "Reload the ticket; if that does not help, tell your administrator." in refused(
        jwt.encode(some, SECRET, "HS256")
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "other"},
        {"iss": ["desk"]},
        {"aud": "m365-unblock/api"},
        {"aud": ["m365-unblock/panel", "others"]},
        {"sub": ""},
        {"sub": "x" * 201},
        {"sub": "gil\nroot"},
        {"email": None},
        {"email": ["gil@example.edu"]},
        {"name": {"first": "Gil"}},
        {"ticket": None},
        {"ticket": True},
        {"ticket": ["4711"]},
        {"ticket": ""},
        {"role": "admin"},
        {"role": "Agent"},
        {"role": ""},
        {"role": None},
        {"role": ["agent"]},
        {"jti": ""},
        {"jti": "x" * 201},
        {"jti": "\x00"},
        {"iat": "now"},
        {"iat": True},
        {"iat": None},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"iat": -(10**400), "exp": 10**400},
        {"iat": 10**400, "exp": 10**400 + 300},
        {"iat": 0.5, "exp": 10**400},
    ],
)
def test_wrong_claim_is_refused(changed: dict[str, object]) -> None:
    assert refused(forged({"alg": "HS256"}, claims(**changed), SECRET.encode()))


def test_endless_token_is_refused_before_it_is_read() -> None:
    refused(minted(name="x" * 5000))


def test_longest_ids_are_taken() -> None:
    launch = opened(minted(sub="x" * 200, jti="y" * 200))
    assert (launch.agent.login, launch.jti) == ("x" * 200, "y" * 200)


def test_names_are_shown_without_what_cannot_be_shown() -> None:
    agent = opened(minted(name="  Gi\u202el\ud800 \x00Amelio ", email="gil\r\n@example.edu")).agent
    assert (agent.name, agent.email) == ("Gil Amelio", "gil@example.edu")
    assert opened(minted(name=" ")).agent.name == "gil"


@pytest.mark.parametrize(
    ("issued", "expires", "said"),
    [
        (0, 301, "live too long"),
        (0, 0, "live too long"),
        (0, -10, "live too long"),
        (-300, 0, "opened too long ago"),
        (-301, -1, "opened too long ago"),
        (31, 331, "clock is ahead"),
    ],
)
def test_times_out_of_bounds_are_refused(issued: int, expires: int, said: str) -> None:
    assert said in refused(minted(iat=SECONDS + issued, exp=SECONDS + expires))


@pytest.mark.parametrize(("issued", "expires"), [(-299, 1), (30, 330), (0, 1), (0.5, 300.5)])
def test_times_within_bounds_are_taken(issued: float, expires: float) -> None:
    launch = opened(minted(iat=SECONDS + issued, exp=SECONDS + expires))
    assert launch.expires_at == NOW + timedelta(seconds=expires)


def test_unsigned_token_is_refused() -> None:
    for algorithm in ("none", "None", "NONE", ""):
        refused(forged({"alg": algorithm}, claims()), public_keys=[RSA_PUBLIC])


def test_public_key_is_no_secret() -> None:
    for pem in (RSA_PUBLIC, EC_PUBLIC):
        token = forged({"alg": "HS256"}, claims(), pem.encode())
        refused(token, secrets=(), public_keys=[pem])
        refused(token, secrets=(SECRET,), public_keys=[pem])
        refused(token, secrets=(pem,))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_other_algorithms_of_a_known_secret_are_refused(algorithm: str) -> None:
    refused(minted(SECRET * 2, algorithm), secrets=(SECRET * 2,))


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS512"), (RSA, "PS256")])
def test_other_algorithms_of_a_known_key_are_refused(key: Any, algorithm: str) -> None:
    refused(minted(key, algorithm), public_keys=[RSA_PUBLIC, EC_PUBLIC])


def test_key_brought_along_in_the_header_is_not_used() -> None:
    mine = rsa.generate_private_key(65537, 2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(mine.public_key()))
    token = jwt.encode(claims(), mine, "RS256", headers={"jwk": jwk, "kid": "../../key", "jku": "https://evil.example"})
    refused(token, public_keys=[RSA_PUBLIC])


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "ä.ö.ü",
        "\ud800",
        "x" * 5000,
        forged([], claims(), SECRET.encode()),
        forged({"alg": ["HS256"]}, claims(), SECRET.encode()),
        forged({}, claims(), SECRET.encode()),
        forged({"alg": "HS256"}, [1], SECRET.encode()),
        base64.urlsafe_b64encode(b"[" * 2900).decode() + ".e30.e30",
    ],
)
def test_nonsense_is_refused_in_words_for_the_agent(token: str) -> None:
    assert "Reload the ticket; if that does not help, tell your administrator." in refused(token)


def test_deeply_nested_payload_is_refused_even_if_signed() -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=")
    content = head + b"." + base64.urlsafe_b64encode(b"[" * 2700).rstrip(b"=")
    mac = base64.urlsafe_b64encode(hmac.new(SECRET.encode(), content, hashlib.sha256).digest()).rstrip(b"=")
    refused((content + b"." + mac).decode())


def test_source_without_keys_opens_no_panel() -> None:
    refused(minted(), secrets=(), public_keys=())


def test_good_keys_pass_the_check_at_start() -> None:
    check_keys([SECRET, OLDER_SECRET], [RSA_PUBLIC, EC_PUBLIC], "[sources.desk]")
    check_keys([], [], "[sources.desk]")


@pytest.mark.parametrize(
    ("secret", "said"), [("x" * 31, "shorter than 32"), ("", "shorter"), (RSA_PUBLIC, "asymmetric")]
)
def test_weak_secret_is_refused_at_start_without_being_told(secret: str, said: str) -> None:
    with pytest.raises(SettingsError, match=r"\[sources.desk\] launch_secrets, entry 2: ") as caught:
        check_keys([SECRET, secret], [], "[sources.desk]")
    assert said in str(caught.value)
    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize(
    ("secret", "is_key"),
    [
        ('{"kty": "oct", "k": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}', True),
        ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ", True),
        ("-----BEGIN-made-up-and-long-enough-----", False),
        ('a secret with "quotes", {braces} and spaces', False),
        ("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", False),
    ],
)
def test_what_no_token_could_be_signed_with_is_refused_at_start_and_nothing_else(secret: str, is_key: bool) -> None:
    if not is_key:
        check_keys([secret], [], "[sources.desk]")
        jwt.encode({}, secret, "HS256")
        return
    with pytest.raises(SettingsError, match="asymmetric"):
        check_keys([secret], [], "[sources.desk]")


@pytest.mark.parametrize("key", [RSA, EC, ed25519.Ed25519PrivateKey.generate()], ids=["RSA", "P-256", "Ed25519"])
def test_no_key_of_a_pair_is_taken_for_a_secret_in_whatever_form(key: Any) -> None:
    private = [(PrivateFormat.PKCS8, NoEncryption()), (PrivateFormat.PKCS8, BestAvailableEncryption(b"made up"))]
    private.append((PrivateFormat.OpenSSH, NoEncryption()))
    if key in (RSA, EC):
        private.append((PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    told = [key.private_bytes(Encoding.PEM, *form) for form in private]
    told.append(public(key).encode())
    told.append(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    told += [b"\n" + each.replace(b"\n", b"\r\n") for each in told if b"----" in each]
    for each in told:
        with pytest.raises(SettingsError, match="asymmetric"):
            check_keys([each.decode()], [], "[sources.desk]")


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "ä",
        SECRET,
        public(rsa.generate_private_key(65537, 1024)),
        public(ec.generate_private_key(ec.SECP384R1())),
        public(ed25519.Ed25519PrivateKey.generate()),
        RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    ],
)
def test_unusable_public_key_is_refused_at_start(pem: str) -> None:
    with pytest.raises(SettingsError, match=r"\[sources.desk\] launch_public_keys, entry 2: not a public key"):
        check_keys([], [RSA_PUBLIC, pem], "[sources.desk]")
