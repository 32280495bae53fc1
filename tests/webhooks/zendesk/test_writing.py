"""What the adapter puts on a ticket, and what it makes of a Zendesk that does something else."""

import pytest

from plugin.errors import Denied, NotFound, OutcomeUnknown, PermanentError, Throttled
from plugin.manifest import manifest
from plugin.model import Note, Visibility
from plugin.ports import TicketChange, TicketSystem
from tests.conftest import Clock
from tests.webhooks.zendesk.conftest import ZendeskSite
from webhooks.ticket_systems import connect
from webhooks.zendesk.rest import Rest
from webhooks.zendesk.ticket_fields import TicketFields

INTERNAL = Note(
    key="m365-unblock/c/1/blocked", visibility=Visibility.INTERNAL, subject="Blocked", body_html="<p>No</p>"
)
PUBLIC = Note(key="m365-unblock/c/1/reply", visibility=Visibility.PUBLIC, subject="Your mail", body_html="<p>Yes</p>")
FIELDS = {"Sending Status": "Blocked", "Blocked Addresses": None}
BLOCKED = frozenset({"m365-blocked"})


@pytest.fixture
def ticket(site: ZendeskSite) -> str:
    return site.file("bbadger@example.edu", "my mail bounces", "Please help.", None)


# ── who reads it ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_note_is_found_by_its_key_only_where_we_wrote_it(source: TicketSystem, site: ZendeskSite, ticket: str) -> None:
    assert not source.has_note(ticket, INTERNAL.key)
    source.write(ticket, TicketChange(note=INTERNAL))
    [note] = site.internal_notes(ticket)
    assert source.has_note(ticket, INTERNAL.key)
    assert not source.has_note(ticket, INTERNAL.key + "2")
    other = site.file("bbadger@example.edu", "again", "> " + note, None)
    assert not source.has_note(other, INTERNAL.key), "a customer quotes it, which makes it no note of ours"


def test_who_may_see_a_note_is_said_with_each(source: TicketSystem, site: ZendeskSite, ticket: str) -> None:
    source.write(ticket, TicketChange(note=INTERNAL))
    source.write(ticket, TicketChange(note=PUBLIC))
    assert [update["comment"]["public"] for update in site.updates(ticket)] == [False, True]
    assert [address for address, _ in site.zendesk.mails] == ["bbadger@example.edu"]


def test_internal_note_that_came_out_public_is_hidden_and_told(
    source: TicketSystem, site: ZendeskSite, ticket: str
) -> None:
    site.zendesk.turns_public = True
    with pytest.raises(
        PermanentError, match=rf"AN INTERNAL NOTE ON TICKET {ticket} WAS PUBLIC.*it is hidden now"
    ) as told:
        source.write(ticket, TicketChange(note=INTERNAL))
    assert not told.value.was_surely_not_done
    assert len(site.internal_notes(ticket)) == 1
    assert site.public_texts(ticket) == []


def test_reply_that_is_kept_private_is_told_as_not_sent(source: TicketSystem, site: ZendeskSite, ticket: str) -> None:
    site.running.ours.role_type = 1
    with pytest.raises(PermanentError, match="was kept as an internal note: it was not sent, answer by hand"):
        source.write(ticket, TicketChange(note=PUBLIC))
    assert site.zendesk.mails == []


@pytest.mark.parametrize(
    ("kind", "role", "is_sent"),
    [
        ("email_cc_ids", "end-user", False),
        ("email_cc_ids", "agent", False),
        ("collaborator_ids", "end-user", False),
        ("follower_ids", "end-user", False),
        ("follower_ids", "agent", True),
    ],
)
def test_reply_goes_out_only_where_no_outsider_is_mailed_it_too(
    source: TicketSystem, site: ZendeskSite, ticket: str, kind: str, role: str, is_sent: bool
) -> None:
    other = site.zendesk.add_user("boss@example.org", role=role)
    site.zendesk.tickets[int(ticket)][kind] = [other.id]
    if is_sent:
        source.write(ticket, TicketChange(note=PUBLIC))
        assert len(site.public_texts(ticket)) == 1
        return
    with pytest.raises(PermanentError, match=r"not sent: Zendesk would mail it to boss@example.org too") as refused:
        source.write(ticket, TicketChange(note=PUBLIC))
    assert refused.value.was_surely_not_done
    assert site.public_texts(ticket) == []
    source.write(ticket, TicketChange(note=INTERNAL))
    assert len(site.internal_notes(ticket)) == 1


def test_reply_is_not_sent_where_a_whole_organization_reads_the_ticket(
    source: TicketSystem, site: ZendeskSite, ticket: str
) -> None:
    site.zendesk.organizations[5] = {"id": 5, "name": "Biology", "shared_tickets": True}
    site.zendesk.tickets[int(ticket)]["organization_id"] = 5
    with pytest.raises(PermanentError, match="everybody in the requester's organization"):
        source.write(ticket, TicketChange(note=PUBLIC))
    site.zendesk.organizations[5]["shared_tickets"] = False
    source.write(ticket, TicketChange(note=PUBLIC))
    assert len(site.public_texts(ticket)) == 1


def test_reply_to_a_requester_without_an_address_is_not_sent(
    source: TicketSystem, site: ZendeskSite, ticket: str
) -> None:
    site.zendesk.users[site.zendesk.tickets[int(ticket)]["requester_id"]].email = None
    with pytest.raises(PermanentError, match="not sent: the ticket's requester has no mail address") as refused:
        source.write(ticket, TicketChange(note=PUBLIC))
    assert refused.value.was_surely_not_done
    assert site.public_texts(ticket) == []


def test_placeholder_that_a_stranger_wrote_is_not_filled_in(
    source: TicketSystem, site: ZendeskSite, ticket: str
) -> None:
    body = "<p>{{ticket.requester.email}} {% if x %} {{{ticket.id}}}</p>"
    note = Note(key="k", visibility=Visibility.INTERNAL, subject="s", body_html=body)
    source.write(ticket, TicketChange(note=note))
    [kept] = site.internal_notes(ticket)
    assert "leaked" not in kept
    assert ticket not in kept
    assert "ticket.requester.email" in kept


def test_user_who_is_no_agent_writes_nothing(source: TicketSystem, site: ZendeskSite, ticket: str) -> None:
    site.running.ours.role = "end-user"
    with pytest.raises(Denied, match="our user may not see or change it"):
        source.write(ticket, TicketChange(note=INTERNAL))
    assert site.internal_notes(ticket) + site.public_texts(ticket) == []


# ── tags and fields ──────────────────────────────────────────────────────────────────────────────────────────────


def test_only_our_tags_are_changed(source: TicketSystem, site: ZendeskSite, ticket: str) -> None:
    site.zendesk.tickets[int(ticket)]["tags"] = ["vip", "m365-blocked", "m365-private"]
    assert source.write(ticket, TicketChange(tags=frozenset({"m365-unblocked"}))) == ()
    assert site.tags(ticket) == {"vip", "m365-private", "m365-unblocked"}
    assert source.write(ticket, TicketChange(tags=frozenset({"m365-unblocked"}))) == ()
    assert len(site.updates(ticket)) == 1, "nothing to do, so nothing is sent"


def test_tag_that_somebody_adds_at_the_same_moment_stays(source: TicketSystem, site: ZendeskSite, ticket: str) -> None:
    site.zendesk.collide = 2
    assert source.write(ticket, TicketChange(note=INTERNAL, tags=BLOCKED)) == ()
    assert site.tags(ticket) == {"quicker0", "quicker1", "m365-blocked"}
    assert len(site.updates(ticket)) == 3
    assert len(site.internal_notes(ticket)) == 1


def test_where_others_never_stop_the_note_waits(source: TicketSystem, site: ZendeskSite, ticket: str) -> None:
    site.zendesk.collide = 1000
    with pytest.raises(Throttled, match="others keep changing it"):
        source.write(ticket, TicketChange(note=INTERNAL, tags=BLOCKED))
    assert site.internal_notes(ticket) == []
    assert "m365-blocked" not in site.tags(ticket)
    assert not source.has_note(ticket, INTERNAL.key)


def test_every_promised_tag_can_be_set(source: TicketSystem, site: ZendeskSite, ticket: str) -> None:
    for tag in manifest()["tags"]:
        source.write(ticket, TicketChange(tags=frozenset({tag})))
        assert site.tags(ticket) == {tag}


def test_fields_are_written_cleared_and_nothing_else_is_touched(
    source: TicketSystem, site: ZendeskSite, ticket: str
) -> None:
    site.make_fields()
    room = site.zendesk.add_field({"type": "text", "title": "Room"})
    held = {row["title"]: number for number, row in site.zendesk.ticket_fields.items()}
    site.zendesk.tickets[int(ticket)]["fields"] |= {held["Blocked Addresses"]: "old@example.edu", room["id"]: "B 12"}
    assert source.write(ticket, TicketChange(fields=FIELDS)) == ()
    assert site.fields(ticket) == {"Sending Status": "Blocked", "Room": "B 12"}
    assert source.write(ticket, TicketChange(fields=FIELDS)) == ()
    assert len(site.updates(ticket)) == 1


def test_field_that_is_not_there_is_told_and_holds_nothing_up(
    source: TicketSystem, site: ZendeskSite, ticket: str
) -> None:
    told = source.write(ticket, TicketChange(note=INTERNAL, fields=FIELDS))
    assert len(told) == 2
    assert "there is no one active ticket field “Sending Status”: run m365-unblock install zendesk" in told[0]
    assert len(site.internal_notes(ticket)) == 1


def test_field_that_end_users_can_see_is_not_written(source: TicketSystem, site: ZendeskSite, ticket: str) -> None:
    site.make_fields()
    for row in site.zendesk.ticket_fields.values():
        row["visible_in_portal"] = True
    told = source.write(ticket, TicketChange(note=INTERNAL, fields=FIELDS))
    assert "end users can see the ticket field “Sending Status”" in told[0]
    assert site.fields(ticket) == {}


def test_ticket_fields_are_looked_at_again_after_five_minutes(site: ZendeskSite) -> None:
    now = [0.0]
    settings = site.settings()
    rest = Rest("desk", settings["url"], settings["own_user"], settings["token"])
    ticket_fields = TicketFields(rest, {}, clock=lambda: now[0])
    assert ticket_fields.found() == {}
    site.make_fields()
    now[0] = 299.0
    assert ticket_fields.found() == {}
    now[0] = 300.0
    assert set(ticket_fields.found()) == set(manifest()["fields"])


def test_field_of_another_title_is_known_by_its_number(site: ZendeskSite, ticket: str) -> None:
    row = site.zendesk.add_field({"type": "text", "title": "M365: may it send?"})
    source = connect("desk", {**site.settings(), "field_numbers": {"Sending Status": row["id"]}})
    assert source.write(ticket, TicketChange(fields={"Sending Status": "Blocked"})) == ()
    assert site.fields(ticket) == {"M365: may it send?": "Blocked"}


def test_value_that_zendesk_refuses_keeps_neither_note_nor_tag_off_the_ticket(
    source: TicketSystem, site: ZendeskSite, ticket: str
) -> None:
    site.make_fields()
    site.zendesk.refused_values = {"Blocked"}
    fields = {"Sending Status": "Blocked", "Case State": "Ready"}
    [told] = source.write(ticket, TicketChange(note=INTERNAL, tags=BLOCKED, fields=fields))
    assert "answered 422 (RecordInvalid: Record validation errors: Base: Sending Status: is not of the form" in told
    assert len(site.internal_notes(ticket)) == 1
    assert site.tags(ticket) == {"m365-blocked"}
    assert site.fields(ticket) == {"Case State": "Ready"}


# ── what does not work out ───────────────────────────────────────────────────────────────────────────────────────


def test_closed_ticket_takes_no_note_and_says_so(source: TicketSystem, site: ZendeskSite, ticket: str) -> None:
    site.zendesk.tickets[int(ticket)]["status"] = "closed"
    for change in (TicketChange(note=INTERNAL), TicketChange(note=INTERNAL, tags=BLOCKED)):
        with pytest.raises(PermanentError, match="closed prevents ticket update") as refused:
            source.write(ticket, change)
        assert refused.value.was_surely_not_done
    [told] = source.write(ticket, TicketChange(tags=BLOCKED))
    assert "closed prevents ticket update" in told


def test_ticket_that_is_gone_is_told_as_such(source: TicketSystem) -> None:
    for change in (TicketChange(note=INTERNAL), TicketChange(fields=FIELDS), TicketChange(tags=BLOCKED)):
        with pytest.raises(NotFound):
            source.write("999999", change)


@pytest.mark.parametrize(("headers", "wait"), [({"Retry-After": "17"}, 17.0), ({}, None)])
def test_throttled_note_was_not_sent_and_waits_as_long_as_it_is_told(
    source: TicketSystem, site: ZendeskSite, ticket: str, headers: dict[str, str], wait: float | None
) -> None:
    site.zendesk.throttle.append((429, headers))
    with pytest.raises(Throttled) as throttled:
        source.write(ticket, TicketChange(note=INTERNAL))
    assert throttled.value.retry_after == wait
    assert throttled.value.was_surely_not_done
    assert site.internal_notes(ticket) == []


def test_limit_of_one_tickets_updates_is_waited_out(
    source: TicketSystem, site: ZendeskSite, ticket: str, clock: Clock
) -> None:
    tags = [frozenset({tag}) for tag in manifest()["tags"]]
    for n in range(30):
        source.write(ticket, TicketChange(tags=tags[n % len(tags)]))
    with pytest.raises(Throttled) as throttled:
        source.write(ticket, TicketChange(note=INTERNAL))
    assert throttled.value.retry_after == 93
    clock.forward(minutes=11)
    source.write(ticket, TicketChange(note=INTERNAL))
    assert len(site.internal_notes(ticket)) == 1


def test_failure_after_the_note_is_no_failure_to_send_it(source: TicketSystem, site: ZendeskSite, ticket: str) -> None:
    site.zendesk.lose_answers.append(("GET", f"/tickets/{ticket}/comments"))
    with pytest.raises(OutcomeUnknown) as failed:
        source.write(ticket, TicketChange(note=INTERNAL, tags=BLOCKED))
    assert failed.value.is_partly_done
    assert len(site.internal_notes(ticket)) == 1
    assert source.has_note(ticket, INTERNAL.key)
