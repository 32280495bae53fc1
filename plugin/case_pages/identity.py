"""What a provider says of somebody who signed in, held to OpenID Connect Core §3.1.3.7, and who that is to us. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from authlib.oidc.core import CodeIDToken
from flask_babel import gettext as _
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from plugin.errors import NotAllowed
from plugin.model import Agent, Role
from plugin.settings import SignIn

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"})
"""Only those with a public key: with the others our client secret would do to say who somebody is."""

VOUCHER = "sign-in"
"""What an agent's `source` is who signed in here."""

LONGEST = 120  # characters of a login, a name or an address; a cookie has 4,096 bytes


class UnknownKey(NotAllowed):
    """Signed by a key that is not among those known: the provider may have a new one."""


def verified(
    id_token: object, keys: KeySet, *, settings: SignIn, nonce: str, access_token: object, now: datetime
) -> Mapping[str, Any]:
    """The claims of an ID token for this very sign-in; `NotAllowed`, with words that tell what is wrong, otherwise."""
    if not isinstance(id_token, str):
        raise NotAllowed(_("The provider sent no ID token."))
    registry = JWSRegistry(algorithms=sorted(ALGORITHMS), strict_check_header=False)
    options: Any = {
        "iss": {"essential": True, "value": settings.issuer},
        "aud": {"essential": True, "value": settings.client_id},
        "sub": {"essential": True},
    }
    params = {"nonce": nonce, "client_id": settings.client_id, "access_token": access_token}
    try:
        token = jwt.decode(id_token, keys, registry=registry)
        claims = CodeIDToken(token.claims, token.header, options, params)
        claims.validate(now=int(now.timestamp()), leeway=int(settings.leeway.total_seconds()))
    except InvalidKeyIdError as error:
        raise UnknownKey(_("The provider's ID token is signed by a key that it does not publish.")) from error
    except ExpiredTokenError as error:
        raise NotAllowed(_("The provider's ID token has expired. Its clock or this machine's may be wrong.")) from error
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        why = getattr(error, "claim", None) or type(error).__name__
        raise NotAllowed(_("The provider's ID token is not valid here (%(why)s).", why=why)) from error
    return dict(claims)


def is_complete(claims: Mapping[str, Any], settings: SignIn) -> bool:
    """Whether there is nothing to ask the provider's userinfo endpoint for."""
    return bool(_login(claims, settings)) and found(claims, settings.groups_claim) is not None and "name" in claims


def agent_of(claims: Mapping[str, Any], settings: SignIn) -> Agent:
    """The agent whom the claims name, in the highest role of their groups; `NotAllowed` for who is in none."""
    login = _login(claims, settings)
    if not login:
        wanted = settings.login_claim or "preferred_username, email"
        raise NotAllowed(
            _("The provider did not say who you are: there is no %(claim)s in what it told.", claim=wanted)
        )
    groups = _groups(claims, settings)
    role = next((role for role in reversed(Role) if settings.groups[role] & groups), None)
    if role is None:
        raise NotAllowed(
            _(
                "You signed in as %(login)s, who is in none of the groups that may see these pages. Ask your "
                "administrator: the settings name the groups, under [sign_in].",
                login=login,
            )
        )
    return Agent(login=login, name=_text(claims, "name"), email=_text(claims, "email"), role=role, source=VOUCHER)


def found(claims: Mapping[str, Any], name: str) -> object:
    """A claim by its name, or by names with dots between them for one inside another; None if there is none."""
    if name in claims:
        return claims[name]
    node: object = claims
    for part in name.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _login(claims: Mapping[str, Any], settings: SignIn) -> str:
    names: Sequence[str] = (settings.login_claim,) if settings.login_claim else ("preferred_username", "email")
    return next((text for text in (_text(claims, name) for name in names) if text), "")


def _groups(claims: Mapping[str, Any], settings: SignIn) -> frozenset[str]:
    told = found(claims, settings.groups_claim)
    if told is None and settings.groups_claim in (claims.get("_claim_names") or {}):
        # Microsoft Entra ID does this for who is in more than 200 groups ("groups overage claim").
        raise NotAllowed(
            _(
                "You are in so many groups that the provider does not list them. Ask your administrator to have it "
                "send roles of the application, or only the groups that are assigned to it (docs/sign-in.md)."
            )
        )
    named = [told] if isinstance(told, str) else told if isinstance(told, list) else []
    return frozenset(name for name in named if isinstance(name, str))


def _text(claims: Mapping[str, Any], name: str) -> str:
    """A claim as text that can be shown and stored, whatever people have in their names."""
    value = found(claims, name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return "".join(character for character in str(value) if character.isprintable()).strip()[:LONGEST]
