"""Tickets as the adapter reads them."""

from datetime import timedelta

import pytest

from plugin.errors import Denied, NotFound, PermanentError
from plugin.model import Attachment, Note, Visibility
from plugin.ports import TicketChange, TicketSystem
from tests.conftest import Clock
from tests.webhooks.zammad.conftest import ZammadSite
from webhooks.zammad.reading import MOST_MESSAGES

CUSTOMER = "bbadger@example.edu"


def test_ticket_with_its_messages_tags_and_requester(source: TicketSystem, site: ZammadSite) -> None:
    number = site.file(CUSTOMER, "my mail bounces", "Please help.", b"Subject: Undeliverable\n\nno\n")
    site.zammad.ticket_tags[int(number)] = ["vip"]
    site.zammad.note_of_agent(int(number), site.running.agent, "Looked at it.")
    ticket = source.read_ticket(number)
    assert (ticket.source, ticket.id, ticket.subject) == ("desk", number, "my mail bounces")
    assert (ticket.queue, ticket.status, ticket.tags) == ("Service Desk", "new", frozenset({"vip"}))
    assert ticket.url == f"{site.running.url}/#ticket/zoom/{number}"
    assert (ticket.requester.email, ticket.requester.is_agent) == (CUSTOMER, False)
    [mail, note] = ticket.messages
    assert (mail.author.email, mail.author.is_agent, mail.visibility) == (CUSTOMER, False, Visibility.PUBLIC)
    assert (note.text, note.author.is_agent, note.visibility) == ("Looked at it.", True, Visibility.INTERNAL)
    [file] = mail.attachments
    assert (file.filename, file.content_type) == ("Undeliverable.eml", "message/rfc822")
    assert source.fetch(file) == b"Subject: Undeliverable\n\nno\n"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "{zammad}/api/v1/users/me", "{zammad}/api/v1/ticket_attachmentx/1"]
)
def test_nothing_but_attachments_is_fetched(source: TicketSystem, site: ZammadSite, url: str) -> None:
    asked = len(site.zammad.calls)
    with pytest.raises(PermanentError, match="no attachment of this Zammad"):
        source.fetch(Attachment(filename="a.eml", url=url.format(zammad=site.running.url)))
    assert len(site.zammad.calls) == asked


def test_agents_address_over_a_mail_makes_no_ticket_of_an_agent(source: TicketSystem, site: ZammadSite) -> None:
    number = int(site.file("alex@example.edu", "my mail bounces", "Unblock bbadger, please.", None))
    assert not source.read_ticket(str(number)).requester.is_agent
    [article] = site.zammad.articles_of(number)
    article["sender"] = "Agent"
    assert not source.read_ticket(str(number)).requester.is_agent
    article["type"] = "phone"
    assert source.read_ticket(str(number)).requester.is_agent


def test_merged_ticket_is_read_as_the_one_it_was_merged_into(source: TicketSystem, site: ZammadSite) -> None:
    first, second, third = (site.file(CUSTOMER, f"ticket {n}", "text", None) for n in range(3))
    source.write(first, TicketChange(note=Note(key="k", visibility=Visibility.INTERNAL, subject="s", body_html="b")))
    site.zammad.links.append(("normal", int(third), int(first)))
    site.zammad.merge(int(first), int(second))
    site.zammad.merge(int(second), int(third))
    assert source.read_ticket(first).id == third
    assert source.has_note(first, "k")


def test_endless_ticket_is_read_at_its_ends(source: TicketSystem, site: ZammadSite) -> None:
    number = site.file(CUSTOMER, "long", "the first", None)
    for n in range(MOST_MESSAGES + 20):
        site.reply(number, CUSTOMER, f"reply {n}")
    texts = [message.text for message in source.read_ticket(number).messages]
    assert len(texts) == MOST_MESSAGES
    assert (texts[0], texts[-1]) == ("the first", f"reply {MOST_MESSAGES + 19}")


def test_ticket_of_a_group_that_is_closed_to_us_is_denied_with_what_to_do(
    source: TicketSystem, site: ZammadSite
) -> None:
    number = site.file(CUSTOMER, "secret", "text", None)
    site.running.ours.groups = {"Users": ["full"]}
    with pytest.raises(Denied, match="its user has no access to the ticket's group"):
        source.read_ticket(number)


def test_wrong_token_is_told_as_such(source: TicketSystem, site: ZammadSite) -> None:
    site.running.ours.token = "another one"
    with pytest.raises(Denied, match=r"answered 401 \(Invalid API token!\).*does not know the token"):
        source.read_ticket("1")


@pytest.mark.parametrize("number", ["", "0x1", "1/../2", "9" * 30, "²"])
def test_what_is_no_number_is_no_ticket(source: TicketSystem, number: str) -> None:
    with pytest.raises(NotFound):
        source.read_ticket(number)


def test_changed_tickets_come_oldest_first_over_all_pages(source: TicketSystem, site: ZammadSite, clock: Clock) -> None:
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


def test_scan_passes_over_tickets_that_we_may_not_see(source: TicketSystem, site: ZammadSite, clock: Clock) -> None:
    site.running.ours.groups = {"Users": ["full"]}
    site.file(CUSTOMER, "not ours", "text", None)
    assert list(source.changed_since(clock() - timedelta(hours=1))) == []
