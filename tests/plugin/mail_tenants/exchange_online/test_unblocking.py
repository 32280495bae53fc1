"""What becomes of asking Exchange to take an address off its list; the table is at `BlockedSenders.remove`."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.errors import Denied, OutcomeUnknown, RemoteError, Throttled, Unreachable
from plugin.mail_tenants import connect
from plugin.mail_tenants.exchange_online.invoke_command import read_refusal
from plugin.mail_tenants.exchange_online.redaction import redacted
from plugin.model import Answer, BlockedAddress, UnblockAnswer
from plugin.refusals import line_for_people
from tests.plugin.mail_tenants.exchange_online.conftest import (
    AGENT,
    CLIENT,
    INVOKE,
    NOW,
    SECRET,
    TENANT,
    Socket,
    failure,
    rows,
)

Ask = Callable[..., UnblockAnswer]
NOT_FOUND = "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException"
HYGIENE = "Microsoft.Exchange.Management.Hygiene.SomeException"


def test_listed_key_is_handed_over_to_the_letter_and_nothing_else(ask: Ask, socket: Socket) -> None:
    assert ask(" Bücky'\"@EXAMPLE.edu ", json=rows()).answer is Answer.REQUESTED
    (request,) = socket.asked("InvokeCommand")
    assert json.loads(request.body)["CmdletInput"] == {
        "CmdletName": "Remove-BlockedSenderAddress",
        "Parameters": {"SenderAddress": " Bücky'\"@EXAMPLE.edu "},
    }


@pytest.mark.parametrize(
    "answer",
    [
        {"json": rows()},
        {"json": {"value": None}},
        {"status": 204},
        {"body": ""},
        {"body": b"\0"},
        {"status": 202, "body": " \r\n"},
    ],
)
def test_answer_without_an_error_means_that_it_was_asked(ask: Ask, answer: dict[str, Any]) -> None:
    assert ask(**answer) == UnblockAnswer(answer=Answer.REQUESTED)


def test_entry_that_is_not_there_was_not_blocked(ask: Ask) -> None:
    words = "The operation couldn't be performed because object 'bbadger@example.edu' couldn't be found."
    for status in (400, 404, 500):
        assert ask(status=status, json=failure(NOT_FOUND, words)).answer is Answer.NOT_BLOCKED


@pytest.mark.parametrize(
    "words",
    [
        "The unblock limit for this user is exceeded. Contact support.",
        "bbadger@example.edu can't be unblocked: the limit was reached. Please contact Microsoft Support.",
        "This sender was removed the maximum number of times; only Support can help.",
    ],
)
def test_words_that_surely_speak_of_the_unblock_limit_are_told_as_that(ask: Ask, words: str) -> None:
    answer = ask(status=400, json=failure(HYGIENE, words))
    assert answer.answer is Answer.LIMIT
    assert words.split(";")[0][:40] in answer.detail


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("Something nobody has described.", "bbadger@example.edu"),
        ("You can't unblock this sender.", "bbadger@example.edu"),
        ("The request limit was reached. Contact support.", "bbadger@example.edu"),
        ("Only support can unblock this.", "bbadger@example.edu"),
        ("'unblock.limit@support.example.edu' is odd.", "unblock.limit@support.example.edu"),
    ],
)
def test_any_other_words_are_refused_and_shown(ask: Ask, words: str, address: str) -> None:
    answer = ask(address, status=400, json=failure(HYGIENE, words))
    assert answer == UnblockAnswer(answer=Answer.REFUSED, detail=f"answered 400 ({words})")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "400": ({"status": 400}, "answered 400"),
    "404 of no cmdlet": ({"status": 404, "body": "<html>no such page</html>"}, "answered 404"),
    "405": ({"status": 405}, "answered 405"),
    "409": ({"status": 409, "json": failure(HYGIENE, "Conflict.")}, "Conflict."),
    "500 of the cmdlet": ({"status": 500, "json": failure(HYGIENE, "It said no.")}, "It said no."),
    "200 with an error": ({"status": 200, "json": failure(HYGIENE, "It said no.")}, "It said no."),
    "302": ({"status": 302, "headers": {"Location": "https://sso.example.edu"}}, "exchange_hosts does not allow"),
    "303": ({"status": 303, "headers": {"Location": INVOKE}}, "redirects are not followed"),
}


@pytest.mark.parametrize(("answer", "detail"), REFUSED.values(), ids=REFUSED.keys())
def test_answer_that_nobody_knows_counts_as_refused(ask: Ask, answer: dict[str, Any], detail: str) -> None:
    refused = ask(**answer)
    assert refused.answer is Answer.REFUSED
    assert detail in refused.detail


RAISED: dict[str, tuple[dict[str, Any], type[RemoteError]]] = {
    "401": ({"status": 401}, Denied),
    "403": ({"status": 403}, Denied),
    "403 with words": ({"status": 403, "json": failure(HYGIENE, "Not you.")}, Denied),
    "429": ({"status": 429, "headers": {"Retry-After": "7"}}, Throttled),
    "429 busy": ({"status": 429, "body": "You have reached the maximum number of concurrent requests"}, Throttled),
    "503": ({"status": 503, "headers": {"Retry-After": "7"}}, OutcomeUnknown),
    "408": ({"status": 408}, OutcomeUnknown),
    "500": ({"status": 500, "body": "<html>"}, OutcomeUnknown),
    "500 of a gateway": (
        {"status": 500, "json": {"error": {"code": "InternalServerError", "message": "x"}}},
        OutcomeUnknown,
    ),
    "502": ({"status": 502}, OutcomeUnknown),
    "504": ({"status": 504}, OutcomeUnknown),
    "busy with 400": (
        {"status": 400, "body": "You have reached the maximum number of concurrent requests"},
        OutcomeUnknown,
    ),
    "CmdletProxyNotAvailableFailure": ({"status": 400, "body": "CmdletProxyNotAvailableFailure"}, OutcomeUnknown),
    "ServerBusyException": ({"status": 400, "json": failure("A.ServerBusyException", "x")}, OutcomeUnknown),
    "ADTransientException": ({"status": 500, "json": failure("A.ADTransientException", "x")}, OutcomeUnknown),
    "BackendCommunicationException": (
        {"status": 400, "headers": {"X-ExceptionType": "BackendCommunicationException"}},
        OutcomeUnknown,
    ),
    "TimeoutException": ({"status": 500, "json": failure("System.TimeoutException", "x")}, OutcomeUnknown),
    "a page": ({"status": 200, "body": "<html>Sign in</html>"}, OutcomeUnknown),
    "an array": ({"status": 200, "json": []}, OutcomeUnknown),
    "a time-out": ({"body": requests.exceptions.ReadTimeout()}, OutcomeUnknown),
    "a cut connection": ({"body": requests.exceptions.ConnectionError("reset")}, OutcomeUnknown),
    "a body that breaks off": ({"body": requests.exceptions.ChunkedEncodingError()}, OutcomeUnknown),
    "no connection in time": ({"body": requests.exceptions.ConnectTimeout()}, Unreachable),
}


@pytest.mark.parametrize(("answer", "kind"), RAISED.values(), ids=RAISED.keys())
def test_no_answer_says_whether_it_may_have_been_done(
    ask: Ask, answer: dict[str, Any], kind: type[RemoteError]
) -> None:
    with pytest.raises(RemoteError) as caught:
        ask(**answer)
    assert type(caught.value) is kind
    assert (caught.value.system, caught.value.doing) == ("campus", "unblocking 'bbadger@example.edu'")
    if kind is Throttled and "headers" in answer:
        assert caught.value.retry_after == 7  # type: ignore[attr-defined]
    if kind is Denied:
        assert "lacks the role for Remove-BlockedSenderAddress" in caught.value.message


def test_redirect_of_a_write_is_followed_to_microsoft_alone(ask: Ask, socket: Socket) -> None:
    there = "https://eur.outlook.com/adminapi/beta/x/InvokeCommand"
    planned = socket.web.post(there, json=rows())
    assert ask(status=307, headers={"Location": there}).answer is Answer.REQUESTED
    assert planned.call_count == 1


# ── what people are shown ────────────────────────────────────────────────────────────────────────────────────────


def test_error_is_shown_without_traces_servers_or_types(ask: Ask) -> None:
    words = "It failed on BN8PR12MB1234.namprd12.prod.outlook.com [Server=BN8PR12MB1234,RequestId=1]."
    document = failure(HYGIENE, f"{words}\r\n   at Microsoft.Exchange.Secret.Run(String x)\r\n   at Other.Thing()")
    detail = ask(status=400, json=document).detail
    assert detail == "answered 400 (It failed on … ….…)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("   at Microsoft.Exchange.Task.Run()", "…"),
        ("look at example.edu (ours)", "look at example.edu (ours)"),
        ("host BN8PR12MB1234 said", "host … said"),
        ("EURPRD04.PROD.OUTLOOK.COM/x", "…/x"),
        ("ask user@outlook.com", "ask user@outlook.com"),
        ("[Server=X", "…"),
    ],
)
def test_names_of_machines_and_traces_are_cut_out(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_long_words_take_no_time_to_redact() -> None:
    assert len(redacted("a." * 1_000_000)) <= 2000


fragments = st.sampled_from(
    ["error", "message", "details", "innererror", "internalexception", "type", "a|b|c", "X.YException", "\0", SECRET]
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | fragments,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(fragments, children, max_size=4),
    max_leaves=10,
)


@given(body=documents.map(lambda document: json.dumps(document).encode()) | st.binary(max_size=60))
@settings(max_examples=300)
def test_any_answer_can_be_read_as_a_refusal(body: bytes) -> None:
    said = read_refusal({}, body)
    line = line_for_people(said.title, [SECRET])
    assert SECRET not in line
    assert line.isprintable()


@given(status=st.integers(200, 599).filter(lambda status: status != 204), body=documents)
@settings(deadline=None, max_examples=150)
def test_no_answer_is_taken_for_done_but_a_good_one(status: int, body: Any) -> None:
    ours = {"system": "exchange_online", "tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        Socket(web)
        web.post(INVOKE, status=status, body=json.dumps(body))
        try:
            answer = (
                connect("campus", ours, lambda: NOW)
                .unblock(None, BlockedAddress(address="a@example.edu"), agent=AGENT, ticket="rt:1", key="k")
                .answer
            )
        except Denied:
            assert status in (401, 403)
            return
        except Throttled:
            assert status == 429
            return
        except OutcomeUnknown:
            assert status == 408 or status >= 500 or not body or not isinstance(body, dict)
            return
    if answer is Answer.REQUESTED:
        assert status < 300
        assert isinstance(body, dict)
        assert "error" not in body
