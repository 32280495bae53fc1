"""Tickets as the real RT gave them, and what triage makes of the reports in them."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from plugin.errors import Denied, NotFound, PermanentError
from plugin.http import MAX_BODY
from plugin.model import Label, Origin, Person, Visibility
from plugin.ports import TicketSystem
from plugin.reading import text_of
from plugin.triage import triage
from webhooks.request_tracker.answers import Somebody
from webhooks.request_tracker.parts import Part
from webhooks.request_tracker.reading import LARGEST_PART, MOST_BYTES, MOST_MESSAGES, Staff, too_large
from webhooks.request_tracker.rest import Rest

RT = "https://rt.example.edu"
NONE = {"items": [], "count": 0, "total": None, "page": 1, "pages": None, "per_page": 100}

Answer = Callable[..., Any]
Recorded = Callable[[str], Any]
TicketAnswers = Callable[[str, str], None]
Asked = Callable[[], list[str]]


def rows(*items: object) -> dict[str, object]:
    return {**NONE, "items": list(items), "count": len(items)}


def query_of(desk: responses.RequestsMock, number: int) -> dict[str, list[str]]:
    return parse_qs(urlsplit(str(desk.calls[number].request.url)).query)


@pytest.fixture
def customer(answer: Answer, recorded: Recorded) -> Callable[[int], None]:
    return lambda user: answer("GET", f"/user/{user}", recorded("user-customer"))


def test_ticket_is_read_in_four_requests_and_one_for_a_new_face(
    rt: TicketSystem, ticket_answers: TicketAnswers, customer: Callable[[int], None], asked: Asked
) -> None:
    ticket_answers("forwarded", "2")
    customer(53)
    ticket = rt.read_ticket("2")
    read = ["GET /tickets", "GET /ticket/2/history", "GET /ticket/2/attachments", "GET /ticket/2/attachments"]
    assert sorted(asked()) == sorted([*read, "GET /user/53"])
    assert (ticket.source, ticket.id, ticket.subject, ticket.queue) == ("rt", "2", "FW: Undeliverable", "Support")
    assert ticket.requester == Person(email="frontdesk@example.edu", name="Front Desk")
    assert ticket.url == f"{RT}/Ticket/Display.html?id=2"
    rt.read_ticket("2")
    assert asked()[5:] == read


def test_only_what_may_be_read_is_asked_for(
    rt: TicketSystem, ticket_answers: TicketAnswers, customer: Callable[[int], None], desk: responses.RequestsMock
) -> None:
    ticket_answers("forwarded", "2")
    customer(53)
    rt.read_ticket("2")
    asked = {str(call.request.url): parse_qs(urlsplit(str(call.request.url)).query) for call in desk.calls}
    ticket, history, parts, contents = [query for query in asked.values() if query]
    assert ticket["query"] == ["id = 2 AND EffectiveId > 0"], "without EffectiveId RT hides merged tickets"
    assert json.loads(history["query"][0]) == [
        {"field": "Type", "operator": "IN", "value": ["Create", "Correspond", "Comment"]}
    ]
    assert (history["orderby"], history["order"], history["per_page"]) == (["id"], ["DESC"], ["100"])
    [of_messages, with_parent, *kinds] = json.loads(parts["query"][0])
    assert of_messages == {"field": "TransactionId", "operator": "IN", "value": ["62"]}
    assert with_parent == {"field": "Parent", "operator": ">", "value": "0"}, "RT fails over parts without a parent"
    assert "Content" not in parts["fields"][0].split(",")
    assert [kind["value"] for kind in kinds[:3]] == ["text/", "message/", "multipart/"]
    assert json.loads(contents["query"][0]) == [of_messages, *kinds[:3]]
    assert "Parent" not in contents["fields"][0].split(",")


def test_forwarded_report_is_put_together_again_for_triage(
    rt: TicketSystem, ticket_answers: TicketAnswers, customer: Callable[[int], None], asked: Asked
) -> None:
    ticket_answers("forwarded", "2")
    customer(53)
    ticket = rt.read_ticket("2")
    [message] = ticket.messages
    assert message.text == "Please see attached.\n"
    [attachment] = message.attachments
    assert (attachment.filename, attachment.content_type) == ("message.eml", "message/rfc822")
    [finding] = triage(text_of(rt, ticket), ["example.edu"])
    assert (finding.label, finding.code, finding.rule) == (Label.SENDER_BLOCKED, "5.1.8", "delivery-status")
    assert (finding.candidates[0].account, finding.candidates[0].origin) == ("bbadger@example.edu", Origin.REPORT)
    assert len(asked()) == 5, "nothing is fetched that came with the ticket"


def test_bounce_that_was_redirected_to_rt_names_the_account(
    rt: TicketSystem, ticket_answers: TicketAnswers, customer: Callable[[int], None], recorded: Recorded
) -> None:
    ticket_answers("bounced", "3")
    customer(int(recorded("bounced/ticket")["items"][0]["Requestor"][0]["id"]))
    ticket = rt.read_ticket("3")
    [message] = ticket.messages
    assert message.text.startswith("Delivery has failed to these recipients")
    assert [attachment.filename for attachment in message.attachments] == ["report.eml"]
    [finding] = triage(text_of(rt, ticket), ["example.edu"])
    assert finding.label is Label.SENDER_BLOCKED
    assert finding.candidates[0].account == "bbadger@example.edu"


def test_mail_with_all_sorts_of_parts(
    rt: TicketSystem, ticket_answers: TicketAnswers, customer: Callable[[int], None]
) -> None:
    ticket_answers("mixed", "20")
    customer(47)
    [message] = rt.read_ticket("20").messages
    assert message.text.startswith("Grüße, my mail bounces")
    assert message.content_type == "text/plain"
    forwarded, named, table = message.attachments
    assert (forwarded.filename, forwarded.content_type) == ("Undeliverable.eml", "message/rfc822")
    assert (named.filename, named.content_type, named.content) == ("bounce.eml", "application/octet-stream", None)
    assert (named.size, named.url) == (5487, f"{RT}/REST/2.0/attachment/172")
    assert table.content == "café;b".encode("latin-1"), "RT gives other texts as they came, a character for a byte"


def test_comments_are_internal_and_staff_is_known_as_such(
    rt: TicketSystem, ticket_answers: TicketAnswers, answer: Answer, recorded: Recorded
) -> None:
    ticket_answers("notes", "7")
    answer("GET", "/user/31", recorded("user-staff"))
    answer("GET", "/user/79", recorded("user-customer"))
    ticket = rt.read_ticket("7")
    first, *notes = ticket.messages
    assert first.author == Person(email="gil@example.edu", name="Gil Agent", is_agent=True)
    assert first.visibility is Visibility.PUBLIC
    assert {note.visibility for note in notes} == {Visibility.INTERNAL}
    assert all(note.author.is_agent for note in notes)
    assert not ticket.requester.is_agent
    assert [message.id for message in ticket.messages] == sorted((m.id for m in ticket.messages), key=int)
    assert first.created_at is not None
    assert first.created_at.isoformat() == "2026-11-23T23:37:49+00:00"


def test_tags_and_promised_fields_are_read_and_empty_values_are_none(
    rt: TicketSystem, answer: Answer, recorded: Recorded
) -> None:
    ticket = recorded("merged/ticket")
    values = {"Case State": ["Ready"], "Blocked Addresses": [None], "M365 Tags": ["a", "b", None]}
    for field in ticket["items"][0]["CustomFields"]:
        field["values"] = values.get(field["name"], [])
    ticket["items"][0]["CustomFields"].append({"name": "Building", "values": ["B4"]})
    answer("GET", "/tickets", ticket)
    answer("GET", "/ticket/10/history", NONE)
    answer("GET", "/user/79", recorded("user-customer"))
    read = rt.read_ticket("10")
    assert read.tags == {"a", "b"}
    assert read.fields == {
        "Sending Status": None,
        "Blocked Addresses": None,
        "Case State": "Ready",
        "Unblocked At": None,
        "Escalate After": None,
    }


def test_queue_without_fields_and_people_without_addresses_can_be_read(rt: TicketSystem, answer: Answer) -> None:
    row = {"id": "5", "EffectiveId": "5", "Subject": "", "Requestor": [], "Queue": "", "CustomFields": ""}
    answer("GET", "/tickets", rows(row))
    answer("GET", "/ticket/5/history", NONE)
    ticket = rt.read_ticket("5")
    assert (ticket.requester, ticket.fields, ticket.tags, ticket.messages) == (Person(), {}, frozenset(), ())


def test_requester_is_the_first_with_an_address(rt: TicketSystem, answer: Answer, recorded: Recorded) -> None:
    people = [
        {"id": 8, "type": "group", "Name": "Everybody", "EmailAddress": ""},
        {"id": 9, "type": "user", "Name": "nobody", "EmailAddress": ""},
        {"id": 79, "type": "user", "Name": "ada", "EmailAddress": "ada@example.edu"},
    ]
    answer("GET", "/tickets", rows({"id": "5", "EffectiveId": "5", "Requestor": people}))
    answer("GET", "/ticket/5/history", NONE)
    answer("GET", "/user/79", recorded("user-customer"))
    assert rt.read_ticket("5").requester == Person(email="ada@example.edu", name="ada")


def test_merged_ticket_is_read_as_the_one_that_survived(
    rt: TicketSystem, answer: Answer, ticket_answers: TicketAnswers, recorded: Recorded
) -> None:
    answer("GET", "/tickets", recorded("merged/merged"))
    ticket_answers("merged", "10")
    answer("GET", "/user/31", recorded("user-staff"))
    answer("GET", "/user/79", recorded("user-customer"))
    ticket = rt.read_ticket("8")
    assert (ticket.id, ticket.subject) == ("10", "merge c")
    said = [message.text for message in ticket.messages]
    assert said[:5] == ["hello"] * 3 + ["on a before merge", "after merge"]


def test_deleted_ticket_is_not_found(rt: TicketSystem, answer: Answer, recorded: Recorded) -> None:
    answer("GET", "/tickets", NONE)
    answer("GET", "/ticket/11", recorded("deleted"))
    with pytest.raises(NotFound, match="read ticket 11: it is deleted"):
        rt.read_ticket("11")


def test_approval_is_not_found(rt: TicketSystem, answer: Answer) -> None:
    answer("GET", "/tickets", NONE)
    answer("GET", "/ticket/12", {"id": 12, "Status": "open", "Type": "approval"})
    with pytest.raises(NotFound, match="no ordinary ticket"):
        rt.read_ticket("12")


def test_missing_ticket_is_not_found(rt: TicketSystem, answer: Answer) -> None:
    answer("GET", "/tickets", NONE)
    answer("GET", "/ticket/99999", {"message": "Not Found"}, status=404)
    with pytest.raises(NotFound, match="read ticket 99999"):
        rt.read_ticket("99999")


def test_missing_right_is_named(rt: TicketSystem, answer: Answer) -> None:
    answer("GET", "/tickets", NONE)
    answer("GET", "/ticket/1", {"message": "Forbidden"}, status=403)
    with pytest.raises(Denied, match="service user, which needs the right ShowTicket"):
        rt.read_ticket("1")


@pytest.mark.parametrize("ticket", ["", "abc", "1 OR id > 0", "-1", "1/comment", "²", "9" * 30])
def test_what_is_no_number_is_never_asked_for(ticket: str, rt: TicketSystem) -> None:
    with pytest.raises(NotFound, match="have numbers"):
        rt.read_ticket(ticket)


def test_only_the_first_and_the_newest_messages_are_read(
    rt: TicketSystem, answer: Answer, desk: responses.RequestsMock
) -> None:
    newest_first = [{"id": str(number), "Type": "Comment"} for number in range(100, 0, -1)]
    answer("GET", "/tickets", rows({"id": "5", "EffectiveId": "5"}))
    answer("GET", "/ticket/5/history", rows(*newest_first))
    answer("GET", "/ticket/5/attachments", NONE)
    messages = rt.read_ticket("5").messages
    assert [message.id for message in messages] == ["1", *(str(n) for n in range(102 - MOST_MESSAGES, 101))]
    for number in (2, 3):
        [condition, *_] = json.loads(query_of(desk, number)["query"][0])
        assert set(condition["value"]) == {message.id for message in messages}


def test_few_messages_are_read_once(rt: TicketSystem, answer: Answer) -> None:
    newest_first = [{"id": str(number), "Type": "Comment"} for number in range(MOST_MESSAGES - 1, 0, -1)]
    answer("GET", "/tickets", rows({"id": "5", "EffectiveId": "5"}))
    answer("GET", "/ticket/5/history", rows(*newest_first))
    answer("GET", "/ticket/5/attachments", NONE)
    assert len(rt.read_ticket("5").messages) == MOST_MESSAGES - 1


def part(number: int, size: int) -> Part:
    return Part(id=str(number), transaction="1", kind="text/plain", size=size)


def test_large_parts_and_older_ones_beyond_the_bound_are_not_asked_for() -> None:
    many = [part(number, LARGEST_PART) for number in range(1, 7)]
    assert too_large([*many, part(7, LARGEST_PART + 1), part(8, 0)]) == ["7", "2", "1"]
    assert MOST_BYTES == 4 * LARGEST_PART


def test_large_part_is_left_to_be_fetched(rt: TicketSystem, answer: Answer, desk: responses.RequestsMock) -> None:
    listed = {
        "id": "3",
        "TransactionId": "9",
        "Parent": {"id": "1"},
        "ContentType": "text/plain",
        "Filename": "log.txt",
    }
    read = [
        {"id": "2", "TransactionId": "9", "ContentType": "text/plain", "Content": "hi"},
        {"id": "1", "TransactionId": "9", "ContentType": "multipart/mixed"},
    ]
    answer("GET", "/tickets", rows({"id": "5", "EffectiveId": "5"}))
    answer("GET", "/ticket/5/history", rows({"id": "9", "Type": "Comment"}))
    answer("GET", "/ticket/5/attachments", rows({**listed, "ContentLength": str(LARGEST_PART + 1)}))
    answer("GET", "/ticket/5/attachments", rows(*read))
    [message] = rt.read_ticket("5").messages
    assert {"field": "id", "operator": "NOT IN", "value": ["3"]} in json.loads(query_of(desk, 3)["query"][0])
    assert message.text == "hi"
    [attachment] = message.attachments
    assert (attachment.filename, attachment.size, attachment.content) == ("log.txt", LARGEST_PART + 1, None)


def test_ticket_whose_parts_are_larger_than_they_say_is_read_part_by_part(
    rt: TicketSystem, answer: Answer, desk: responses.RequestsMock
) -> None:
    kinds = {"2": "text/plain", "3": "multipart/alternative", "4": "text/html"}
    listed = [
        {"id": id_, "TransactionId": "9", "Parent": {"id": "1"}, "ContentType": kind, "ContentLength": "5"}
        for id_, kind in kinds.items()
    ]
    answer("GET", "/tickets", rows({"id": "5", "EffectiveId": "5"}))
    answer("GET", "/ticket/5/history", rows({"id": "9", "Type": "Comment"}))
    answer("GET", "/ticket/5/attachments", rows(*listed))
    desk.add("GET", f"{RT}/REST/2.0/ticket/5/attachments", body=b"x" * (MAX_BODY + 1), content_type="application/json")
    [message] = rt.read_ticket("5").messages
    assert [attachment.url.rpartition("/")[2] for attachment in message.attachments] == ["2", "4"]
    assert all(attachment.content is None for attachment in message.attachments)


def test_who_is_staff_is_asked_once_an_hour(answer: Answer, recorded: Recorded, asked: Asked) -> None:
    now = [0.0]
    staff = Staff(Rest("rt", RT, "1-39-made-up-token"), own_user="M365-Unblock", clock=lambda: now[0])
    gil = Somebody(id="31", type="user", name="gil", real_name="", email="")
    answer("GET", "/user/31", recorded("user-staff"))
    for at in (0.0, 10.0, 3599.0):
        now[0] = at
        assert staff.has(gil)
    assert len(asked()) == 1
    now[0] = 3600.0
    assert staff.has(gil)
    assert len(asked()) == 2


def test_user_that_rt_has_forgotten_is_a_customer(answer: Answer) -> None:
    staff = Staff(Rest("rt", RT, "1-39-made-up-token"), own_user="m365-unblock")
    answer("GET", "/user/31", {"message": "Not Found"}, status=404)
    assert not staff.has(Somebody(id="31", type="user", name="gil", real_name="", email=""))


@pytest.mark.parametrize("came", ["Email", "REST2"])
def test_mail_in_an_agents_name_makes_no_ticket_of_an_agent(
    came: str, rt: TicketSystem, answer: Answer, recorded: Recorded
) -> None:
    gil = {"id": 31, "type": "user", "Name": "gil", "EmailAddress": "gil@example.edu"}
    answer("GET", "/tickets", rows({"id": "5", "EffectiveId": "5", "Requestor": [gil]}))
    answer("GET", "/ticket/5/history", rows({"id": "9", "Type": "Create", "Created": "", "Creator": gil}))
    answer("GET", "/ticket/5/attachments", NONE)
    said = {"id": "1", "TransactionId": {"id": "9"}, "ContentType": "text/plain", "Content": "It bounces"}
    answer("GET", "/ticket/5/attachments", rows(said | {"Headers": f"From: gil@example.edu\nX-RT-Interface: {came}\n"}))
    answer("GET", "/user/31", recorded("user-staff"))
    assert rt.read_ticket("5").requester.is_agent == (came == "REST2")


def test_our_own_user_and_rt_itself_are_staff_and_a_group_is_nobody() -> None:
    staff = Staff(Rest("rt", RT, "1-39-made-up-token"), own_user="m365-unblock")
    assert staff.has(Somebody(id="1", type="user", name="RT_System", real_name="", email=""))
    assert staff.has(Somebody(id="1", type="user", name="M365-Unblock", real_name="", email=""))
    assert not staff.has(Somebody(id="2", type="group", name="Everybody", real_name="", email=""))


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"id": "x", "EffectiveId": "5"}, "0/id: Not an id"),
        ({"id": "5"}, "0/EffectiveId: Missing"),
        ("text", "0/_schema: Invalid input"),
        ({"id": "5", "EffectiveId": "5", "Requestor": [{"Name": "ada"}]}, "0/Requestor/0/id: Missing"),
    ],
)
def test_answer_that_is_not_rts_is_named(row: object, named: str, rt: TicketSystem, answer: Answer) -> None:
    answer("GET", "/tickets", rows(row))
    with pytest.raises(PermanentError, match=f"rt: read ticket 5: the answer is not as REST 2.0 has it: {named}"):
        rt.read_ticket("5")
