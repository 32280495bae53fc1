"""Which events are settled by what they bring, and that every other one goes its way to the worker."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.errors import StorageError
from plugin.model import Case, CaseState, Delivery, Label, Outcome, Parsed, Said, Task, TicketEvent, TicketText
from plugin.naming import HANDLING
from plugin.relay import MOST_JUDGED, relay
from plugin.settling import Settling
from plugin.store.deliveries import event_id
from plugin.triage import is_ordinary, triage
from plugin.triage.knowledge import data
from tests.plugin.test_engine import NOW, Bench
from webhooks.ticket_systems import connect

DOMAINS = ("example.edu",)
SOURCE = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "webhooks" / "generic" / "source.json").read_text("utf-8")
)
PRINTER = "It prints empty pages since this morning. Could somebody have a look?"
SCANNED = timedelta(minutes=5)


def body(ticket: str, text: str = PRINTER, subject: str = "Printer", **message: object) -> bytes:
    person = {"email": "ruth@example.edu"}
    said = {"id": f"{ticket}-1", "text": text, "attachments": [], **message}
    payload = {
        "type": "ticket.created",
        "data": {"ticket": {"id": ticket, "subject": subject}, "requester": person, "message": said},
    }
    return json.dumps(payload).encode()


def settling(domains: Any = DOMAINS, scan_every: timedelta = SCANNED) -> Settling:
    return Settling(sources={"desk": connect("desk", SOURCE["settings"])}, domains=domains, scan_every=scan_every)


def a_case(source: str, ticket: str) -> Case:
    return Case(
        id=f"{source}-{ticket}", source=source, ticket=ticket, account="", state=CaseState.NEEDS_PERSON, round=1,
        opened_by="triage", created_at=NOW, updated_at=NOW, version=1,
    )  # fmt: skip


class Desk(Bench):
    """Events with bodies, relayed with a judge."""

    judge = settling()

    def send(self, ticket: str, content: bytes | None = None, kind: str = "ticket.created") -> str:
        """An event comes in; the id of its task."""
        event = TicketEvent(source="desk", ticket=ticket, kind=kind, key=f"{ticket}-{kind}")
        delivery = Delivery(source="desk", headers={}, body=content or body(ticket), received_at=NOW)
        self.deliveries.accept(delivery, Parsed(delivery_id=event.key, events=(event,)))
        return f"{HANDLING}{event_id(event)}"

    def relay(self) -> int:
        return relay(self.deliveries, self.store, NOW, self.judge.leaves_alone)

    def outcome(self, task: str) -> Outcome | None:
        (record,) = self.outbox.records([task])
        return record.outcome

    def handed(self) -> list[str]:
        """The tickets that go to the worker."""
        return [row["args"]["ticket"] for batch in self.store.waiting_tasks(10) for row in batch.args.get("tasks", ())]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


# ── in the relay ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_ordinary_ticket_is_settled_without_any_work_and_others_of_its_round_are_handed_over(desk: Desk) -> None:
    printer, mail = desk.send("1"), desk.send("2", body("2", "My mail comes back."))
    assert desk.relay() == 2
    assert (desk.outcome(printer), desk.outcome(mail)) == (Outcome.SETTLED, None)
    assert desk.handed() == ["2"]
    assert desk.relay() == 0


def test_a_round_of_ordinary_tickets_leaves_no_batch(desk: Desk) -> None:
    desk.send("1")
    desk.send("2")
    assert desk.relay() == 2
    assert desk.store.waiting_tasks(10) == ()
    assert desk.relay() == 0


@pytest.mark.parametrize(
    "content",
    [
        body("1", "See the attached file."),
        body("1", attachments=[{"filename": "a.eml"}]),
        body("1", PRINTER + " " * MOST_JUDGED),
        body("2"),  # of another ticket than the event
        b"{}",
        b"no JSON",
    ],
)
def test_an_event_that_does_not_bring_a_whole_ordinary_ticket_is_handed_over(desk: Desk, content: bytes) -> None:
    desk.send("1", content)
    desk.relay()
    assert desk.handed() == ["1"]


@pytest.mark.parametrize("kinds", [("ticket.created", "ticket.updated"), ("ticket.updated", "ticket.created")])
def test_a_ticket_with_another_event_in_the_round_is_handed_over_once(desk: Desk, kinds: tuple[str, str]) -> None:
    first, second = (desk.send("1", kind=kind) for kind in kinds)
    desk.relay()
    assert (desk.outcome(first), desk.outcome(second)) == (Outcome.COVERED, None)
    assert desk.handed() == ["1"]


def test_a_ticket_with_a_case_is_handed_over(desk: Desk) -> None:
    with desk.store.change() as change:
        for source, ticket in (("desk", "1"), ("other", "2")):
            change.add_case(a_case(source, ticket))
    settled = [desk.send("1"), desk.send("2")]
    desk.relay()
    assert desk.handed() == ["1"]
    assert [desk.outcome(task) for task in settled] == [None, Outcome.SETTLED]


def test_a_ticket_that_is_being_worked_on_is_handed_over(desk: Desk) -> None:
    desk.put(Task(id="scan:desk:1:x", name="handle", args={"source": "desk", "ticket": "1"}, lane="ticket desk:1"))
    desk.send("1")
    desk.send("2")
    desk.relay()
    with sqlite3.connect(desk.file) as cases:
        lanes = cases.execute("SELECT lane FROM outbox WHERE ended_at IS NULL AND batch != ''").fetchall()
    assert lanes == [("ticket desk:1",)]


def test_a_bug_in_judging_is_told_and_stops_nothing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.judge = settling(domains=None)  # triage fails on these
    desk.send("1", body("1", f"{PRINTER} ruth@example.edu"))
    desk.send("2", body("2", "My mail comes back."))
    assert desk.relay() == 2
    assert desk.handed() == ["1", "2"]
    assert "settling.bug source=desk ticket=1" in caplog.text


def test_a_relay_that_fails_in_the_middle_has_settled_nothing(desk: Desk) -> None:
    task = desk.send("1")
    other = sqlite3.connect(desk.file, isolation_level=None)
    other.execute("CREATE TRIGGER t BEFORE INSERT ON marks BEGIN SELECT RAISE(ABORT, 'cut'); END")
    with pytest.raises(StorageError):
        desk.relay()
    assert desk.outbox.records([task]) == []
    other.execute("DROP TRIGGER t")
    other.close()
    assert desk.relay() == 1
    assert desk.outcome(task) is Outcome.SETTLED


def test_an_event_relayed_again_after_a_lost_mark_is_settled_once(desk: Desk) -> None:
    task = desk.send("1")
    desk.relay()
    with desk.store.change() as change:
        change.set_mark("relayed", "0")
    assert desk.relay() == 1
    assert desk.outcome(task) is Outcome.SETTLED
    assert desk.store.waiting_tasks(10) == ()


def test_nothing_is_settled_where_no_scan_would_find_what_an_event_has_left_out() -> None:
    assert settling().leaves_alone("desk", "1", body("1"))
    assert not settling(scan_every=timedelta(0)).leaves_alone("desk", "1", body("1"))
    assert not settling().leaves_alone("another", "1", body("1"))


# ── in the text ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_rule_for_a_refusal_can_hold_without_a_sign() -> None:
    words = data("words.json")
    signs = set(words["signs"])
    for rule in words["rules"]:
        wanted = [set(either.split("|")) for key in ("one", "near", "text") for either in rule.get(key, ())]
        assert any(either <= signs for either in wanted), rule


FRAGMENTS = st.sampled_from(
    [
        fragment.strip("*")
        for name, by_language in data("words.json")["concepts"].items()
        for fragments in by_language.values()
        for fragment in fragments
    ]
)
ORDINARY = st.sampled_from(
    ["printer", "please", "the door", "5.1.8", "550 5.7.705", "five one eight", "ruth@example.edu"]
)


@given(st.lists(FRAGMENTS | ORDINARY | st.text(max_size=8), max_size=12), st.sampled_from(["text/plain", "text/html"]))
def test_an_ordinary_ticket_is_one_in_which_triage_finds_nothing(pieces: list[str], kind: str) -> None:
    said = Said(text=" ".join(pieces[1:]), content_type=kind)
    ticket = TicketText(subject=" ".join(pieces[:1]), said=(said,), requester="ruth@example.edu")
    if is_ordinary(ticket, DOMAINS):
        assert {(found.label, found.rule) for found in triage(ticket, DOMAINS)} == {
            (Label.NOT_BLOCKED, "nothing-of-ours")
        }


@pytest.mark.parametrize(
    "text",
    [
        "Something came back to me.",
        "Was heißt 5.1.8?",
        "It says five dot one dot eight.",
        "S.l.8 is what the screen shows",
        "siehe Anhang",
        "Adjunto el informe",
        "附上退件通知",
        "host x.mail.protection.outlook.com",
        "Everybody is restricted.",
        "Выдаёт: не удается доставить",
    ],
)
def test_a_near_miss_is_left_to_the_worker(text: str) -> None:
    assert not is_ordinary(TicketText(subject="Help", said=(Said(text=text),)), DOMAINS)


@pytest.mark.parametrize(
    "text",
    [PRINTER, "Ich habe meinen Schlüssel für Raum 3 verloren.", "<p>The <b>door</b> of lab 7 is open.</p>"],
)
def test_an_ordinary_question_is_one(text: str) -> None:
    assert is_ordinary(TicketText(subject="Help", said=(Said(text=text),)), DOMAINS)
