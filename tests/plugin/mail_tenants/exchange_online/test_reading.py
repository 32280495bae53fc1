"""An account as Graph and Exchange tell it: who it is, what of the list is theirs, what becomes of every failure."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.errors import Denied, NotFound, OutcomeUnknown, PermanentError, RemoteError, Throttled, Unreachable
from plugin.mail_tenants import connect
from plugin.mail_tenants.exchange_online.graph import quoted
from plugin.model import AccountStatus, BlockedAddress, Cause, Sending, SignIn, SignInState
from tests.plugin.mail_tenants.exchange_online.conftest import (
    BUCKY,
    CLIENT,
    INVOKE,
    NOW,
    SECRET,
    SPAM,
    TENANT,
    USERS,
    Socket,
    failure,
    listed,
    rows,
)

Tenant = Callable[..., Any]
BLOCKED_AT = datetime(2026, 11, 23, 16, 50, 7, 123456, tzinfo=UTC)


@pytest.fixture
def read(tenant: Tenant, socket: Socket) -> Callable[..., AccountStatus]:
    """Bucky as read when Exchange answers with these entries, or in this way."""

    def read(*entries: Any, **answer: Any) -> AccountStatus:
        socket.knows(BUCKY)
        socket.web.post(INVOKE, **(answer or {"json": rows(*entries)}))
        status: AccountStatus = tenant().status("bbadger@example.edu")
        return status

    return read


# ── who it is ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_account_is_read_from_graph_and_from_exchange(read: Callable[..., AccountStatus]) -> None:
    assert read(listed("BBadger@example.edu")) == AccountStatus(
        tenant="campus",
        netid="bbadger",
        display_name="Bucky Badger",
        primary_address="Bucky.Badger@example.edu",
        addresses=(
            "Bucky.Badger@example.edu",
            "bbadger@cs.example.edu",
            "bbadger@example.onmicrosoft.com",
            "bbadger@example.edu",
        ),
        sending=Sending.BLOCKED,
        blocked=(BlockedAddress(address="BBadger@example.edu", reason=SPAM, cause=Cause.SPAM, blocked_at=BLOCKED_AT),),
        sign_in=SignInState(state=SignIn.ENABLED),
        checked_at=NOW,
    )


def queries(socket: Socket) -> list[dict[str, str]]:
    asked = [parse_qs(urlsplit(str(request.url)).query) for request in socket.asked("graph.microsoft.com")]
    return [{name: values[0] for name, values in query.items()} for query in asked]


def test_address_is_looked_for_as_upn_and_as_every_address(tenant: Tenant, socket: Socket) -> None:
    socket.knows()
    with pytest.raises(NotFound):
        tenant().status("o'neil+x@example.edu")
    assert [query["$filter"] for query in queries(socket)] == [
        "userPrincipalName eq 'o''neil+x@example.edu'",
        "proxyAddresses/any(p:p eq 'smtp:o''neil+x@example.edu')",
        "proxyAddresses/any(p:p eq 'SMTP:o''neil+x@example.edu')",
    ]
    assert {"accountEnabled", "proxyAddresses", "onPremisesSamAccountName"} <= set(
        queries(socket)[0]["$select"].split(",")
    )
    assert socket.asked("InvokeCommand") == []


def test_netid_is_looked_for_as_graph_wants_it_for_that_property(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY)
    socket.lists()
    assert tenant().status("BBadger").netid == "bbadger"
    (query,) = queries(socket)
    assert (query["$filter"], query["$count"]) == ("onPremisesSamAccountName eq 'BBadger'", "true")
    assert socket.asked("graph.microsoft.com")[0].headers["ConsistencyLevel"] == "eventual"


@given(value=st.text())
def test_no_value_gets_out_of_its_quotes(value: str) -> None:
    inside = quoted(value)[1:-1]
    assert "'" not in inside.replace("''", "")
    assert inside.replace("''", "'") == value


def test_account_without_a_netid_is_known_by_its_upn(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY | {"onPremisesSamAccountName": None})
    socket.lists()
    assert tenant().status("bbadger@example.edu").netid == "bbadger@example.edu"


def test_account_without_a_mailbox_address_has_its_upn(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY | {"mail": None, "proxyAddresses": []})
    socket.lists()
    status = tenant().status("bbadger")
    assert (status.primary_address, status.addresses) == ("bbadger@example.edu", ("bbadger@example.edu",))


def test_several_with_one_netid_are_an_error_and_not_nobody(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY, BUCKY | {"id": "another", "userPrincipalName": "other@example.edu"})
    with pytest.raises(PermanentError, match="2 accounts are known by it") as caught:
        tenant().status("bbadger")
    assert not isinstance(caught.value, NotFound)
    assert caught.value.status is None  # 400 or 404 would be taken for nobody


def test_guest_of_another_tenant_is_no_account_of_ours(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY | {"userType": "Guest"})
    with pytest.raises(NotFound):
        tenant().status("bbadger@example.edu")


def test_answer_about_somebody_else_is_not_believed(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY)
    with pytest.raises(PermanentError, match="the answer is about another account"):
        tenant().status("harriet@example.edu")


@pytest.mark.parametrize("account", ["", " ", "\n", "x" * 321])
def test_id_that_cannot_be_one_is_refused_before_anybody_is_asked(tenant: Tenant, socket: Socket, account: str) -> None:
    with pytest.raises(PermanentError, match="1 to 320 characters"):
        tenant().status(account)
    assert len(socket.web.calls) == 0


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (True, SignIn.ENABLED),
        (False, SignIn.DISABLED),
        (None, SignIn.UNKNOWN),
        ("true", SignIn.UNKNOWN),
        (1, SignIn.UNKNOWN),
    ],
)
def test_sign_in_is_as_entra_says_without_a_reason(tenant: Tenant, socket: Socket, said: object, state: SignIn) -> None:
    socket.knows(BUCKY | {"accountEnabled": said})
    socket.lists()
    status = tenant().status("bbadger")
    assert status.sign_in == SignInState(state=state)
    assert ("Entra does not say" in status.failure) == (state is SignIn.UNKNOWN)
    assert status.sending is Sending.NOT_BLOCKED


GRAPH_SAYS_NO = {
    400: PermanentError,
    401: Denied,
    403: Denied,
    404: PermanentError,
    410: PermanentError,
    429: Throttled,
    500: OutcomeUnknown,
    502: OutcomeUnknown,
    503: Throttled,
    504: OutcomeUnknown,
}


@pytest.mark.parametrize(("status", "kind"), GRAPH_SAYS_NO.items())
def test_person_that_cannot_be_read_is_an_error_and_never_nobody(
    tenant: Tenant, socket: Socket, status: int, kind: type[RemoteError]
) -> None:
    said = {"error": {"code": "Authorization_RequestDenied", "message": "Insufficient privileges."}}
    socket.web.get(USERS, json=said, status=status, headers={"Retry-After": "7"})
    with pytest.raises(RemoteError) as caught:
        tenant().status("bbadger")
    assert type(caught.value) is kind
    assert "Insufficient privileges." in str(caught.value)
    assert caught.value.status not in (400, 404, 410, 422)
    if status in (429, 503, 504):
        assert caught.value.retry_after == 7  # type: ignore[attr-defined]
    if status == 403:
        assert "lacks Graph's permission User.Read.All" in str(caught.value)


@pytest.mark.parametrize("body", ["<html>", "null", "[]", "{}", '{"value": null}', '{"value": [{}]}', '{"value": [7]}'])
def test_answer_of_graph_that_is_none_is_an_error(tenant: Tenant, socket: Socket, body: str) -> None:
    socket.web.get(USERS, body=body)
    with pytest.raises(PermanentError) as caught:
        tenant().status("bbadger")
    assert not isinstance(caught.value, NotFound)


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_request_is_as_others_found_exchange_to_take_it(read: Callable[..., AccountStatus], socket: Socket) -> None:
    read()
    (request,) = socket.asked("InvokeCommand")
    assert json.loads(request.body) == {"CmdletInput": {"CmdletName": "Get-BlockedSenderAddress", "Parameters": {}}}
    headers = request.headers
    assert headers["Content-Type"] == "application/json"
    assert headers["X-AnchorMailbox"] == f"APP:SystemMailbox{{bb558c35-97f1-4cb9-8ff7-d53741dc928c}}@{TENANT}"
    assert headers["Authorization"].startswith("Bearer ey")
    assert headers["Prefer"] == "odata.maxpagesize=1000"
    assert len(headers["client-request-id"]) == len(headers["connection-id"]) == 36


def test_whoever_is_not_listed_is_not_blocked(read: Callable[..., AccountStatus]) -> None:
    status = read(listed("somebody.else@example.edu"), listed("bbadger@elsewhere.example"))
    assert (status.sending, status.blocked, status.failure) == (Sending.NOT_BLOCKED, (), "")


@pytest.mark.parametrize(
    "key",
    [
        "bbadger@example.edu",
        "BBADGER@EXAMPLE.EDU",
        "bucky.badger@example.edu",
        "Bbadger@cs.example.edu",
        "bbadger@EXAMPLE.onmicrosoft.com",
    ],
)
def test_every_address_is_looked_for_and_the_key_is_kept_to_the_letter(
    read: Callable[..., AccountStatus], key: str
) -> None:
    status = read(listed("x@example.edu"), listed(key), listed("y@example.edu"))
    assert (status.sending, [each.address for each in status.blocked]) == (Sending.BLOCKED, [key])


def test_several_listed_addresses_stand_in_the_lists_order(read: Callable[..., AccountStatus]) -> None:
    status = read(listed("bbadger@cs.example.edu"), listed("x@example.edu"), listed("bbadger@example.edu"))
    assert [each.address for each in status.blocked] == ["bbadger@cs.example.edu", "bbadger@example.edu"]


@pytest.mark.parametrize(
    ("more", "cause", "blocked_at"),
    [
        ({}, Cause.SPAM, BLOCKED_AT),
        ({"Reason": "EmailSendingLimitExceeded;ExceedingLimitType=External"}, Cause.POLICY_LIMIT, BLOCKED_AT),
        ({"Reason": "RecipientRateLimitExceeded;RcptRateLimit=10000"}, Cause.RECIPIENT_LIMIT, BLOCKED_AT),
        ({"Reason": "something new"}, Cause.UNKNOWN, BLOCKED_AT),
        ({"Reason": None, "CreatedDatetime": None}, Cause.UNKNOWN, None),
        ({"Reason": 7, "CreatedDatetime": "/Date(1)/"}, Cause.UNKNOWN, None),
        ({"CreatedDatetime": "", "LastBlockedDateTime": "2026-11-23T16:50:07.1234567Z"}, Cause.SPAM, BLOCKED_AT),
        ({"CreatedDatetime": "2026-11-23T16:50:07"}, Cause.SPAM, None),
    ],
)
def test_reason_and_moment_are_read_as_far_as_they_can_be(
    read: Callable[..., AccountStatus], more: dict[str, Any], cause: Cause, blocked_at: datetime | None
) -> None:
    (blocked,) = read(listed("bbadger@example.edu", **more)).blocked
    assert (blocked.cause, blocked.blocked_at) == (cause, blocked_at)
    reason = more.get("Reason", SPAM)
    assert blocked.reason == (reason if isinstance(reason, str) else "")


def test_all_pages_are_read_with_the_same_body(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY)
    second, third = f"{INVOKE}?$skiptoken=2", f"{INVOKE}?$skiptoken=3"
    socket.web.post(second, json=rows(listed("b@example.edu"), **{"odata.nextLink": third}))
    socket.web.post(third, json=rows(listed("bbadger@example.edu")))
    socket.lists(listed("a@example.edu"), **{"@odata.nextLink": second})
    assert tenant().status("bbadger").sending is Sending.BLOCKED
    bodies = {request.body for request in socket.asked("InvokeCommand")}
    assert (len(socket.asked("InvokeCommand")), len(bodies)) == (3, 1)


NEXT_LINKS = {
    "another host": "https://evil.example/adminapi/beta/x/InvokeCommand?p=2",
    "a host that only ends alike": "https://notoffice365.com/p2",
    "without TLS": "http://outlook.office365.com/p2",
    "with a password": "https://u:p@outlook.office365.com/p2",
    "another port": "https://eur.outlook.office365.com:8443/p2",
    "the same page": INVOKE,
    "no text": 7,
    "no address": "https://[::/p2",
}


@pytest.mark.parametrize("link", NEXT_LINKS.values(), ids=NEXT_LINKS.keys())
def test_next_page_elsewhere_is_not_asked_for_and_the_status_is_unknown(
    read: Callable[..., AccountStatus], socket: Socket, link: object
) -> None:
    status = read(json=rows(listed("a@example.edu"), **{"@odata.nextLink": link}))
    assert status.sending is Sending.UNKNOWN
    assert status.failure.startswith("campus: reading the list of blocked senders: ")
    assert len(socket.asked("InvokeCommand")) == 1
    assert not any("evil" in str(call.request.url) for call in socket.web.calls)


def test_failure_of_a_later_page_makes_all_of_it_unknown(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY)
    socket.web.post(f"{INVOKE}?p=2", status=500)
    socket.lists(listed("bbadger@example.edu"), **{"@odata.nextLink": f"{INVOKE}?p=2"})
    status = tenant().status("bbadger")
    assert (status.sending, status.blocked) == (Sending.UNKNOWN, ())


@pytest.mark.parametrize("port", ["", ":446", ":443"])
def test_redirect_to_a_host_of_microsofts_is_followed_with_body_and_token(
    tenant: Tenant, socket: Socket, port: str
) -> None:
    socket.knows(BUCKY)
    there = "https://eur01b.outlook.com{}/adminapi/beta/x/InvokeCommand"
    socket.web.post(INVOKE, status=302, headers={"Location": there.format(port)})
    socket.web.post(there.format(""), json=rows(listed("bbadger@example.edu")))
    assert tenant().status("bbadger").sending is Sending.BLOCKED
    first, second = socket.asked("InvokeCommand")
    assert first.body == second.body
    assert first.headers["Authorization"] == second.headers["Authorization"]


@pytest.mark.parametrize(
    "location", ["https://evil.example/x", "http://outlook.office365.com/x", "", "//evil.example/x"]
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_elsewhere_is_not_followed(
    read: Callable[..., AccountStatus], socket: Socket, status: int, location: str
) -> None:
    assert read(status=status, headers={"Location": location}).sending is Sending.UNKNOWN
    assert len(socket.asked("InvokeCommand")) == 1
    assert not any("evil" in str(call.request.url) for call in socket.web.calls)


def test_redirects_in_a_circle_end(read: Callable[..., AccountStatus], socket: Socket) -> None:
    assert read(status=307, headers={"Location": INVOKE}).sending is Sending.UNKNOWN
    assert len(socket.asked("InvokeCommand")) == 3


# ── what fails is Unknown ────────────────────────────────────────────────────────────────────────────────────────

NOT_FOUND = "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException"
FAILURES: dict[str, tuple[dict[str, Any], str]] = {
    "401": ({"status": 401, "body": "User is not allowed to call Get-BlockedSenderAddress"}, "User is not allowed"),
    "401 role": ({"status": 401, "body": "The role assigned to application x isn't supported"}, "lacks the role"),
    "403 empty": ({"status": 403, "body": ""}, "lacks the role for Get-BlockedSenderAddress"),
    "403 NUL": ({"status": 403, "body": b"\0"}, "lacks the role for Get-BlockedSenderAddress"),
    "403 gzip": ({"status": 403, "body": b"\0", "headers": {"Content-Encoding": "gzip"}}, "lacks the role for"),
    "404": ({"status": 404, "json": failure(NOT_FOUND, "The object couldn't be found.")}, "couldn't be found."),
    "405": ({"status": 405}, "answered 405"),
    "429": ({"status": 429, "headers": {"Retry-After": "5"}}, "answered 429"),
    "503": ({"status": 503}, "answered 503"),
    "504": ({"status": 504}, "answered 504"),
    "408": ({"status": 408}, "answered 408"),
    "500": ({"status": 500, "body": "<html>oops</html>"}, "answered 500"),
    "busy": (
        {"status": 200, "body": "You have reached the maximum number of concurrent requests per tenant."},
        "maximum",
    ),
    "busy with 400": ({"status": 400, "body": "You have reached the maximum number of concurrent requests"}, "maximum"),
    "transient": ({"status": 400, "json": failure("Microsoft.Exchange.ServerBusyException", "Later.")}, "Later."),
    "words alone": ({"status": 400, "json": {"error": {"code": "X", "message": "Only words."}}}, "Only words."),
    "a word": ({"status": 400, "json": {"error": "just_a_word"}}, "just_a_word"),
    "inner words": (
        {"status": 400, "json": {"error": {"innererror": {"internalexception": {"message": "Deep words."}}}}},
        "Deep words.",
    ),
    "no JSON": ({"status": 200, "body": "<html>Sign in</html>"}, "not with a list in JSON"),
    "plain text": ({"status": 200, "body": "Something is odd."}, "Something is odd."),
    "nothing": ({"status": 200, "body": ""}, "not with a list"),
    "204": ({"status": 204}, "not with a list"),
    "NUL": ({"status": 200, "body": b"\0\0"}, "not with a list"),
    "no list": ({"status": 200, "json": {"value": {}}}, "not with a list"),
    "null": ({"status": 200, "json": {"value": None}}, "not with a list"),
    "an array": ({"status": 200, "json": [listed("bbadger@example.edu")]}, "not with a list"),
    "error with 200": ({"status": 200, "json": failure("X.Y", "It failed.")}, "It failed."),
    "time-out": ({"body": requests.exceptions.ReadTimeout()}, "no complete answer"),
    "cut": ({"body": requests.exceptions.ConnectionError("reset")}, "the connection broke"),
}


@pytest.mark.parametrize(("answer", "words"), FAILURES.values(), ids=FAILURES.keys())
def test_list_that_cannot_be_read_is_unknown_with_what_failed(
    read: Callable[..., AccountStatus], answer: dict[str, Any], words: str
) -> None:
    status = read(**answer)
    assert (status.sending, status.blocked) == (Sending.UNKNOWN, ())
    assert status.failure.startswith("campus: reading the list of blocked senders: ")
    assert words in status.failure
    assert (status.netid, status.sign_in.state) == ("bbadger", SignIn.ENABLED)
    for secret in ("   at ", "Secret.Deep", "<html", SECRET, "Bearer"):
        assert secret not in status.failure


def test_nobody_there_is_unreachable(tenant: Tenant) -> None:
    gone = {"login_url": "https://127.0.0.1:9", "graph_url": "https://127.0.0.1:9"}
    with pytest.raises(Unreachable):
        tenant(**gone).status("bbadger")


def test_entry_that_cannot_be_read_leaves_whoever_is_not_found_unknown(read: Callable[..., AccountStatus]) -> None:
    for odd in ({}, "text", listed(None), listed(""), listed(["bbadger@example.edu"]), listed("a\0@example.edu")):
        assert read(listed("a@example.edu"), odd).sending is Sending.UNKNOWN


def test_entry_that_cannot_be_read_hides_no_block(read: Callable[..., AccountStatus]) -> None:
    assert read({}, listed("bbadger@example.edu")).sending is Sending.BLOCKED


@pytest.mark.parametrize("place", ["body", "header"])
def test_warning_that_it_is_not_all_leaves_whoever_is_not_found_unknown(
    read: Callable[..., AccountStatus], place: str
) -> None:
    words = "There are more results available than are currently displayed."
    if place == "body":
        status = read(json=rows(listed("a@example.edu"), **{"@adminapi.warnings": [words]}))
    else:
        status = read(json=rows(listed("a@example.edu")), headers={"X-Warnings": words})
    assert (status.sending, "not all of the list" in status.failure) == (Sending.UNKNOWN, True)


def test_other_warnings_are_logged_once_and_change_nothing(
    tenant: Tenant, socket: Socket, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "m365-unblock"):
        socket.knows(BUCKY)
        socket.lists(**{"@adminapi.warnings": ["This cmdlet will change, jane.doe@example.edu", 7]})
        ours = tenant()
        assert {ours.status("bbadger").sending for _ in range(3)} == {Sending.NOT_BLOCKED}
    assert caplog.text.count("tenant.warning tenant=campus") == 1
    assert "jane.doe" not in caplog.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("bbadger@example.edu"),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=5,
)
PAGES = [rows(), rows(listed("a@example.edu")), rows(listed("bbadger@example.edu")), failure("X.Y", "words")]


def spoilt(page: dict[str, Any], name: str, new: object) -> dict[str, Any]:
    page = copy.deepcopy(page)
    place = page["value"][0] if name in ("SenderAddress", "Reason", "CreatedDatetime") and page.get("value") else page
    place[name] = new
    return page


pages = st.builds(
    spoilt,
    st.sampled_from(PAGES),
    st.sampled_from(["value", "SenderAddress", "Reason", "CreatedDatetime", "error", "@odata.nextLink", "extra"]),
    json_values,
)


@given(page=pages | json_values, status=st.sampled_from([200, 200, 200, 202, 400, 404, 500]))
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_becomes_not_blocked_unless_a_whole_list_says_so(page: Any, status: int) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        socket = Socket(web)
        socket.knows(BUCKY)
        web.post(INVOKE, body=json.dumps(page), status=status)
        ours = {"system": "exchange_online", "tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET}
        read = connect("campus", ours, lambda: NOW).status("bbadger")
    told = page.get("value") if isinstance(page, dict) else None
    entries = told if isinstance(told, list) else []
    whole = 200 <= status < 300 and entries is told and not page.get("@odata.nextLink")
    addresses = [entry.get("SenderAddress") if isinstance(entry, dict) else None for entry in entries]
    readable = whole and all(isinstance(each, str) and each.strip() and "\0" not in each for each in addresses)
    if read.sending is Sending.NOT_BLOCKED:
        assert readable
        assert "bbadger@example.edu" not in addresses
    assert (read.sending is Sending.BLOCKED) == (whole and "bbadger@example.edu" in addresses)
    assert bool(read.failure) == (read.sending is Sending.UNKNOWN)
