"""What the adapter puts on a ticket, and what it makes of a Zammad that does something else."""

import pytest

from plugin.errors import Denied, NotFound, OutcomeUnknown, PermanentError, Throttled
from plugin.manifest import manifest
from plugin.model import Note, Visibility
from plugin.ports import Step, TicketChange, TicketSystem
from tests.webhooks.zammad.conftest import ZammadSite

INTERNAL = Note(
    key="m365-unblock/c/1/blocked", visibility=Visibility.INTERNAL, subject="Blocked", body_html="<p>No</p>"
)
PUBLIC = Note(key="m365-unblock/c/1/reply", visibility=Visibility.PUBLIC, subject="Your mail", body_html="<p>Yes</p>")
FIELDS = {"Sending Status": "Blocked", "Blocked Addresses": None}


@pytest.fixture
def ticket(site: ZammadSite) -> str:
    return site.file("bbadger@example.edu", "my mail bounces", "Please help.", None)


def test_note_is_found_by_its_key_only_where_we_wrote_it(source: TicketSystem, site: ZammadSite, ticket: str) -> None:
    assert not source.has_note(ticket, INTERNAL.key)
    source.write(ticket, TicketChange(note=INTERNAL))
    [note] = site.internal_notes(ticket)
    assert source.has_note(ticket, INTERNAL.key)
    assert not source.has_note(ticket, INTERNAL.key + "2")
    other = site.file("bbadger@example.edu", "again", "> " + note, None)
    assert not source.has_note(other, INTERNAL.key), "a customer quotes it, which makes it no note of ours"


def test_reply_goes_by_mail_to_the_customer_alone(source: TicketSystem, site: ZammadSite, ticket: str) -> None:
    source.write(ticket, TicketChange(note=PUBLIC))
    mail = site.zammad.articles_of(int(ticket))[-1]
    assert (mail["type"], mail["to"], mail["cc"], mail["internal"]) == ("email", "bbadger@example.edu", "", False)


def test_reply_to_a_customer_without_an_address_is_not_sent(
    source: TicketSystem, site: ZammadSite, ticket: str
) -> None:
    site.zammad.users[site.zammad.tickets[int(ticket)]["customer_id"]].email = ""
    with pytest.raises(PermanentError, match="not sent: the ticket's customer has no mail address") as refused:
        source.write(ticket, TicketChange(note=PUBLIC))
    assert refused.value.was_surely_not_done
    assert site.public_texts(ticket) == []


def test_internal_note_that_came_out_public_is_hidden_and_told(
    source: TicketSystem, site: ZammadSite, ticket: str
) -> None:
    site.zammad.turns_public = True
    with pytest.raises(
        PermanentError, match=rf"AN INTERNAL NOTE ON TICKET {ticket} WAS PUBLIC.*it is hidden now"
    ) as told:
        source.write(ticket, TicketChange(note=INTERNAL))
    assert not told.value.was_surely_not_done
    assert len(site.internal_notes(ticket)) == 1
    assert site.public_texts(ticket) == []


def test_user_without_the_rights_of_an_agent_writes_nothing(
    source: TicketSystem, site: ZammadSite, ticket: str
) -> None:
    site.running.ours.permissions = frozenset({"ticket.customer"})
    with pytest.raises(Denied, match=r"ticket\.agent"):
        source.write(ticket, TicketChange(note=INTERNAL))
    assert site.internal_notes(ticket) + site.public_texts(ticket) == []


def test_only_our_tags_are_changed(source: TicketSystem, site: ZammadSite, ticket: str) -> None:
    site.zammad.ticket_tags[int(ticket)] = ["vip", "m365-blocked", "m365-private"]
    assert source.write(ticket, TicketChange(tags=frozenset({"m365-unblocked"}))) == ()
    assert site.tags(ticket) == {"vip", "m365-private", "m365-unblocked"}
    changed = len(site.zammad.calls)
    assert source.write(ticket, TicketChange(tags=frozenset({"m365-unblocked"}))) == ()
    assert [method for method, _, _ in site.zammad.calls[changed:]] == ["GET"], "nothing to do, so nothing is sent"


def test_tag_that_may_not_be_made_is_told_and_holds_nothing_up(
    source: TicketSystem, site: ZammadSite, ticket: str
) -> None:
    site.zammad.tag_new = False
    [told] = source.write(ticket, TicketChange(note=INTERNAL, tags=frozenset({"m365-blocked"})))
    assert "Tag cannot be created" in told
    assert len(site.internal_notes(ticket)) == 1


def test_attribute_that_zammad_drops_without_a_word_is_told(source: TicketSystem, ticket: str) -> None:
    told = source.write(ticket, TicketChange(fields=FIELDS))
    assert len(told) == 2
    assert "no attribute unblock_sending_status: run m365-unblock install zammad" in told[0]


def test_fields_are_written_cleared_and_nothing_else_is_touched(
    source: TicketSystem, site: ZammadSite, ticket: str
) -> None:
    for name in ("unblock_sending_status", "unblock_blocked_addresses", "room"):
        site.zammad.add_attribute({"object": "Ticket", "name": name, "data_option": {"maxlength": 255}})
    for attribute in site.zammad.attributes.values():
        attribute["to_migrate"] = False
    row = site.zammad.tickets[int(ticket)]
    row |= {"unblock_blocked_addresses": "old@example.edu", "room": "B 12"}
    assert source.write(ticket, TicketChange(fields=FIELDS)) == ()
    assert site.fields(ticket) == {"Sending Status": "Blocked"}
    assert row["room"] == "B 12"
    [too_long] = source.write(ticket, TicketChange(fields={"Sending Status": "x" * 300}))
    assert "too long" in too_long


def test_ticket_that_is_gone_is_told_as_such(source: TicketSystem) -> None:
    with pytest.raises(NotFound):
        source.write("999999", TicketChange(note=INTERNAL))
    with pytest.raises(NotFound):
        source.write("999999", TicketChange(fields=FIELDS))
    with pytest.raises(NotFound):
        source.read_ticket("../users/1")


@pytest.mark.parametrize(("headers", "wait"), [({"Retry-After": "17"}, 17.0), ({}, None)])
def test_throttled_note_was_not_sent_and_waits_as_long_as_it_is_told(
    source: TicketSystem, site: ZammadSite, ticket: str, headers: dict[str, str], wait: float | None
) -> None:
    site.zammad.throttle.append((429, headers))
    with pytest.raises(Throttled) as throttled:
        source.write(ticket, TicketChange(note=INTERNAL))
    assert throttled.value.retry_after == wait
    assert throttled.value.was_surely_not_done
    assert site.internal_notes(ticket) == []


def test_failure_after_the_note_is_no_failure_to_send_it(source: TicketSystem, site: ZammadSite, ticket: str) -> None:
    site.zammad.lose_answers.append("/tags/add")
    with pytest.raises(OutcomeUnknown) as failed:
        source.write(ticket, TicketChange(note=INTERNAL, tags=frozenset({"m365-blocked"})))
    assert failed.value.is_partly_done
    assert len(site.internal_notes(ticket)) == 1


# ── the checklist ────────────────────────────────────────────────────────────────────────────────────────────────

STEPS = (Step(text="Password changed", is_done=True), Step(text="Rules looked at", is_done=False))


def test_checklist_is_made_once_and_then_kept_in_line(source: TicketSystem, site: ZammadSite, ticket: str) -> None:
    assert source.write(ticket, TicketChange(checklist=STEPS)) == ()
    assert site.zammad.steps_of(int(ticket)) == [("Password changed", True), ("Rules looked at", False)]
    [checklist] = site.zammad.checklists.values()
    assert "progress only" in checklist["name"]
    turned = (Step(text="Password changed", is_done=False), Step(text="Asked Security", is_done=True))
    assert source.write(ticket, TicketChange(checklist=turned)) == ()
    assert site.zammad.steps_of(int(ticket)) == [("Password changed", False), ("Asked Security", True)]
    assert len(site.zammad.checklists) == 1


def test_what_an_agent_added_to_our_checklist_stays(source: TicketSystem, site: ZammadSite, ticket: str) -> None:
    source.write(ticket, TicketChange(checklist=STEPS))
    [number] = site.zammad.checklists
    site.zammad.add_item(site.running.agent, {"checklist_id": number, "text": "call back on Monday"})
    source.write(ticket, TicketChange(checklist=()))
    assert site.zammad.steps_of(int(ticket)) == [("call back on Monday", False)]


def test_checklist_of_somebody_else_is_left_alone(source: TicketSystem, site: ZammadSite, ticket: str) -> None:
    site.zammad.make_checklist(site.running.agent, {"ticket_id": int(ticket)})
    assert source.write(ticket, TicketChange(checklist=STEPS)) == ()
    assert site.zammad.steps_of(int(ticket)) == [("", False)]


def test_no_checklist_is_made_while_nothing_is_asked(source: TicketSystem, site: ZammadSite, ticket: str) -> None:
    assert source.write(ticket, TicketChange(checklist=())) == ()
    assert site.zammad.checklists == {}


def test_zammad_without_checklists_is_told_and_is_no_ticket_that_is_gone(
    source: TicketSystem, site: ZammadSite, ticket: str
) -> None:
    site.zammad.has_checklists = False
    [told] = source.write(ticket, TicketChange(note=INTERNAL, tags=frozenset(), checklist=STEPS))
    assert "set checklist = false" in told
    assert len(site.internal_notes(ticket)) == 1


def test_every_promised_tag_can_be_set(source: TicketSystem, site: ZammadSite, ticket: str) -> None:
    for tag in manifest()["tags"]:
        source.write(ticket, TicketChange(tags=frozenset({tag})))
        assert site.tags(ticket) == {tag}
