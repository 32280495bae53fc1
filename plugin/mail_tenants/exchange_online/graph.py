"""The person behind an account, by Microsoft Graph v1.0 (learn.microsoft.com/graph/api/resources/user).

A NetID is the account name of the local directory that Entra is kept in step with (``onPremisesSamAccountName``). Where
an account has none, its user principal name stands in for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import fields, validate

from plugin.errors import Denied, NotFound, PermanentError
from plugin.http import NO_RIGHTS, Reply
from plugin.mail_tenants.account_messages import MAX_ID, Message, load, name, text
from plugin.mail_tenants.exchange_online.sign_in import DOING as SIGNING_IN
from plugin.mail_tenants.exchange_online.sign_in import SignedIn
from plugin.mail_tenants.listed import moment
from plugin.model import SignIn
from plugin.refusals import Said, json_object

SELECT = (
    "id,displayName,userPrincipalName,mail,proxyAddresses,accountEnabled,onPremisesSamAccountName,"
    "lastPasswordChangeDateTime,signInSessionsValidFromDateTime,userType"
)
ADVANCED = {"ConsistencyLevel": "eventual"}  # some properties can be looked for with this and $count only
MOST_LISTED = 200  # of what is listed for an agent


class _Person(Message):
    id = name()
    displayName = text()  # noqa: N815 - Graph's words
    userPrincipalName = name()  # noqa: N815
    mail = text()
    proxyAddresses = fields.List(text(), load_default=[], allow_none=True)  # noqa: N815
    accountEnabled = fields.Raw(load_default=None, allow_none=True)  # noqa: N815
    onPremisesSamAccountName = text()  # noqa: N815
    lastPasswordChangeDateTime = fields.Raw(load_default=None, allow_none=True)  # noqa: N815
    signInSessionsValidFromDateTime = fields.Raw(load_default=None, allow_none=True)  # noqa: N815
    userType = text()  # noqa: N815


class _People(Message):
    value = fields.List(fields.Nested(_Person), required=True, validate=validate.Length(max=100))


class _Things(Message):
    value = fields.List(fields.Dict(), required=True)
    next = fields.Raw(data_key="@odata.nextLink", load_default=None, allow_none=True)


PEOPLE, THINGS = _People(), _Things()


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A user of the tenant."""

    id: str
    netid: str
    display_name: str
    upn: str
    addresses: tuple[str, ...]  # the primary first; the user principal name is among them, Microsoft may list it
    sign_in: SignIn
    password_changed_at: datetime | None
    sessions_valid_from: datetime | None


class Graph:
    """Reads people. Every call may raise `RemoteError`."""

    def __init__(self, service: SignedIn) -> None:
        self._service = service

    @property
    def name(self) -> str:
        """The tenant's name in the settings."""
        return self._service.remote.system

    def person(self, account: str) -> Person:
        """The one whom a NetID or any address means; `NotFound` for nobody, `PermanentError` for several."""
        doing = f"reading the account {account!r:.80}"
        if not account.strip() or len(account) > MAX_ID:
            raise PermanentError(self.name, doing, f"an account id has 1 to {MAX_ID} characters")
        for filter_, headers in _ways_to_find(account):
            found = self._find(doing, filter_, headers)
            if len(found) > 1:
                raise PermanentError(
                    self.name, doing, f"{len(found)} accounts are known by it: say which by an address"
                )
            if found:
                return _known_by(self.name, doing, account, found[0])
        raise NotFound(self.name, doing, "no user has this NetID or address")

    def things(self, doing: str, *path: str, permission: str) -> list[Mapping[str, Any]]:
        """What is listed under a path, such as ``users/{id}/appRoleAssignments``."""
        url = self._service.remote.url("v1.0", *path)
        said = load(THINGS, self._get(doing, url, permission=permission))
        if said["next"] or len(said["value"]) > MOST_LISTED:
            raise PermanentError(self.name, doing, "there are more than one page of them: look in Entra")
        return list(said["value"])

    def app_name(self, doing: str, service_principal: str) -> str:
        """What an app calls itself; its id where it is gone."""
        url = self._service.remote.url("v1.0", "servicePrincipals", service_principal)
        try:
            reply = self._service.call(doing, "GET", url, params={"$select": "displayName"})
        except NotFound:
            return service_principal
        return str(json_object(reply.body).get("displayName") or service_principal)

    def try_out(self) -> None:
        """Read somebody, whoever it is."""
        self._get("trying Graph", self._users(), params={"$top": "1", "$select": "id"})

    def _users(self) -> str:
        return self._service.remote.url("v1.0", "users")

    def _find(self, doing: str, filter_: str, headers: Mapping[str, str]) -> list[Mapping[str, Any]]:
        params = {"$filter": filter_, "$select": SELECT} | ({"$count": "true"} if headers else {})
        said = load(PEOPLE, self._get(doing, self._users(), params=params, headers=headers))
        return [user for user in said["value"] if not _is_guest(user)]

    def _get(self, doing: str, url: str, *, permission: str = "User.Read.All", **what: Any) -> Reply:
        try:
            return self._service.call(doing, "GET", url, **what)
        except Denied as error:
            if error.doing == SIGNING_IN:
                raise
            why = f"{error.message.removesuffix(NO_RIGHTS)}; the application lacks Graph's permission {permission}"
            raise Denied(self.name, doing, why, status=error.status) from error
        except PermanentError as error:
            # Without its status: 404 of a list is no word about any account, though callers would take it for one.
            raise PermanentError(self.name, doing, error.message) from error


def read_refusal(_headers: Mapping[str, str], body: bytes) -> Said:
    """How Graph says no (learn.microsoft.com/graph/errors)."""
    error = json_object(body).get("error")
    said = error if isinstance(error, dict) else {}
    words, code = said.get("message"), said.get("code")
    return Said(title=words if isinstance(words, str) else "", kind=code if isinstance(code, str) else "")


def quoted(value: str) -> str:
    """A string in an OData filter (OData 4.01, URL Conventions §5.1.1.6.1): a quote in it is doubled."""
    return "'" + value.replace("'", "''") + "'"


def _ways_to_find(account: str) -> list[tuple[str, Mapping[str, str]]]:
    """Filters from the surest on. The primary address has SMTP in capitals; whether case counts is not documented."""
    if "@" not in account:
        return [(f"onPremisesSamAccountName eq {quoted(account)}", ADVANCED)]
    proxies = [f"proxyAddresses/any(p:p eq {quoted(prefix + account)})" for prefix in ("smtp:", "SMTP:")]
    return [(filter_, {}) for filter_ in (f"userPrincipalName eq {quoted(account)}", *proxies)]


def _is_guest(user: Mapping[str, Any]) -> bool:
    """Somebody whose account, and mail, is in another tenant."""
    return (user["userType"] or "").lower() == "guest"


def _known_by(tenant: str, doing: str, account: str, said: Mapping[str, Any]) -> Person:
    person = _person(said)
    if account.lower() not in {known.lower() for known in (person.netid, *person.addresses)}:
        raise PermanentError(tenant, doing, "the answer is about another account")
    return person


def _person(said: Mapping[str, Any]) -> Person:
    upn = said["userPrincipalName"]
    proxies = [proxy for proxy in said["proxyAddresses"] or () if (proxy or "").lower().startswith("smtp:")]
    primary = next((proxy for proxy in proxies if proxy.startswith("SMTP:")), "")[5:]
    addresses = [said["mail"] or primary or upn, primary, *(proxy[5:] for proxy in proxies), upn]
    once: dict[str, str] = {}
    for address in addresses:
        once.setdefault(address.lower(), address)
    once.pop("", None)
    return Person(
        id=said["id"],
        netid=said["onPremisesSamAccountName"] or upn,
        display_name=said["displayName"] or "",
        upn=upn,
        addresses=tuple(once.values()),
        sign_in=_sign_in(said["accountEnabled"]),
        password_changed_at=moment(said["lastPasswordChangeDateTime"]),
        sessions_valid_from=moment(said["signInSessionsValidFromDateTime"]),
    )


def _sign_in(enabled: object) -> SignIn:
    if not isinstance(enabled, bool):
        return SignIn.UNKNOWN
    return SignIn.ENABLED if enabled else SignIn.DISABLED
