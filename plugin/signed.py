"""Signed claims: JSON Web Tokens (RFC 7519), made and read by PyJWT. Pure.

PyJWT and what it verifies public keys with take 7 MB, so they are loaded when the first token or public key is there.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

HS256, RS256, ES256 = "HS256", "RS256", "ES256"
SHORTEST_RSA = 2048  # bits

PLAIN = re.compile(r"(?!ssh-|ecdsa-)[\w+/=.~:-]+", re.ASCII)
"""A secret that has not the form of any key, PEM, OpenSSH's or JSON: so PyJWT need not be asked."""

Key = tuple[str | bytes, str]
"""A key, in PEM form if it is a public one, and the one algorithm it is for."""


class NotValid(Exception):
    """A token that vouches for nothing."""


def sign(claims: Mapping[str, Any], secret: bytes) -> str:
    """A token with these claims, by HS256."""
    import jwt

    return jwt.encode(dict(claims), secret, HS256, json_encoder=_Short)


def claims_in(
    token: str,
    keys: Iterable[Key],
    *,
    required: Sequence[str],
    audience: str,
    issuer: str | Sequence[str] | None = None,
) -> Mapping[str, Any]:
    """The claims of a token that one of the keys has signed, the required ones among them; `NotValid` otherwise.

    Audience and issuer are right then. Whether it is over, or not good yet, is for the caller to see, by its own clock.
    """
    import jwt

    checked: Any = {
        "require": list(required), "strict_aud": True, "verify_exp": False, "verify_iat": False, "verify_nbf": False,
        "verify_sub": False,
    }  # fmt: skip
    for key, algorithm in keys:
        try:
            claims: Mapping[str, Any] = jwt.decode(token, key, [algorithm], checked, audience=audience, issuer=issuer)
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
            continue  # perhaps the next key made it
        except (jwt.PyJWTError, RecursionError, ValueError) as error:
            raise NotValid from error
        return claims
    raise NotValid


def is_other_key(secret: str) -> bool:
    """Whether a secret is a key of another kind, as of a pair, with which PyJWT signs and reads nothing by HS256."""
    if PLAIN.fullmatch(secret):
        return False
    import jwt

    try:
        jwt.get_algorithm_by_name(HS256).prepare_key(secret)
    except jwt.InvalidKeyError:
        return True
    return False


def algorithm_in(token: str) -> str:
    """The algorithm that a token names; `NotValid` for what is no token."""
    import jwt

    try:
        return str(jwt.get_unverified_header(token).get("alg"))
    except (jwt.PyJWTError, RecursionError) as error:
        raise NotValid from error


def algorithm_for(pem: str) -> str | None:
    """The algorithm that a public key in PEM form is for: RS256 or ES256; None if it is of another kind or weak."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size >= SHORTEST_RSA:
        return RS256
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return ES256
    return None


class _Short(json.JSONEncoder):
    """Names as they are: escaped they take three times the room, and a cookie has 4,096 bytes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"ensure_ascii": False}))

    def encode(self, o: Any) -> str:
        """Half a character (a lone surrogate), of which there is no UTF-8, is escaped as JSON does it."""
        return super().encode(o).encode("utf-8", "backslashreplace").decode()
