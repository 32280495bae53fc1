"""The client of an account-administration site, against every kind of answer. The table of answers to an unblock is in
the module's docstring; each of its rows is here."""

import copy
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
import requests
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.errors import (
    Denied,
    NotFound,
    OutcomeUnknown,
    PermanentError,
    RemoteError,
    Throttled,
    Unreachable,
)
from plugin.mail_tenants import connect
from plugin.model import (
    AccountStatus,
    Agent,
    Answer,
    BlockedAddress,
    Cause,
    Role,
    Sending,
    SignIn,
    SignInState,
    UnblockAnswer,
)
from plugin.ports import MailTenant

TOKEN = "a-token-of-24-characters"
SITE = "https://accounts.example.edu/base"
NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
SPAM = "OutboundSpamLast24Hours=412;OutboundMailLast24Hours=455"
LISTED = {"address": "Bucky.Badger@example.edu", "reason": SPAM, "blocked_at": "2026-11-23T16:50:00Z"}
ACCOUNT: dict[str, Any] = {
    "netid": "bbadger",
    "display_name": "Bucky Badger",
    "primary_address": "bucky.badger@example.edu",
    "addresses": ["bucky.badger@example.edu", "bbadger@example.edu"],
    "office365": {"sending_status": "Blocked", "blocked_addresses": [LISTED]},
    "sign_in": {"state": "disabled", "reason": "Compromised Account", "since": "2026-11-23T17:00:00+01:00"},
}
FREE: dict[str, Any] = ACCOUNT | {
    "office365": {"sending_status": "Not Blocked", "blocked_addresses": []},
    "sign_in": {"state": "enabled"},
}
AGENT = Agent(login="ada", name="Ada Agent", email="ada@example.edu", role=Role.AGENT, source="rt")


def tenant() -> MailTenant:
    return connect("campus", {"system": "account_admin", "url": SITE, "token": TOKEN}, lambda: NOW)


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def read(account: object, *, asked: str = "bbadger", **answer: Any) -> AccountStatus:
    """The status that comes of this answer."""
    with responses.RequestsMock() as web:
        web.get(f"{SITE}/v1/accounts/{quote(asked)}", body=json.dumps(account), **answer)
        return tenant().status(asked)


def with_office(status: object, listed: object) -> dict[str, Any]:
    return ACCOUNT | {"office365": {"sending_status": status, "blocked_addresses": listed}}


# ── reading an account ───────────────────────────────────────────────────────────────────────────────────────────


def test_account_is_read_as_the_site_tells_it() -> None:
    assert read(ACCOUNT) == AccountStatus(
        tenant="campus",
        netid="bbadger",
        display_name="Bucky Badger",
        primary_address="bucky.badger@example.edu",
        addresses=("bucky.badger@example.edu", "bbadger@example.edu"),
        sending=Sending.BLOCKED,
        blocked=(
            BlockedAddress(
                address="Bucky.Badger@example.edu",
                reason=SPAM,
                cause=Cause.SPAM,
                blocked_at=datetime(2026, 11, 23, 16, 50, tzinfo=UTC),
            ),
        ),
        sign_in=SignInState(
            state=SignIn.DISABLED, reason="Compromised Account", since=datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
        ),
        checked_at=NOW,
    )


def test_account_that_may_send_is_not_blocked() -> None:
    status = read(FREE)
    assert (status.sending, status.blocked, status.failure) == (Sending.NOT_BLOCKED, (), "")
    assert status.sign_in == SignInState(state=SignIn.ENABLED)


def test_request_is_as_the_contract_has_it(web: responses.RequestsMock) -> None:
    web.get(f"{SITE}/v1/accounts/bbadger%40example.edu", json=FREE)
    tenant().status("bbadger@example.edu")
    assert web.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_id_with_odd_letters_stays_one_part_of_the_address(web: responses.RequestsMock) -> None:
    web.get(f"{SITE}/v1/accounts/a%2F..%2Fb%3Fc%23d%20%C3%BC", json=FREE | {"netid": "a/../b?c#d ü"})
    assert tenant().status("a/../b?c#d ü").netid == "a/../b?c#d ü"


@pytest.mark.parametrize("account", ["", " ", "\n", "x" * 321, ".", "..", "\ud800"], ids=range(7))
def test_id_that_cannot_be_one_is_refused_before_anybody_is_asked(web: responses.RequestsMock, account: str) -> None:
    with pytest.raises(PermanentError) as caught:
        tenant().status(account)
    assert caught.value.status is None
    assert len(web.calls) == 0


def test_id_as_long_as_the_contract_allows_is_asked_for() -> None:
    longest = "x" * 320
    assert read(FREE | {"netid": longest}, asked=longest).netid == longest


@pytest.mark.parametrize("asked", ["BBADGER", "Bucky.Badger@Example.edu", "bbadger@example.edu"])
def test_account_is_known_by_netid_and_every_address_whatever_the_case(asked: str) -> None:
    assert read(ACCOUNT, asked=asked).netid == "bbadger"


@pytest.mark.parametrize("asked", ["bbadger2", "badger", "bucky.badger", "Bucky Badger"])
def test_answer_about_somebody_else_is_not_believed(asked: str) -> None:
    with pytest.raises(PermanentError, match="the answer is about another account"):
        read(FREE, asked=asked)


def test_fields_that_nobody_knows_are_ignored() -> None:
    more = copy.deepcopy(ACCOUNT) | {"department": "Zoology"}
    for part in (more["office365"], more["office365"]["blocked_addresses"][0], more["sign_in"]):
        part["extra"] = {"deep": [1]}
    assert read(more) == read(ACCOUNT)


def test_what_may_be_left_out_may_also_be_null() -> None:
    account = with_office("Blocked", [{"address": "a@b", "reason": None, "blocked_at": None}])
    status = read(account | {"display_name": None, "sign_in": {"state": "enabled", "reason": None, "since": None}})
    assert (status.display_name, status.sign_in) == ("", SignInState(state=SignIn.ENABLED))
    assert status.blocked == (BlockedAddress(address="a@b"),)


# ── contradictions ───────────────────────────────────────────────────────────────────────────────────────────────


def test_not_blocked_with_a_listed_address_is_blocked() -> None:
    status = read(with_office("Not Blocked", [LISTED]))
    assert (status.sending, len(status.blocked), status.failure) == (Sending.BLOCKED, 1, "")


def test_blocked_with_no_listed_address_is_unknown() -> None:
    status = read(with_office("Blocked", []))
    assert status.sending is Sending.UNKNOWN
    assert status.failure == "campus: says Blocked, but lists no blocked address"


@pytest.mark.parametrize("listed", [[], [LISTED]])
def test_unknown_stays_unknown_and_says_who_does_not_know(listed: list[Any]) -> None:
    status = read(with_office("Unknown", listed))
    assert (status.sending, len(status.blocked)) == (Sending.UNKNOWN, len(listed))
    assert status.failure == "campus: the sending status is unknown there"


def test_unknown_sign_in_is_said_too() -> None:
    status = read(ACCOUNT | {"sign_in": {"state": "unknown"}})
    assert (status.sending, status.sign_in.state) == (Sending.BLOCKED, SignIn.UNKNOWN)
    assert status.failure == "campus: whether the sign-in is enabled is unknown there"
    both = read(with_office("Blocked", []) | {"sign_in": {"state": "unknown"}})
    assert both.failure == (
        "campus: says Blocked, but lists no blocked address; whether the sign-in is enabled is unknown there"
    )


def test_reason_of_a_disabled_sign_in_is_kept_to_the_letter() -> None:
    assert read(ACCOUNT | {"sign_in": {"state": "disabled", "reason": " HR "}}).sign_in.reason == " HR "
    assert read(ACCOUNT | {"sign_in": {"state": "disabled", "reason": ""}}).sign_in.reason is None


def test_address_listed_twice_is_one_with_its_newest_block() -> None:
    def entry(address: str, blocked_at: str | None) -> dict[str, Any]:
        return {"address": address, "blocked_at": blocked_at}

    listed = [
        entry("a@example.edu", "2026-11-20T00:00:00Z"),
        entry("b@example.edu", None),
        entry("A@example.edu", "2026-11-22T00:00:00Z"),
        entry("a@example.edu", "2026-11-21T00:00:00Z"),
        entry("b@example.edu", "2026-11-19T00:00:00Z"),
        entry("b@example.edu", None),
    ]
    blocked = read(with_office("Blocked", listed)).blocked
    assert [(each.address, each.blocked_at and each.blocked_at.day) for each in blocked] == [
        ("A@example.edu", 22),
        ("b@example.edu", 19),
    ]


@pytest.mark.parametrize(
    ("stated", "moment"),
    [
        ("2026-11-23T16:50:00Z", datetime(2026, 11, 23, 16, 50, tzinfo=UTC)),
        ("2026-11-23t16:50:00.5z", datetime(2026, 11, 23, 16, 50, 0, 500_000, tzinfo=UTC)),
        ("2022-09-21T08:07:47.1234567+00:00", datetime(2022, 9, 21, 8, 7, 47, 123_456, tzinfo=UTC)),
        ("2022-09-21T08:07:47.0000000+00:00", datetime(2022, 9, 21, 8, 7, 47, tzinfo=UTC)),
        ("2026-11-23T18:50:00+02:00", datetime(2026, 11, 23, 16, 50, tzinfo=UTC)),
        ("2026-11-23T16:50:00", None),
        ("2026-11-23", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("yesterday", None),
        ("", None),
        (1_795_000_000, None),
        (True, None),
        ({"date": "2026-11-23"}, None),
        ([], None),
    ],
)
def test_moment_of_a_block_is_utc_or_missing_and_never_an_error(stated: object, moment: datetime | None) -> None:
    (blocked,) = read(with_office("Blocked", [LISTED | {"blocked_at": stated}])).blocked
    assert blocked.blocked_at == moment
    assert moment is None or (blocked.blocked_at and blocked.blocked_at.tzinfo is UTC)


# ── answers that break the contract ──────────────────────────────────────────────────────────────────────────────


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in FREE.items() if key != name}


MALFORMED = {
    "a list": ([FREE], "_schema: Invalid input type."),
    "null": (None, "_schema: Invalid input type."),
    "no netid": (without("netid"), "netid: Missing data"),
    "empty netid": (FREE | {"netid": " "}, "netid: Empty."),
    "netid no text": (FREE | {"netid": 7}, "netid: Not a valid string."),
    "no addresses": (without("addresses"), "addresses: Missing data"),
    "addresses no list": (FREE | {"addresses": "a@b"}, "addresses: Not a valid list."),
    "an address no text": (FREE | {"addresses": ["a@b", None]}, "addresses.1: Field may not be null."),
    "no primary address": (without("primary_address"), "primary_address: Missing data"),
    "no office365": (without("office365"), "office365: Missing data"),
    "office365 null": (FREE | {"office365": None}, "office365: Field may not be null."),
    "no status": (FREE | {"office365": {"blocked_addresses": []}}, "office365.sending_status: Missing data"),
    "no list": (FREE | {"office365": {"sending_status": "Not Blocked"}}, "office365.blocked_addresses: Missing data"),
    "other status": (with_office("not blocked", []), "office365.sending_status: Must be one of"),
    "status in a list": (with_office(["Not Blocked"], []), "office365.sending_status: Must be one of"),
    "list null": (with_office("Not Blocked", None), "office365.blocked_addresses: Field may not be null."),
    "list an object": (with_office("Not Blocked", {}), "office365.blocked_addresses: Not a valid list."),
    "entry no object": (with_office("Blocked", ["a@b"]), "office365.blocked_addresses.0._schema: Invalid input type."),
    "entry without address": (with_office("Blocked", [{}]), "office365.blocked_addresses.0.address: Missing data"),
    "entry with empty address": (
        with_office("Blocked", [LISTED, {"address": ""}]),
        "office365.blocked_addresses.1.address: Empty.",
    ),
    "reason no text": (with_office("Blocked", [LISTED | {"reason": 5}]), "blocked_addresses.0.reason: Not a valid"),
    "text no database takes": (FREE | {"display_name": "a\0b"}, "display_name: Not proper text."),
    "half a character": (FREE | {"display_name": "a\ud800"}, "display_name: Not proper text."),
    "no sign-in": (without("sign_in"), "sign_in: Missing data"),
    "other sign-in": (FREE | {"sign_in": {"state": "locked"}}, "sign_in.state: Must be one of"),
}


@pytest.mark.parametrize(("account", "wrong"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_answer_is_refused_with_what_is_wrong(account: object, wrong: str) -> None:
    with pytest.raises(PermanentError, match="campus: reading the account 'bbadger'") as caught:
        read(account)
    assert "the answer breaks the contract" in caught.value.message
    assert wrong in caught.value.message
    assert caught.value.status == 200


def test_many_faults_make_no_long_message() -> None:
    with pytest.raises(PermanentError) as caught:
        read(with_office("Blocked", [{}] * 500))
    assert len(str(caught.value)) < 350


@pytest.mark.parametrize("status", [201, 202, 203, 206])
def test_success_of_another_kind_tells_nothing(status: int) -> None:
    with pytest.raises(PermanentError, match=f"answered {status}, which tells nothing"):
        read(FREE, status=status)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, OutcomeUnknown),  # of which HTTP says that it has no body
        (302, PermanentError),
        (400, PermanentError),
        (401, Denied),
        (403, Denied),
        (404, NotFound),
        (429, Throttled),
        (500, OutcomeUnknown),
        (503, Throttled),
    ],
)
def test_failed_read_is_an_error_even_with_a_good_account_in_it(status: int, kind: type[RemoteError]) -> None:
    with pytest.raises(kind) as caught:
        read(FREE, status=status)
    assert type(caught.value) is kind


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(list(Sending)),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=5,
)


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, its whole first."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in entries:
        yield from places(child, (*path, name))


def changed(value: Any, path: tuple[Any, ...], new: object) -> Any:
    if not path:
        return new
    value = copy.copy(value)
    value[path[0]] = changed(value[path[0]], path[1:], new)
    return value


accounts = st.sampled_from([ACCOUNT, FREE, with_office("Blocked", []), with_office("Not Blocked", [LISTED])]).flatmap(
    lambda account: st.builds(changed, st.just(account), st.sampled_from(list(places(account))), json_values)
)


@given(account=accounts | json_values, status=st.sampled_from([200, 200, 200, 201, 204, 302, 404, 500]))
@settings(deadline=None, max_examples=300)
def test_nothing_becomes_not_blocked_unless_the_answer_says_just_that(account: Any, status: int) -> None:
    try:
        sending = read(account, status=status).sending
    except RemoteError:
        return
    said = account["office365"]
    stated, listed = said["sending_status"], said["blocked_addresses"]
    assert (sending is Sending.NOT_BLOCKED) == (status == 200 and stated == "Not Blocked" and listed == [])


@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(deadline=None)
def test_bytes_of_any_kind_end_in_an_error_of_ours(body: bytes) -> None:
    with responses.RequestsMock() as web:
        web.get(f"{SITE}/v1/accounts/bbadger", body=body)
        with pytest.raises(PermanentError):
            tenant().status("bbadger")


# ── unblocking ───────────────────────────────────────────────────────────────────────────────────────────────────

UNBLOCK = f"{SITE}/v1/accounts/bbadger/office365/unblock"
BLOCKED = BlockedAddress(address="Bucky.Badger@example.edu")
STATUS = AccountStatus(
    tenant="campus",
    netid="bbadger",
    display_name="Bucky Badger",
    primary_address="bucky.badger@example.edu",
    addresses=("bucky.badger@example.edu",),
    sending=Sending.BLOCKED,
    blocked=(BLOCKED,),
    sign_in=SignInState(state=SignIn.ENABLED),
    checked_at=NOW,
)
REQUESTED = {"address": "Bucky.Badger@example.edu", "result": "requested"}
NOT_BLOCKED = REQUESTED | {"result": "not_blocked"}
LIMIT = {"type": "urn:account-admin:unblock-limit", "title": "Unblock limit reached", "status": 409}
PROBLEM = "application/problem+json"


def ask(*, status: AccountStatus = STATUS, agent: Agent = AGENT, key: str = "case-7:1") -> UnblockAnswer:
    return tenant().unblock(status, BLOCKED, agent=agent, ticket="rt:4711", key=key)


def answered(**answer: Any) -> UnblockAnswer:
    """What comes of asking when the site answers so."""
    with responses.RequestsMock() as web:
        asked = web.post(UNBLOCK, **answer)
        try:
            return ask()
        finally:
            assert asked.call_count == 1  # never again by itself


def test_unblock_is_asked_as_the_contract_has_it(web: responses.RequestsMock) -> None:
    web.post(UNBLOCK, status=202, json=REQUESTED)
    ask()
    request = web.calls[0].request
    assert json.loads(request.body or b"") == {
        "address": "Bucky.Badger@example.edu",
        "requested_by": "ada@example.edu",
        "ticket": "rt:4711",
    }
    assert request.headers["Idempotency-Key"] == "case-7:1"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_agent_without_a_mail_address_is_named_by_login(web: responses.RequestsMock) -> None:
    web.post(UNBLOCK, status=202, json=REQUESTED)
    ask(agent=replace(AGENT, email=""))
    assert json.loads(web.calls[0].request.body or b"")["requested_by"] == "ada"


def test_listed_key_is_handed_back_to_the_letter(web: responses.RequestsMock) -> None:
    odd = BlockedAddress(address=" Bücky'\"@EXAMPLE.edu ")
    web.post(UNBLOCK, status=202, json={"address": odd.address, "result": "requested"})
    given_back = tenant().unblock(STATUS, odd, agent=AGENT, ticket="rt:1", key="k")
    assert given_back.answer is Answer.REQUESTED
    assert json.loads(web.calls[0].request.body or b"")["address"] == odd.address


@pytest.mark.parametrize(
    ("status", "body", "answer"), [(202, REQUESTED, Answer.REQUESTED), (200, NOT_BLOCKED, Answer.NOT_BLOCKED)]
)
def test_answer_of_the_contract_is_taken_at_its_word(status: int, body: dict[str, str], answer: Answer) -> None:
    assert answered(status=status, json=body) == UnblockAnswer(answer=answer)
    assert answered(status=status, json=body | {"address": body["address"].upper()}).answer is answer
    assert answered(status=status, json=body | {"more": 1}).answer is answer


def test_reached_limit_is_said_to_be_one() -> None:
    limit = UnblockAnswer(answer=Answer.LIMIT, detail="answered 409 (Unblock limit reached)")
    assert answered(status=409, json=LIMIT, content_type=PROBLEM) == limit
    assert answered(status=409, json=LIMIT) == limit


UNKNOWN_ANSWERS = {
    "requested with 200": ({"status": 200, "json": REQUESTED}, "answered 200 with 'requested'"),
    "not blocked with 202": ({"status": 202, "json": NOT_BLOCKED}, "answered 202 with 'not_blocked'"),
    "201": ({"status": 201, "json": REQUESTED}, "answered 201 with 'requested'"),
    "204": ({"status": 204}, "answered 204, but not with JSON"),
    "another address": (
        {"status": 202, "json": REQUESTED | {"address": "else@example.edu"}},
        "answered 'requested' for another address",
    ),
    "another address not blocked": (
        {"status": 200, "json": NOT_BLOCKED | {"address": "else@example.edu"}},
        "answered 'not_blocked' for another address",
    ),
    "no address": ({"status": 202, "json": {"result": "requested"}}, "breaks the contract: address: Missing data"),
    "no result": ({"status": 202, "json": {"address": "a@b"}}, "breaks the contract: result: Missing data"),
    "another result": (
        {"status": 202, "json": REQUESTED | {"result": "done"}},
        "result: Must be one of: requested, not_blocked.",
    ),
    "a list": ({"status": 202, "json": [REQUESTED]}, "breaks the contract: _schema"),
    "a page": ({"status": 200, "body": "<html>Please sign in</html>"}, "answered 200, but not with JSON"),
    "409 of another kind": ({"status": 409, "json": LIMIT | {"type": "urn:other"}}, "answered 409 (Unblock limit"),
    "409 without a kind": ({"status": 409, "body": "no"}, "answered 409"),
    "the limit with 400": ({"status": 400, "json": LIMIT}, "answered 400 (Unblock limit reached)"),
    "302": ({"status": 302, "headers": {"Location": "https://sso.example.edu"}}, "redirects are not followed"),
    "404": ({"status": 404, "json": {"title": "No such account"}}, "answered 404 (No such account)"),
    "410": ({"status": 410}, "answered 410"),
    "422": ({"status": 422, "json": {"title": "No such address"}}, "answered 422 (No such address)"),
}


@pytest.mark.parametrize(("answer", "detail"), UNKNOWN_ANSWERS.values(), ids=UNKNOWN_ANSWERS.keys())
def test_answer_that_nobody_knows_counts_as_refused(answer: dict[str, Any], detail: str) -> None:
    refused = answered(**answer)
    assert refused.answer is Answer.REFUSED
    assert detail in refused.detail
    assert len(refused.detail) <= 300


RAISED = {
    "401": ({"status": 401}, Denied),
    "403": ({"status": 403}, Denied),
    "429": ({"status": 429, "headers": {"Retry-After": "7"}}, Throttled),
    "503": ({"status": 503, "headers": {"Retry-After": "7"}}, OutcomeUnknown),
    "503 with a good body": ({"status": 503, "json": REQUESTED}, OutcomeUnknown),
    "408": ({"status": 408}, OutcomeUnknown),
    "500": ({"status": 500, "body": "<html>at com.example.Secret</html>"}, OutcomeUnknown),
    "502": ({"status": 502}, OutcomeUnknown),
    "504": ({"status": 504}, OutcomeUnknown),
    "a time-out": ({"body": requests.exceptions.ReadTimeout()}, OutcomeUnknown),
    "a cut connection": ({"body": requests.exceptions.ConnectionError("reset")}, OutcomeUnknown),
    "a body that breaks off": ({"body": requests.exceptions.ChunkedEncodingError()}, OutcomeUnknown),
    "no connection in time": ({"body": requests.exceptions.ConnectTimeout()}, Unreachable),
}


@pytest.mark.parametrize(("answer", "kind"), RAISED.values(), ids=RAISED.keys())
def test_no_answer_says_whether_it_may_have_been_done(answer: dict[str, Any], kind: type[RemoteError]) -> None:
    with pytest.raises(RemoteError) as caught:
        answered(**answer)
    assert type(caught.value) is kind
    assert (caught.value.system, caught.value.doing) == ("campus", "unblocking 'Bucky.Badger@example.edu'")
    assert caught.value.status == answer.get("status")


def test_pause_that_was_asked_for_is_passed_on() -> None:
    with pytest.raises(Throttled) as caught:
        answered(status=429, headers={"Retry-After": "7"})
    assert caught.value.retry_after == 7


def test_nobody_there_means_that_nothing_was_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    site = {"system": "account_admin", "url": f"http://127.0.0.1:{port}", "token": TOKEN}
    with pytest.raises(Unreachable):
        connect("campus", site, lambda: NOW).unblock(STATUS, BLOCKED, agent=AGENT, ticket="rt:4711", key="k")


@pytest.mark.parametrize(("netid", "key"), [("..", "k"), ("", "k"), ("bbadger", "a\r\nb"), ("bbadger", "\u20ac")])
def test_what_cannot_be_put_into_a_request_is_refused_unsent(web: responses.RequestsMock, netid: str, key: str) -> None:
    refused = ask(status=replace(STATUS, netid=netid), key=key)
    assert refused.answer is Answer.REFUSED
    assert refused.detail
    assert len(web.calls) == 0


@pytest.mark.parametrize(
    "title",
    [
        f"Who is Bearer {TOKEN}?",
        TOKEN,
        "token=hunter2hunter2",
        "https://intern.example.edu/?t=hunter2hunter2",
        "<a href='hunter2hunter2'>here</a>",
        "a\r\nb",
        "long " * 500,
    ],
)
@pytest.mark.parametrize("status", [409, 418])
def test_detail_is_fit_for_people(title: str, status: int) -> None:
    detail = answered(status=status, json={"title": title}).detail
    assert not any(secret in detail for secret in (TOKEN, "hunter2hunter2", "://", "<"))
    assert detail.isprintable()
    assert len(detail) <= 300


@given(
    status=st.integers(200, 599).filter(lambda status: status != 204),
    body=json_values | st.sampled_from([REQUESTED, NOT_BLOCKED, LIMIT]),
)
@settings(deadline=None, max_examples=200)
def test_only_the_answers_of_the_contract_are_believed(status: int, body: Any) -> None:
    kind = Denied if status in (401, 403) else Throttled if status == 429 else OutcomeUnknown
    if status in (401, 403, 408, 429) or status >= 500:
        with pytest.raises(kind):
            answered(status=status, json=body)
        return
    answer = answered(status=status, json=body).answer
    known = {
        (202, "requested"): Answer.REQUESTED,
        (200, "not_blocked"): Answer.NOT_BLOCKED,
        (409, "urn:account-admin:unblock-limit"): Answer.LIMIT,
    }
    said = (body.get("result") if status < 300 else body.get("type")) if isinstance(body, dict) else None
    assert answer is (known.get((status, said), Answer.REFUSED) if isinstance(said, str) else Answer.REFUSED)
