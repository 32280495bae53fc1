"""Which agent is looking at which ticket, as the ticket system vouches for it (docs/launch-token.md). Pure.

That a token is used once only is seen to by the panel, which remembers `Launch.jti` until `Launch.expires_at`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from plugin import signed
from plugin.errors import NotAllowed, SettingsError
from plugin.model import Agent, Launch, Role

AUDIENCE = "m365-unblock/panel"
LONGEST_LIFE = 300  # seconds from iat to exp
LEEWAY = 30  # seconds that the ticket system's clock may be ahead of ours
LONGEST_TOKEN = 4096
SHORTEST_SECRET = 32  # bytes
CLAIMS = ["iss", "aud", "sub", "email", "name", "ticket", "role", "iat", "exp", "jti"]


def verify(
    token: str, *, source: str, ticket: str, secrets: Sequence[str], public_keys: Sequence[str], now: datetime
) -> Launch:
    """The launch in a token for this source and ticket; `NotAllowed`, with words for the agent, if it is no good."""
    claims = _claims(token, source, secrets, public_keys)
    issued, expires = _seconds(claims, "iat"), _seconds(claims, "exp")
    _check_times(issued, expires, now.timestamp())
    if _said(claims, "ticket") != ticket:
        raise NotAllowed("This page was opened for another ticket: reload the ticket.")
    return Launch(
        agent=_agent(claims, source),
        ticket=ticket,
        jti=_text(claims, "jti", longest=200),
        expires_at=datetime.fromtimestamp(expires, UTC),
    )


def check_keys(
    secrets: Sequence[str], public_keys: Sequence[str], setting: str, *, webhook_secrets: Sequence[str] = ()
) -> None:
    """Raise `SettingsError` for a weak or unusable key; `setting` names the place, such as ``[sources.rt]``.

    A secret that also signs deliveries is refused: who may send events may not say who an agent is.
    """
    for number, secret in enumerate(secrets, 1):
        _check_secret(secret, f"{setting} launch_secrets, entry {number}")
    for number, pem in enumerate(public_keys, 1):
        if signed.algorithm_for(pem) is None:
            raise SettingsError(
                f"{setting} launch_public_keys, entry {number}: not a public key in PEM form for RS256 (RSA, at least "
                f"{signed.SHORTEST_RSA} bits) or ES256 (P-256); the private key stays in the ticket system"
            )
    if set(secrets) & set(webhook_secrets):
        raise SettingsError(f"{setting} launch_secrets: give them secrets of their own, not those of the webhook")


def _check_secret(secret: str, entry: str) -> None:
    if len(secret.encode()) < SHORTEST_SECRET:
        raise SettingsError(f"{entry}: shorter than {SHORTEST_SECRET} bytes; make a longer random one")
    if signed.is_other_key(secret):
        # A public key is no secret: whoever has it could sign as the ticket system.
        raise SettingsError(f"{entry}: this is an asymmetric key; a public one belongs in launch_public_keys")


def _claims(token: str, source: str, secrets: Sequence[str], public_keys: Sequence[str]) -> Mapping[str, Any]:
    if not token.isascii() or len(token) > LONGEST_TOKEN:
        raise _not_valid()
    try:
        keys = _keys_for(signed.algorithm_in(token), secrets, public_keys)
        return signed.claims_in(token, keys, required=CLAIMS, audience=AUDIENCE, issuer=source)
    except signed.NotValid as error:
        raise _not_valid() from error


def _keys_for(algorithm: str, secrets: Sequence[str], public_keys: Sequence[str]) -> list[signed.Key]:
    """The keys of the very kind that an algorithm is for, each with it: the sender cannot choose how a key is used."""
    if algorithm == signed.HS256:
        return [(secret, algorithm) for secret in secrets]
    return [(pem, algorithm) for pem in public_keys if signed.algorithm_for(pem) == algorithm]


def _check_times(issued: float, expires: float, now: float) -> None:
    if not 0 < expires - issued <= LONGEST_LIFE:
        raise NotAllowed("The ticket system's token is meant to live too long. Tell your administrator.")
    if issued > now + LEEWAY:
        raise NotAllowed(
            "The ticket system's clock is ahead of ours. Reload the ticket; if that does not help, tell your "
            "administrator."
        )
    if now >= expires:
        raise NotAllowed("This page was opened too long ago: reload the ticket.")


def _agent(claims: Mapping[str, Any], source: str) -> Agent:
    login = _text(claims, "sub", longest=200)
    return Agent(
        login=login,
        name=_said(claims, "name")[:200].strip() or login,
        email=_said(claims, "email")[:320],
        role=_role(claims["role"]),
        source=source,
    )


def _role(given: object) -> Role:
    known = {role.value: role for role in Role}
    if not isinstance(given, str) or given not in known:
        raise NotAllowed("The ticket system gave you a role that is not known here. Tell your administrator.")
    return known[given]


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    # The bound also keeps out NaN and numbers too large to be reckoned with.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e11:
        raise _not_valid()
    return value


def _text(claims: Mapping[str, Any], name: str, *, longest: int) -> str:
    """A claim that identifies something: taken exactly as it is or not at all."""
    value = claims[name]
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise _not_valid()
    return value


def _said(claims: Mapping[str, Any], name: str) -> str:
    """A claim as text that can be shown and stored, whatever people have in their names."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _not_valid()
    return "".join(character for character in str(value) if character.isprintable())


def _not_valid() -> NotAllowed:
    return NotAllowed(
        "The ticket system's token is not valid here. Reload the ticket; if that does not help, tell your "
        "administrator."
    )
