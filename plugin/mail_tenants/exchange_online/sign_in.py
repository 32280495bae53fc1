"""Sign-in as an application, by Microsoft's own library: access tokens, kept and renewed, and requests that carry them.

msal makes its requests through `plugin.http` like everybody here: with its bounds, and with our errors. It is asked to
trust the address in the settings as it is (`instance_discovery=False`), instead of asking Microsoft about it first.

Codes of errors (AADSTS…) are from learn.microsoft.com/entra/identity-platform/reference-error-codes, which says that
they may change: an unknown one is shown as it is.
"""

import json
from collections.abc import Mapping
from typing import Any

import jwt
import msal
from requests.exceptions import RequestException
from requests.structures import CaseInsensitiveDict
from urllib3.util import parse_url

from plugin.errors import Denied, PermanentError, RemoteError
from plugin.http import NO_RIGHTS, Remote, Reply
from plugin.mail_tenants.exchange_online.certificate import Certificate
from plugin.refusals import Said, json_object

DOING = "signing in as the application"
TENANT = "tenant_id is not the directory (tenant) ID of this cloud: look at the application's Overview in Entra"
APPLICATION = (
    "client_id is no application of this tenant: look at its Overview in Entra, and whether the administrator's consent"
    " was given"
)
REMEDIES = {
    "AADSTS7000215": "client_secret is wrong: it must be the secret's value, not its ID",
    "AADSTS7000222": "client_secret has expired: make a new one under Certificates & secrets, or use a certificate",
    "AADSTS700027": "the certificate is not the application's: upload it under Certificates & secrets",
    "AADSTS700024": "the clock of this machine is wrong: what is signed here is not valid there yet, or no longer",
    "AADSTS700023": "what was signed is for another sign-in address: look at login_url and cloud",
    "AADSTS700016": APPLICATION,
    "AADSTS7000229": APPLICATION,
    "AADSTS7000112": "the application is switched off: enable it under Enterprise applications",
    "AADSTS90002": TENANT,
    "AADSTS900021": TENANT,
    "AADSTS900023": TENANT,
    "AADSTS500011": "this tenant does not have the service the token is for: look at cloud and the scopes",
    "AADSTS65001": "consent is missing: an administrator must grant it under API permissions",
    "AADSTS53003": "a Conditional Access policy of the tenant keeps the application out",
}


def read_refusal(_headers: Mapping[str, str], body: bytes) -> Said:
    """An error of the token endpoint (RFC 6749 §5.2); its kind is the AADSTS code, or the error where there is none."""
    document = json_object(body)
    words = document.get("error_description")
    line = words.splitlines()[0] if isinstance(words, str) and words.strip() else ""
    code = line.split(":", 1)[0]
    error = document.get("error")
    kind = code if code.startswith("AADSTS") else error if isinstance(error, str) else ""
    return Said(title=line or kind, kind=kind)


class Tokens:
    """The access tokens of one application in one tenant. Every call may raise `RemoteError`; safe from any thread.

    Nothing is locked: two threads that find no token each get one, and either will do.
    """

    def __init__(self, remote: Remote, tenant_id: str, client_id: str, credential: Certificate | str) -> None:
        """`remote` is the sign-in service; `credential` the certificate, or the application's secret."""
        self._remote = remote
        self._authority = remote.url(tenant_id)
        self._client_id = client_id
        self._credential = credential
        self._application: msal.ConfidentialClientApplication | None = None

    def token(self, scope: str) -> str:
        """A token for a service, from memory or a new one; `Denied` where the application may not have one."""
        try:
            token = self._acquire(scope).get("access_token")
        except _Carried as carried:
            error = carried.error
            raise self._denied(error) if isinstance(error, PermanentError) else error from carried
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # msal's, of an answer it cannot read
            why = f"the sign-in service did not answer as one does ({type(error).__name__}); look at login_url"
            raise Denied(self._remote.system, DOING, why, status=401) from error
        if not isinstance(token, str) or not token:
            why = "the sign-in service answered without a token; look at login_url"
            raise Denied(self._remote.system, DOING, why, status=401)
        return token

    def renewed(self, scope: str, rejected: str) -> str:
        """Another token than one that was rejected; whoever comes second takes what the first got."""
        current = self.token(scope)
        if current != rejected:
            return current
        self.forget()
        return self.token(scope)

    def forget(self) -> None:
        """So that the next token is a new one, with the rights of now."""
        if self._application is not None:
            self._application.remove_tokens_for_client()

    def _acquire(self, scope: str) -> dict[str, Any]:
        if self._application is None:  # making one asks the authority for its endpoints
            self._application = msal.ConfidentialClientApplication(
                self._client_id,
                client_credential=_as_msal_has_it(self._credential),
                authority=self._authority,
                instance_discovery=False,
                http_client=_Door(self._remote),
            )
        answer: dict[str, Any] = self._application.acquire_token_for_client([scope])
        return answer

    def _denied(self, error: PermanentError) -> Denied:
        """Never with the answer's own status: 400 and 404 of an account's reading would mean that there is no such."""
        remedy = REMEDIES.get(error.problem, "look at tenant_id, client_id and the certificate or secret")
        message = f"{error.message.removesuffix(NO_RIGHTS)}; {remedy}"
        return Denied(self._remote.system, DOING, message, status=401, problem=error.problem)


def roles_in(token: str) -> frozenset[str]:
    """The application permissions in a token of ours; empty where it is none that can be read.

    It is not verified, since it comes from the sign-in service itself and opens nothing here.
    """
    try:
        roles = jwt.decode(token, options={"verify_signature": False}).get("roles")
    except jwt.PyJWTError:
        return frozenset()
    return frozenset(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else frozenset()


class SignedIn:
    """A service behind a token: every request carries one, and one that is rejected (401) is renewed once."""

    def __init__(self, remote: Remote, tokens: Tokens, scope: str) -> None:
        self.remote = remote
        self._tokens = tokens
        self._scope = scope

    def call(
        self, doing: str, method: str, url: str, *, headers: Mapping[str, str] | None = None, **what: Any
    ) -> Reply:
        """As `Remote.call`. A request that was answered 401 did nothing, so a write may be repeated after it."""
        token = self._tokens.token(self._scope)
        try:
            return self.remote.call(doing, method, url, headers=_with(token, headers), **what)
        except Denied as error:
            if error.status != 401 or (fresh := self._tokens.renewed(self._scope, token)) == token:
                raise
        return self.remote.call(doing, method, url, headers=_with(fresh, headers), **what)


def _with(token: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    return {**(headers or {}), "Authorization": f"Bearer {token}"}


def _as_msal_has_it(credential: Certificate | str) -> str | dict[str, str]:
    """With the certificate msal computes the thumbprint itself, as SHA-256."""
    if isinstance(credential, str):
        return credential
    return {"private_key": credential.private_key, "public_certificate": credential.pem}


class _Answer:
    """An answer as msal wants it (msal.oauth2cli.http.Response)."""

    def __init__(self, reply: Reply) -> None:
        self.status_code = reply.status
        self.headers = CaseInsensitiveDict(reply.headers)
        self.text = json.dumps(reply.json())  # read here, since msal would log what it cannot read

    def raise_for_status(self) -> None:
        """It is a 2xx: everything else was raised before."""


class _Carried(RequestException):
    """One of our errors on its way through msal, which takes it for a failure of the network.

    So it hands out a token that is ageing, but still good, where a new one cannot be had.
    """

    def __init__(self, error: RemoteError) -> None:
        super().__init__(str(error))
        self.error = error


class _Door:
    """What msal makes its requests with (msal.oauth2cli.http.HttpClient)."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> _Answer:
        return self._call("GET", url, params=params, headers=headers)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> _Answer:
        return self._call("POST", url, params=params, data=data, headers=headers)

    def close(self) -> None:
        """Its connections are the remote's."""

    def _call(self, method: str, url: str, **what: Any) -> _Answer:
        try:
            if not self._remote.is_ours(url):
                why = f"it names {parse_url(url).host or 'no host'} for tokens; if that is right, set login_url to it"
                raise PermanentError(self._remote.system, DOING, why)
            return _Answer(self._remote.call(DOING, method, url, **what))
        except RemoteError as error:
            raise _Carried(error) from error
