"""Tickets as the adapter reads them."""

from datetime import timedelta

import pytest

from plugin.errors import Denied, NotFound, PermanentError
from plugin.model import Attachment, Note, Visibility
from plugin.ports import TicketChange, TicketSystem
from tests.conftest import Clock
from tests.stand_ins.jira import ORGANISATIONS, PARTICIPANTS, Organisation
from tests.webhooks.jira.conftest import JiraSite
from webhooks.ticket_systems import connect

CUSTOMER = "bbadger@example.edu"
REPORT = b"Subject: Undeliverable\n\nno\n"


def test_ticket_with_its_messages_labels_and_requester(source: TicketSystem, site: JiraSite) -> None:
    key = site.file(CUSTOMER, "my mail bounces", "Please help.", REPORT)
    site.jira.issue_of(key)["labels"] = ["vip"]
    site.jira.comment_of_agent(key, site.running.agent, "Looked at *it*.", public=False)
    ticket = source.read_ticket(key)
    assert (ticket.source, ticket.id, ticket.subject) == ("desk", key, "my mail bounces")
    assert (ticket.queue, ticket.status, ticket.tags) == ("SUP", "Waiting for support", frozenset({"vip"}))
    assert ticket.url == f"{site.running.url}/browse/{key}"
    assert (ticket.requester.email, ticket.requester.is_agent) == (CUSTOMER, False)
    [opened, note] = ticket.messages
    assert (opened.author.email, opened.author.is_agent, opened.visibility) == (CUSTOMER, False, Visibility.PUBLIC)
    assert (note.text, note.content_type) == ("<p>Looked at <b>it</b>.</p>", "text/html")
    assert (note.author.is_agent, note.visibility) == (True, Visibility.INTERNAL)
    [file] = opened.attachments
    assert (file.filename, file.content_type) == ("Undeliverable.eml", "message/rfc822")
    assert source.fetch(file) == REPORT


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x",
        "{jira}/rest/api/3/myself",
        "{jira}/rest/api/3/attachment/contentx/1",
        "{jira}/secure/attachment/1/a.eml",
    ],
)
def test_nothing_but_attachments_is_fetched(source: TicketSystem, site: JiraSite, url: str) -> None:
    asked = len(site.jira.calls)
    with pytest.raises(PermanentError, match="no attachment of this Jira"):
        source.fetch(Attachment(filename="a.eml", url=url.format(jira=site.running.url)))
    assert len(site.jira.calls) == asked


def test_redirect_to_another_host_is_not_followed(source: TicketSystem, site: JiraSite) -> None:
    key = site.file(CUSTOMER, "my mail bounces", "Please help.", REPORT)
    [file] = source.read_ticket(key).messages[0].attachments
    with pytest.raises(PermanentError, match="redirects are not followed"):
        source.fetch(Attachment(filename="a.eml", url=file.url.partition("?")[0]))


def test_file_is_with_what_its_author_wrote_at_that_time(source: TicketSystem, site: JiraSite, clock: Clock) -> None:
    key = site.jira.write_in(CUSTOMER, "my mail bounces", "See file.", files=[("first.eml", "message/rfc822", REPORT)])
    clock.forward(hours=1)
    site.jira.write_on(key, CUSTOMER, "And again.", files=[("second.eml", "message/rfc822", REPORT)])
    clock.forward(minutes=1)
    site.jira.comment_of_agent(key, site.running.agent, "Thanks.", public=True)
    named = [[file.filename for file in message.attachments] for message in source.read_ticket(key).messages]
    assert named == [["first.eml"], ["second.eml"], []]


def test_requester_whose_address_is_hidden_has_none(source: TicketSystem, site: JiraSite) -> None:
    site.jira.user_of(CUSTOMER).hides_email = True
    ticket = source.read_ticket(site.file(CUSTOMER, "my mail bounces", "Please help.", None))
    assert (ticket.requester.email, ticket.requester.name) == ("", "bbadger")


def test_issue_without_a_reporter_has_no_requester(source: TicketSystem, site: JiraSite) -> None:
    key = site.file(CUSTOMER, "my mail bounces", "Please help.", None)
    site.jira.issue_of(key)["reporter"] = None
    assert source.read_ticket(key).requester.email == ""


def test_comment_that_only_a_role_may_read_is_internal(source: TicketSystem, site: JiraSite) -> None:
    key = site.file(CUSTOMER, "my mail bounces", "Please help.", None)
    number = site.jira.comment_of_agent(key, site.running.agent, "For us.", public=True)
    site.jira.comments[number]["visibility"] = {"type": "role", "value": "Service Desk Team"}
    assert source.read_ticket(key).messages[-1].visibility is Visibility.INTERNAL


# ── who is an agent ──────────────────────────────────────────────────────────────────────────────────────────────


def is_agent(source: TicketSystem, key: str) -> bool:
    return source.read_ticket(key).messages[-1].author.is_agent


def test_agent_is_who_answers_and_is_none_of_the_requests_customers(source: TicketSystem, site: JiraSite) -> None:
    jira, agent = site.jira, site.running.agent
    key = site.file(CUSTOMER, "my mail bounces", "Please help.", None)
    site.reply(key, CUSTOMER, "Hello?")
    assert not is_agent(source, key)
    jira.comment_of_agent(key, agent, "We are looking at it.", public=True)
    assert is_agent(source, key)
    jira.issue_of(key)[PARTICIPANTS] = [agent.account]
    assert not is_agent(source, key), "a member of staff can be a customer too"


def test_member_of_staff_who_asks_for_help_is_a_customer(source: TicketSystem, site: JiraSite) -> None:
    key = site.file("alex@example.edu", "my mail bounces", "Please help.", None)
    site.jira.comment_of_agent(key, site.running.agent, "Anybody?", public=True)
    assert not is_agent(source, key)
    assert not source.read_ticket(key).requester.is_agent


def test_on_a_request_shared_with_an_organisation_only_an_internal_word_shows_an_agent(
    source: TicketSystem, site: JiraSite
) -> None:
    key = site.file(CUSTOMER, "my mail bounces", "Please help.", None)
    site.jira.issue_of(key)[ORGANISATIONS] = [Organisation(id="1", name="Physics")]
    site.jira.comment_of_agent(key, site.running.agent, "We are looking at it.", public=True)
    assert not is_agent(source, key)
    site.jira.comment_of_agent(key, site.running.agent, "Blocked, I think.", public=False)
    assert [message.author.is_agent for message in source.read_ticket(key).messages[1:]] == [True, True]


def test_who_writes_a_request_for_somebody_is_an_agent_once_that_shows(source: TicketSystem, site: JiraSite) -> None:
    key = site.jira.write_in(CUSTOMER, "phone call", "bbadger cannot send.", creator=site.running.agent)
    ticket = source.read_ticket(key)
    assert (ticket.requester.email, ticket.requester.is_agent) == (CUSTOMER, False), "it may be a program of the site"
    assert not ticket.messages[0].author.is_agent
    site.jira.comment_of_agent(key, site.running.agent, "Called at 9.", public=False)
    ticket = source.read_ticket(key)
    assert (ticket.requester.email, ticket.requester.is_agent) == (CUSTOMER, True)
    assert ticket.messages[0].author.name == "Alex Agent"


# ── moved, gone, hidden ──────────────────────────────────────────────────────────────────────────────────────────


def test_moved_issue_is_read_under_its_new_key(source: TicketSystem, site: JiraSite) -> None:
    key = site.file(CUSTOMER, "my mail bounces", "Please help.", None)
    source.write(key, TicketChange(note=Note(key="k", visibility=Visibility.INTERNAL, subject="s", body_html="b")))
    moved = site.jira.move(key, "FAC")
    assert source.read_ticket(key).id == moved
    assert source.has_note(key, "k")
    assert source.read_ticket(site.jira.issue_of(moved)["id"]).id == moved


def test_deleted_issue_is_not_found(source: TicketSystem, site: JiraSite) -> None:
    key = site.file(CUSTOMER, "my mail bounces", "Please help.", None)
    site.jira.delete(key)
    with pytest.raises(NotFound, match="Issue does not exist"):
        source.read_ticket(key)


@pytest.mark.parametrize("ticket", ["", "SUP", "SUP-", "../users/1", "SUP-1/comment", "SUP-²", "0x1"])
def test_what_is_no_key_is_no_ticket(source: TicketSystem, ticket: str) -> None:
    with pytest.raises(NotFound):
        source.read_ticket(ticket)


def test_token_that_jira_does_not_take_is_no_ticket_that_is_gone(source: TicketSystem, site: JiraSite) -> None:
    key = site.file(CUSTOMER, "my mail bounces", "Please help.", None)
    token, site.running.ours.token = site.running.ours.token, "another one"
    for ask in (lambda: source.read_ticket(key), lambda: list(source.changed_since(site.jira.clock()))):
        with pytest.raises(Denied, match="does not take the e-mail address and token") as denied:
            ask()
        assert token not in str(denied.value)


def test_project_that_is_closed_to_us_is_no_ticket_that_is_gone(source: TicketSystem, site: JiraSite) -> None:
    key = site.file(CUSTOMER, "my mail bounces", "Please help.", None)
    site.running.ours.projects = frozenset({"FAC"})
    with pytest.raises(Denied, match="does not see project SUP: give it the role Service Desk Team"):
        source.read_ticket(key)


# ── the scan ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("zone", ["UTC", "America/Chicago", "Pacific/Kiritimati", "Pacific/Niue"])
def test_changed_issues_come_oldest_first_over_all_pages_in_any_time_zone(
    source: TicketSystem, site: JiraSite, clock: Clock, zone: str
) -> None:
    site.running.ours.zone = zone
    before = [site.file(CUSTOMER, "old", "text", None) for _ in range(3)]
    clock.forward(minutes=10)
    since = clock()
    later = []
    for n in range(130):
        clock.forward(seconds=1)
        later.append(site.file(CUSTOMER, f"new {n}", "text", None))
    clock.forward(seconds=1)
    site.reply(before[0], CUSTOMER, "and again")
    changed = list(source.changed_since(since))
    assert [row.id for row in changed] == [*later, before[0]]
    assert changed[0].updated_at == since + timedelta(seconds=1)


def test_change_that_the_search_finds_late_is_not_lost(source: TicketSystem, site: JiraSite, clock: Clock) -> None:
    site.jira.indexed_after = timedelta(minutes=2)
    late = site.file(CUSTOMER, "found late", "text", None)
    clock.forward(minutes=1)
    scanned = clock()
    assert list(source.changed_since(scanned - timedelta(hours=1))) == []
    clock.forward(minutes=1)
    assert [row.id for row in source.changed_since(scanned)] == [late]


def test_scan_leaves_other_projects_alone(site: JiraSite, clock: Clock) -> None:
    site.jira.write_in(CUSTOMER, "the roof leaks", "text", project="FAC")
    other = connect("desk", site.settings())
    assert list(other.changed_since(clock() - timedelta(hours=1))) == []
