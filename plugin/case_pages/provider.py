"""The identity provider, any that speaks OpenID Connect, by Authlib: discovery, authorization code, PKCE, nonce.

Knows nothing of cookies and pages. Its requests are held to the same bounds as all others (`plugin.transport`); tokens
are used and forgotten here, and none gets into a log or a message.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from flask_babel import gettext as _
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from plugin.case_pages import identity
from plugin.case_pages.session import Attempt
from plugin.errors import Denied, NotAllowed, OutcomeUnknown, PermanentError, RemoteError, Unreachable
from plugin.model import Agent
from plugin.settings import SignIn, is_confidential
from plugin.transport import BoundedSession, why_unsent

NAME = "sign-in"
SECONDS = (5.0, 10.0)  # to connect, and for a whole answer: somebody waits for the page
KNOWN_FOR = timedelta(hours=1)
CODE = re.compile(r"[a-z_]{1,60}")  # of an error (RFC 6749 §5.2); what else a provider says is not repeated


class _Session(OAuth2Session, BoundedSession):  # type: ignore[misc]
    """Authlib's client within our bounds."""

    request: Any  # Authlib's takes more than that of requests

    def __init__(self, settings: SignIn, **options: Any) -> None:
        OAuth2Session.__init__(self, settings.client_id, settings.client_secret, default_timeout=SECONDS, **options)
        BoundedSession.__init__(self)
        self.register_client_auth_method(("client_secret_basic", _basic))
        self.headers["User-Agent"] = "m365-unblock"
        if settings.ca_file is not None:
            self.verify = settings.ca_file


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What the provider tells of itself (OpenID Connect Discovery §3), and its keys."""

    at: datetime
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    auth_method: str
    names_itself: bool  # in every answer (RFC 9207)
    keys: KeySet


class Provider:
    """One provider. Every call may raise `RemoteError`; a transient one makes sense to repeat."""

    def __init__(self, settings: SignIn, *, redirect_uri: str, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._last: _Known | None = None

    @property
    def host(self) -> str:
        """What people know it by."""
        return urlsplit(self._settings.issuer).hostname or self._settings.issuer

    def look(self) -> None:
        """Read what the provider tells of itself, and its keys."""
        self._known(anew=True)

    def address_for(self, attempt: Attempt, *, anew: bool = False) -> str:
        """Where a browser is sent to sign in; `anew` asks for it even of who is signed in there already."""
        known = self._known()
        with self._session(known) as session:
            address, _asked = session.create_authorization_url(
                known.authorization_endpoint,
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
                **({"prompt": "login"} if anew else {}),
            )
        return str(address)

    def agent_for(self, answer: Mapping[str, str], attempt: Attempt) -> Agent:
        """Who came back from the provider with this answer; `NotAllowed` with words for whom no page opens."""
        known = self._known()
        named = answer.get("iss")
        if named != self._settings.issuer and (named is not None or known.names_itself):
            raise NotAllowed(_("This answer is not from the provider that was asked."))
        if "error" in answer or not answer.get("code"):
            raise _refused(_code(answer.get("error")))
        with self._session(known) as session:
            tokens = self._exchange(session, known, answer["code"], attempt)
            claims = self._claims(known, tokens, attempt)
            if known.userinfo_endpoint and not identity.is_complete(claims, self._settings):
                claims = self._with_userinfo(session, known.userinfo_endpoint, claims)
        return identity.agent_of(claims, self._settings)

    def sign_out_address(self, back: str) -> str | None:
        """Where one signs out at the provider too (OpenID Connect RP-Initiated Logout), where it offers that."""
        endpoint = self._known().end_session_endpoint
        if endpoint is None:
            return None
        asked = urlencode({"client_id": self._settings.client_id, "post_logout_redirect_uri": back})
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{asked}"

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _session(self, known: _Known | None = None) -> _Session:
        return _Session(
            self._settings,
            scope=" ".join(self._settings.scopes),
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method=known.auth_method if known else None,
        )

    def _known(self, *, anew: bool = False) -> _Known:
        now = self._clock()
        if anew or self._last is None or not timedelta(0) <= now - self._last.at < KNOWN_FOR:
            with self._session() as session:
                self._last = self._discover(session, now)
        return self._last

    def _discover(self, session: _Session, now: datetime) -> _Known:
        doing = "reading what the provider tells of itself"
        address = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        told = self._get(session, doing, address)
        if told.get("issuer") != self._settings.issuer:
            why = "it calls itself otherwise; [sign_in] issuer must be its own name to the letter"
            raise PermanentError(NAME, doing, why)
        methods = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        wanted = ("client_secret_basic", "client_secret_post")
        return _Known(
            at=now,
            authorization_endpoint=_place(told, "authorization_endpoint", doing),
            token_endpoint=_place(told, "token_endpoint", doing),
            userinfo_endpoint=_place(told, "userinfo_endpoint", doing) if "userinfo_endpoint" in told else None,
            end_session_endpoint=_place(told, "end_session_endpoint", doing)
            if "end_session_endpoint" in told
            else None,
            auth_method=next((method for method in wanted if method in methods), wanted[0]),
            names_itself=told.get("authorization_response_iss_parameter_supported") is True,
            keys=self._keys(session, _place(told, "jwks_uri", doing)),
        )

    def _keys(self, session: _Session, address: str) -> KeySet:
        doing = "reading the provider's keys"
        told: Any = self._get(session, doing, address)
        try:
            return KeySet.import_key_set(told)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise PermanentError(NAME, doing, "they are no keys that can be read (JSON Web Key Set)") from error

    def _exchange(self, session: _Session, known: _Known, code: str, attempt: Attempt) -> Mapping[str, Any]:
        doing = "exchanging the authorization code"
        try:
            tokens: Mapping[str, Any] = session.fetch_token(
                known.token_endpoint, grant_type="authorization_code", code=code, code_verifier=attempt.verifier
            )
        except AuthlibBaseError as error:
            code = _code(error.error)
            if code in ("invalid_client", "unauthorized_client"):
                why = f"{code}; check client_id and client_secret under [sign_in], and the redirect address there"
                raise Denied(NAME, doing, why) from None
            raise _refused(code) from None
        except (requests.exceptions.RequestException, ValueError) as error:
            raise _failure(error, doing) from None
        return tokens

    def _claims(self, known: _Known, tokens: Mapping[str, Any], attempt: Attempt) -> Mapping[str, Any]:
        def verified(keys: KeySet) -> Mapping[str, Any]:
            return identity.verified(
                tokens.get("id_token"),
                keys,
                settings=self._settings,
                nonce=attempt.nonce,
                access_token=tokens.get("access_token"),
                now=self._clock(),
            )

        try:
            return verified(known.keys)
        except identity.UnknownKey:
            return verified(self._known(anew=True).keys)

    def _with_userinfo(self, session: _Session, address: str, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        told = self._get(session, "reading who signed in", address, with_token=True)
        if told.get("sub") != claims["sub"]:
            raise NotAllowed(_("The provider told of somebody else than who signed in."))  # OpenID Connect Core §5.3.2
        return {**told, **claims}

    def _get(self, session: _Session, doing: str, address: str, *, with_token: bool = False) -> Mapping[str, Any]:
        try:
            accepted = {"Accept": "application/json"}
            answer = session.request("GET", address, withhold_token=not with_token, headers=accepted)
            answer.raise_for_status()
            told = answer.json() if answer.status_code == 200 else None
        except (requests.exceptions.RequestException, ValueError, AuthlibBaseError) as error:
            raise _failure(error, doing) from None
        if not isinstance(told, dict):
            raise PermanentError(NAME, doing, f"answered {answer.status_code}, but not with a JSON object")
        return told


def _basic(client: Any, _method: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], str]:
    """Authlib leaves out the percent-encoding of id and secret (RFC 6749 §2.3.1), which a strict provider undoes."""
    known = ":".join(quote_plus(part) for part in (client.client_id, client.client_secret))
    return uri, {**headers, "Authorization": f"Basic {b64encode(known.encode()).decode()}"}, body


def _place(told: Mapping[str, Any], key: str, doing: str) -> str:
    place = told.get(key)
    if not isinstance(place, str) or not is_confidential(place):
        raise PermanentError(NAME, doing, f"its {key} is missing, or no https:// address")
    return place


def _failure(error: Exception, doing: str) -> RemoteError:
    """What went wrong; `from None` at the caller, since an error of requests may hold a token."""
    if isinstance(error, requests.exceptions.ConnectionError) and (why := why_unsent(error)):
        return Unreachable(NAME, doing, f"could not connect: {why}")
    status = error.response.status_code if isinstance(error, requests.exceptions.HTTPError) else None
    if status is not None:
        kind = OutcomeUnknown if status >= 500 or status == 429 else PermanentError
        return kind(NAME, doing, f"answered {status}", status=status)
    return OutcomeUnknown(NAME, doing, f"no proper answer ({type(error).__name__})")


def _refused(code: str) -> NotAllowed:
    return NotAllowed(_("The provider did not sign you in (%(why)s).", why=code))


def _code(error: object) -> str:
    return error if isinstance(error, str) and CODE.fullmatch(error) else "it did not say why"
