"""The generic ticket system against the demo desk over real HTTP: both hold to the same contract, so they must fit."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask, request

from plugin.demo.desk import Desk, DeskAgent, DeskConfig, Sender, create_app
from plugin.demo.desk.launch import launch_token
from plugin.demo.desk.records import Person
from plugin.demo.serving import bind, serve
from plugin.errors import Denied, NotAllowed, NotFound, PermanentError, Unreachable
from plugin.model import Agent, Attachment, Delivery, Note, Role, Visibility
from plugin.ports import TicketChange, TicketSystem
from webhooks.ticket_systems import connect

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ADA = Person(email="ada@example.edu", name="Ada Lovelace")
GIL = DeskAgent(login="gil", name="Gil", email="gil@example.edu", role="agent", sign_in_key="k" * 32)
BOUNCE = b"Return-Path: <>\r\nStatus: 5.1.8\r\n"


class Clock:
    """Moves a second at every look, so that no two changes have one moment."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Served:
    """The demo desk, the generic ticket system connected to it, and what the desk sent to the webhook."""

    def __init__(self) -> None:
        self.received: list[Delivery] = []
        self.clock = Clock()
        hook, desk = bind("127.0.0.1"), bind("127.0.0.1")
        self.url = f"http://127.0.0.1:{desk.getsockname()[1]}"
        self.config = DeskConfig(
            base_url=self.url,
            api_token="a-made-up-desk-token",
            webhook_url=f"http://127.0.0.1:{hook.getsockname()[1]}/webhooks/desk",
            webhook_secret="whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
            source="desk",
            panel_url="http://127.0.0.1:1",
            panel_secret="a made-up secret for launch tokens",
            people=(GIL,),
            clock=self.clock,
            page_size=2,
        )
        app = create_app(self.config)
        self.desk: Desk = app.extensions["desk"]
        self.sender: Sender = app.extensions["sender"]
        self.servers = [serve(app, "", 0, listening=desk), serve(self._hook(), "", 0, listening=hook)]
        self.generic = self.connected()

    def connected(self, **other: Any) -> TicketSystem:
        settings = {
            "system": "generic",
            "api_url": f"{self.url}/api",
            "api_token": self.config.api_token,
            "webhook_secrets": [self.config.webhook_secret],
            "launch_secrets": [self.config.panel_secret],
            "own_user": self.config.service_email,
        }
        return connect("desk", {**settings, **other})

    def _hook(self) -> Flask:
        app = Flask("hook")

        @app.post("/webhooks/desk")
        def receive() -> tuple[str, int]:
            headers = {name.lower(): value for name, value in request.headers.items()}
            body = request.get_data()
            self.received.append(Delivery(source="desk", headers=headers, body=body, received_at=self.clock.now))
            return "", 202

        return app

    def ticket(self, **more: str) -> str:
        file = self.desk.keep_file("bounce.eml", "message/rfc822", BOUNCE)
        return self.desk.open_ticket(ADA, "Undeliverable: Räume", more.get("text", "It bounces"), files=[file]).id

    def close(self) -> None:
        self.sender.stop()
        for server in self.servers:
            server.close()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.close()


def note(key: str = "k1", visibility: Visibility = Visibility.INTERNAL) -> Note:
    return Note(key=key, visibility=visibility, subject="Status", body_html="<p>Blocked</p>")


def test_ticket_is_read_with_its_messages_and_attachment(served: Served) -> None:
    ticket = served.ticket()
    served.desk.reply(ticket, ADA, "It still bounces", "public")
    read = served.generic.read_ticket(ticket)
    assert (read.source, read.id, read.subject, read.requester.email) == (
        "desk",
        ticket,
        "Undeliverable: Räume",
        ADA.email,
    )
    assert [message.text for message in read.messages] == ["It bounces", "It still bounces"]
    [attachment] = read.messages[0].attachments
    assert (attachment.filename, attachment.size) == ("bounce.eml", len(BOUNCE))
    assert served.generic.fetch(attachment) == BOUNCE


def test_note_is_found_by_its_key_and_added_once(served: Served) -> None:
    ticket = served.ticket()
    assert not served.generic.has_note(ticket, "k1")
    served.generic.write(ticket, TicketChange(note=note()))
    served.generic.write(ticket, TicketChange(note=note()))
    assert served.generic.has_note(ticket, "k1")
    assert not served.generic.has_note(ticket, "k2")
    assert [message.visibility for message in served.generic.read_ticket(ticket).messages[1:]] == ["internal"]
    assert served.desk.outbox == []


def test_public_note_goes_to_the_requester(served: Served) -> None:
    served.generic.write(served.ticket(), TicketChange(note=note(visibility=Visibility.PUBLIC)))
    assert [mail.to for mail in served.desk.outbox] == [ADA.email]


def test_key_that_was_used_for_a_public_note_is_not_taken_for_an_internal_one(served: Served) -> None:
    ticket = served.ticket()
    served.generic.write(ticket, TicketChange(note=note(visibility=Visibility.PUBLIC)))
    with pytest.raises(PermanentError, match="IS PUBLIC"):
        served.generic.write(ticket, TicketChange(note=note()))


def test_tags_and_fields_are_changed_and_changing_them_again_is_no_error(served: Served) -> None:
    ticket = served.ticket()
    for _ in range(2):
        fields = {"Sending Status": "Blocked", "Unblocked At": None}
        assert served.generic.write(ticket, TicketChange(tags=frozenset({"m365-blocked"}), fields=fields)) == ()
    read = served.generic.read_ticket(ticket)
    assert read.tags == {"m365-blocked"}
    assert (read.fields["Sending Status"], read.fields["Unblocked At"]) == ("Blocked", None)


def test_field_that_the_desk_does_not_have_is_told_and_holds_nothing_else_back(served: Served) -> None:
    ticket = served.ticket()
    change = TicketChange(note=note(), tags=frozenset({"m365-blocked"}), fields={"Colour": "red"})
    [refusal] = served.generic.write(ticket, change)
    assert "No such field" in refusal
    assert served.generic.has_note(ticket, "k1")
    assert served.generic.read_ticket(ticket).tags == {"m365-blocked"}


def test_working_desk_passes_every_check_and_a_wrong_token_is_told(served: Served) -> None:
    assert [
        check.what for check in served.connected(panel_origins=["https://desk.example"]).check() if not check.ok
    ] == []
    failed = [check for check in served.connected(api_token="another-made-up-token").check() if not check.ok]
    assert "check the token" in failed[0].remedy


def test_scan_finds_every_changed_ticket_over_several_pages(served: Served) -> None:
    tickets = [served.ticket() for _ in range(5)]
    since = served.clock.now
    assert [changed.id for changed in served.generic.changed_since(START)] == tickets
    served.desk.reply(tickets[1], ADA, "Any news?", "public")
    [changed] = served.generic.changed_since(since + timedelta(milliseconds=1))
    assert changed.id == tickets[1]
    assert changed.updated_at > since


def test_ticket_that_is_not_there_is_told(served: Served) -> None:
    for gone in ("9999", "a/b", "../tickets", "ü?x=1#y"):
        with pytest.raises(NotFound):
            served.generic.read_ticket(gone)
        with pytest.raises(NotFound):
            served.generic.write(gone, TicketChange(note=note()))


def test_wrong_token_is_told(served: Served) -> None:
    ticket = served.ticket()
    with pytest.raises(Denied, match="check the token"):
        served.connected(api_token="another-made-up-token").read_ticket(ticket)


def test_desk_that_is_down_is_unreachable_for_every_call(served: Served) -> None:
    ticket = served.ticket()
    in_its_place = serve(Flask("nothing"), "127.0.0.1", 0)  # while the desk still has its port, so on another one
    served.servers[0].close()
    served.servers[0] = in_its_place
    for call in (
        lambda: served.generic.read_ticket(ticket),
        lambda: served.generic.has_note(ticket, "k1"),
        lambda: served.generic.write(ticket, TicketChange(note=note())),
        lambda: served.generic.write(ticket, TicketChange(tags=frozenset({"m365-blocked"}))),
        lambda: served.generic.write(ticket, TicketChange(fields={"Case State": "Ready"})),
        lambda: list(served.generic.changed_since(START)),
        lambda: served.generic.fetch(Attachment(filename="b.eml", url=f"{served.url}/api/attachments/1")),
    ):
        with pytest.raises(Unreachable):
            call()


def test_events_of_the_desk_are_verified_and_parsed(served: Served) -> None:
    ticket = served.ticket(text="Räume & <b>mehr</b>")
    served.desk.reply(ticket, ADA, "It still bounces", "public")
    served.generic.write(ticket, TicketChange(note=note()))
    served.sender.start()
    assert served.sender.flush(10)
    kinds = []
    for delivery in served.received:
        served.generic.verify(delivery, delivery.received_at)
        parsed = served.generic.parse(delivery)
        assert all(event.ticket == ticket for event in parsed.events)
        kinds.append([event.kind for event in parsed.events])
    assert kinds == [["ticket.created"], ["ticket.replied"], []]  # the last was our own doing


def test_launch_token_of_the_desk_opens_the_panel_of_its_ticket_only(served: Served) -> None:
    ticket = served.ticket()
    token = launch_token(served.config, GIL, ticket)
    launch = served.generic.open_panel(token, ticket, served.clock.now)
    assert launch.agent == Agent(login="gil", name="Gil", email="gil@example.edu", role=Role.AGENT, source="desk")
    with pytest.raises(NotAllowed, match="another ticket"):
        served.generic.open_panel(token, ticket + "0", served.clock.now)
    with pytest.raises(NotAllowed, match="too long ago"):
        served.generic.open_panel(token, ticket, served.clock.now + timedelta(seconds=300))
