"""The generic ticket system as a client of the Desk API, and the settings it refuses."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jwt
import pytest
import responses
from responses import matchers

from plugin.errors import (
    Denied,
    NotAllowed,
    NotFound,
    OutcomeUnknown,
    PermanentError,
    SettingsError,
    Throttled,
    TransientError,
)
from plugin.manifest import manifest
from plugin.model import Attachment, Delivery, Message, Note, Person, Role, Visibility
from plugin.ports import Abilities, ChangedTicket, TicketChange, TicketSystem
from webhooks.files import LARGEST_ATTACHMENT
from webhooks.generic.adapter import connect

API = "https://desk.example/api"
ALL = Abilities(notes_by_key=True, one_note_per_key=False, tags=True, fields=True, panel=True, scan=True)
LAUNCH_SECRET = "a made-up secret for launch tokens"
BEARER = matchers.header_matcher({"Authorization": "Bearer a-made-up-desk-token"})
INTERNAL = Note(key="k1", visibility=Visibility.INTERNAL, subject="Status", body_html="<p>Blocked</p>")
SMALLEST = {"id": "7", "subject": "Bounce", "requester": {}, "messages": []}


@pytest.fixture
def generic(settings: Mapping[str, Any]) -> TicketSystem:
    return connect("desk", {**settings, "launch_secrets": [LAUNCH_SECRET]}, ALL)


def answer(desk: responses.RequestsMock, method: str, path: str, body: object, *match: Any, status: int = 200) -> None:
    desk.add(method, API + path, json=body, status=status, match=[BEARER, *match])


def message(**changed: object) -> dict[str, object]:
    return {"id": "1", "author": {"email": "ada@example.edu"}, "text": "It bounces", **changed}


def test_ticket_is_read_with_all_that_the_desk_tells(generic: TicketSystem, desk: responses.RequestsMock) -> None:
    body = {
        **SMALLEST,
        "requester": {"email": "ada@example.edu", "name": "Ada", "department": "Maths"},
        "messages": [
            message(
                id=5,
                visibility="internal",
                content_type="text/html",
                created_at="2026-11-23T12:00:00+01:00",
                attachments=[{"filename": "b.eml", "url": f"{API}/a/1", "size": 7, "content_type": "message/rfc822"}],
            )
        ],
        "tags": ["m365-blocked"],
        "fields": {"Case State": "Checked", "Unblocked At": None},
        "status": "open",
        "queue": "Email",
        "url": "https://desk.example/tickets/7",
        "priority": "high",
    }
    answer(desk, "GET", "/tickets/7", body)
    ticket = generic.read_ticket("7")
    assert (ticket.source, ticket.id, ticket.subject) == ("desk", "7", "Bounce")
    assert ticket.requester == Person(email="ada@example.edu", name="Ada")
    assert ticket.messages == (
        Message(
            id="5",
            author=Person(email="ada@example.edu"),
            text="It bounces",
            content_type="text/html",
            visibility=Visibility.INTERNAL,
            created_at=datetime(2026, 11, 23, 11, tzinfo=UTC),
            attachments=(Attachment(filename="b.eml", content_type="message/rfc822", size=7, url=f"{API}/a/1"),),
        ),
    )
    assert ticket.tags == {"m365-blocked"}
    assert ticket.fields == {"Case State": "Checked", "Unblocked At": None}
    assert (ticket.status, ticket.queue, ticket.url) == ("open", "Email", "https://desk.example/tickets/7")


def test_what_the_desk_leaves_out_or_sends_as_null_is_empty(
    generic: TicketSystem, desk: responses.RequestsMock
) -> None:
    body = {**SMALLEST, "id": 7, "tags": None, "fields": None, "messages": [message(created_at=None, attachments=None)]}
    answer(desk, "GET", "/tickets/7", body)
    ticket = generic.read_ticket("7")
    assert (ticket.id, ticket.tags, ticket.fields, ticket.queue) == ("7", frozenset(), {}, "")
    assert ticket.messages[0].visibility is Visibility.PUBLIC


def test_messages_come_oldest_first_even_if_the_desk_has_them_otherwise(
    generic: TicketSystem, desk: responses.RequestsMock
) -> None:
    newest_first = [message(id=hour, created_at=f"2026-11-23T{hour}:00:00Z") for hour in (14, 12, 10)]
    answer(desk, "GET", "/tickets/7", {**SMALLEST, "messages": newest_first})
    assert [message.id for message in generic.read_ticket("7").messages] == ["10", "12", "14"]


def test_messages_without_a_moment_stay_as_they_came(generic: TicketSystem, desk: responses.RequestsMock) -> None:
    as_sent = [message(id=2), message(id=1, created_at="2026-11-23T12:00:00Z")]
    answer(desk, "GET", "/tickets/7", {**SMALLEST, "messages": as_sent})
    assert [message.id for message in generic.read_ticket("7").messages] == ["2", "1"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"id": "7", "subject": "s", "requester": {}}, "messages: Missing"),
        ({**SMALLEST, "messages": [message(), {"id": "2", "text": "x"}]}, "messages/1/author: Missing"),
        ({**SMALLEST, "messages": [message(visibility="secret")]}, "messages/0/visibility: "),
        ({**SMALLEST, "messages": [message(created_at="today")]}, "messages/0/created_at: "),
        ({**SMALLEST, "id": {"no": 1}}, "id: Not an id"),
        ({**SMALLEST, "id": "7" * 201}, "id: An id has 1 to 200 printable characters"),
        ({**SMALLEST, "id": "7\x00"}, "id: An id has 1 to 200 printable characters"),
        ({**SMALLEST, "subject": None}, "subject: "),
        (["not", "an", "object"], "Invalid input"),
        ("text", "Invalid input"),
    ],
)
def test_answer_that_breaks_the_contract_is_named(
    body: object, named: str, generic: TicketSystem, desk: responses.RequestsMock
) -> None:
    answer(desk, "GET", "/tickets/7", body)
    with pytest.raises(PermanentError, match=named) as caught:
        generic.read_ticket("7")
    assert "desk: read ticket 7" in str(caught.value)


def test_sign_in_page_of_a_proxy_is_no_ticket(generic: TicketSystem, desk: responses.RequestsMock) -> None:
    desk.add("GET", f"{API}/tickets/7", body="<html>Please sign in</html>", content_type="text/html")
    with pytest.raises(PermanentError, match="not with JSON"):
        generic.read_ticket("7")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, NotFound),
        (410, NotFound),
        (401, Denied),
        (403, Denied),
        (429, Throttled),
        (500, OutcomeUnknown),
        (302, PermanentError),
    ],
)
def test_each_failure_says_whether_trying_again_helps(
    status: int, error: type[Exception], generic: TicketSystem, desk: responses.RequestsMock
) -> None:
    answer(desk, "GET", "/tickets/7", {}, status=status)
    with pytest.raises(error, match="read ticket 7"):
        generic.read_ticket("7")


@pytest.mark.parametrize(
    ("ticket", "path"),
    [
        ("a/b", "/tickets/a%2Fb"),
        ("1?x=1", "/tickets/1%3Fx%3D1"),
        ("../x", "/tickets/..%2Fx"),
        ("ü#", "/tickets/%C3%BC%23"),
    ],
)
def test_no_ticket_id_can_lead_elsewhere(
    ticket: str, path: str, generic: TicketSystem, desk: responses.RequestsMock
) -> None:
    answer(desk, "GET", path, SMALLEST)
    generic.read_ticket(ticket)
    assert desk.calls[0].request.url == API + path


@pytest.mark.parametrize("found", [True, False])
def test_note_is_looked_for_by_its_key(found: bool, generic: TicketSystem, desk: responses.RequestsMock) -> None:
    note = {"key": "k1", "visibility": "internal", "body_html": "x"}
    answer(desk, "GET", "/tickets/7/notes", [note] if found else [], matchers.query_param_matcher({"key": "k1"}))
    assert generic.has_note("7", "k1") is found


def test_note_of_another_key_is_not_taken_for_ours(generic: TicketSystem, desk: responses.RequestsMock) -> None:
    answer(desk, "GET", "/tickets/7/notes", [{"key": "k2", "visibility": "public", "body_html": "x"}])
    assert not generic.has_note("7", "k1")


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("visibility", list(Visibility))
def test_note_is_sent_with_its_visibility(
    status: int, visibility: Visibility, generic: TicketSystem, desk: responses.RequestsMock
) -> None:
    sent = {"key": "k1", "visibility": visibility.value, "subject": "Status", "body_html": "<p>Blocked</p>"}
    answer(desk, "POST", "/tickets/7/notes", sent, matchers.json_params_matcher(sent), status=status)
    note = Note(key="k1", visibility=visibility, subject="Status", body_html="<p>Blocked</p>")
    assert generic.write("7", TicketChange(note=note)) == ()


def test_internal_note_that_came_back_public_is_said_loudly(
    generic: TicketSystem, desk: responses.RequestsMock
) -> None:
    answer(desk, "POST", "/tickets/7/notes", {"key": "k1", "visibility": "public", "body_html": "x"}, status=201)
    with pytest.raises(PermanentError, match="AN INTERNAL NOTE ON TICKET 7 IS PUBLIC"):
        generic.write("7", TicketChange(note=INTERNAL))


def test_public_note_that_stayed_internal_is_told(generic: TicketSystem, desk: responses.RequestsMock) -> None:
    answer(desk, "POST", "/tickets/7/notes", {"key": "k1", "visibility": "internal", "body_html": "x"}, status=201)
    with pytest.raises(PermanentError, match="was not sent"):
        generic.write("7", TicketChange(note=replace(INTERNAL, visibility=Visibility.PUBLIC)))


def test_note_whose_visibility_is_not_told_is_not_taken_on_trust(
    generic: TicketSystem, desk: responses.RequestsMock
) -> None:
    answer(desk, "POST", "/tickets/7/notes", {"key": "k1"}, status=201)
    with pytest.raises(PermanentError, match="visibility: Missing"):
        generic.write("7", TicketChange(note=INTERNAL))


def test_tags_are_made_just_those_of_the_promised_ones_in_one_call(
    generic: TicketSystem, desk: responses.RequestsMock
) -> None:
    others = sorted(set(manifest()["tags"]) - {"m365-blocked"})
    sent = {"add": ["m365-blocked"], "remove": others}
    answer(desk, "PATCH", "/tickets/7/tags", None, matchers.json_params_matcher(sent), status=204)
    assert generic.write("7", TicketChange(tags=frozenset({"m365-blocked"}))) == ()


def test_fields_are_set_and_cleared(generic: TicketSystem, desk: responses.RequestsMock) -> None:
    sent = {"Case State": "Ready", "Unblocked At": None}
    answer(desk, "PATCH", "/tickets/7/fields", None, matchers.json_params_matcher(sent), status=204)
    assert generic.write("7", TicketChange(fields=sent)) == ()


def test_tags_that_are_refused_hold_back_neither_note_nor_fields(
    generic: TicketSystem, desk: responses.RequestsMock
) -> None:
    answer(desk, "POST", "/tickets/7/notes", {"key": "k1", "visibility": "internal", "body_html": "x"}, status=201)
    answer(desk, "PATCH", "/tickets/7/tags", {"title": "No tags here"}, status=422)
    answer(desk, "PATCH", "/tickets/7/fields", None, status=204)
    change = TicketChange(note=INTERNAL, tags=frozenset(), fields={"Case State": "Ready"})
    [refusal] = generic.write("7", change)
    assert "No tags here" in refusal


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_fails_after_the_note_is_there_does_not_say_that_nothing_was_done(
    generic: TicketSystem, desk: responses.RequestsMock, status: int
) -> None:
    answer(desk, "POST", "/tickets/7/notes", {"key": "k1", "visibility": "internal", "body_html": "x"}, status=201)
    answer(desk, "PATCH", "/tickets/7/tags", None, status=status)
    with pytest.raises(TransientError) as raised:
        generic.write("7", TicketChange(note=INTERNAL, tags=frozenset()))
    assert not raised.value.was_surely_not_done  # or the note would be posted again


def test_nothing_to_change_asks_nothing(generic: TicketSystem) -> None:
    assert generic.write("7", TicketChange()) == ()


def test_scan_follows_the_pages(generic: TicketSystem, desk: responses.RequestsMock) -> None:
    since = datetime(2026, 11, 23, 13, tzinfo=timezone(timedelta(hours=1)))
    first = {"updated_since": "2026-11-23T12:00:00+00:00"}
    row = {"id": 1, "updated_at": "2026-11-23T12:00:00Z"}
    answer(desk, "GET", "/tickets", {"tickets": [row], "next_cursor": "c2"}, matchers.query_param_matcher(first))
    answer(
        desk,
        "GET",
        "/tickets",
        {"tickets": [{**row, "id": "2"}], "next_cursor": None},
        matchers.query_param_matcher({**first, "cursor": "c2"}),
    )
    moment = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert list(generic.changed_since(since)) == [ChangedTicket(id=id_, updated_at=moment) for id_ in ("1", "2")]


def test_scan_that_goes_round_in_a_circle_ends(
    generic: TicketSystem, desk: responses.RequestsMock, now: datetime
) -> None:
    for cursor in ("a", "b", "a"):
        answer(desk, "GET", "/tickets", {"tickets": [], "next_cursor": cursor})
    with pytest.raises(PermanentError, match="circle"):
        list(generic.changed_since(now))


def test_attachment_is_fetched_from_the_desk(generic: TicketSystem, desk: responses.RequestsMock) -> None:
    desk.add("GET", f"{API}/attachments/7", body=b"Return-Path: <>", match=[BEARER])
    assert generic.fetch(Attachment(filename="b.eml", url=f"{API}/attachments/7")) == b"Return-Path: <>"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/b.eml",
        "http://desk.example/api/b.eml",
        "https://desk.example:8443/api/b.eml",
        "https://desk.example@evil.example/b.eml",
        "https://evil.example\\@desk.example/b.eml",
        "https://ada:pass@desk.example/b.eml",
        "//desk.example/b.eml",
        "file:///etc/passwd",
        "https://[",
        "https://desk.example:99999999/b.eml",
        "",
    ],
)
def test_attachment_anywhere_else_is_never_asked_for(url: str, generic: TicketSystem) -> None:
    with pytest.raises(PermanentError, match="not on the host"):
        generic.fetch(Attachment(filename="b.eml", url=url))


def test_attachment_that_redirects_is_not_followed(generic: TicketSystem, desk: responses.RequestsMock) -> None:
    desk.add("GET", f"{API}/a/1", status=302, headers={"Location": "http://169.254.169.254/"})
    with pytest.raises(PermanentError, match="302"):
        generic.fetch(Attachment(filename="b.eml", url=f"{API}/a/1"))


def test_large_attachment_is_not_taken(generic: TicketSystem, desk: responses.RequestsMock) -> None:
    desk.add("GET", f"{API}/a/1", body=b"x" * (LARGEST_ATTACHMENT + 1))
    with pytest.raises(PermanentError, match="larger than"):
        generic.fetch(Attachment(filename="b.eml", size=10, url=f"{API}/a/1"))


def test_attachment_that_says_it_is_large_is_not_even_asked_for(generic: TicketSystem) -> None:
    with pytest.raises(PermanentError, match="larger than"):
        generic.fetch(Attachment(filename="b.eml", size=LARGEST_ATTACHMENT + 1, url=f"{API}/a/1"))


def test_panel_opens_for_a_launch_token_of_this_source(generic: TicketSystem, now: datetime) -> None:
    seconds = int(now.timestamp())
    claims = {
        "iss": "desk",
        "aud": "m365-unblock/panel",
        "sub": "gil",
        "email": "gil@example.edu",
        "name": "Gil",
        "ticket": "7",
        "role": "agent",
        "iat": seconds,
        "exp": seconds + 300,
        "jti": "j1",
    }
    launch = generic.open_panel(jwt.encode(claims, LAUNCH_SECRET), "7", now)
    assert (launch.agent.login, launch.agent.role, launch.ticket) == ("gil", Role.AGENT, "7")
    with pytest.raises(NotAllowed):
        generic.open_panel(jwt.encode(claims | {"iss": "other"}, LAUNCH_SECRET), "7", now)


def test_event_is_verified_and_parsed(
    generic: TicketSystem, sign: Callable[..., dict[str, str]], now: datetime
) -> None:
    body = json.dumps({"type": "ticket.created", "data": {"ticket": {"id": 7}}}).encode()
    delivery = Delivery(source="desk", headers=sign(body), body=body, received_at=now)
    generic.verify(delivery, now)
    assert [event.ticket for event in generic.parse(delivery).events] == ["7"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"webhook_secrets": []}, r"\[sources.desk\] webhook_secrets: give at least one"),
        ({"webhook_secrets": ["whsec_c2hvcnQ="]}, r"\[sources.desk\] webhook_secrets, entry 1: .*5 bytes"),
        ({"launch_secrets": ["short"]}, r"\[sources.desk\] launch_secrets, entry 1: shorter than 32 bytes"),
        ({"launch_public_keys": ["none"]}, r"\[sources.desk\] launch_public_keys, entry 1: not a public key"),
        ({"api_url": "desk.example"}, "desk: the address must be"),
    ],
)
def test_settings_that_will_not_do_are_refused_at_start(
    wrong: dict[str, object], said: str, settings: Mapping[str, Any]
) -> None:
    with pytest.raises(SettingsError, match=said):
        connect("desk", {**settings, **wrong}, ALL)


def test_the_webhook_secret_may_not_sign_launch_tokens_too(settings: Mapping[str, Any]) -> None:
    one = "whsec_" + base64.b64encode(b"k" * 32).decode()
    with pytest.raises(SettingsError, match="secrets of their own"):
        connect("desk", {**settings, "webhook_secrets": [one], "launch_secrets": [one]}, ALL)
