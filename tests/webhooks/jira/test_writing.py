"""What the adapter puts on a ticket, and what it makes of a Jira that does something else."""

import pytest

from plugin.errors import Denied, NotFound, OutcomeUnknown, PermanentError, Throttled
from plugin.manifest import manifest
from plugin.model import Note, Visibility
from plugin.ports import TicketChange, TicketSystem
from tests.stand_ins.jira import ORGANISATIONS, PARTICIPANTS, TYPES, Organisation, rendered_html
from tests.webhooks.jira.conftest import JiraSite
from webhooks.jira.fields import PROMISED, definition

CUSTOMER = "bbadger@example.edu"
INTERNAL = Note(
    key="m365-unblock/c/1/blocked", visibility=Visibility.INTERNAL, subject="Blocked", body_html="<p>No</p>"
)
PUBLIC = Note(key="m365-unblock/c/1/reply", visibility=Visibility.PUBLIC, subject="Your mail", body_html="<p>Yes</p>")
FIELDS = {"Sending Status": "Blocked", "Blocked Addresses": "a_b@example.edu, *c*@example.edu"}


@pytest.fixture
def ticket(site: JiraSite) -> str:
    return site.file(CUSTOMER, "my mail bounces", "Please help.", None)


def put_fields(site: JiraSite) -> None:
    """All our fields, on the screen."""
    site.jira.screens[1] += [site.jira.add_field(definition(name))["id"] for name in PROMISED]


# ── notes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_note_is_found_by_its_key_only_where_we_wrote_it(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    assert not source.has_note(ticket, INTERNAL.key)
    source.write(ticket, TicketChange(note=INTERNAL))
    [comment] = site.ours(ticket)
    assert source.has_note(ticket, INTERNAL.key)
    assert not source.has_note(ticket, INTERNAL.key + "2")
    other = site.file(CUSTOMER, "again", "> " + comment["body"], None)
    site.reply(other, CUSTOMER, comment["body"])
    assert not source.has_note(other, INTERNAL.key), "a customer quotes it, which makes it no note of ours"


def test_note_is_found_behind_hundreds_of_comments(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    source.write(ticket, TicketChange(note=INTERNAL))
    for n in range(230):
        site.reply(ticket, CUSTOMER, f"reply {n}")
    assert source.has_note(ticket, INTERNAL.key)
    texts = [message.text for message in source.read_ticket(ticket).messages]
    assert (texts[0], texts[-1]) == ("<p>Please help.</p>", "<p>reply 229</p>")


def test_internal_note_says_so_and_nobody_is_mailed(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    source.write(ticket, TicketChange(note=INTERNAL))
    [body] = [body for method, path, body in site.jira.calls if method == "POST" and path.endswith("/comment")]
    assert body["public"] is False
    assert site.jira.mails == []


def test_stand_in_publishes_what_says_nothing(site: JiraSite, ticket: str) -> None:
    """Or a client that forgets to say it would not be noticed here."""
    site.jira.comment_in_portal(site.running.ours, ticket, {"body": "oops"})
    assert [reader for reader, _ in site.jira.mails] == [CUSTOMER]


def test_internal_note_that_came_out_public_is_hidden_told_and_found_again(
    source: TicketSystem, site: JiraSite, ticket: str
) -> None:
    site.jira.turns_public = True
    with pytest.raises(
        PermanentError, match=rf"AN INTERNAL NOTE ON ISSUE {ticket} WAS PUBLIC.*it is hidden now"
    ) as told:
        source.write(ticket, TicketChange(note=INTERNAL))
    assert not told.value.was_surely_not_done
    assert site.public_texts(ticket) == []
    assert source.has_note(ticket, INTERNAL.key), "or it would be posted once more"


def test_internal_note_that_cannot_be_hidden_is_told_as_such(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    site.jira.turns_public = site.jira.cannot_hide = True
    with pytest.raises(PermanentError, match="hide it by hand"):
        source.write(ticket, TicketChange(note=INTERNAL))


def test_our_user_as_a_customer_is_noticed_although_jira_takes_the_note(
    source: TicketSystem, site: JiraSite, ticket: str
) -> None:
    site.running.ours.type = "customer"
    with pytest.raises(PermanentError, match="Give our user the role Service Desk Team"):
        source.write(ticket, TicketChange(note=INTERNAL))


def test_what_a_ticket_says_does_nothing_in_jira(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    words = "“[~accountid:1] {html}all clear{html} !https://evil.example/x.png! h1. ok”"
    source.write(ticket, TicketChange(note=Note(
        key="k", visibility=Visibility.INTERNAL, subject="s", body_html=f"<ul><li>{words}</li></ul>"
    )))  # fmt: skip
    [note] = site.internal_notes(ticket)
    assert words in note
    assert "<img" not in note
    assert "macro" not in note
    assert "mention" not in note


# ── replies ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_reply_goes_to_the_requester_alone(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    source.write(ticket, TicketChange(note=PUBLIC))
    [text] = site.public_texts(ticket)
    assert "Yes" in text
    assert [reader for reader, _ in site.jira.mails] == [CUSTOMER]


def test_reply_that_participants_would_read_is_not_sent(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    row = site.jira.issue_of(ticket)
    row[PARTICIPANTS] = [site.jira.user_of("mmass@example.edu").account, row["reporter"]]
    with pytest.raises(PermanentError, match=r"not sent: Jira would mail it to mmass too") as refused:
        source.write(ticket, TicketChange(note=PUBLIC))
    assert refused.value.was_surely_not_done
    assert site.jira.mails == []


def test_reply_that_an_organisation_would_read_is_not_sent(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    site.jira.issue_of(ticket)[ORGANISATIONS] = [Organisation(id="1", name="Physics")]
    with pytest.raises(PermanentError, match="not sent: Jira would mail it to Physics too"):
        source.write(ticket, TicketChange(note=PUBLIC))
    assert site.jira.mails == []


def test_reply_is_not_sent_where_nobody_can_see_who_would_read_it(
    source: TicketSystem, site: JiraSite, ticket: str
) -> None:
    del site.jira.fields[ORGANISATIONS]
    with pytest.raises(PermanentError, match="cannot see whether the request is shared"):
        source.write(ticket, TicketChange(note=PUBLIC))
    assert site.jira.mails == []


def test_reply_to_nobody_is_not_sent(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    site.jira.issue_of(ticket)["reporter"] = None
    with pytest.raises(PermanentError, match="not sent: the issue has no reporter"):
        source.write(ticket, TicketChange(note=PUBLIC))


def test_reply_that_stayed_internal_is_told(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    site.jira.keeps_internal = True
    with pytest.raises(PermanentError, match="kept as an internal note: it was not sent, answer by hand"):
        source.write(ticket, TicketChange(note=PUBLIC))


# ── labels and fields ────────────────────────────────────────────────────────────────────────────────────────────


def test_labels_of_others_stay(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    site.jira.issue_of(ticket)["labels"] = ["vip", "m365-blocked", "m365-of-somebody"]
    assert source.write(ticket, TicketChange(tags=frozenset({"m365-unblocked"}))) == ()
    assert site.tags(ticket) == {"vip", "m365-of-somebody", "m365-unblocked"}
    [body] = [body for method, _, body in site.jira.calls if method == "PUT"]
    assert body == {"update": {"labels": [{"remove": "m365-blocked"}, {"add": "m365-unblocked"}]}}


def test_every_promised_tag_can_be_set(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    for tag in manifest()["tags"]:
        source.write(ticket, TicketChange(tags=frozenset({tag})))
        assert site.tags(ticket) == {tag}


def test_fields_are_written_cleared_and_nothing_else_is_touched(
    source: TicketSystem, site: JiraSite, ticket: str
) -> None:
    put_fields(site)
    room = site.jira.add_field(
        {"name": "Room", "type": f"{TYPES}:textfield", "searcherKey": f"{TYPES}:textsearcher", "description": ""}
    )["id"]
    site.jira.issue_of(ticket)[room] = "B 12"
    assert source.write(ticket, TicketChange(fields=FIELDS)) == ()
    assert site.fields(ticket) == {**FIELDS, "Room": "B 12"}
    ours = source.read_ticket(ticket).fields
    assert ours == {**dict.fromkeys(PROMISED), **FIELDS}
    assert source.write(ticket, TicketChange(fields={**FIELDS, "Blocked Addresses": None})) == ()
    assert site.fields(ticket) == {"Sending Status": "Blocked", "Room": "B 12"}


def test_what_is_there_already_is_not_written_again(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    put_fields(site)
    change = TicketChange(tags=frozenset({"m365-blocked"}), fields=FIELDS)
    assert source.write(ticket, change) == ()
    done = len(site.jira.calls)
    assert source.write(ticket, change) == ()
    assert [method for method, _, _ in site.jira.calls[done:]] == ["GET"]


def test_field_that_is_missing_is_told_and_the_rest_is_written(
    source: TicketSystem, site: JiraSite, ticket: str
) -> None:
    told = source.write(ticket, TicketChange(note=INTERNAL, tags=frozenset({"m365-blocked"}), fields=FIELDS))
    assert len(told) == 2
    assert all("run m365-unblock install jira" in line for line in told)
    assert site.tags(ticket) == {"m365-blocked"}
    assert len(site.internal_notes(ticket)) == 1


def test_field_that_is_on_no_screen_keeps_no_label_off(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    put_fields(site)
    site.jira.screens[1] = ["summary", "labels"]
    told = source.write(ticket, TicketChange(tags=frozenset({"m365-blocked"}), fields=FIELDS))
    assert "It is not on the appropriate screen, or unknown" in told[0]
    assert site.tags(ticket) == {"m365-blocked"}


def test_two_fields_of_one_name_are_told_and_neither_is_written(
    source: TicketSystem, site: JiraSite, ticket: str
) -> None:
    put_fields(site)
    site.jira.add_field(definition("Sending Status"))
    [told] = source.write(ticket, TicketChange(fields={"Sending Status": "Blocked"}))
    assert "several fields called “Sending Status”" in told
    assert site.fields(ticket) == {}


def test_field_of_that_name_of_one_project_alone_is_not_meant(
    source: TicketSystem, site: JiraSite, ticket: str
) -> None:
    number = site.jira.add_field(definition("Sending Status"))["id"]
    site.jira.fields[number]["scope"] = {"type": "PROJECT", "project": {"id": "10100"}}
    site.jira.screens[1].append(number)
    [told] = source.write(ticket, TicketChange(fields={"Sending Status": "Blocked"}))
    assert "Jira has no field “Sending Status”" in told
    assert site.fields(ticket) == {}


def test_labels_that_are_refused_are_told(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    site.jira.screens[1] = ["summary"]
    told = source.write(ticket, TicketChange(note=INTERNAL, tags=frozenset({"m365-blocked"})))
    assert any("labels" in line for line in told)
    assert len(site.internal_notes(ticket)) == 1


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────


def test_ticket_that_is_gone_is_told_as_such(source: TicketSystem) -> None:
    for change in (TicketChange(note=INTERNAL), TicketChange(note=PUBLIC), TicketChange(fields=FIELDS)):
        with pytest.raises(NotFound):
            source.write("SUP-999", change)


def test_issue_that_is_no_request_is_told_as_such_and_not_as_gone(
    source: TicketSystem, site: JiraSite, ticket: str
) -> None:
    site.jira.issue_of(ticket)["has_request_type"] = False
    for note in (INTERNAL, PUBLIC):
        with pytest.raises(PermanentError, match="give it a request type") as refused:
            source.write(ticket, TicketChange(note=note))
        assert not isinstance(refused.value, NotFound)
        assert refused.value.was_surely_not_done


def test_answer_that_already_says_public_is_enough_to_hide_a_note(
    source: TicketSystem, site: JiraSite, ticket: str
) -> None:
    site.jira.turns_public = True
    with pytest.raises(PermanentError, match="WAS PUBLIC"):
        source.write(ticket, TicketChange(note=INTERNAL))
    after = [method for method, path, _ in site.jira.calls if "/comment" in path]
    assert after == ["POST", "PUT", "GET"]


def test_note_goes_on_an_issue_that_has_just_been_moved(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    moved = site.jira.move(ticket, "FAC")
    source.write(ticket, TicketChange(note=INTERNAL, tags=frozenset({"m365-blocked"})))
    assert (len(site.internal_notes(moved)), site.tags(moved)) == (1, {"m365-blocked"})


@pytest.mark.parametrize(("headers", "wait"), [({"Retry-After": "17"}, 17.0), ({}, None)])
def test_throttled_note_was_not_sent_and_waits_as_long_as_it_is_told(
    source: TicketSystem, site: JiraSite, ticket: str, headers: dict[str, str], wait: float | None
) -> None:
    site.jira.throttle.append((429, headers))
    with pytest.raises(Throttled) as throttled:
        source.write(ticket, TicketChange(note=INTERNAL))
    assert throttled.value.retry_after == wait
    assert throttled.value.was_surely_not_done
    assert site.internal_notes(ticket) == []


def test_failure_after_the_note_is_no_failure_to_send_it(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    site.jira.lose_answers.append(f"PUT /rest/api/3/issue/{ticket}")
    with pytest.raises(OutcomeUnknown) as failed:
        source.write(ticket, TicketChange(note=INTERNAL, tags=frozenset({"m365-blocked"})))
    assert failed.value.is_partly_done
    assert len(site.internal_notes(ticket)) == 1


def test_lost_answer_to_a_note_leaves_open_whether_it_is_there(
    source: TicketSystem, site: JiraSite, ticket: str
) -> None:
    site.jira.lose_answers.append(f"/request/{ticket}/comment")
    with pytest.raises(OutcomeUnknown) as failed:
        source.write(ticket, TicketChange(note=INTERNAL))
    assert not failed.value.was_surely_not_done
    assert source.has_note(ticket, INTERNAL.key)


def test_wrong_token_is_told_and_never_shown(source: TicketSystem, site: JiraSite, ticket: str) -> None:
    token, site.running.ours.token = site.running.ours.token, "another one"
    with pytest.raises(Denied, match="does not take the e-mail address and token together") as denied:
        source.write(ticket, TicketChange(note=INTERNAL))
    assert token not in str(denied.value)


def test_rendering_of_the_stand_in_shows_markup_that_is_meant() -> None:
    """Or no test here would notice markup that is not."""
    shown = rendered_html("*bold* [~accountid:1] {code} !x.png! [a|https://x.example]\n\nh1. big")
    assert all(sign in shown for sign in ("<b>bold</b>", "mention", "macro", "<img", "<a href", "<h1>big"))
