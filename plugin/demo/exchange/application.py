"""Our application as it is registered in the demo's Entra, and the access tokens that are given out to it."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

EXCHANGE, GRAPH = "https://outlook.office365.com", "https://graph.microsoft.com"
LIFE = 3599  # seconds of a token
CMDLETS = frozenset(
    {
        "Get-BlockedSenderAddress",
        "Remove-BlockedSenderAddress",
        "Get-BlockedConnector",
        "Get-Mailbox",
        "Get-InboxRule",
    }
)
PERMISSIONS = {
    EXCHANGE: frozenset({"Exchange.ManageAsApp"}),
    GRAPH: frozenset({"User.Read.All", "UserAuthenticationMethod.Read.All", "Directory.Read.All"}),
}


@dataclass(kw_only=True)
class Application:
    """The registration, open to be misconfigured. `wall` is the clock of signatures, which msal knows no other of."""

    tenant_id: str
    client_id: str
    secrets: set[str] = field(default_factory=set)
    certificates: list[x509.Certificate] = field(default_factory=list)
    permissions: dict[str, frozenset[str]] = field(default_factory=lambda: dict(PERMISSIONS))
    cmdlets: frozenset[str] = CMDLETS  # by its Exchange role group
    wall: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.issued: list[str] = []  # every token that was ever given out
        self._key = token_bytes(32)
        self._generation = 0

    def issue(self, resource: str) -> str:
        """An access token for Exchange or for Graph, with the permissions of now."""
        now = int(self.wall())
        claims = {
            "aud": resource,
            "tid": self.tenant_id,
            "appid": self.client_id,
            "roles": sorted(self.permissions[resource]),
            "iat": now,
            "exp": now + LIFE,
            "uti": str(uuid4()),
            "generation": self._generation,
        }
        self.issued.append(jwt.encode(claims, self._key, "HS256"))
        return self.issued[-1]

    def revoke_tokens(self) -> None:
        """Every token given out until now is rejected from now on."""
        self._generation += 1

    def claims(self, token: str, resource: str) -> dict[str, Any] | None:
        """What a token says; None if it is not ours, not for this service, over or revoked."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key, ["HS256"], audience=resource, options={"verify_exp": False, "verify_iat": False}
            )
        except jwt.PyJWTError:
            return None
        is_good = claims["exp"] > self.wall() and claims["generation"] == self._generation
        return claims if is_good else None

    def certificate_named(self, header: dict[str, Any]) -> x509.Certificate | None:
        """The registered certificate that a JWT's header names by thumbprint (RFC 7515 §4.1.7, §4.1.8)."""
        for certificate in self.certificates:
            for name, algorithm in (("x5t#S256", hashes.SHA256()), ("x5t", hashes.SHA1())):  # noqa: S303 - a name
                thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(algorithm)).rstrip(b"=").decode()
                if str(header.get(name, "")).rstrip("=") == thumbprint:
                    return certificate
        return None
