"""The webhooks: what they say, how they are signed, and what happens when they are not taken."""

import json
from io import BytesIO
from pathlib import Path

import jsonschema
import pytest

from plugin.demo.desk import Sender, create_app
from plugin.demo.desk.sender import PAUSES, sign

SCHEMA = json.loads(Path(__file__).with_name("ticket-event.schema.json").read_text("utf-8"))


def signature_is_right(headers, body):
    right = sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", headers["webhook-id"], headers["webhook-timestamp"], body)
    return headers["webhook-signature"] == right


def test_the_signature_is_that_of_the_published_vector():
    """From standard-webhooks/standard-webhooks, libraries/python/tests/test_webhooks.py."""
    signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_new_ticket_is_told_with_its_message_and_attachments(app, events):
    form = {"name": "Bucky", "email": "b@example.edu", "subject": "Grüße", "text": "5.1.8"}
    form["attachments"] = [(BytesIO(b"x"), "bounce.eml", "message/rfc822")]
    app.test_client().post("/portal/tickets", data=form)
    (event,) = events()
    jsonschema.validate(event, SCHEMA)
    assert event["type"] == "ticket.created"
    assert event["timestamp"] == "2026-03-02T09:00:00Z"
    assert event["data"]["ticket"]["subject"] == "Grüße"
    assert event["data"]["actor"]["is_agent"] is False
    assert event["data"]["message"]["text"] == "5.1.8"
    (file,) = event["data"]["message"]["attachments"]
    assert file["filename"] == "bounce.eml"
    assert file["url"].startswith("http://localhost:8700/api/attachments/")


def test_every_change_is_told_and_each_as_the_schema_says(app, api, note, desk, ticket, events, receiver):
    desk.reply(ticket, desk.ticket(ticket).requester, "still", "public")
    note("status", visibility="internal")
    note("reply", visibility="public")
    api("PATCH", f"/tickets/{ticket}/tags", json={"add": ["m365-blocked"]})
    api("PATCH", f"/tickets/{ticket}/fields", json={"Case State": "Ready"})
    told = events()
    kinds = ["ticket.created", "ticket.replied", "ticket.updated", "ticket.replied", "ticket.updated", "ticket.updated"]
    assert [event["type"] for event in told] == kinds
    for event in told:
        jsonschema.validate(event, SCHEMA)
    for headers, body in receiver.got:
        assert signature_is_right(headers, body)
        assert headers["content-type"] == "application/json"
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == len(told)


def test_writes_by_the_api_are_told_as_the_service_users(api, note, ticket, events):
    note("status")
    api("PATCH", f"/tickets/{ticket}/tags", json={"add": ["x"]})
    actors = [event["data"]["actor"]["email"] for event in events()]
    assert actors == ["bucky.badger@example.edu", "m365-unblock@example.edu", "m365-unblock@example.edu"]


def test_an_internal_text_does_not_travel(note, events):
    note("status", body_html="<p>for agents only</p>")
    assert "for agents only" not in json.dumps(events())


def test_what_changed_nothing_is_not_told(api, note, ticket, events):
    note("status")
    before = len(events())
    note("status")
    api("PATCH", f"/tickets/{ticket}/tags", json={"remove": ["x"]})
    api("PATCH", f"/tickets/{ticket}/fields", json={"Case State": None})
    assert len(events()) == before


def test_an_attempt_that_fails_is_repeated_with_the_same_id_and_body(clock, receiver, config):
    moments = iter([clock.now, clock.now.replace(minute=1), clock.now.replace(minute=2)])
    sender = Sender(
        receiver.url, config.webhook_secret, clock=lambda: next(moments), new_secret=lambda: "x", pauses=(0.0, 0.0)
    )
    receiver.answers = [500, 503]
    delivery = sender.put("ticket.created", "1001", b"{}")
    sender.start()
    assert sender.flush(10)
    sender.stop()
    assert delivery.state == "delivered"
    assert [attempt.outcome for attempt in delivery.attempts] == ["500", "503", "202"]
    assert {headers["webhook-id"] for headers, _ in receiver.got} == {"msg_x"}
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.got}) == 3
    assert len({headers["webhook-signature"] for headers, _ in receiver.got}) == 3
    assert all(signature_is_right(headers, body) for headers, body in receiver.got)


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500])
def test_only_a_2xx_is_taken_for_delivered(app, receiver, ticket, note, events, status):
    events()
    receiver.answers = [status]
    note("status")
    events()
    last = app.extensions["sender"].log[-1]
    assert [attempt.outcome for attempt in last.attempts] == [str(status), "202"]
    assert last.state == "delivered"


def test_after_the_last_attempt_it_is_given_up_and_the_next_event_still_goes_out(app, receiver, ticket, note, events):
    events()
    receiver.answers = [500, 500, 500]
    note("lost")
    events()
    note("kept")
    events()
    assert [delivery.state for delivery in app.extensions["sender"].log] == ["delivered", "given up", "delivered"]


def test_an_event_that_waits_does_not_hold_up_the_others(receiver, config, clock):
    app = create_app(config, pauses=(3600.0,))
    sender = app.extensions["sender"]
    first, second = (sender.put("ticket.created", ticket, b"{}") for ticket in ("1", "2"))
    receiver.answers = [500]
    sender.start()
    receiver.wait_for(2)
    sender.stop()
    assert not sender.flush(0)
    assert (first.state, second.state) == ("waiting", "delivered")


def test_nobody_there_is_an_attempt_that_failed(config, receiver):
    receiver.server.close()
    sender = Sender(receiver.url, config.webhook_secret, clock=config.clock, new_secret=lambda: "x", pauses=())
    delivery = sender.put("ticket.created", "1", b"{}")
    sender.start()
    assert sender.flush(10)
    sender.stop()
    assert delivery.state == "given up"
    assert [attempt.outcome for attempt in delivery.attempts] == ["ConnectionError"]


def test_nothing_is_sent_before_start_or_after_stop_and_nothing_is_lost(config, receiver):
    sender = create_app(config).extensions["sender"]
    sender.put("ticket.created", "1", b"{}")
    assert not sender.flush(0)
    sender.start()
    sender.start()
    assert sender.flush(10)
    sender.stop()
    sender.put("ticket.created", "2", b"{}")
    assert len(receiver.got) == 1
    sender.start()
    assert sender.flush(10)
    sender.stop()
    assert len(receiver.got) == 2


def test_stop_does_not_wait_for_the_next_attempt(config, receiver):
    receiver.answers = [500]
    sender = create_app(config, pauses=(3600.0,)).extensions["sender"]
    delivery = sender.put("ticket.created", "1", b"{}")
    sender.start()
    receiver.wait_for(1)
    sender.stop()
    assert (delivery.state, len(delivery.attempts)) == ("waiting", 1)


def test_the_pauses_between_attempts_grow():
    assert list(PAUSES) == sorted(set(PAUSES))
