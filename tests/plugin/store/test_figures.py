"""The figures are those of the rows, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from plugin.model import Answer, Asking, Delivery, Outcome, Parsed, Task, TicketEvent, UnblockAnswer
from plugin.relay import relay
from plugin.store import migrations
from plugin.store.cases import CaseStore
from plugin.store.deliveries import DeliveryStore
from plugin.store.engine import open_engine
from plugin.store.figures import CaseFigures, DeliveryFigures, Stage, Unblock, case_figures, delivery_figures
from plugin.store.outbox import Ended, Outbox

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)


class Databases:
    """Deliveries and cases in one database, and what may happen in it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.deliveries, self.store, self.outbox = DeliveryStore(engine), CaseStore(engine), Outbox(engine)

    def accept(self, number: int, at: datetime) -> None:
        event = TicketEvent(source="desk", ticket=str(number), kind="ticket.created", key=f"desk:{number}")
        delivery = Delivery(source="desk", headers={}, body=b"{}", received_at=at)
        self.deliveries.accept(delivery, Parsed(delivery_id=str(number), events=(event,)))

    def relay(self) -> list[Task]:
        """The tasks of the events, oldest first."""
        while relay(self.deliveries, self.store, NOW):
            pass
        batches = [task for task in self.store.waiting_tasks(100) if task.name == "handle_events"]
        return [record.task for batch in batches for record in self.outbox.within(batch.id)]

    def put(self, task: Task, *, handed: bool = True) -> Task:
        with self.store.change() as change:
            change.put_task(task)
            if handed:
                change.handed([task], NOW)
        return task

    def end(self, task: Task, outcome: Outcome, then: Task | None = None, at: datetime = NOW) -> None:
        self.outbox.end([Ended(task=task, outcome=outcome)], at=at, then=[then] if then else [])

    def ask(self, address: str, answer: Answer | None, released_at: datetime | None = None) -> None:
        asking = Asking(
            tenant="campus", account="bbadger", address=address, block="b", case="c", round=1, agent="Alex",
            press="p", asked_at=NOW,
        )  # fmt: skip
        with self.store.change() as change:
            change.ask(asking)
            if answer is not None:
                change.record_answer(asking, UnblockAnswer(answer=answer), NOW)
            change.record_release(asking, released_at)

    def figures(self) -> tuple[CaseFigures, DeliveryFigures]:
        cases = case_figures(self._engine, now=NOW, sources=["desk"])
        return cases, delivery_figures(self._engine, relayed=cases.relayed, oldest_event=cases.oldest_event)


@pytest.fixture
def databases(url: str) -> Iterator[Databases]:
    migrations.upgrade("deliveries", url)
    migrations.upgrade("cases", url)
    engine = open_engine(url)
    yield Databases(engine)
    engine.dispose()


def stages(found: CaseFigures) -> dict[Stage, int]:
    return {stage: number for stage, number in found.open_tasks.items() if number}


def test_empty_databases_have_every_figure_at_nothing(databases: Databases) -> None:
    cases, deliveries = databases.figures()
    assert set(cases.open_tasks) == set(Stage)
    assert set(cases.ended) == set(Outcome)
    numbers = (cases.open_tasks, cases.ended, cases.cases, cases.unblocks)
    assert {number for figures in numbers for number in figures.values()} == {0}
    assert (cases.dead, cases.workers, cases.scans) == (0, {}, {})
    assert (deliveries.accepted, deliveries.oldest_at) == (0, None)


def test_a_task_is_counted_where_it_is(databases: Databases) -> None:
    databases.put(Task(id="a", name="annotate", args={}), handed=False)
    databases.put(Task(id="b", name="annotate", args={}))
    databases.put(Task(id="c", name="annotate", args={}, not_before=NOW - timedelta(seconds=1)))
    databases.put(Task(id="d", name="follow_up", args={}, not_before=NOW + timedelta(hours=1)))
    failed = databases.put(Task(id="e", name="annotate", args={}))
    databases.end(failed, Outcome.AGAIN, failed.next(NOW + timedelta(minutes=1)))
    cases, _ = databases.figures()
    assert stages(cases) == {Stage.WAITING: 1, Stage.WORKING: 2, Stage.LATER: 1, Stage.RETRYING: 1}
    assert cases.ended[Outcome.AGAIN] == 1


def test_attempts_are_counted_that_ended_within_the_last_hour(databases: Databases) -> None:
    for name, ago in (("a", 0), ("b", 59), ("c", 61), ("d", 60 * 24)):
        task = databases.put(Task(id=name, name="annotate", args={}))
        databases.end(task, Outcome.DONE, at=NOW - timedelta(minutes=ago))
    assert databases.figures()[0].ended[Outcome.DONE] == 2


def test_events_of_a_batch_are_counted_and_not_the_batch(databases: Databases) -> None:
    for number in range(3):
        databases.accept(number, NOW)
    assert databases.figures()[1].accepted == 3
    tasks = databases.relay()
    cases, deliveries = databases.figures()
    assert (stages(cases), deliveries.accepted) == ({Stage.WORKING: 3}, 0)
    databases.end(tasks[0], Outcome.DONE)
    assert stages(databases.figures()[0]) == {Stage.WORKING: 2}


def test_the_oldest_event_is_the_one_that_came_first_however_late_its_newest_attempt_is(databases: Databases) -> None:
    moments = [NOW - timedelta(hours=hours) for hours in (3, 2, 1)]
    for number, at in enumerate(moments):
        databases.accept(number, at)
    assert databases.figures()[1].oldest_at == moments[0]
    first, second, third = databases.relay()
    again = first.next(NOW + timedelta(minutes=5))
    databases.end(first, Outcome.AGAIN, again)
    assert databases.figures()[1].oldest_at == moments[0]
    databases.end(again, Outcome.DONE)
    assert databases.figures()[1].oldest_at == moments[1]
    databases.put(Task(id="annotate:x:1", name="annotate", args={}, cause=second.id))
    databases.end(second, Outcome.DONE)
    assert databases.figures()[1].oldest_at == moments[1], "its note is not there yet"
    databases.end(Task(id="annotate:x:1", name="annotate", args={}), Outcome.DONE)
    databases.put(Task(id="follow-up:x:1", name="f", args={}, cause=second.id, not_before=NOW + timedelta(hours=1)))
    assert databases.figures()[1].oldest_at == moments[2], "what is for later holds nothing up"
    databases.end(third, Outcome.DEAD)
    assert databases.figures()[1].oldest_at is None


def test_an_event_that_is_not_relayed_may_be_the_oldest(databases: Databases) -> None:
    databases.accept(1, NOW - timedelta(hours=2))
    (task,) = databases.relay()
    databases.accept(2, NOW - timedelta(hours=1))
    assert databases.figures()[1].oldest_at == NOW - timedelta(hours=2)
    databases.end(task, Outcome.DONE)
    assert databases.figures()[1].oldest_at == NOW - timedelta(hours=1)


def test_dead_is_what_nobody_has_tried_since(databases: Databases) -> None:
    one, two = (databases.put(Task(id=name, name="annotate", args={})) for name in ("one", "two"))
    databases.end(one, Outcome.DEAD)
    databases.end(two, Outcome.DEAD)
    assert databases.figures()[0].dead == 2
    (again,) = databases.outbox.retry([one], NOW)
    assert databases.figures()[0].dead == 1
    databases.end(again.anew(), Outcome.DEAD)
    assert databases.figures()[0].dead == 2


def test_unblocks_are_counted_by_what_is_known_of_them(databases: Databases) -> None:
    databases.ask("1@example.edu", None)
    databases.ask("2@example.edu", Answer.REQUESTED)
    databases.ask("3@example.edu", Answer.NOT_BLOCKED)
    databases.ask("4@example.edu", Answer.REFUSED)
    databases.ask("5@example.edu", Answer.LIMIT)
    databases.ask("6@example.edu", Answer.REQUESTED, NOW)
    databases.ask("7@example.edu", None, NOW)
    unblocks = databases.figures()[0].unblocks
    assert unblocks == {Unblock.UNKNOWN: 1, Unblock.ASKED: 2, Unblock.REFUSED: 2, Unblock.CONFIRMED: 2}


def test_workers_and_scans_are_told_with_their_moments(databases: Databases) -> None:
    databases.outbox.seen("worker-1", NOW)
    with databases.store.change() as change:
        change.set_mark("scan ended desk", NOW.isoformat())
        change.set_mark("scan ended another", NOW.isoformat())
    cases, _ = databases.figures()
    assert (cases.workers, cases.scans) == ({"worker-1": NOW}, {"desk": NOW})
