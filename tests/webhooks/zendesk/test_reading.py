"""Tickets as the adapter reads them."""

from datetime import timedelta

import pytest

from plugin.errors import Denied, NotFound, PermanentError, Throttled
from plugin.model import Attachment, Note, Visibility
from plugin.ports import TicketChange, TicketSystem
from tests.conftest import Clock
from tests.webhooks.zendesk.conftest import ZendeskSite
from webhooks.ticket_systems import connect
from webhooks.zendesk.reading import MOST_MESSAGES, PER_PAGE
from webhooks.zendesk.rest import Rest

CUSTOMER = "bbadger@example.edu"
NOTE = Note(key="k", visibility=Visibility.INTERNAL, subject="s", body_html="<p>b</p>")


def test_ticket_with_its_messages_tags_and_requester(source: TicketSystem, site: ZendeskSite) -> None:
    number = site.file(CUSTOMER, "my mail bounces", "Please help.", b"Subject: Undeliverable\n\nno\n")
    site.zendesk.tickets[int(number)]["tags"] = ["vip"]
    site.zendesk.comment_of_agent(int(number), site.running.agent, "Looked at it.")
    ticket = source.read_ticket(number)
    assert (ticket.source, ticket.id, ticket.subject) == ("desk", number, "my mail bounces")
    assert (ticket.queue, ticket.status, ticket.tags) == ("Service Desk", "new", frozenset({"vip"}))
    assert ticket.url == f"{site.running.url}/agent/tickets/{number}"
    assert (ticket.requester.email, ticket.requester.is_agent) == (CUSTOMER, False)
    [mail, note] = ticket.messages
    assert (mail.author.email, mail.author.is_agent, mail.visibility) == (CUSTOMER, False, Visibility.PUBLIC)
    assert "Looked at it." in note.text
    assert (note.author.is_agent, note.visibility) == (True, Visibility.INTERNAL)
    [file] = mail.attachments
    assert (file.filename, file.content_type) == ("Undeliverable.eml", "message/rfc822")
    assert source.fetch(file) == b"Subject: Undeliverable\n\nno\n"


def test_fields_are_told_by_their_promised_names(source: TicketSystem, site: ZendeskSite) -> None:
    number = site.file(CUSTOMER, "x", "y", None)
    field = site.zendesk.add_field({"type": "text", "title": "Case State"})
    site.zendesk.tickets[int(number)]["fields"][field["id"]] = "Ready"
    assert source.read_ticket(number).fields == {"Case State": "Ready"}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/attachments/token/x/",
        "{zendesk}/api/v2/users/me",
        "{zendesk}/attachmentsx/token/x/",
        "{zendesk}/attachments/../api/v2/users/me",
        "{zendesk}/attachments/%2e%2e/api/v2/users/me",
    ],
)
def test_nothing_but_attachments_is_fetched(source: TicketSystem, site: ZendeskSite, url: str) -> None:
    asked = len(site.zendesk.calls)
    with pytest.raises(PermanentError, match="no attachment of this Zendesk"):
        source.fetch(Attachment(filename="a.eml", url=url.format(zendesk=site.running.url)))
    assert len(site.zendesk.calls) == asked


def test_attachment_is_followed_to_zendesks_own_store_alone(site: ZendeskSite) -> None:
    number = site.file(CUSTOMER, "x", "y", b"Subject: no\n\nno\n")
    kept_elsewhere = connect("desk", {**site.settings(), "content_hosts": ["zdusercontent.com"]})
    [file] = kept_elsewhere.read_ticket(number).messages[0].attachments
    with pytest.raises(PermanentError, match="sent on to localhost, where Zendesk keeps no attachments: not followed"):
        kept_elsewhere.fetch(file)


@pytest.mark.parametrize("host", ["evil-localhost", "localhost.evil.example", "user@localhost", ""])
def test_attachment_is_followed_to_nobody_who_looks_like_it(source: TicketSystem, site: ZendeskSite, host: str) -> None:
    number = site.file(CUSTOMER, "x", "y", b"Subject: no\n\nno\n")
    site.zendesk.content_url = f"http://{host}"
    [file] = source.read_ticket(number).messages[0].attachments
    with pytest.raises(PermanentError):
        source.fetch(file)


def test_agents_address_over_a_mail_makes_no_ticket_of_an_agent(source: TicketSystem, site: ZendeskSite) -> None:
    number = int(site.file("alex@example.edu", "my mail bounces", "Unblock bbadger, please.", None))
    assert not source.read_ticket(str(number)).requester.is_agent
    [comment] = site.zendesk.comments_of(number)
    comment["via"]["channel"] = "web"
    assert source.read_ticket(str(number)).requester.is_agent


def test_mail_whose_author_zendesk_doubts_is_no_agents(source: TicketSystem, site: ZendeskSite) -> None:
    number = int(site.file(CUSTOMER, "my mail bounces", "Help.", None))
    site.zendesk.mail_on(number, "alex@example.edu", "All is well again.", trusted=False)
    site.zendesk.mail_on(number, "alex@example.edu", "I look into it.")
    assert [message.author.is_agent for message in source.read_ticket(str(number)).messages] == [False, False, True]


def test_merged_ticket_is_read_as_the_one_it_was_merged_into(source: TicketSystem, site: ZendeskSite) -> None:
    first, second, third = (site.file(CUSTOMER, f"ticket {n}", "text", None) for n in range(3))
    site.zendesk.merge(int(first), int(second), site.running.agent)
    site.zendesk.merge(int(second), int(third), site.running.agent)
    assert source.read_ticket(first).id == third
    source.write(first, TicketChange(note=NOTE))
    assert len(site.internal_notes(third)) == 1
    assert source.has_note(first, "k")


def test_ticket_that_bears_the_tag_without_zendesks_word_stays_itself(source: TicketSystem, site: ZendeskSite) -> None:
    number = site.file(CUSTOMER, "x", "merged into #1", None)
    site.zendesk.tickets[int(number)] |= {"tags": ["closed_by_merge"], "status": "closed"}
    assert source.read_ticket(number).id == number


def test_deleted_ticket_is_gone(source: TicketSystem, site: ZendeskSite) -> None:
    number = site.file(CUSTOMER, "x", "y", None)
    site.zendesk.tickets[int(number)]["status"] = "deleted"
    with pytest.raises(NotFound):
        source.read_ticket(number)


def test_author_who_is_gone_is_nobody(source: TicketSystem, site: ZendeskSite) -> None:
    number = site.file(CUSTOMER, "x", "y", None)
    del site.zendesk.users[site.zendesk.user_of(CUSTOMER).id]
    ticket = source.read_ticket(number)
    assert (ticket.requester.email, ticket.messages[0].author.email) == ("", "")


def test_endless_ticket_is_read_at_its_ends(source: TicketSystem, site: ZendeskSite) -> None:
    number = site.file(CUSTOMER, "long", "the first", None)
    for n in range(PER_PAGE + 20):
        site.reply(number, CUSTOMER, f"reply {n}")
    texts = [message.text for message in source.read_ticket(number).messages]
    assert len(texts) == MOST_MESSAGES
    assert (texts[0], texts[-1]) == ("<p>the first</p>", f"<p>reply {PER_PAGE + 19}</p>")


def test_note_is_found_on_whatever_page_it_is(source: TicketSystem, site: ZendeskSite) -> None:
    number = site.file(CUSTOMER, "long", "the first", None)
    source.write(number, TicketChange(note=NOTE))
    for n in range(PER_PAGE + 20):
        site.reply(number, CUSTOMER, f"reply {n}")
    assert source.has_note(number, "k")
    assert not source.has_note(number, "another")


def test_wrong_token_is_told_as_such(source: TicketSystem, site: ZendeskSite) -> None:
    site.zendesk.token = "another one"
    with pytest.raises(Denied, match=r"answered 401 \(Couldn't authenticate you\).*does not know this user") as denied:
        source.read_ticket("1")
    assert "made-up" not in str(denied.value)


@pytest.mark.parametrize("number", ["", "0x1", "1/../2", "9" * 30, "²", "me"])
def test_what_is_no_number_is_no_ticket(source: TicketSystem, number: str) -> None:
    with pytest.raises(NotFound):
        source.read_ticket(number)


def test_changed_tickets_come_oldest_first_over_all_pages(
    source: TicketSystem, site: ZendeskSite, clock: Clock
) -> None:
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


def test_scan_leaves_the_rest_of_the_accounts_limit_to_others(site: ZendeskSite, clock: Clock) -> None:
    source = connect("desk", site.settings())
    number = site.file(CUSTOMER, "x", "y", None)
    site.zendesk.limit = 3
    source.read_ticket(number)
    asked = len(site.zendesk.calls)
    with pytest.raises(Throttled, match="nearly used up") as held:
        list(source.changed_since(clock()))
    assert held.value.retry_after is not None
    assert 30 < held.value.retry_after <= 38
    assert len(site.zendesk.calls) == asked


def test_scan_goes_on_once_the_minute_is_over(site: ZendeskSite) -> None:
    now = [100.0]
    settings = site.settings()
    rest = Rest("desk", settings["url"], settings["own_user"], settings["token"], clock=lambda: now[0])
    site.zendesk.limit = 1
    rest.get("look", "users", "me")
    with pytest.raises(Throttled):
        rest.spare("scan")
    now[0] += 38.1
    rest.spare("scan")
