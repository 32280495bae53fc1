"""Microsoft Graph v1.0, as far as users are looked for and looked at. It understands filters that Graph documents."""

import re
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request

from plugin.demo.exchange.application import GRAPH, Application
from plugin.demo.exchange.cmdlets import moment
from plugin.demo.exchange.world import User, World

STRING = r"'((?:[^']|'')*)'"
EQUALS = re.compile(rf"(userPrincipalName|mail|onPremisesSamAccountName) eq {STRING}")
ANY_PROXY = re.compile(rf"proxyAddresses/any\((\w+):\1 eq {STRING}\)")
ADVANCED = "onPremisesSamAccountName"  # can be looked for only with ConsistencyLevel: eventual and $count=true
BY_DEFAULT = ("id", "displayName", "userPrincipalName", "mail")  # everything else must be selected
PEOPLE = ("User.Read.All", "Directory.Read.All")


class _No(Exception):
    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status, self.code, self.words = status, code, words


def blueprint(application: Application, world: World) -> Blueprint:
    """``/v1.0/users`` and what hangs on a user."""
    graph = Blueprint("graph", __name__, url_prefix="/v1.0")

    @graph.get("/users")
    def users() -> Response:
        _check(application, *PEOPLE)
        wanted = request.args.get("$filter")
        found = world.users() if wanted is None else [user for user in world.users() if _filter(wanted)(user)]
        selected = tuple(request.args.get("$select", ",".join(BY_DEFAULT)).split(","))
        top = int(request.args.get("$top", 100))
        counted = {"@odata.count": len(found)} if request.args.get("$count") == "true" else {}
        return jsonify({**counted, "value": [_chosen(user, selected) for user in found[:top]]})

    @graph.get("/users/<user>/authentication/methods")
    def methods(user: str) -> Response:
        _check(application, "UserAuthenticationMethod.Read.All")
        return jsonify(value=_known(world, user).methods)

    @graph.get("/users/<user>/oauth2PermissionGrants")
    def grants(user: str) -> Response:
        _check(application, "Directory.Read.All")
        apps = _known(world, user).apps
        return jsonify(
            value=[{"clientId": app["id"], "consentType": "Principal", "scope": app["scope"]} for app in apps]
        )

    @graph.get("/users/<user>/appRoleAssignments")
    def assignments(user: str) -> Response:
        _check(application, "Directory.Read.All")
        _known(world, user)
        return jsonify(value=[])

    @graph.get("/servicePrincipals/<app>")
    def service_principal(app: str) -> Response:
        _check(application, "Directory.Read.All")
        for known in (each for user in world.users() for each in user.apps):
            if known["id"] == app:
                return jsonify(displayName=known["name"])
        raise _No(404, "Request_ResourceNotFound", f"Resource '{app}' does not exist.")

    @graph.errorhandler(_No)
    def no(error: _No) -> Response:
        answer = jsonify(error={"code": error.code, "message": error.words, "innerError": {"request-id": "0"}})
        answer.status_code = error.status
        return answer

    return graph


def _check(application: Application, *permissions: str) -> None:
    given = request.authorization
    token = (given.token or "") if given is not None and given.type == "bearer" else ""
    claims = application.claims(token, GRAPH)
    if claims is None:
        raise _No(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")
    if not set(permissions) & set(claims["roles"]):
        raise _No(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def _filter(text: str) -> Callable[[User], bool]:
    if found := EQUALS.fullmatch(text):
        name, value = found[1], found[2].replace("''", "'").lower()
        is_advanced = request.headers.get("ConsistencyLevel") == "eventual" and request.args.get("$count") == "true"
        if name == ADVANCED and not is_advanced:
            raise _No(400, "Request_UnsupportedQuery", f"Unsupported or invalid query filter clause for '{name}'.")
        return lambda user: str(_properties(user)[name]).lower() == value
    if found := ANY_PROXY.fullmatch(text):
        prefix, _, address = found[2].replace("''", "'").partition(":")
        return lambda user: any(_is_proxy(proxy, prefix, address) for proxy in _proxies(user))
    raise _No(400, "BadRequest", "Invalid filter clause.")


def _is_proxy(proxy: str, prefix: str, address: str) -> bool:
    """The strictest that may be: whether the case of the prefix counts is not documented, so here it does."""
    known_prefix, _, known = proxy.partition(":")
    return known_prefix == prefix and known.lower() == address.lower()


def _proxies(user: User) -> list[str]:
    first, *others = user.addresses
    return [f"SMTP:{first}", *(f"smtp:{address}" for address in others), f"SIP:{first}"]


def _properties(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "displayName": user.display_name,
        "userPrincipalName": user.upn,
        "mail": user.addresses[0],
        "proxyAddresses": _proxies(user),
        "accountEnabled": user.is_enabled,
        "onPremisesSamAccountName": user.netid,
        "lastPasswordChangeDateTime": user.password_changed_at and moment(user.password_changed_at),
        "signInSessionsValidFromDateTime": user.sessions_valid_from and moment(user.sessions_valid_from),
        "userType": user.user_type,
    }


def _chosen(user: User, selected: tuple[str, ...]) -> dict[str, Any]:
    properties = _properties(user)
    if unknown := [name for name in selected if name not in properties]:
        raise _No(400, "BadRequest", f"Could not find a property named '{unknown[0]}' on type 'microsoft.graph.user'.")
    return {name: properties[name] for name in selected}


def _known(world: World, user_id: str) -> User:
    for user in world.users():
        if user.id == user_id:
            return user
    raise _No(404, "Request_ResourceNotFound", f"Resource '{user_id}' does not exist.")
