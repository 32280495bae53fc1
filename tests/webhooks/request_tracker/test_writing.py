"""What is put on a ticket in RT, and what is made of RT's cheerful answers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import responses
from responses import matchers

from plugin.errors import Denied, NotFound, OutcomeUnknown, PermanentError, Throttled
from plugin.model import Note, Visibility
from plugin.ports import TicketChange, TicketSystem

INTERNAL = Note(key="k/1", visibility=Visibility.INTERNAL, subject="Status\nof mail", body_html="<p>Blocked</p>")
PUBLIC = replace(INTERNAL, visibility=Visibility.PUBLIC)
MADE = {"Location": "/REST/2.0/transaction/94"}
ADA = {"id": 79, "type": "user", "Name": "ada", "EmailAddress": "ada@example.edu"}

Answer = Callable[..., Any]
Recorded = Callable[[str], Any]
Asked = Callable[[], list[str]]


def transaction(type_: str = "Comment", key: str | None = "k/1") -> dict[str, object]:
    return {"id": 94, "Type": type_, "CustomFields": [{"name": "M365 Note Key", "values": [key] if key else []}]}


def ticket(values: Mapping[str, list[str | None]] | None = None, **more: object) -> dict[str, object]:
    held = [{"name": name, "values": values} for name, values in (values or {}).items()]
    row = {"id": "7", "EffectiveId": "7", "Queue": {"id": "3", "Name": "Support"}, "CustomFields": held, **more}
    return {"items": [row], "total": 1}


def body_of(desk: responses.RequestsMock, number: int) -> Any:
    return json.loads(desk.calls[number].request.body or b"null")


def test_note_tags_and_fields_are_one_request_and_two_to_look(
    rt: TicketSystem, answer: Answer, asked: Asked, desk: responses.RequestsMock, recorded: Recorded
) -> None:
    answer("POST", "/ticket/7/comment", ["Comments added"], status=201, headers=MADE)
    answer("GET", "/transaction/94", recorded("transaction"))
    held: dict[str, list[str | None]] = {"M365 Tags": ["m365-blocked"], "Case State": ["Ready"], "Unblocked At": []}
    answer("GET", "/tickets", ticket(held))
    note = replace(INTERNAL, key="m365-unblock/abc/1/status")
    fields = {"Case State": "Ready", "Unblocked At": None}
    assert rt.write("7", TicketChange(note=note, tags=frozenset({"m365-blocked"}), fields=fields)) == ()
    assert asked() == ["POST /ticket/7/comment", "GET /transaction/94", "GET /tickets"]
    assert body_of(desk, 0) == {
        "Subject": "Status of mail",
        "Content": "<p>Blocked</p>",
        "ContentType": "text/html",
        "CustomFields": {"Case State": "Ready", "M365 Tags": ["m365-blocked"]},
        "TxnCustomFields": {"M365 Note Key": "m365-unblock/abc/1/status"},
    }


def test_answer_in_the_service_users_own_language_is_no_trouble(
    rt: TicketSystem, answer: Answer, desk: responses.RequestsMock
) -> None:
    said = '["Kommentar hinzugefügt"]'.encode("latin-1")
    url = "https://rt.example.edu/REST/2.0/ticket/7/comment"
    desk.add("POST", url, body=said, status=201, headers=MADE, content_type="application/json; charset=utf-8")
    answer("GET", "/transaction/94", transaction())
    assert rt.write("7", TicketChange(note=INTERNAL)) == ()


def test_internal_note_that_became_a_reply_is_said_loudly(rt: TicketSystem, answer: Answer) -> None:
    answer("POST", "/ticket/7/comment", [], status=201, headers=MADE)
    answer("GET", "/transaction/94", transaction("Correspond"))
    with pytest.raises(PermanentError, match="AN INTERNAL NOTE ON TICKET 7 IS PUBLIC"):
        rt.write("7", TicketChange(note=INTERNAL))


def test_note_that_lost_its_key_is_there_but_told(rt: TicketSystem, answer: Answer) -> None:
    answer("POST", "/ticket/7/comment", [], status=201, headers=MADE)
    answer("GET", "/transaction/94", transaction(key=None))
    [told] = rt.write("7", TicketChange(note=INTERNAL))
    assert "rt: the note on ticket 7 did not keep its key" in told
    assert "“M365 Note Key” is missing" in told


def test_note_that_may_not_be_looked_at_is_there_but_told(rt: TicketSystem, answer: Answer) -> None:
    answer("POST", "/ticket/7/comment", [], status=201, headers=MADE)
    answer("GET", "/transaction/94", {"message": "Forbidden"}, status=403)
    [told] = rt.write("7", TicketChange(note=INTERNAL))
    assert "needs the right ShowTicketComments; the note is there" in told


def test_note_that_cannot_be_looked_at_just_now_is_not_said_to_be_missing(rt: TicketSystem, answer: Answer) -> None:
    answer("POST", "/ticket/7/comment", [], status=201, headers=MADE)
    answer("GET", "/transaction/94", None, status=429)
    with pytest.raises(Throttled) as raised:
        rt.write("7", TicketChange(note=INTERNAL))
    assert not raised.value.was_surely_not_done  # or it would be posted again


def test_note_of_which_rt_does_not_say_where_it_is_may_be_there(rt: TicketSystem, answer: Answer) -> None:
    answer("POST", "/ticket/7/comment", [], status=201)
    with pytest.raises(OutcomeUnknown, match="Location"):
        rt.write("7", TicketChange(note=INTERNAL))


def test_note_without_an_answer_may_be_there(rt: TicketSystem, answer: Answer) -> None:
    answer("POST", "/ticket/7/comment", None, status=500)
    with pytest.raises(OutcomeUnknown) as raised:
        rt.write("7", TicketChange(note=INTERNAL))
    assert not raised.value.was_surely_not_done


def test_fields_that_cannot_be_looked_at_do_not_unmake_the_note(
    rt: TicketSystem, answer: Answer, recorded: Recorded
) -> None:
    answer("POST", "/ticket/11/comment", [], status=201, headers=MADE)
    answer("GET", "/transaction/94", transaction())
    answer("GET", "/tickets", {"items": [], "total": 0})
    answer("GET", "/ticket/11", recorded("deleted"))
    assert rt.write("11", TicketChange(note=INTERNAL, fields={"Case State": "Ready"})) == (
        "rt: read ticket 11: it is deleted",
    )


@pytest.mark.parametrize(
    ("note", "right"), [(INTERNAL, "CommentOnTicket"), (PUBLIC, "ReplyToTicket")], ids=["internal", "public"]
)
def test_note_that_rt_does_not_permit_names_the_right(note: Note, right: str, rt: TicketSystem, answer: Answer) -> None:
    path = "/ticket/7/" + ("comment" if note is INTERNAL else "correspond")
    answer("GET", "/tickets", ticket(Requestor=[ADA]))
    answer("POST", path, {"message": "Permission Denied"}, status=400)
    with pytest.raises(Denied, match=f"add a note to ticket 7: answered 400; grant the service user the right {right}"):
        rt.write("7", TicketChange(note=note))


def test_note_for_a_missing_ticket_is_told_from_a_missing_right(rt: TicketSystem, answer: Answer) -> None:
    answer("POST", "/ticket/99999/comment", {"message": "Message could not be recorded"}, status=400)
    answer("GET", "/tickets", {"items": [], "total": 0})
    answer("GET", "/ticket/99999", {"message": "Not Found"}, status=404)
    with pytest.raises(NotFound):
        rt.write("99999", TicketChange(note=INTERNAL))


def test_unauthorized_note_is_not_looked_into(rt: TicketSystem, answer: Answer) -> None:
    answer("POST", "/ticket/7/comment", {"message": "Unauthorized"}, status=401)
    with pytest.raises(Denied, match="RT does not know the token"):
        rt.write("7", TicketChange(note=INTERNAL))


# ── what the requester reads ─────────────────────────────────────────────────────────────────────────────────────


def test_reply_goes_out_where_only_the_requester_gets_it(rt: TicketSystem, answer: Answer, asked: Asked) -> None:
    shouted = {**ADA, "id": 80, "EmailAddress": "ADA@example.edu"}
    nobody = {"id": 81, "type": "user", "Name": "nobody", "EmailAddress": ""}
    answer("GET", "/tickets", ticket(Requestor=[ADA], Cc=[shouted, nobody]))
    answer("POST", "/ticket/7/correspond", [], status=201, headers=MADE)
    answer("GET", "/transaction/94", transaction("Correspond"))
    assert rt.write("7", TicketChange(note=PUBLIC)) == ()
    assert asked() == ["GET /tickets", "POST /ticket/7/correspond", "GET /transaction/94"]


def test_reply_is_refused_where_others_would_get_it(
    rt: TicketSystem, answer: Answer, recorded: Recorded, asked: Asked
) -> None:
    answer("GET", "/tickets", recorded("copied"))
    with pytest.raises(
        PermanentError, match=r"would mail it to M365 Unblock Agents, bob@x\.example, cc1@y\.example too"
    ):
        rt.write("12", TicketChange(note=PUBLIC, fields={"Case State": "Ready"}))
    assert asked() == ["GET /tickets"]


def test_reply_is_refused_where_somebody_gets_copies_of_the_whole_queue(rt: TicketSystem, answer: Answer) -> None:
    queue = {"id": "5", "Name": "Other", "Cc": [{"id": 9, "type": "user", "EmailAddress": "list@example.edu"}]}
    answer("GET", "/tickets", ticket(Requestor=[ADA], Queue=queue))
    with pytest.raises(PermanentError, match=r"list@example\.edu"):
        rt.write("7", TicketChange(note=PUBLIC))


@pytest.mark.parametrize("people", [[], [{**ADA, "EmailAddress": ""}]])
def test_reply_to_nobody_is_refused(people: list[object], rt: TicketSystem, answer: Answer) -> None:
    answer("GET", "/tickets", ticket(Requestor=people))
    with pytest.raises(PermanentError, match="no requestor of the ticket has a mail address"):
        rt.write("7", TicketChange(note=PUBLIC))


def test_reply_that_was_kept_as_a_comment_is_told(rt: TicketSystem, answer: Answer) -> None:
    answer("GET", "/tickets", ticket(Requestor=[ADA]))
    answer("POST", "/ticket/7/correspond", [], status=201, headers=MADE)
    answer("GET", "/transaction/94", transaction("Comment"))
    with pytest.raises(PermanentError, match="it was not sent, answer by hand"):
        rt.write("7", TicketChange(note=PUBLIC))


# ── tags and fields alone ────────────────────────────────────────────────────────────────────────────────────────


def put(sent: object) -> Any:
    return matchers.json_params_matcher({"CustomFields": sent})


def test_tags_and_fields_are_written_without_a_note(rt: TicketSystem, answer: Answer) -> None:
    sent = {"Blocked Addresses": "a\nb", "M365 Tags": []}
    answer("PUT", "/ticket/7", [], put(sent))
    answer("GET", "/tickets", ticket({"Blocked Addresses": ["a\r\nb\n"], "M365 Tags": []}))
    assert rt.write("7", TicketChange(tags=frozenset(), fields={"Blocked Addresses": "a\nb"})) == ()


def test_nothing_to_write_asks_nothing(rt: TicketSystem) -> None:
    assert rt.write("7", TicketChange()) == ()


def test_field_that_holds_nothing_is_not_cleared_again(rt: TicketSystem, answer: Answer, asked: Asked) -> None:
    answer("GET", "/tickets", ticket({"Unblocked At": [], "Escalate After": [None]}))
    assert rt.write("7", TicketChange(fields={"Unblocked At": None, "Escalate After": None})) == ()
    assert asked() == ["GET /tickets"]


@pytest.mark.parametrize(("held", "sent"), [("Ready", None), ("x" * 256, ""), ("ü" * 128, "")])
def test_field_is_cleared_where_it_holds_something(
    held: str, sent: str | None, rt: TicketSystem, answer: Answer
) -> None:
    answer("GET", "/tickets", ticket({"Case State": [held]}))
    answer("PUT", "/ticket/7", [], put({"Case State": sent}))
    answer("GET", "/tickets", ticket({"Case State": [None]}))
    assert rt.write("7", TicketChange(fields={"Case State": None})) == ()


def test_field_that_is_not_there_and_one_that_did_not_take_are_told(rt: TicketSystem, answer: Answer) -> None:
    answer("PUT", "/ticket/7", ["Invalid value for custom field"])
    answer("GET", "/tickets", ticket({"Case State": ["Received"]}))
    missing, untaken, tags = sorted(
        rt.write("7", TicketChange(tags=frozenset({"a"}), fields={"Case State": "Ready", "A Field": "x"})),
        key=lambda told: ("A Field" not in told, "Case State" not in told),
    )
    assert missing.startswith("rt: ticket 7 shows no field “A Field”: apply it to queue Support")
    assert untaken.startswith("rt: field “Case State” of ticket 7 did not take its new value")
    assert "“M365 Tags”" in tags


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (404, NotFound, "ticket 7"),
        (403, Denied, "needs the rights ShowTicket and ModifyTicket"),
        (500, OutcomeUnknown, "log"),
    ],
)
def test_fields_that_could_not_be_sent_are_an_error(
    status: int, error: type[Exception], said: str, rt: TicketSystem, answer: Answer
) -> None:
    answer("PUT", "/ticket/7", {}, status=status)
    with pytest.raises(error, match=said):
        rt.write("7", TicketChange(fields={"Case State": "Ready"}))
