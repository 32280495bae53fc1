"""A strict identity provider at a socket: takes nothing that is forbidden, and does wrong only where told to."""

import hmac
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from json import dumps
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from flask import Flask, Response, jsonify, request
from joserfc import jwt
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

CLIENT, SECRET = "m365-unblock", "the secret of the client: +/&="
REDIRECT = "https://m365.example.edu/cases/signed-in"


@dataclass
class Provider:
    """What it is, whom it signs in, and what it does wrong."""

    issuer: str
    clock: Callable[[], datetime]
    person: dict[str, Any] = field(
        default_factory=lambda: {
            "sub": "248289761001",
            "preferred_username": "ada",
            "name": "Ada Lovelace",
            "email": "ada@example.edu",
            "groups": ["staff", "desk-agents"],
        }
    )
    only_in_userinfo: tuple[str, ...] = ()
    userinfo_sub: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    signing_key: Any = None  # another one than it publishes
    shared_secret: bytes = b""  # HS256 with it
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256"})
    wrong: dict[str, Any] = field(default_factory=dict)  # claims of the ID token
    missing: tuple[str, ...] = ()
    token: str | None = None  # an ID token in place of its own
    wrong_metadata: dict[str, Any] = field(default_factory=dict)
    auth_methods: tuple[str, ...] = ("client_secret_basic",)
    names_itself: bool = True
    secret: str = SECRET
    failure: int = 0  # a status that everything is answered with
    asked: list[str] = field(default_factory=list)  # the paths
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        plain = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": list(self.auth_methods),
            "authorization_response_iss_parameter_supported": self.names_itself,
        }
        merged = plain | self.wrong_metadata
        return {key: value for key, value in merged.items() if value is not None}

    def authorize(self, address: str) -> str:
        """A person signs in at the address that the browser was sent to; where the browser is sent back to."""
        place = urlsplit(address)
        asked = {name: values[0] for name, values in parse_qs(place.query, strict_parsing=True).items()}
        assert f"{place.scheme}://{place.netloc}{place.path}" == self.metadata()["authorization_endpoint"]
        assert (asked["client_id"], asked["redirect_uri"]) == (CLIENT, REDIRECT)
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert "openid" in asked["scope"].split()
        assert len(asked["state"]) >= 32 <= len(asked["nonce"])
        code = token_urlsafe(16)
        self.codes[code] = asked
        back = {"code": code, "state": asked["state"]} | ({"iss": self.issuer} if self.names_itself else {})
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def id_token(self, asked: dict[str, str], access_token: str) -> str:
        if self.token is not None:
            return self.token
        now = int(self.clock().timestamp())
        half = _encoded(sha256(access_token.encode()).digest()[:16])
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"], "at_hash": half,
        }  # fmt: skip
        person = {key: value for key, value in self.person.items() if key not in self.only_in_userinfo}
        claims = {key: value for key, value in {**claims, **person, **self.wrong}.items() if key not in self.missing}
        if self.shared_secret:
            return by_hand(claims, self.key.kid, self.shared_secret)
        key = self.signing_key or self.key
        header = {"kid": self.key.kid} | self.header
        return jwt.encode(header, claims, key, registry=JWSRegistry(algorithms=[header["alg"]]))

    def as_app(self) -> Flask:
        """The server."""
        app = Flask("provider")

        @app.before_request
        def note() -> Response | None:
            self.asked.append(request.path)
            return Response("no", self.failure) if self.failure else None

        @app.get("/.well-known/openid-configuration")
        def discovery() -> Response:
            return jsonify(self.metadata())

        @app.get("/keys")
        def keys() -> Response:
            assert "Authorization" not in request.headers
            return jsonify(keys=[self.key.as_dict(private=False)])

        @app.post("/token")
        def token() -> tuple[Response, int]:
            if self._client() != (CLIENT, self.secret):
                return jsonify(error="invalid_client", error_description=f"the secret is {self.secret}"), 401
            asked = self.codes.pop(request.form["code"], None)
            challenge = _encoded(sha256(request.form["code_verifier"].encode()).digest())
            if asked is None or asked["code_challenge"] != challenge or request.form["redirect_uri"] != REDIRECT:
                return jsonify(error="invalid_grant"), 400
            assert request.form["grant_type"] == "authorization_code"
            access = token_urlsafe(16)
            return jsonify(access_token=access, token_type="Bearer", id_token=self.id_token(asked, access)), 200

        @app.get("/userinfo")
        def userinfo() -> Response:
            assert request.headers["Authorization"].startswith("Bearer ")
            return jsonify(self.person | ({"sub": self.userinfo_sub} if self.userinfo_sub else {}))

        return app

    def _client(self) -> tuple[str, str]:
        if "client_secret_basic" in self.auth_methods:
            name, _, secret = b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
            return unquote_plus(name), unquote_plus(secret)
        return request.form["client_id"], request.form["client_secret"]


def by_hand(claims: dict[str, Any], kid: str | None, secret: bytes) -> str:
    """An HS256 token, made without a library: they refuse to take a public key for a secret."""
    parts = [_encoded(dumps(part).encode()) for part in ({"alg": "HS256", "kid": kid}, claims)]
    return ".".join([*parts, _encoded(hmac.digest(secret, ".".join(parts).encode(), sha256))])


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
