"""Events on their way from django-helpdesk: none lost, none doubled, none that we raise ourselves, nobody held up."""

import socket
from contextlib import closing
from typing import Any

import pytest

pytestmark = pytest.mark.real


def accepted(site: Any) -> int:
    """How many deliveries the receiver has taken in."""
    count: int = site.plugin.log().count("delivery.accepted")
    return count


@pytest.fixture
def stopped(site: Any) -> Any:
    """The plugin is down, and nothing waits for it yet; it is up again when the test is over."""
    site.helpdesk.send_all()
    site.plugin.stop()
    yield site
    site.plugin.stop()
    site.plugin.start()


def test_what_happened_while_the_receiver_was_down_is_sent_again(stopped: Any, until: Any) -> None:
    site, before = stopped, accepted(stopped)
    ticket = site.file("dorothy.own@example.edu", "while you were out")
    until(lambda: any(site.helpdesk.waiting(ticket)), "it was tried")
    site.plugin.start()
    site.helpdesk.until_state(ticket, "Checklist open")
    until(lambda: not site.helpdesk.waiting(ticket), "nothing is left to be sent")
    assert accepted(site) == before + 1
    assert len(site.helpdesk.notes(ticket)) == 1


def test_what_a_command_left_behind_is_sent_by_the_next_one(stopped: Any, until: Any) -> None:
    site = stopped
    site.helpdesk.mail_in(site.report("lon.ger@example.edu", "fetched by cron"))
    ticket = site.helpdesk.ticket("fetched by cron")
    [error] = site.helpdesk.waiting(ticket)
    assert "no answer" in error
    site.plugin.start()
    until(lambda: site.helpdesk.manage("m365_unblock_send") and not site.helpdesk.waiting(ticket), "the event is taken")
    site.helpdesk.until_state(ticket, "Checklist open")


def test_event_that_is_lost_is_made_good_by_the_scan(stopped: Any) -> None:
    site, before = stopped, accepted(stopped)
    ticket = site.file("lois.t@example.edu", "lost on the way")
    site.helpdesk.write("DELETE FROM helpdesk_m365_unblock_event")
    site.plugin.start(M365_UNBLOCK__PROCEDURE__SCAN_EVERY="2s")
    site.helpdesk.until_state(ticket, "Checklist open")
    assert accepted(site) == before
    assert len(site.helpdesk.notes(ticket)) == 1


def test_event_sent_twice_is_one_note(stopped: Any, until: Any) -> None:
    site, table = stopped, "helpdesk_m365_unblock_event"
    ticket = site.file("sy.lent@example.edu", "told twice")
    names = "delivery_id, ticket, kind, body, created_at, due_at, attempts, last_error"
    [event] = site.helpdesk.rows(f"SELECT {names} FROM {table} WHERE ticket = ?", ticket)
    site.plugin.start()
    site.helpdesk.until_state(ticket, "Checklist open")
    until(lambda: not site.helpdesk.waiting(ticket), "nothing is left to be sent")
    before = accepted(site)
    site.helpdesk.write(f"INSERT INTO {table} ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *event)  # its answer was lost
    until(lambda: site.helpdesk.manage("m365_unblock_send") and not site.helpdesk.waiting(ticket), "it is taken again")
    assert accepted(site) == before
    assert len(site.helpdesk.notes(ticket)) == 1


def test_receiver_that_never_answers_holds_up_neither_customers_nor_agents(stopped: Any) -> None:
    site = stopped
    with closing(socket.create_server(("127.0.0.1", site.plugin.port))) as silent:
        silent.settimeout(20)
        site.helpdesk.submit("a@example.edu", "nobody answers", text="It is on fire.")
        with closing(silent.accept()[0]):
            second = site.helpdesk.submit("a@example.edu", "still nobody answers", text="It is on fire.")
            site.helpdesk.comment(second, "I have a look.")
            assert [it["text"] for it in site.helpdesk.messages(second)] == ["It is on fire.", "I have a look."]


def test_neither_our_notes_nor_our_fields_are_events(site: Any, until: Any) -> None:
    site.helpdesk.send_all()
    before = accepted(site)
    ticket = site.file("lou.ops@example.edu", "round and round")
    site.helpdesk.until_state(ticket, "Checklist open")
    until(lambda: not site.helpdesk.waiting(ticket), "nothing is left to be sent")
    assert accepted(site) == before + 1
    site.helpdesk.comment(ticket, "I have a look.")
    until(lambda: accepted(site) == before + 2, "the agent's comment is an event")
    until(lambda: not site.helpdesk.waiting(ticket), "the helpdesk has heard that it was taken")
    assert len(site.helpdesk.notes(ticket)) == 1


def test_case_goes_along_when_its_ticket_is_merged(site: Any) -> None:
    helpdesk, customer = site.helpdesk, "merle.ged@example.edu"
    gone = site.file(customer, "first report")
    helpdesk.until_state(gone, "Checklist open")
    left = helpdesk.submit(customer, "second report", text="Any news about the other one?")
    helpdesk.merge(gone, left)
    helpdesk.mail_in(site.report(customer, f"[support-{left}] second report"))
    helpdesk.until_state(left, "Checklist open")
    assert len(helpdesk.notes(left)) == 1
