"""The demo's Graph: filters as Graph documents them, nothing that was not selected, no word without permission."""

from collections.abc import Callable
from typing import Any

import pytest

from plugin.demo.exchange import Application, World
from plugin.demo.exchange.application import EXCHANGE, GRAPH

Graph = Callable[..., Any]
ADVANCED = {"ConsistencyLevel": "eventual"}


def found(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [user["displayName"] for user in answer.get_json()["value"]]


@pytest.mark.parametrize(
    "filter_",
    [
        "userPrincipalName eq 'bbadger@example.edu'",
        "userPrincipalName eq 'BBADGER@example.edu'",
        "mail eq 'bucky.badger@example.edu'",
        "proxyAddresses/any(p:p eq 'SMTP:bucky.badger@example.edu')",
        "proxyAddresses/any(x:x eq 'smtp:BBadger@cs.example.edu')",
    ],
)
def test_user_is_found_by_what_graph_documents(graph: Graph, filter_: str) -> None:
    assert found(graph("users", filter=filter_)) == ["Bucky Badger"]


@pytest.mark.parametrize(
    "filter_",
    [
        "userPrincipalName eq 'nobody@example.edu'",
        "userPrincipalName eq 'bbadger@example.edu'' or ''1'",
        "proxyAddresses/any(p:p eq 'smtp:bucky.badger@example.edu')",
        "proxyAddresses/any(p:p eq 'bucky.badger@example.edu')",
    ],
)
def test_nobody_else_is(graph: Graph, filter_: str) -> None:
    assert found(graph("users", filter=filter_)) == []


@pytest.mark.parametrize(
    "filter_",
    [
        "userPrincipalName eq 'o'neil@example.edu'",
        "userPrincipalName eq bbadger",
        "userPrincipalName eq 'a' or userPrincipalName eq 'b'",
        "proxyAddresses/any(p:q eq 'smtp:a')",
        "contains(mail, 'x')",
        "",
    ],
)
def test_filter_that_is_none_is_refused(graph: Graph, filter_: str) -> None:
    assert graph("users", filter=filter_).status_code == 400


def test_netid_can_be_looked_for_by_an_advanced_query_only(graph: Graph) -> None:
    filter_ = "onPremisesSamAccountName eq 'bbadger'"
    assert found(graph("users", headers=ADVANCED, filter=filter_, count="true")) == ["Bucky Badger"]
    assert graph("users", filter=filter_).status_code == 400
    assert graph("users", headers=ADVANCED, filter=filter_).status_code == 400
    assert graph("users", filter=filter_, count="true").status_code == 400


def test_only_what_is_selected_is_told(graph: Graph) -> None:
    filter_ = "userPrincipalName eq 'hrhold@example.edu'"
    (plain,) = graph("users", filter=filter_).get_json()["value"]
    assert set(plain) == {"id", "displayName", "userPrincipalName", "mail"}
    (chosen,) = graph("users", filter=filter_, select="accountEnabled,proxyAddresses").get_json()["value"]
    assert chosen["accountEnabled"] is False
    assert chosen["proxyAddresses"][0] == "SMTP:harriet.hold@example.edu"
    assert graph("users", filter=filter_, select="netid").status_code == 400


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("users", "User.Read.All"),
        ("users/{id}/authentication/methods", "UserAuthenticationMethod.Read.All"),
        ("users/{id}/oauth2PermissionGrants", "Directory.Read.All"),
        ("users/{id}/appRoleAssignments", "Directory.Read.All"),
        ("servicePrincipals/5d1f6a0c-8f55-4c3a-9a53-2d1b6f7d2b11", "Directory.Read.All"),
    ],
)
def test_each_permission_is_asked_for(
    graph: Graph, application: Application, world: World, path: str, permission: str
) -> None:
    whole = path.format(id=world.user("bbadger@example.edu").id)
    application.permissions[GRAPH] = frozenset({permission})
    assert graph(whole).status_code == 200
    application.permissions[GRAPH] = frozenset({"Mail.Read"})
    refused = graph(whole)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (403, "Authorization_RequestDenied")


def test_token_for_another_service_is_none(graph: Graph, application: Application) -> None:
    for token in (application.issue(EXCHANGE), "x"):
        assert graph("users", headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_unknown_ids_are_not_found(graph: Graph) -> None:
    for path in ("users/x/authentication/methods", "users/x/appRoleAssignments", "servicePrincipals/x"):
        assert graph(path).status_code == 404
