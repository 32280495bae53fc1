"""What is long over is forgotten, what is not is kept, and nothing that was forgotten is done or told a second time."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from plugin.errors import StorageError
from plugin.model import CaseState, Delivery, Parsed, TicketEvent
from plugin.naming import HANDLING, note_key
from plugin.store import marks, schema
from plugin.store.cases import RESTORED
from plugin.store.deliveries import deliveries, events
from plugin.store.engine import open_engine

BUCKY = "bucky.badger@example.edu"
SHORT = '[retention]\ndeliveries = "1h"\ntasks = "1h"\n'


class House:
    """A world's databases as housekeeping leaves them. The engine forgets all but what it is `busy` with."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.busy: set[str] = set()
        self.forgotten: list[str] = []
        self._engines = {
            name: open_engine(getattr(world.parts.settings, f"{name}_url")) for name in ("cases", "deliveries")
        }

    def tidy(self, **later: float) -> int:
        """A round, after some time has passed."""
        self.world.clock.forward(**later)
        found: int = self.world.parts.housekeeping.tidy(self._forget)
        return found

    def _forget(self, ids: list[str]) -> list[str]:
        gone = [task for task in ids if task not in self.busy]
        self.forgotten += gone
        return gone

    def rows(self, table: sa.Table) -> list[Any]:
        database = "deliveries" if table in (deliveries, events) else "cases"
        with self._engines[database].connect() as connection:
            return list(connection.execute(sa.select(table)).all())

    def tasks(self) -> set[str]:
        return {row.id for row in self.rows(schema.outbox)}

    def change(self, statement: Any) -> None:
        with self._engines["cases"].begin() as connection:
            connection.execute(statement)

    def close(self) -> None:
        for engine in self._engines.values():
            engine.dispose()


@pytest.fixture
def make_house(make_world: Callable[..., Any]) -> Any:
    made: list[House] = []

    def make(settings: str = "", **world: Any) -> House:
        made.append(House(make_world(settings=settings, **world)))
        return made[-1]

    yield make
    for house in made:
        house.close()


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()


def unblocked(house: House) -> str:
    """A ticket whose case has been worked through to its end."""
    world = house.world
    ticket: str = world.file(email=BUCKY, report="ndr-5.1.8")
    world.unblock(world.answer_all(world.only_case(ticket)))
    world.pass_time(hours=25)
    world.only_case(ticket, CaseState.CLOSED)
    return ticket


# ── tasks and deliveries ─────────────────────────────────────────────────────────────────────────────────────────


def test_after_the_time_that_is_set_deliveries_events_and_tasks_go_and_cases_stay(house: House) -> None:
    ticket = unblocked(house)
    assert house.tidy(days=28) == 0
    ours, came = house.tasks(), len(house.rows(deliveries))
    assert len(house.rows(events)) == 1
    assert house.tidy(days=3) == len(ours) + came
    assert house.rows(deliveries) == house.rows(events) == house.rows(schema.outbox) == []
    assert set(house.forgotten) == ours
    assert house.world.only_case(ticket).state is CaseState.CLOSED
    assert house.world.store.mark(marks.RELAYED) == "1"


def test_what_is_forgotten_does_not_come_again_by_the_catch_up_scan(house: House) -> None:
    ticket = unblocked(house)
    house.world.scan()
    house.tidy(days=31)
    (kept,) = house.tasks()
    assert kept.startswith(f"scan:desk:{ticket}:")  # the newest ticket is seen again by each scan
    house.world.scan()
    assert house.tasks() == {kept}
    other = house.world.file(email=BUCKY, subject="hello", text="a question", quietly=True)
    house.world.scan()
    house.tidy(days=31)
    assert not any(f":{ticket}:" in task for task in house.tasks())
    assert any(f":{other}:" in task for task in house.tasks())


def test_an_event_stays_with_its_tasks_as_long_as_anything_that_it_led_to_has_not_ended(
    make_house: Callable[..., House],
) -> None:
    house = make_house(SHORT)
    world = house.world
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    (event,) = house.rows(events)
    world.tenant_faults.is_down = True  # the account cannot be read again: a task for it waits
    world.reply(ticket, BUCKY, "it still fails", report="ndr-5.1.8", sender=BUCKY)
    before = house.tasks()
    house.tidy(hours=2)
    waiting = {row.cause for row in house.rows(schema.outbox) if row.ended_at is None}
    assert len(waiting) == 1
    assert [HANDLING + row.id for row in house.rows(events)] == list(waiting)
    assert event.id not in waiting
    assert len(house.tasks()) < len(before)


def test_a_delivery_that_is_not_relayed_yet_stays_whatever_its_age(house: House) -> None:
    event = TicketEvent(source="desk", ticket="7", kind="ticket.created", key="k")
    at = house.world.clock()
    delivery = Delivery(source="desk", headers={}, body=b"{}", received_at=at)
    house.world.parts.deliveries.accept(delivery, Parsed(delivery_id="d", events=(event,)))
    house.world.parts.deliveries.accept(delivery, Parsed(delivery_id="of an unknown kind", events=()))
    house.tidy(days=500)
    assert [row.delivery_id for row in house.rows(deliveries)] == ["d"]


def test_a_dead_task_stays_with_its_event_as_long_as_cases_do(make_house: Callable[..., House]) -> None:
    house = make_house('[procedure]\nretry_first_after = "12h"\nretry_pause_at_most = "12h"')
    world = house.world
    world.tenant_faults.is_down = True
    world.file(email=BUCKY, report="ndr-5.1.8")
    world.pass_time(days=5)
    assert "dead" in {row.outcome for row in house.rows(schema.outbox)}
    house.tidy(days=300)
    assert len(house.rows(events)) == 1
    assert "dead" in {row.outcome for row in house.rows(schema.outbox)}
    house.tidy(days=101)
    house.tidy()
    assert house.rows(events) == []
    assert "dead" not in {row.outcome for row in house.rows(schema.outbox)}


def test_a_task_that_the_engine_is_not_done_with_is_left_and_does_not_hold_up_others(house: House) -> None:
    unblocked(house)
    first = min(house.rows(schema.outbox), key=lambda row: row.ended_at)
    house.busy = {first.id}
    house.tidy(days=31)
    assert house.tasks() == {first.id}
    house.busy = set()
    house.tidy()
    assert house.tasks() == set()


def test_killed_between_the_engines_rows_and_ours_the_next_round_forgets_the_rest(house: House) -> None:
    unblocked(house)
    ours = house.tasks()
    house.world.clock.forward(days=31)

    def forget_and_die(ids: list[str]) -> list[str]:
        house.forgotten += ids
        raise StorageError("killed")

    with pytest.raises(StorageError):
        house.world.parts.housekeeping.tidy(forget_and_die)
    assert house.tasks() == ours
    house.world.run()
    assert house.tasks() == ours  # all of it has ended: nothing is done again
    house.tidy()
    assert house.tasks() == set()
    assert set(house.forgotten) == ours


def test_nothing_is_begun_once_the_worker_is_to_stop(house: House) -> None:
    unblocked(house)
    house.world.parts.attempts.stopping.set()
    assert house.tidy(days=31) == 0


def test_rounds_come_as_often_as_the_shortest_time_asks_for(make_house: Callable[..., House]) -> None:
    assert make_house().world.parts.housekeeping.pause == 300
    assert make_house('[retention]\ntasks = "20s"').world.parts.housekeeping.pause == 2
    assert make_house('[retention]\ntasks = "1s"').world.parts.housekeeping.pause == 0.5


# ── cases ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_case_that_is_over_goes_with_all_that_was_said_but_for_what_keeps_things_from_happening_twice(
    house: House,
) -> None:
    ticket = unblocked(house)
    notes = {row.key: (row.sent_at, row.done_at) for row in house.rows(schema.written)}
    assert len(notes) == 3
    house.tidy(days=398)
    assert len(house.rows(schema.cases)) == 1
    house.tidy(days=3)
    for table in (schema.cases, schema.answers, schema.journal):
        assert house.rows(table) == []
    kept = house.rows(schema.written)
    assert {row.key: (row.sent_at, row.done_at) for row in kept} == notes
    assert {(row.subject, row.body_html) for row in kept} == {("", "")}
    said = repr([house.rows(table) for table in (schema.marks, schema.written, schema.outbox)])
    assert "badger" not in said
    assert marks.shown("desk", ticket) not in said


@pytest.mark.parametrize("what", ["not over", "a task waits", "an open case relies on it", "answered since"])
def test_a_case_stays_that_is_not_over_or_that_something_needs(make_house: Callable[..., House], what: str) -> None:
    house = make_house('[retention]\ncases = "2d"')
    ticket = unblocked(house)
    case = house.world.only_case(ticket)
    old = {"updated_at": case.updated_at, "version": 1}
    if what == "not over":
        house.change(sa.update(schema.cases).values(state=CaseState.STILL_BLOCKED.value))
    elif what == "a task waits":
        house.change(sa.update(schema.outbox).where(schema.outbox.c.name == "annotate").values(ended_at=None))
    elif what == "an open case relies on it":
        (row,) = house.rows(schema.cases)
        other = dict(row._mapping) | old | {"id": "other", "state": CaseState.READY.value, "relied_on": case.id}
        house.change(sa.insert(schema.cases).values(other))
    else:
        later = {"case": case.id, "at": case.updated_at + timedelta(days=2), "actor": "Alex", "what": "Answered"}
        house.change(sa.insert(schema.journal).values(later))
    house.tidy(days=3)
    assert house.world.store.case(case.id) is not None


def test_a_ticket_that_comes_back_after_its_case_was_forgotten_is_told_nothing_twice(house: House) -> None:
    ticket = unblocked(house)
    notes, shown = house.world.notes(ticket), house.world.ticket(ticket)
    asked = house.world.asked()
    house.tidy(days=401)
    house.world.reply(ticket, BUCKY, "Thank you, that was it.")
    assert house.world.only_case(ticket).state is CaseState.CLOSED
    assert house.world.notes(ticket) == notes
    now = house.world.ticket(ticket)
    assert (now["tags"], now["fields"]) == (shown["tags"], shown["fields"] | now["fields"])
    assert now["fields"]["Case State"] == "Closed"
    assert house.world.asked() == asked


def test_a_new_block_on_a_ticket_whose_case_was_forgotten_gets_its_notes_and_is_asked_once(house: House) -> None:
    world = house.world
    ticket = unblocked(house)
    before = world.notes(ticket)
    house.tidy(days=401)
    world.tenant.block("bbadger", BUCKY, reason="spam")
    world.reply(ticket, BUCKY, "it bounces again", report="ndr-5.1.8", sender=BUCKY)
    case = world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert case.round == 2
    assert len(world.notes(ticket)) == len(before) + 1
    asked = len(world.asked())
    world.clock.forward(minutes=1)
    world.unblock(world.answer_all(case))
    world.pass_time(hours=25)
    world.only_case(ticket, CaseState.CLOSED)
    assert len(world.asked()) == asked + 1
    assert len(world.notes(ticket)) == len(set(world.notes(ticket))) == len(before) + 3


def test_a_complaint_on_a_ticket_whose_case_was_forgotten_is_heard(house: House) -> None:
    ticket = unblocked(house)
    house.tidy(days=401)
    house.world.reply(ticket, BUCKY, "My mail still bounces back, undeliverable!", report="ndr-5.1.8", sender=BUCKY)
    house.world.reply(ticket, BUCKY, "My mail still bounces back, undeliverable!", report="ndr-5.1.8", sender=BUCKY)
    assert house.world.only_case(ticket).state is CaseState.OVERDUE


def test_a_note_that_may_never_have_come_to_its_ticket_is_written_anew_where_it_is_not_there(house: House) -> None:
    world = house.world
    fiona = "fiona.inell@example.edu"
    ticket = world.file(email=fiona, report="ndr-5.1.8", quietly=True)
    case = world.parts.casework.new_case("desk", ticket, "fine", opened_by="triage")
    lost = {"key": note_key(case, "not-blocked"), "case": case.id, "intended_at": world.clock(), "done_at": None}
    sent = lost | {"sent_at": world.clock(), "visibility": "internal", "subject": "", "body_html": ""}
    house.change(sa.insert(schema.written).values(sent))
    world.clock.forward(days=1)
    world.run()
    (note,) = world.notes(ticket)
    assert "not blocked" in note


def test_marks_that_are_needed_stay(house: House) -> None:
    unblocked(house)
    house.world.scan()
    with house.world.store.change() as change:
        change.set_mark(RESTORED, "2026-11-24T14:05:00+00:00")
    house.tidy(days=401)
    kept = {row.name.split()[0] for row in house.rows(schema.marks)}
    assert kept == {"relayed", "scanned", "scan", RESTORED, "forgotten"}


# ── askings ──────────────────────────────────────────────────────────────────────────────────────────────────────


def asking(
    number: int, *, address: str = "a@example.edu", days_ago: float, released: bool = True
) -> Callable[..., Any]:
    def insert(now: Any) -> Any:
        at = now - timedelta(days=days_ago)
        return sa.insert(schema.askings).values(
            tenant="campus", account="a", address=address, block=f"no time given, after {number} releases", case="gone",
            round=1, agent="Alex", press=f"p{number}", asked_at=at, times=1, detail="",
            released_at=at if released else None,
        )  # fmt: skip

    return insert


@pytest.mark.parametrize(
    ("what", "kept"),
    [
        ([asking(0, days_ago=401)], 0),
        ([asking(0, days_ago=399)], 1),
        ([asking(0, days_ago=500, released=False)], 1),
        ([asking(0, days_ago=500), asking(1, days_ago=20)], 2),  # or the next block would be called like the second one
        ([asking(0, days_ago=500), asking(0, address="b@example.edu", days_ago=20)], 1),
    ],
    ids=["old", "young", "never released", "old and young of one address", "of two addresses"],
)
def test_askings_go_by_address_once_all_of_them_are_off_the_list_for_long(
    make_house: Callable[..., House], what: list[Callable[..., Any]], kept: int
) -> None:
    house = make_house('[retention]\ncases = "1d"')  # askings are kept for longer than that
    for insert in what:
        house.change(insert(house.world.clock()))
    house.tidy()
    assert len(house.rows(schema.askings)) == kept


# ── the files ────────────────────────────────────────────────────────────────────────────────────────────────────


def flood(house: House, round_: int, body: bytes) -> None:
    for number in range(200):
        key = f"{round_}-{number}"
        event = TicketEvent(source="desk", ticket=key, kind="ticket.created", key=key)
        delivery = Delivery(source="desk", headers={}, body=body, received_at=house.world.clock())
        house.world.parts.deliveries.accept(delivery, Parsed(delivery_id=key, events=(event,)))
    house.world.run()


def test_a_file_does_not_grow_for_ever_and_holds_nothing_of_what_was_forgotten(house: House) -> None:
    file = Path(house.world.parts.settings.deliveries_url.removeprefix("sqlite:///"))
    sizes = []
    for round_ in range(4):
        flood(house, round_, b"what the customer wrote " * 200)
        house.tidy(days=31)
        with closing(sqlite3.connect(file)) as connection:
            sizes.append(connection.execute("PRAGMA page_count").fetchone()[0])
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        assert house.rows(deliveries) == []
    assert sizes[-1] <= sizes[0] * 1.05
    assert b"what the customer wrote" not in file.read_bytes()
