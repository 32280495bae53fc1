"""Which tasks there are, by what they were done for, and what of them an operator's retry puts anew."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from plugin.model import Outcome, Task
from plugin.store import migrations
from plugin.store.cases import CaseStore
from plugin.store.engine import open_engine
from plugin.store.events import WorkRows
from plugin.store.outbox import Ended, Outbox

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
HANDLE = Task(id="handle:evt_1", name="handle", args={"source": "desk", "ticket": "7"}, lane="ticket desk:7")
SHOW = Task(id="annotate:c1:2", name="annotate", args={"case": "c1"}, lane="ticket desk:7", cause=HANDLE.id)
PRESS = Task(id="unblock:c1:5", name="unblock", args={"case": "c1"}, lane="account bbadger")


class Books:
    """The tasks of a database, and what is asked about them."""

    def __init__(self, engine: sa.Engine) -> None:
        self.outbox, self.rows, self._store = Outbox(engine), WorkRows(engine), CaseStore(engine)

    def put(self, *tasks: Task) -> None:
        """Call for tasks, and hand them to the engine."""
        with self._store.change() as change:
            for task in tasks:
                change.put_task(task)
            change.handed(tasks, NOW)

    def fail(self, task: Task, outcome: Outcome = Outcome.AGAIN) -> Task:
        """An attempt fails; the next one."""
        self.outbox.begin([task], worker="worker-1", at=NOW)
        again = task.next(NOW + timedelta(hours=1))
        then = [again] if outcome is Outcome.AGAIN else []
        self.outbox.end([Ended(task=task, outcome=outcome, error="down")], at=NOW, then=then)
        return again

    def attempts(self, task: Task) -> list[tuple[int, Outcome | None]]:
        """Each attempt at a task and its outcome."""
        records = self.outbox.records([task.base])
        return [(record.task.attempt, record.outcome) for record in records if record.task.base == task.base]


@pytest.fixture
def books(url: str) -> Iterator[Books]:
    migrations.upgrade("cases", url)
    engine = open_engine(url)
    yield Books(engine)
    engine.dispose()


def test_causes_come_newest_first_page_by_page_without_what_was_called_for_on_their_way(books: Books) -> None:
    batch = Task(id="events:1-2", name="handle_events", args={"tasks": []})
    books.put(batch, HANDLE, SHOW, PRESS)
    (first,) = books.rows.causes(before=None, limit=1)
    assert first[1] == PRESS.id
    assert [cause for _, cause in books.rows.causes(before=first[0], limit=10)] == [HANDLE.id]
    assert [cause for _, cause in books.rows.causes(before=None, limit=10, lanes={"ticket desk:7"})] == [HANDLE.id]
    assert books.rows.causes(before=None, limit=10, lanes=()) == []


def test_causes_of_what_is_dead_end_with_a_retry_and_those_of_what_is_open_with_its_end(books: Books) -> None:
    books.put(HANDLE, SHOW, PRESS)
    books.outbox.end([Ended(task=HANDLE, outcome=Outcome.DONE), Ended(task=PRESS, outcome=Outcome.DONE)], at=NOW)
    assert [cause for _, cause in books.rows.causes_of_open(before=None, limit=10)] == [HANDLE.id]
    books.fail(SHOW, Outcome.DEAD)
    assert books.rows.causes_of_open(before=None, limit=10) == []
    assert [cause for _, cause in books.rows.causes_of_dead(before=None, limit=10)] == [HANDLE.id]
    books.outbox.retry([SHOW], NOW)
    assert books.rows.causes_of_dead(before=None, limit=10) == []


def test_of_each_task_of_a_cause_the_newest_attempt_is_told(books: Books) -> None:
    books.put(HANDLE, SHOW)
    again = books.fail(books.fail(SHOW))
    assert [record.task.id for record in books.rows.newest([HANDLE.id])] == [HANDLE.id, again.id]
    assert books.rows.newest([PRESS.id]) == []


def test_what_is_dead_is_put_once_more_with_its_cause_and_its_failures_counted_anew(books: Books) -> None:
    books.put(HANDLE, SHOW)
    last = books.fail(SHOW)
    books.fail(last, Outcome.DEAD)
    assert books.outbox.retry([last], NOW) == [last]
    newest = books.rows.newest([HANDLE.id])[-1].task
    assert newest == replace(SHOW, id=f"{SHOW.id}~2", attempt=2, counted_from=2)
    assert books.outbox.retry([last], NOW) == []
    assert books.attempts(SHOW) == [(0, Outcome.AGAIN), (1, Outcome.DEAD), (2, None)]


def test_what_waits_gives_way_to_the_retry_and_does_not_begin_any_more(books: Books) -> None:
    books.put(SHOW)
    waiting = books.fail(SHOW)
    assert books.outbox.retry([waiting], NOW) == [waiting]
    assert books.attempts(SHOW) == [(0, Outcome.AGAIN), (1, Outcome.RETRIED), (2, None)]
    assert books.outbox.begin([waiting, waiting.anew()], worker="worker-1", at=NOW) == {
        waiting.id: 0,
        waiting.anew().id: 1,
    }
    assert books.outbox.retry([waiting], NOW) == []


def test_what_has_ended_does_not_begin_again_though_the_engine_never_heard_of_its_end(books: Books) -> None:
    books.put(SHOW)
    books.fail(SHOW, Outcome.DONE)
    assert books.outbox.begin([SHOW], worker="worker-2", at=NOW) == {SHOW.id: 0}
    (record,) = books.outbox.records([SHOW.cause])
    assert (record.starts, record.worker, record.outcome) == (1, "worker-1", Outcome.DONE)


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.COVERED, Outcome.AGAIN, None])
def test_what_was_done_failed_or_begun_in_the_meantime_is_left_alone(books: Books, outcome: Outcome | None) -> None:
    books.put(SHOW)
    if outcome is None:
        books.outbox.begin([SHOW], worker="worker-1", at=NOW)
    else:
        books.fail(SHOW, outcome)
    before = books.attempts(SHOW)
    assert books.outbox.retry([SHOW], NOW) == []
    assert books.attempts(SHOW) == before


@pytest.mark.parametrize("is_dead", [True, False], ids=["dead", "waiting"])
def test_several_operators_at_once_put_one_attempt(books: Books, is_dead: bool) -> None:
    books.put(SHOW)
    last = books.fail(SHOW)
    if is_dead:
        books.fail(last, Outcome.DEAD)
    start, put = threading.Barrier(6), []

    def press() -> None:
        start.wait()
        put.append(books.outbox.retry([last], NOW))

    threads = [threading.Thread(target=press) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(put) == [[]] * 5 + [[last]]
    assert [attempt for attempt, _ in books.attempts(SHOW)] == [0, 1, 2]


def test_a_retry_and_a_worker_at_once_make_one_attempt(books: Books) -> None:
    for number in range(20):
        task = replace(SHOW, id=f"annotate:c{number}:1")
        books.put(task)
        waiting = books.fail(task)
        start, begun = threading.Barrier(2), []

        def work(waiting: Task = waiting, start: threading.Barrier = start, begun: list[int] = begun) -> None:
            start.wait()
            begun.append(books.outbox.begin([waiting], worker="worker-1", at=NOW)[waiting.id])

        worker = threading.Thread(target=work)
        worker.start()
        start.wait()
        put = books.outbox.retry([waiting], NOW)
        worker.join()
        assert (begun, put) in (([1], []), ([0], [waiting]))


def test_a_part_of_any_attempts_id_leads_to_its_cause(books: Books) -> None:
    books.put(HANDLE, SHOW, PRESS)
    assert books.rows.like("annotate:c1", 10) == [HANDLE.id]
    assert sorted(books.rows.like("c1", 10)) == sorted([HANDLE.id, PRESS.id])
    assert books.rows.like("c%", 10) == []
