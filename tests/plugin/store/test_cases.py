"""The cases database keeps all of a change or nothing, and never the same thing twice. Real databases throughout."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from plugin.errors import StorageError
from plugin.model import (
    AccountStatus,
    Answer,
    Asking,
    BlockedAddress,
    Candidate,
    Case,
    CaseState,
    Cause,
    Confidence,
    Finding,
    GivenAnswer,
    JournalEntry,
    Label,
    Note,
    Origin,
    Outcome,
    Sending,
    SignIn,
    SignInState,
    Task,
    UnblockAnswer,
    Visibility,
)
from plugin.store import migrations, schema
from plugin.store.cases import CaseStore, SentNote, Stale
from plugin.store.engine import open_engine
from plugin.store.outbox import Ended, Outbox

NOW = datetime(2026, 11, 24, 14, 5, 6, 789, tzinfo=UTC)
CASE = Case(
    id="c1",
    source="desk",
    ticket="7",
    account="bbadger",
    state=CaseState.RECEIVED,
    round=1,
    opened_by="triage",
    created_at=NOW,
    updated_at=NOW,
    version=1,
)
FULL = replace(
    CASE,
    id="c2",
    finding=Finding(
        label=Label.SENDER_BLOCKED,
        confidence=Confidence.CERTAIN,
        code="5.1.8",
        candidates=(Candidate(account="bbadger", origin=Origin.REPORT),),
        rule="code",
        evidence=("550 5.1.8 \ud800 \x00 „Zugriff“",),
    ),
    status=AccountStatus(
        tenant="campus",
        netid="bbadger",
        display_name="Bucky",
        primary_address="b@example.edu",
        addresses=("b@example.edu", "c@example.edu"),
        sending=Sending.BLOCKED,
        blocked=(BlockedAddress(address="b@example.edu", reason="x", cause=Cause.SPAM, blocked_at=NOW),),
        sign_in=SignInState(state=SignIn.DISABLED, reason="Compromised Account", since=NOW),
        checked_at=NOW,
        failure="",
    ),
    question="Which?",
    candidates=("a", "b"),
    reason="because",
    unreadable_since=NOW,
    asked_at=NOW,
    unblocked_at=NOW,
    escalate_after=NOW,
    complained_at=NOW,
    relied_on="c1",
)
ASKING = Asking(
    tenant="campus",
    account="bbadger",
    address="B@example.edu",
    block="2026-11-24T14:00:00+00:00",
    case="c1",
    round=1,
    agent="Alex (alex)",
    press="unblock:c1:4",
    asked_at=NOW,
)
TASK = Task(id="handle:1", name="handle", args={"source": "desk", "ticket": "7"}, lane="ticket desk:7")
NOTE = Note(key="k1", visibility=Visibility.INTERNAL, subject="Blocked", body_html="<p>Blocked</p>")
LINE = JournalEntry(at=NOW, actor="m365-unblock", what="Triage.")


SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture
def open_store(url: str) -> Iterator[Callable[..., CaseStore]]:
    """Stores over the same database, as web and worker have them."""
    migrations.upgrade("cases", url)
    engines: list[sa.Engine] = []

    def open_store(busy_seconds: float = 10.0) -> CaseStore:
        engines.append(open_engine(url, busy_seconds=busy_seconds))
        return CaseStore(engines[-1])

    yield open_store
    for engine in engines:
        engine.dispose()


@pytest.fixture
def store(open_store: Callable[..., CaseStore]) -> CaseStore:
    return open_store()


def add(store: CaseStore, *cases: Case) -> None:
    with store.change() as change:
        for case in cases:
            assert change.add_case(case)


def together(count: int, work: Callable[[int], object]) -> list[object]:
    """Do something in several threads at the same moment."""
    barrier = Barrier(count)

    def one(number: int) -> object:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


# ── cases ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", [CASE, FULL], ids=["bare", "full"])
def test_a_case_comes_out_as_it_went_in(store: CaseStore, open_store: Callable[..., CaseStore], case: Case) -> None:
    add(store, case)
    assert open_store().case(case.id) == case


def test_a_case_is_added_once_and_the_first_stays(store: CaseStore) -> None:
    add(store, CASE)
    with store.change() as change:
        assert not change.add_case(replace(CASE, account="other"))
    assert store.case("c1") == CASE


def test_a_case_nobody_opened_is_none(store: CaseStore) -> None:
    assert store.case("c9") is None
    assert store.cases_of_ticket("desk", "7") == ()


def test_cases_of_a_ticket_come_oldest_first_and_those_of_an_account_newest_first(store: CaseStore) -> None:
    later = replace(CASE, id="c0", created_at=NOW + timedelta(seconds=1))
    elsewhere = replace(CASE, id="c5", source="other", created_at=NOW + timedelta(seconds=2))
    somebody = replace(CASE, id="c6", ticket="8", account="somebody")
    add(store, later, CASE, elsewhere, somebody)
    assert [case.id for case in store.cases_of_ticket("desk", "7")] == ["c1", "c0"]
    assert [case.id for case in store.cases_of_account("bbadger")] == ["c5", "c0", "c1"]


def test_saving_raises_the_version_and_gives_back_what_is_kept(store: CaseStore) -> None:
    add(store, CASE)
    with store.change() as change:
        saved = change.save_case(CASE, state=CaseState.READY, reason="done")
    assert (saved.version, saved.state, saved.reason) == (2, CaseState.READY, "done")
    assert store.case("c1") == saved


def test_who_read_an_older_version_is_told_and_changes_nothing(store: CaseStore) -> None:
    add(store, CASE)
    with store.change() as change:
        newer = change.save_case(CASE, state=CaseState.READY)
    with pytest.raises(Stale, match="c1"), store.change() as change:
        change.save_case(CASE, state=CaseState.REFUSED)
    assert store.case("c1") == newer


def test_of_many_who_save_the_same_version_at_once_one_does(
    store: CaseStore, open_store: Callable[..., CaseStore]
) -> None:
    add(store, CASE)
    stores = [open_store() for _ in range(6)]

    def save(number: int) -> str:
        try:
            with stores[number].change() as change:
                change.save_case(CASE, reason=f"by {number}")
        except Stale:
            return ""
        return f"by {number}"

    (winner,) = [told for told in together(6, save) if told]
    kept = store.case("c1")
    assert kept is not None
    assert (kept.reason, kept.version) == (winner, 2)


def test_saving_a_case_that_is_gone_is_stale(store: CaseStore) -> None:
    with pytest.raises(Stale), store.change() as change:
        change.save_case(CASE)


@pytest.mark.parametrize("failure", [Stale("x"), RuntimeError("x"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_neither_case_nor_journal_nor_task(
    store: CaseStore, failure: BaseException
) -> None:
    def fail_in_the_middle() -> None:
        with store.change() as change:
            change.add_case(CASE)
            change.log("c1", LINE)
            change.put_task(TASK)
            change.set_mark("relayed", "7")
            change.ask(ASKING)
            raise failure

    with pytest.raises(type(failure)):
        fail_in_the_middle()
    assert store.case("c1") is None
    assert store.journal("c1") == ()
    assert store.waiting_tasks(10) == ()
    assert store.mark("relayed") is None
    assert store.askings("campus", "", [ASKING.address]) == ()


def test_a_stale_case_takes_its_journal_line_and_its_task_with_it(store: CaseStore) -> None:
    add(store, replace(CASE, version=2))

    def save_an_older_one() -> None:
        with store.change() as change:
            change.log("c1", LINE)
            change.put_task(TASK)
            change.save_case(CASE)

    with pytest.raises(Stale):
        save_an_older_one()
    assert (store.journal("c1"), store.waiting_tasks(10)) == ((), ())


def test_a_row_the_database_refuses_is_an_error_and_not_taken_for_known(store: CaseStore) -> None:
    with pytest.raises(StorageError), store.change() as change:
        change.put_task(replace(TASK, name=None))  # type: ignore[arg-type]
    with pytest.raises(StorageError), store.change() as change:
        change.ask(replace(ASKING, agent=None))  # type: ignore[arg-type]


def test_a_storage_error_holds_nothing_of_the_row(store: CaseStore) -> None:
    with pytest.raises(StorageError) as caught, store.change() as change:
        change.put_task(replace(TASK, name=None, args={"note": "hunter2"}))  # type: ignore[arg-type]
    cause = caught.value.__cause__
    assert cause is not None
    assert "hunter2" not in f"{caught.value} {cause} {cause.__cause__}"


def test_texts_of_strangers_are_kept_whatever_is_in_them(store: CaseStore) -> None:
    strange, shown = "a\x00b\ud800c", "a\ufffdb\ufffdc"
    with store.change() as change:
        change.add_case(replace(CASE, question=strange, reason=strange, opened_by=strange, candidates=(strange,)))
        change.log("c1", replace(LINE, actor=strange, what=strange))
        change.intend("c1", replace(NOTE, subject=strange, body_html=strange), NOW)
        change.ask(replace(ASKING, agent=strange, detail=strange))
        change.put_task(replace(TASK, args={"said": strange}))
    case, sent, (asking,) = store.case("c1"), store.note("k1"), store.askings("campus", "bbadger", [])
    assert case is not None
    assert sent is not None
    assert (case.question, case.reason, case.opened_by, case.candidates) == (shown, shown, shown, (strange,))
    assert store.journal("c1") == (replace(LINE, actor=shown, what=shown),)
    assert (sent.note.subject, sent.note.body_html) == (shown, shown)
    assert (asking.agent, asking.detail) == (shown, shown)
    assert [task.args for task in store.waiting_tasks(10)] == [{"said": strange}]


def test_how_an_attempt_failed_is_kept_whatever_the_other_side_said(store: CaseStore, url: str) -> None:
    with store.change() as change:
        change.put_task(TASK)
    engine = open_engine(url)
    outbox = Outbox(engine)
    outbox.end([Ended(task=TASK, outcome=Outcome.DEAD, error="500: \x00\ud800" + "x" * 5000)], at=NOW)
    (record,) = outbox.records([TASK.base])
    assert (record.outcome, record.error) == (Outcome.DEAD, ("500: \ufffd\ufffd" + "x" * 5000)[:4000])
    engine.dispose()


def test_what_people_read_is_cut_where_it_is_longer_than_its_column_and_nothing_else_is(store: CaseStore) -> None:
    with store.change() as change:
        change.add_case(replace(CASE, opened_by="a" * 201, question="q" * 100_000))
        change.log("c1", replace(LINE, actor="b" * 501))
        change.log("c1", replace(LINE, actor="c" * 500))
    case = store.case("c1")
    assert case is not None
    assert (case.opened_by, case.question) == ("a" * 199 + "…", "q" * 100_000)
    assert [line.actor for line in store.journal("c1")] == ["b" * 499 + "…", "c" * 500]


def test_changes_that_look_things_up_meanwhile_never_wait_for_each_other(store: CaseStore) -> None:
    threads = 40
    add(store, *(replace(CASE, id=f"c{number}") for number in range(threads)))

    def change_and_look(number: int) -> None:
        with store.change() as change:
            case = store.case(f"c{number}")
            assert case is not None
            change.save_case(case)

    together(threads, change_and_look)
    assert {case.version for case in store.cases_of_account("bbadger")} == {2}


# ── moments ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_moments_come_out_aware_and_in_utc_whatever_zone_they_went_in_with(store: CaseStore) -> None:
    here = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    add(store, replace(CASE, created_at=here, unblocked_at=here))
    kept = store.case("c1")
    assert kept is not None
    assert kept.unblocked_at is not None
    assert (kept.created_at, kept.unblocked_at) == (NOW, NOW)
    assert (kept.created_at.utcoffset(), kept.unblocked_at.utcoffset()) == (timedelta(0), timedelta(0))


def test_moments_of_different_zones_are_put_in_their_true_order(store: CaseStore) -> None:
    east = (NOW - timedelta(minutes=1)).astimezone(timezone(timedelta(hours=9)))
    add(store, CASE, replace(CASE, id="c0", created_at=east))
    assert [case.id for case in store.cases_of_ticket("desk", "7")] == ["c0", "c1"]


# ── answers, askings, notes, journal ─────────────────────────────────────────────────────────────────────────────


def test_a_new_answer_replaces_the_old_and_one_taken_back_is_gone(store: CaseStore) -> None:
    answer = GivenAnswer(
        item="i", value={"done": True}, agent="A", answered_at=NOW, checklist="c", checklist_version="1"
    )
    newer = replace(answer, value={"done": False}, agent="B", answered_at=NOW + timedelta(seconds=1))
    with store.change() as change:
        assert change.save_answer("c1", answer)
        assert change.save_answer("c1", newer, over=answer)
        assert change.save_answer("c2", answer)
    assert store.answers("c1") == (newer,)
    with store.change() as change:
        assert change.drop_answer("c1", newer)
    assert (store.answers("c1"), store.answers("c2")) == ((), (answer,))


def test_an_answer_that_somebody_else_has_written_over_stays(store: CaseStore) -> None:
    first = GivenAnswer(
        item="i", value={"done": True}, agent="A", answered_at=NOW, checklist="c", checklist_version="1"
    )
    theirs = replace(first, agent="B", answered_at=NOW + timedelta(seconds=1))
    mine = replace(first, agent="C", answered_at=NOW + timedelta(seconds=2))
    with store.change() as change:
        change.save_answer("c1", first)
        change.save_answer("c1", theirs, over=first)
    with store.change() as change:
        assert not change.save_answer("c1", mine)
        assert not change.save_answer("c1", mine, over=first)
        assert not change.drop_answer("c1", first)
    assert store.answers("c1") == (theirs,)


def test_a_block_of_an_address_is_asked_for_once_across_all_tickets(store: CaseStore) -> None:
    with store.change() as change:
        assert change.ask(ASKING)
        assert not change.ask(replace(ASKING, case="c2", press="unblock:c2:1"))
        assert change.ask(replace(ASKING, block="2026-11-25T00:00:00+00:00"))
        assert change.ask(replace(ASKING, tenant="other"))
    first, second = store.askings("campus", "", [ASKING.address, "nobody@example.edu"])
    assert (first, second.block) == (ASKING, "2026-11-25T00:00:00+00:00")
    assert store.askings_of_case(CASE) != ()
    assert store.askings_of_case(replace(CASE, round=2)) == ()


def test_of_many_tickets_that_ask_for_the_same_block_at_once_one_does(
    store: CaseStore, open_store: Callable[..., CaseStore]
) -> None:
    stores = [open_store() for _ in range(6)]

    def ask(number: int) -> bool:
        with stores[number].change() as change:
            return change.ask(replace(ASKING, case=f"c{number}"))

    assert sorted(map(bool, together(6, ask))) == [False] * 5 + [True]
    assert len(store.askings("campus", "", [ASKING.address])) == 1


def test_an_asking_keeps_its_answer_and_its_release(store: CaseStore) -> None:
    with store.change() as change:
        change.ask(ASKING)
        change.record_answer(ASKING, UnblockAnswer(answer=Answer.LIMIT, detail="409"), NOW)
        change.record_release(ASKING, NOW)
    (kept,) = store.askings("campus", "", [ASKING.address])
    assert kept == replace(ASKING, answer=Answer.LIMIT, detail="409", answered_at=NOW, released_at=NOW)
    with store.change() as change:
        again = change.ask_again(kept, replace(ASKING, agent="Kim (kim)", press="p2"))
    assert (again.times, again.answer) == (2, None)
    assert store.askings("campus", "", [ASKING.address]) == (again,)


def test_an_asking_that_never_left_is_forgotten_and_may_be_asked_again(store: CaseStore) -> None:
    with store.change() as change:
        change.ask(ASKING)
        change.withdraw(ASKING, None)
    with store.change() as change:
        assert change.ask(ASKING)


def test_a_note_is_meant_to_be_written_once_and_remembers_when_it_surely_was(store: CaseStore) -> None:
    with store.change() as change:
        assert change.intend("c1", NOTE, NOW)
        assert not change.intend("c1", replace(NOTE, subject="other"), NOW)
    assert store.note("k1") == SentNote(note=NOTE, sent_at=None, done_at=None)
    with store.change() as change:
        change.done("k1", NOW)
    assert store.notes("c1") == (SentNote(note=NOTE, sent_at=None, done_at=NOW),)
    assert store.note("k9") is None


def test_the_journal_is_kept_in_its_order(store: CaseStore) -> None:
    lines = [replace(LINE, what=f"{number}") for number in range(12)]
    with store.change() as change:
        for line in lines:
            change.log("c1", line)
    assert store.journal("c1") == tuple(lines)


# ── tasks, marks, launches ───────────────────────────────────────────────────────────────────────────────────────


def test_a_task_put_twice_is_one_task_even_after_it_was_handed_over(store: CaseStore) -> None:
    for _ in range(2):
        with store.change() as change:
            change.put_task(TASK)
            change.put_task(replace(TASK, args={}))
    assert store.waiting_tasks(10) == (TASK,)
    with store.change() as change:
        change.handed([TASK], NOW)
        change.put_task(TASK)
    assert store.waiting_tasks(10) == ()


def test_a_known_task_does_not_undo_the_change_it_comes_with(store: CaseStore) -> None:
    with store.change() as change:
        change.put_task(TASK)
    with store.change() as change:
        change.add_case(CASE)
        change.put_task(TASK)
        change.log("c1", LINE)
    assert store.case("c1") == CASE
    assert store.journal("c1") == (LINE,)


def test_what_waits_already_is_not_called_for_again_until_it_has_begun(store: CaseStore, url: str) -> None:
    def call_for(id_: str, **other: object) -> None:
        with store.change() as change:
            change.put_unless_waiting(Task(id=id_, name="annotate", args={"case": "c1"} | other, lane="a"))

    for id_ in ("first", "second"):
        call_for(id_)
    call_for("of another version", version=2)
    with store.change() as change:
        change.handed(store.waiting_tasks(1), NOW)  # the engine has it, and has not begun it
    call_for("third")
    assert [task.id for task in store.waiting_tasks(10)] == ["of another version"]
    engine = open_engine(url)
    Outbox(engine).begin([Task(id="first", name="annotate", args={})], worker="w", at=NOW)
    engine.dispose()
    for id_ in ("fourth", "fifth"):
        call_for(id_)
    assert [task.id for task in store.waiting_tasks(10)] == ["of another version", "fourth"]


def test_tasks_wait_in_the_order_they_were_called_for_with_all_they_depend_on(store: CaseStore) -> None:
    late = Task(id="b", name="recheck", args={"look": 1}, not_before=NOW, attempt=3)
    with store.change() as change:
        change.put_task(late)
        change.put_task(TASK)
    assert store.waiting_tasks(10) == (late, TASK)
    assert store.waiting_tasks(1) == (late,)


def test_a_mark_is_the_last_that_was_set(store: CaseStore) -> None:
    assert store.mark("relayed") is None
    for value in ("1", "2"):
        with store.change() as change:
            change.set_mark("relayed", value)
    assert store.mark("relayed") == "2"


def test_a_launch_token_is_used_once_and_forgotten_when_its_date_refuses_it(store: CaseStore, url: str) -> None:
    with store.change() as change:
        assert change.use_launch("desk", "j1", NOW + timedelta(minutes=5), NOW)
        assert not change.use_launch("desk", "j1", NOW + timedelta(minutes=5), NOW)
        assert change.use_launch("other", "j1", NOW + timedelta(minutes=5), NOW)
    with store.change() as change:
        assert not change.use_launch("desk", "j1", NOW, NOW + timedelta(minutes=5))
    with store.change() as change:
        assert change.use_launch("desk", "j2", NOW + timedelta(minutes=10), NOW + timedelta(minutes=5, seconds=1))
    engine = open_engine(url)
    with engine.connect() as connection:
        assert connection.scalars(sa.select(schema.launches.c.jti)).all() == ["j2"]
    engine.dispose()


def test_of_many_who_use_a_launch_token_at_once_one_may(store: CaseStore, open_store: Callable[..., CaseStore]) -> None:
    stores = [open_store() for _ in range(6)]

    def use(number: int) -> bool:
        with stores[number].change() as change:
            return change.use_launch("desk", "j1", NOW + timedelta(minutes=5), NOW)

    assert sorted(map(bool, together(6, use))) == [False] * 5 + [True]


# ── a database that will not ─────────────────────────────────────────────────────────────────────────────────────


@SQLITE
def test_a_locked_database_takes_no_change_and_says_so_while_it_can_still_be_read(
    store: CaseStore, open_store: Callable[..., CaseStore], url: str
) -> None:
    add(store, CASE)
    impatient = open_store(busy_seconds=0.05)
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="cases database did not take a change"), impatient.change() as change:
        change.put_task(TASK)
    with pytest.raises(StorageError):
        impatient.ping()
    assert impatient.case("c1") == CASE
    other.execute("ROLLBACK")
    other.close()
    impatient.ping()


def test_a_database_without_tables_or_without_a_place_is_a_storage_error(tmp_path: Path) -> None:
    for place in (tmp_path / "empty.sqlite", tmp_path / "missing" / "cases.sqlite"):
        engine = open_engine(f"sqlite:///{place}")
        store = CaseStore(engine)
        for use in (store.ping, lambda store=store: store.case("c1"), lambda store=store: add(store, CASE)):
            with pytest.raises(StorageError):
                use()
        engine.dispose()


def test_every_field_of_our_words_has_its_column() -> None:
    for word, table in ((Case, schema.cases), (Asking, schema.askings), (Task, schema.outbox)):
        missing = set(word.__dataclass_fields__) - set(table.c.keys())
        assert not missing, f"{table.name} lacks {missing}"
