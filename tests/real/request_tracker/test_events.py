"""Events out of Request Tracker: lost by nobody, told once, and no loop."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real


def accepted(site: Any) -> int:
    """How many deliveries the receiver has taken in."""
    count: int = site.plugin.log().count("delivery.accepted")
    return count


def senders(site: Any) -> list[str]:
    """The processes of this RT that are still trying to tell the plugin something."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = place.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:  # it has just ended
            continue
        if "m365-unblock-send" in command and str(site.rt.folder) in command:
            found.append(command)
    return found


@pytest.fixture
def stopped(site: Any) -> Any:
    """The plugin is down; it is up again when the test is over."""
    site.plugin.stop()
    yield site
    site.plugin.stop()
    site.plugin.start()


def test_what_happened_while_the_receiver_was_down_is_sent_again(stopped: Any, until: Any) -> None:
    site, before = stopped, accepted(stopped)
    site.rt.mail_in(site.report("dorothy.own@example.edu", "while you were out"))
    ticket = site.rt.ticket("while you were out")
    site.plugin.start()
    site.rt.until_state(ticket, "Checklist open")
    until(lambda: accepted(site) == before + 1, "RT's delivery has come")
    assert len(site.rt.notes(ticket)) == 1


def test_event_that_rt_has_given_up_on_is_made_good_by_the_scan(stopped: Any, until: Any) -> None:
    site, before = stopped, accepted(stopped)
    site.rt.mail_in(site.report("lois.t@example.edu", "given up on"))
    ticket = site.rt.ticket("given up on")
    until(lambda: not senders(site), "RT has given up")
    site.plugin.start()
    site.rt.until_state(ticket, "Checklist open")
    assert accepted(site) == before
    assert len(site.rt.notes(ticket)) == 1


def test_receiver_that_never_answers_does_not_hold_up_a_ticket(site: Any, until: Any) -> None:
    site.plugin.stop()
    try:
        with socket.create_server(("127.0.0.1", site.plugin.port)) as silent:
            heard = threading.Event()
            held: list[socket.socket] = []

            def listen() -> None:
                held.append(silent.accept()[0])
                heard.set()

            threading.Thread(target=listen, daemon=True).start()
            site.rt.mail_in(site.report("fiona.inell@example.edu", "nobody answers"))
            assert site.rt.ticket("nobody answers")  # while its delivery still waits for its answer
            assert heard.wait(20)
            for connection in held:
                connection.close()
    finally:
        site.plugin.start()
    until(lambda: not senders(site), "RT has nothing more to tell")


def test_neither_our_notes_nor_our_fields_are_events(site: Any, until: Any) -> None:
    before = accepted(site)
    site.rt.mail_in(site.report("lou.ops@example.edu", "round and round"))
    ticket = site.rt.ticket("round and round")
    site.rt.until_state(ticket, "Checklist open")
    until(lambda: not senders(site), "RT has nothing more to tell")
    assert accepted(site) == before + 1
    site.rt.call("POST", f"ticket/{ticket}/comment", json={"Content": "I have a look.", "ContentType": "text/plain"})
    until(lambda: accepted(site) == before + 2, "the agent's comment is an event")
    until(lambda: not senders(site), "RT has nothing more to tell")
    assert accepted(site) == before + 2
    assert len(site.rt.notes(ticket)) == 1


def test_case_goes_along_when_its_ticket_is_merged(site: Any, until: Any) -> None:
    site.rt.mail_in(site.report("merle.ged@example.edu", "first mail"))
    gone = site.rt.ticket("first mail")
    site.rt.until_state(gone, "Checklist open")
    site.rt.mail_in(site.report("merle.ged@example.edu", "any news", report="ndr-5.1.10-unknown-recipient"))
    left = site.rt.ticket("any news")
    site.rt.merge(gone, left)
    site.rt.mail_in(site.report("merle.ged@example.edu", f"Re: [rt.example.edu #{left}] any news"))
    site.rt.until_state(left, "Checklist open")
    until(lambda: not senders(site), "RT has nothing more to tell")
    assert len(site.rt.notes(left)) == 1
