"""Our adapter against the Desk API in a real django-helpdesk."""

import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plugin.errors import Denied, NotFound, PermanentError
from plugin.model import Note, Visibility
from plugin.ports import TicketChange, TicketSystem
from webhooks.ticket_systems import connect

pytestmark = pytest.mark.real

CUSTOMER = "ada@elsewhere.example"
NOBODYS = "It is on fire."


@pytest.fixture
def source(site: Any) -> TicketSystem:
    """The adapter, as the plugin connects it."""
    settings = tomllib.loads(site.plugin.config.read_text("utf-8"))["sources"]["helpdesk"]
    return connect("helpdesk", settings)


@pytest.fixture
def ticket(site: Any, request: Any) -> str:
    """A ticket that is about something else."""
    number: str = site.helpdesk.submit(CUSTOMER, request.node.name[:200], text=NOBODYS)
    return number


def note(body: str = "<p>Blocked</p>", key: str = "k1", visibility: Visibility = Visibility.INTERNAL) -> TicketChange:
    return TicketChange(note=Note(key=key, visibility=visibility, subject="Status", body_html=body))


def test_ticket_is_read_with_its_messages_and_attachment(site: Any, source: TicketSystem) -> None:
    bounce = b"Return-Path: <>\r\nStatus: 5.1.8\r\n"
    number = site.helpdesk.submit(CUSTOMER, "Räume: nicht zustellbar", text="Grüße", file=bounce)
    site.helpdesk.comment(number, "I have a look.")
    read = source.read_ticket(number)
    assert (read.id, read.subject, read.queue) == (number, "Räume: nicht zustellbar", "support")
    assert (read.requester.email, read.requester.is_agent) == (CUSTOMER, False)
    first, second = read.messages
    assert (first.text, first.author.email, first.author.is_agent, first.visibility) == (
        "Grüße",
        CUSTOMER,
        False,
        "public",
    )
    assert (second.text, second.author.email, second.author.is_agent, second.visibility) == (
        "I have a look.",
        "alex@example.edu",
        True,
        "internal",
    )
    [attachment] = first.attachments
    assert (attachment.filename, attachment.size) == ("Undeliverable.eml", len(bounce))
    assert source.fetch(attachment) == bounce


def test_mail_over_an_agents_address_is_no_agents_message(site: Any, source: TicketSystem) -> None:
    site.helpdesk.mail_in(site.report("alex@example.edu", "says alex"))
    read = source.read_ticket(site.helpdesk.ticket("says alex"))
    assert (read.messages[0].author.email, read.messages[0].author.is_agent) == ("alex@example.edu", False)
    assert read.requester.is_agent


def test_note_is_internal_and_once_even_when_sent_at_the_same_time(
    site: Any, source: TicketSystem, ticket: str
) -> None:
    mails = len(site.helpdesk.mails())
    with ThreadPoolExecutor(8) as pool:
        for written in [pool.submit(source.write, ticket, note()) for _ in range(8)]:
            written.result()
    assert site.helpdesk.notes(ticket) == ["Blocked"]
    assert source.has_note(ticket, "k1")
    assert not source.has_note(ticket, "k2")
    assert len(site.helpdesk.mails()) == mails


def test_public_note_is_mailed_to_the_requester_alone_and_once(
    site: Any, source: TicketSystem, ticket: str, request: Any
) -> None:
    site.helpdesk.write("UPDATE helpdesk_queue SET updated_ticket_cc = 'boss@example.edu' WHERE slug = 'support'")
    try:
        for _ in range(2):
            source.write(ticket, note("<p>It works again.<br>Don&#39;t worry.</p>", visibility=Visibility.PUBLIC))
    finally:
        site.helpdesk.write("UPDATE helpdesk_queue SET updated_ticket_cc = ''")
    [mail] = [it for it in site.helpdesk.mails() if f"{request.node.name} (Updated)" in str(it["Subject"])]
    assert (mail["To"], mail["Cc"], mail["Bcc"]) == (CUSTOMER, None, None)
    assert "It works again.\nDon't worry." in mail.get_body(("plain",)).get_content().replace("\r\n", "\n")


def test_public_note_is_refused_where_others_are_copied(site: Any, source: TicketSystem, ticket: str) -> None:
    site.helpdesk.write("INSERT INTO helpdesk_ticketcc (ticket_id, email, can_view, can_update) VALUES (?, ?, 1, 0)",
        ticket, "mallory@elsewhere.example")  # fmt: skip
    before = len(site.helpdesk.mails())
    with pytest.raises(PermanentError, match=r"not sent: 1 more would read it"):
        source.write(ticket, note(visibility=Visibility.PUBLIC))
    source.write(ticket, note(key="k2"))
    assert [(it["public"], it["text"]) for it in site.helpdesk.messages(ticket)] == [(1, NOBODYS), (0, "Blocked")]
    assert len(site.helpdesk.mails()) == before
    assert not source.has_note(ticket, "k1")


def test_key_that_was_used_for_a_public_note_is_not_taken_for_an_internal_one(
    source: TicketSystem, ticket: str
) -> None:
    source.write(ticket, note(visibility=Visibility.PUBLIC))
    with pytest.raises(PermanentError, match="IS PUBLIC"):
        source.write(ticket, note())


def test_words_of_strangers_in_a_note_stay_words(site: Any, source: TicketSystem, ticket: str) -> None:
    hostile = "&lt;script&gt;alert(1)&lt;/script&gt; [x](javascript:1) **b** # h &lt;https://evil.example&gt;"
    source.write(ticket, note(f'<p><strong>Real</strong> {hostile}</p><a href="https://good.example/">go</a>'))
    page = site.helpdesk.session("alex").get(f"{site.helpdesk.url}/tickets/{ticket}/", timeout=30).text
    shown = page[page.index("<strong>Real</strong>") :][:400]
    # django-helpdesk takes a scheme out of whatever looks like a link, even where it is none.
    assert "&lt;script&gt;alert(1)&lt;/script&gt; [x](1) **b** # h" in shown
    assert shown.count("<a ") == 1
    assert 'href="https://good.example/"' in shown


def test_whatever_strangers_write_is_shown_as_they_wrote_it(site: Any) -> None:
    code = """\
import html, random, re
from helpdesk.models import get_markdown
from helpdesk_m365_unblock.text import markdown
drawn = random.Random(1)
pieces = [*"ab1 \\\\`*_{}[]()#+-.!<>=~&;|'/@", "1. ", "    ", "```", "~~~", "&lt;", "- ", "---", "<b>", "<x@y.example>"]
for _ in range(4000):
    words = " ".join("".join(drawn.choice(pieces) for _ in range(drawn.randint(1, 12))).split())
    shown = get_markdown(markdown(f"<p>x<br>{html.escape(words)}</p>"))
    assert set(re.findall(r"<(/?\\w+)", shown)) <= {"p", "/p", "br"}, (words, shown)
    told = html.unescape(re.sub(r"<[^>]+>", "", shown))
    assert "".join(told.split()) == "x" + words.replace(" ", ""), (words, shown)
"""
    site.helpdesk.run(code)


def test_tags_and_fields_are_changed_and_others_tags_stay(site: Any, source: TicketSystem, ticket: str) -> None:
    for _ in range(2):
        fields = {"Sending Status": "Blocked", "Unblocked At": None}
        assert source.write(ticket, TicketChange(tags=frozenset({"m365-blocked"}), fields=fields)) == ()
    site.helpdesk.write(
        "UPDATE helpdesk_ticketcustomfieldvalue SET value = value || ', vip' WHERE value = 'm365-blocked'"
    )
    assert source.write(ticket, TicketChange(tags=frozenset({"m365-unblocked"}))) == ()
    read = source.read_ticket(ticket)
    assert read.tags == {"m365-unblocked", "vip"}
    assert (read.fields["Sending Status"], read.fields["Unblocked At"]) == ("Blocked", None)
    [refusal] = source.write(ticket, TicketChange(fields={"Colour": "red"}))
    assert "No such field: Colour" in refusal


def test_field_that_customers_would_see_is_not_written(site: Any, source: TicketSystem, ticket: str) -> None:
    site.helpdesk.write("UPDATE helpdesk_customfield SET staff_only = 0 WHERE name = 'm365_sending_status'")
    try:
        [refusal] = source.write(ticket, TicketChange(fields={"Sending Status": "Blocked"}))
    finally:
        site.helpdesk.write("UPDATE helpdesk_customfield SET staff_only = 1")
    assert "shown to customers" in refusal
    assert site.helpdesk.fields(ticket) == {}


def test_scan_finds_every_changed_ticket_once_over_several_pages(site: Any, source: TicketSystem) -> None:
    since = datetime.now(UTC)
    code = """\
from helpdesk.models import Queue, Ticket
queue = Queue.objects.get(slug="support")
for number in range(250):
    Ticket.objects.create(queue=queue, title="scanned", submitter_email="a@example.edu", description="It is on fire.")
Ticket.objects.filter(title="scanned", pk__lt=Ticket.objects.latest("pk").pk - 120).update(
    modified=Ticket.objects.latest("pk").modified)
from helpdesk_m365_unblock.models import Event
Event.objects.all().delete()
"""
    site.helpdesk.run(code)
    wanted = {str(number) for (number,) in site.helpdesk.rows("SELECT id FROM helpdesk_ticket WHERE title = 'scanned'")}
    found = [changed for changed in source.changed_since(since) if changed.id in wanted]
    assert sorted(changed.id for changed in found) == sorted(wanted)
    assert found == sorted(found, key=lambda changed: changed.updated_at)
    assert list(source.changed_since(datetime.now(UTC) + timedelta(hours=1))) == []


def test_merged_ticket_is_read_and_written_under_the_one_that_is_left(site: Any, source: TicketSystem) -> None:
    gone = site.helpdesk.submit(CUSTOMER, "merged: gone", text=NOBODYS)
    source.write(gone, note())
    left = site.helpdesk.submit(CUSTOMER, "merged: left", text=NOBODYS)
    site.helpdesk.merge(gone, left)
    assert source.read_ticket(gone).id == left
    for number in (gone, left):
        assert source.has_note(number, "k1")
        source.write(number, note())
    assert site.helpdesk.notes(left) == ["Blocked"]


def test_ticket_that_is_not_there_or_not_ours_is_told(site: Any, source: TicketSystem) -> None:
    elsewhere = site.helpdesk.submit(CUSTOMER, "another queue's", queue="Printers", text=NOBODYS)
    for gone in ("999999", "a/b", "../tickets", "ü?x=1#y", "٣", elsewhere):
        with pytest.raises(NotFound):
            source.read_ticket(gone)
        with pytest.raises(NotFound):
            source.write(gone, note())
    assert site.helpdesk.notes(elsewhere) == []


def test_wrong_token_and_an_agents_session_are_no_way_in(site: Any, ticket: str) -> None:
    settings = tomllib.loads(site.plugin.config.read_text("utf-8"))["sources"]["helpdesk"]
    with pytest.raises(Denied, match="check the token"):
        connect("helpdesk", {**settings, "api_token": "another-made-up-token-of-some-length"}).read_ticket(ticket)
    answer = site.helpdesk.session("root").get(f"{settings['api_url']}/tickets/{ticket}", timeout=30)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "notes", b"no json", 400),
        ("POST", "notes", b"[]", 400),
        ("POST", "notes", b'{"key": "k", "body_html": "x"}', 422),
        ("POST", "notes", b'{"key": "k", "body_html": "x", "visibility": "secret"}', 422),
        ("POST", "notes", b'{"key": "\\u0000", "body_html": "x", "visibility": "internal"}', 422),
        ("POST", "notes", b'{"key": "k", "body_html": "\\ud800", "visibility": "internal"}', 422),
        ("PATCH", "tags", b'{"add": ["a b"]}', 422),
        ("PATCH", "fields", b'{"Case State": 1}', 422),
        ("DELETE", "notes", b"", 405),
    ],
)
def test_request_that_is_malformed_is_refused(
    site: Any, ticket: str, method: str, path: str, body: bytes, status: int
) -> None:
    settings = tomllib.loads(site.plugin.config.read_text("utf-8"))["sources"]["helpdesk"]
    browser = site.helpdesk.session()
    browser.headers["Authorization"] = f"Bearer {settings['api_token']}"
    answer = browser.request(method, f"{settings['api_url']}/tickets/{ticket}/{path}", data=body, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert [it["text"] for it in site.helpdesk.messages(ticket)] == [NOBODYS]
