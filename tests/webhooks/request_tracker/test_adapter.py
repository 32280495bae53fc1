"""RT's events, keys of notes, the catch-up scan, attachments, the panel, and what each of RT's refusals means."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
import responses

from plugin.errors import Denied, NotAllowed, OutcomeUnknown, PermanentError, SettingsError, Throttled
from plugin.model import Attachment, Delivery, Role
from plugin.ports import ChangedTicket, TicketSystem
from webhooks.request_tracker.adapter import EMPTY_PAGES, LARGEST_ATTACHMENT

RT = "https://rt.example.edu"
API = f"{RT}/REST/2.0"

Answer = Callable[..., Any]
Recorded = Callable[[str], Any]
Connected = Callable[..., TicketSystem]


def queries(desk: responses.RequestsMock) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(str(call.request.url)).query) for call in desk.calls]


# ── notes by their keys ──────────────────────────────────────────────────────────────────────────────────────────


def test_note_is_found_by_its_key_wherever_its_ticket_went(
    rt: TicketSystem, answer: Answer, recorded: Recorded
) -> None:
    answer("GET", "/transactions", recorded("note-by-key"))
    assert rt.has_note("8", "k/1")


@pytest.mark.parametrize("values", [[], ["K/1"], ["k/11"], [None]])
def test_note_with_another_key_is_not_ours(
    values: list[str | None], rt: TicketSystem, answer: Answer, recorded: Recorded
) -> None:
    answer("GET", "/m365-unblock", recorded("set-up"))
    row = {"id": "1", "Type": "Comment", "CustomFields": [{"name": "M365 Note Key", "values": values}]}
    answer("GET", "/transactions", {"items": [row, {"id": "2", "Type": "Comment", "CustomFields": ""}]})
    assert not rt.has_note("7", "k/1")


@pytest.mark.parametrize("missing", [{"note_key": {"count": 0}}, {"queues": []}])
def test_nothing_found_is_no_answer_where_the_key_has_no_field(
    missing: dict[str, object], rt: TicketSystem, answer: Answer, recorded: Recorded
) -> None:
    answer("GET", "/transactions", {"items": []})
    answer("GET", "/m365-unblock", recorded("set-up") | missing)
    with pytest.raises(PermanentError, match="nobody can tell"):
        rt.has_note("7", "k/1")


def test_key_cannot_ask_for_anything_else(
    rt: TicketSystem, answer: Answer, recorded: Recorded, desk: responses.RequestsMock
) -> None:
    answer("GET", "/transactions", {"items": []})
    answer("GET", "/m365-unblock", recorded("set-up"))
    rt.has_note("7", "x' OR id > 0 OR \\")
    assert queries(desk)[0]["query"] == ["'CF.{M365 Note Key}' = 'x\\' OR id > 0 OR \\\\'"]


# ── catch-up scan ────────────────────────────────────────────────────────────────────────────────────────────────

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def page(*rows: tuple[int, datetime], total: int | None) -> dict[str, object]:
    items = [{"id": str(id_), "LastUpdated": at.strftime("%Y-%m-%dT%H:%M:%SZ")} for id_, at in rows]
    return {"items": items, "count": len(items), "total": total}


def ids(changed: list[ChangedTicket]) -> list[str]:
    return [ticket.id for ticket in changed]


def test_changed_tickets_come_oldest_change_first(rt: TicketSystem, answer: Answer, recorded: Recorded) -> None:
    answer("GET", "/tickets", recorded("changed"))
    changed = list(rt.changed_since(datetime(2026, 11, 23, tzinfo=UTC)))
    moments = [ticket.updated_at for ticket in changed]
    assert len(changed) == len(recorded("changed")["items"]) > 10
    assert moments == sorted(moments)
    assert all(moment.utcoffset() == timedelta(0) for moment in moments)


def test_scan_asks_early_enough_for_every_time_zone_and_leaves_out_what_is_too_early(
    rt: TicketSystem, answer: Answer, desk: responses.RequestsMock
) -> None:
    rows = [(5, NOON + timedelta(seconds=1)), (4, NOON), (3, NOON - timedelta(seconds=1)), (2, NOON)]
    answer("GET", "/tickets", page(*rows, total=4000))
    assert ids(list(rt.changed_since(NOON + timedelta(milliseconds=700)))) == ["4", "5"]
    [query] = queries(desk)
    assert query["query"] == ["LastUpdated >= '2026-11-22 23:00:00'"]
    assert (query["orderby"], query["order"], query["per_page"]) == (["LastUpdated", "id"], ["DESC", "DESC"], ["100"])


def test_scan_reads_page_by_page_and_counts_a_ticket_that_moved_on_once(
    rt: TicketSystem, answer: Answer, desk: responses.RequestsMock
) -> None:
    newest = [(id_, NOON + timedelta(seconds=id_)) for id_ in range(300, 200, -1)]
    answer("GET", "/tickets", page(*newest, total=102))
    answer("GET", "/tickets", page(newest[-1], (200, NOON), total=103))
    changed = list(rt.changed_since(NOON))
    assert ids(changed) == [str(id_) for id_ in range(200, 301)]
    assert [query["page"] for query in queries(desk)] == [["1"], ["2"]]


def test_empty_page_is_not_the_end_where_rt_hides_its_total(rt: TicketSystem, answer: Answer) -> None:
    answer("GET", "/tickets", page((9, NOON + timedelta(seconds=9)), total=None))
    answer("GET", "/tickets", page(total=None))
    answer("GET", "/tickets", page((8, NOON), (7, NOON - timedelta(1)), total=None))
    assert ids(list(rt.changed_since(NOON))) == ["8", "9"]


def test_scan_of_an_rt_that_hides_its_total_ends(
    rt: TicketSystem, answer: Answer, desk: responses.RequestsMock
) -> None:
    answer("GET", "/tickets", page(total=None))
    assert list(rt.changed_since(NOON)) == []
    assert len(desk.calls) == EMPTY_PAGES


def test_scan_keeps_to_our_queues_whatever_they_are_called(
    connected: Connected, answer: Answer, desk: responses.RequestsMock
) -> None:
    answer("GET", "/tickets", page(total=0))
    list(connected(queues=["Ada's desk", "a\\b"]).changed_since(NOON))
    [query] = queries(desk)
    assert query["query"][0].endswith("' AND (Queue = 'Ada\\'s desk' OR Queue = 'a\\\\b')")


# ── attachments ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_attachment_is_fetched_and_decoded(rt: TicketSystem, answer: Answer, recorded: Recorded) -> None:
    answer("GET", "/attachment/14", recorded("attachment"))
    assert rt.fetch(Attachment(filename="s.png", url=f"{API}/attachment/14")) == bytes(range(256)) * 4


def test_attachment_without_content_is_empty(rt: TicketSystem, answer: Answer) -> None:
    answer("GET", "/attachment/6", {"id": 6, "Content": None})
    assert rt.fetch(Attachment(filename="x", url=f"{API}/attachment/6")) == b""


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/REST/2.0/attachment/1", f"{RT}/Ticket/Attachment/1", f"{API}/ticket/1", "", f"{API}@e"],
)
def test_anything_else_is_never_fetched(url: str, rt: TicketSystem) -> None:
    with pytest.raises(PermanentError, match="no attachment of this RT"):
        rt.fetch(Attachment(filename="b.eml", url=url))


def test_large_attachment_is_not_taken(rt: TicketSystem, answer: Answer) -> None:
    with pytest.raises(PermanentError, match="larger than"):
        rt.fetch(Attachment(filename="b.eml", size=LARGEST_ATTACHMENT + 1, url=f"{API}/attachment/1"))
    answer("GET", "/attachment/1", {"Content": "eHh4" * (LARGEST_ATTACHMENT // 3 + 1)})
    with pytest.raises(PermanentError, match="larger than"):
        rt.fetch(Attachment(filename="b.eml", size=5, url=f"{API}/attachment/1"))


def test_attachment_that_is_not_base64_is_named(rt: TicketSystem, answer: Answer) -> None:
    answer("GET", "/attachment/1", {"Content": "x"})
    with pytest.raises(PermanentError, match="Base64"):
        rt.fetch(Attachment(filename="b.eml", url=f"{API}/attachment/1"))


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (401, {"message": "Unauthorized"}, Denied, "RT does not know the token, or the service user is disabled"),
        (403, {"message": "Forbidden"}, Denied, "RT forbids it to the service user"),
        (400, {"message": "Incomplete query"}, PermanentError, "answered 400"),
        (412, {"message": "Precondition Failed"}, PermanentError, "answered 412"),
        (302, None, PermanentError, r"a sign-in \(SSO\) in front of RT must let /REST/2.0 through"),
        (500, {"message": "Internal Server Error"}, OutcomeUnknown, "RT's own log says why"),
        (503, None, Throttled, "answered 503"),
    ],
)
def test_each_refusal_says_what_to_do(
    status: int, body: object, error: type[Exception], said: str, rt: TicketSystem, answer: Answer
) -> None:
    answer("GET", "/transactions", body, status=status)
    with pytest.raises(error, match=f"rt: look for a note on ticket 7: .*{said}") as caught:
        rt.has_note("7", "k")
    assert type(caught.value) is error


def test_500_without_a_word_is_no_clear_answer(rt: TicketSystem, desk: responses.RequestsMock) -> None:
    desk.add("GET", f"{API}/transactions", status=500, body=b"")
    with pytest.raises(OutcomeUnknown):
        rt.has_note("7", "k")


def test_lost_connection_is_passed_on_as_it_is(rt: TicketSystem, desk: responses.RequestsMock) -> None:
    desk.add("GET", f"{API}/transactions", body=requests.exceptions.ConnectionError())
    with pytest.raises(OutcomeUnknown, match="the connection broke"):
        rt.has_note("7", "k")


def test_sign_in_page_is_not_rt(rt: TicketSystem, desk: responses.RequestsMock) -> None:
    desk.add("GET", f"{API}/transactions", body="<html>Login</html>", content_type="text/html; charset=utf-8")
    with pytest.raises(PermanentError, match=r"url does not lead to RT, or a sign-in stands before /REST/2\.0"):
        rt.has_note("7", "k")


# ── events, panel, settings ──────────────────────────────────────────────────────────────────────────────────────


def test_event_is_verified_and_parsed(
    connected: Connected, secret: str, sign: Callable[..., dict[str, str]], now: datetime
) -> None:
    system = connected(webhook_secrets=[secret])
    body = json.dumps({"type": "ticket.created", "data": {"ticket": {"id": "7"}}}).encode()
    delivery = Delivery(source="rt", headers=sign(body), body=body, received_at=now)
    system.verify(delivery, now)
    assert [event.ticket for event in system.parse(delivery).events] == ["7"]


@pytest.mark.parametrize(
    ("settings_", "actor"), [({}, "M365-Unblock"), ({"own_user": "svc@example.edu"}, "svc@example.edu")]
)
def test_own_doings_are_left_out_where_the_login_is_an_address(
    settings_: dict[str, Any], actor: str, connected: Connected, now: datetime
) -> None:
    data = {"ticket": {"id": "7"}, "actor": {"email": actor}}
    body = json.dumps({"type": "ticket.replied", "data": data}).encode()
    delivery = Delivery(source="rt", headers={"webhook-id": "m1"}, body=body, received_at=now)
    assert connected(**settings_).parse(delivery).events == ()


def test_panel_opens_for_a_launch_token_of_this_source(rt: TicketSystem, now: datetime) -> None:
    seconds = int(now.timestamp())
    claims = {
        "iss": "rt",
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
    launch = rt.open_panel(jwt.encode(claims, "l" * 40), "7", now)
    assert (launch.agent.login, launch.agent.role, launch.ticket) == ("gil", Role.AGENT, "7")
    with pytest.raises(NotAllowed):
        rt.open_panel(jwt.encode(claims, "m" * 40), "7", now)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"webhook_secrets": []}, r"\[sources.rt\] webhook_secrets: give at least one"),
        ({"webhook_secrets": ["whsec_c2hvcnQ="]}, r"\[sources.rt\] webhook_secrets, entry 1: .*5 bytes"),
        ({"launch_secrets": ["short"]}, r"\[sources.rt\] launch_secrets, entry 1: shorter than 32 bytes"),
        ({"url": "rt.example.edu"}, "rt: the address must be"),
    ],
)
def test_settings_that_will_not_do_are_refused_at_start(
    wrong: dict[str, object], said: str, connected: Connected
) -> None:
    with pytest.raises(SettingsError, match=said):
        connected(**wrong)


def test_the_webhook_secret_may_not_sign_launch_tokens_too(connected: Connected, settings: Mapping[str, Any]) -> None:
    with pytest.raises(SettingsError, match="secrets of their own"):
        connected(launch_secrets=settings["webhook_secrets"])
