"""The demo's InvokeCommand: strict about who asks and how, small pages, a world in which time passes when told to."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from plugin.demo.exchange import Application, World
from plugin.demo.exchange.application import EXCHANGE, GRAPH
from tests.plugin.demo.exchange.conftest import HOME, TENANT

Invoke = Callable[..., Any]
GET, REMOVE = "Get-BlockedSenderAddress", "Remove-BlockedSenderAddress"


def whole_list(invoke: Invoke) -> list[dict[str, Any]]:
    rows, url = [], ""
    while True:
        page = invoke(GET, url=url).get_json()
        assert len(page["value"]) <= 2
        rows += page["value"]
        if "@odata.nextLink" not in page:
            return rows
        assert page["@odata.nextLink"].startswith(HOME)
        url = page["@odata.nextLink"].removeprefix(HOME)


def addresses(invoke: Invoke) -> set[str]:
    return {row["SenderAddress"] for row in whole_list(invoke)}


def error(answer: Any) -> str:
    """The words for people, from where they are found in the wild."""
    told: str = answer.get_json()["error"]["details"][0]["message"]
    return told.split("|")[-1]


# ── the form of it ───────────────────────────────────────────────────────────────────────────────────────────────


def test_list_comes_in_small_pages_that_the_same_body_is_posted_for(invoke: Invoke, client: FlaskClient) -> None:
    first = invoke(GET).get_json()
    link = first["@odata.nextLink"].removeprefix(HOME)
    assert len(addresses(invoke)) > 4
    assert client.get(link).status_code == 405
    assert invoke(GET, url=link, body={"CmdletInput": {"CmdletName": GET}}).status_code == 400
    assert invoke(GET, url=f"{link}x").status_code == 400


def test_rows_are_as_exchange_writes_them(invoke: Invoke) -> None:
    row = next(row for row in whole_list(invoke) if row["SenderAddress"] == "bbadger@example.edu")
    assert row["CreatedDatetime"] == "2026-03-02T05:50:00.0000000+00:00"
    assert row["SenderAddress@data.type"] == "Microsoft.Exchange.Data.SmtpAddress"
    assert row["Reason"].startswith("OutboundSpamLast24Hours=412;")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": None}, 401),
        ({"Authorization": "Bearer x"}, 401),
        ({"Authorization": "Basic eDp5"}, 401),
        ({"X-AnchorMailbox": None}, 400),
        ({"X-AnchorMailbox": "UPN:admin@example.edu"}, 400),
        ({"X-AnchorMailbox": f"APP:SystemMailbox{{bb558c35-97f1-4cb9-8ff7-d53741dc928c}}@@{TENANT}"}, 400),
        ({"client-request-id": None}, 400),
        ({"client-request-id": "1"}, 400),
        ({"connection-id": None}, 400),
    ],
)
def test_header_that_is_wrong_is_refused(invoke: Invoke, headers: dict[str, Any], status: int) -> None:
    assert invoke(GET, headers=headers).status_code == status


def test_request_id_is_used_once(invoke: Invoke) -> None:
    same = {"client-request-id": "0b0e4c5e-98f6-4e3a-b0a2-51ce6d4d8c11"}
    assert [invoke(GET, headers=same).status_code for _ in range(2)] == [200, 400]


def test_token_for_another_service_or_tenant_is_none(invoke: Invoke, application: Application) -> None:
    for_graph = {"Authorization": f"Bearer {application.issue(GRAPH)}"}
    assert invoke(GET, headers=for_graph).status_code == 401
    other = "00000000-2fa1-11d2-883f-0016d3cca427"
    assert invoke(GET, url=f"/adminapi/beta/{other}/InvokeCommand").status_code == 401


def test_application_without_the_permission_is_told_so(invoke: Invoke, application: Application) -> None:
    application.permissions[EXCHANGE] = frozenset()
    answer = invoke(GET)
    assert (answer.status_code, "isn't supported in this scenario" in answer.text) == (401, True)


@pytest.mark.parametrize("cmdlet", ["Get-Everything", REMOVE])
def test_cmdlet_that_is_unknown_or_not_granted_is_hidden(invoke: Invoke, application: Application, cmdlet: str) -> None:
    application.cmdlets = frozenset({GET})
    answer = invoke(cmdlet, SenderAddress="bbadger@example.edu")
    assert (answer.status_code, answer.get_data(), answer.headers["Content-Encoding"]) == (403, b"\0", "gzip")


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"CmdletInput": {}},
        {"CmdletInput": {"CmdletName": 7}},
        {"CmdletInput": {"CmdletName": GET, "Parameters": []}},
        {"CmdletInput": {"CmdletName": GET, "parameters": {}}},
        {"CmdletInput": {"CmdletName": GET}, "more": 1},
    ],
)
def test_body_that_is_wrong_is_refused(invoke: Invoke, body: Any) -> None:
    assert invoke(GET, body=body).status_code == 400


def test_body_must_be_json(invoke: Invoke) -> None:
    assert invoke(GET, headers={"Content-Type": "text/plain"}).status_code == 415


def test_only_beta_answers(invoke: Invoke, client: FlaskClient) -> None:
    assert invoke(GET, url=f"/adminapi/v1.0/{TENANT}/InvokeCommand").status_code == 405
    assert client.get(f"/adminapi/beta/{TENANT}/InvokeCommand").status_code == 405


@pytest.mark.parametrize("parameters", [{"SenderAddress": "bbadger@example.edu"}, {"ErrorAction": "Stop"}])
def test_list_by_a_filter_or_with_error_action_fails_as_it_is_reported_to(
    invoke: Invoke, parameters: dict[str, str]
) -> None:
    answer = invoke(GET, **parameters)
    assert (answer.status_code, "server side error" in error(answer)) == (500, True)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "missing mandatory parameters: SenderAddress"),
        ({"SenderAddress": ""}, "missing mandatory parameters"),
        ({"Identity": "x"}, "matches parameter name 'Identity'"),
    ],
)
def test_parameters_are_bound_as_powershell_does(
    invoke: Invoke, world: World, parameters: dict[str, str], words: str
) -> None:
    answer = invoke(REMOVE, **parameters)
    assert (answer.status_code, words in error(answer)) == (400, True)
    assert world.asked == []


# ── unblocking ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_removed_entry_goes_from_the_list_in_its_time(invoke: Invoke, clock: Any) -> None:
    answer = invoke(REMOVE, SenderAddress="bbadger@example.edu")
    assert (answer.status_code, answer.get_json()["value"]) == (200, [])
    assert "bbadger@example.edu" in addresses(invoke)
    clock.move(seconds=60)
    assert addresses(invoke) & {"bbadger@example.edu", "bbadger@cs.example.edu"} == {"bbadger@cs.example.edu"}


def test_key_must_be_the_listed_one_to_the_letter(invoke: Invoke) -> None:
    for key in ("BBADGER@example.edu", "bucky.badger@example.edu", "nobody@example.edu"):
        answer = invoke(REMOVE, SenderAddress=key)
        assert (answer.status_code, "couldn't be found" in error(answer)) == (404, True)


@pytest.mark.parametrize(
    ("netid", "status", "words"),
    [
        ("limitup", 400, "Contact Microsoft Support"),
        ("review", 400, "held for review"),
    ],
)
def test_who_cannot_be_unblocked_stays_listed(invoke: Invoke, clock: Any, netid: str, status: int, words: str) -> None:
    key = next(address for address in addresses(invoke) if address in _addresses(netid))
    answer = invoke(REMOVE, SenderAddress=key)
    assert (answer.status_code, words in error(answer)) == (status, True)
    clock.move(seconds=60)
    assert key in addresses(invoke)


def _addresses(netid: str) -> set[str]:
    return {f"{netid}@example.edu", {"limitup": "liam.tupper@example.edu"}.get(netid, "")}


def test_erring_throttled_and_slow_ones_are_that(invoke: Invoke, world: World, slept: list[float], clock: Any) -> None:
    erring = invoke(REMOVE, SenderAddress="erring@example.edu")
    assert (erring.status_code, "stacktrace" in erring.text, erring.get_json()["error"]["details"]) == (500, True, [])
    throttled = invoke(REMOVE, SenderAddress="throttle@example.edu")
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "2")
    assert throttled.text.startswith("You have reached the maximum number of concurrent requests per tenant")
    assert invoke(REMOVE, SenderAddress="throttle@example.edu").status_code == 200
    assert (slept, invoke(REMOVE, SenderAddress="slow@example.edu").status_code, slept) == ([3.0], 200, [3.0])
    clock.move(seconds=60)
    assert addresses(invoke) & {f"{name}@example.edu" for name in ("erring", "throttle", "slow")} == {
        "erring@example.edu"
    }


def test_unblocks_are_counted_and_run_out(invoke: Invoke, world: World, clock: Any) -> None:
    codes = []
    for _ in range(6):
        codes.append(invoke(REMOVE, SenderAddress="bbadger@example.edu").status_code)
        clock.move(seconds=60)
        world.block("bbadger@example.edu")
    assert codes == [200] * 5 + [400]


# ── the mailbox ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_hidden_rules_show_only_where_they_are_asked_for(invoke: Invoke) -> None:
    def names(**parameters: Any) -> list[str]:
        return [
            row["Name"]
            for row in invoke("Get-InboxRule", Mailbox="phished@example.edu", **parameters).get_json()["value"]
        ]

    assert names() == ["fwd"]
    assert names(IncludeHidden=True)[:1] == ["Junk E-Mail Rule"]


def test_mailbox_tells_where_it_forwards_to(invoke: Invoke) -> None:
    (row,) = invoke("Get-Mailbox", Identity="phished@example.edu").get_json()["value"]
    assert row["ForwardingSmtpAddress"] == "smtp:drop@mailbox.example"
    assert invoke("Get-Mailbox", Identity="nobody").status_code == 404


def test_people_of_the_small_world_have_their_twists(world: World) -> None:
    reasons = json.dumps([entry.reason for entry in world.listed()])
    for kind in ("OutboundSpamLast24Hours", "EmailSendingLimitExceeded", "RecipientRateLimitExceeded"):
        assert kind in reasons
    keys = {entry.address for entry in world.listed()}
    bucky = world.user("bbadger@example.edu")
    assert {bucky.upn, "bbadger@cs.example.edu"} <= keys
    assert world.user("harriet.hold@example.edu").is_enabled is False
