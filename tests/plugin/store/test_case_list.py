"""The list's queries say the same on SQLite and PostgreSQL, and go by indexes, not through all cases."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugin.errors import StorageError
from plugin.model import AccountStatus, Asking, BlockedAddress, Case, CaseState, Cause, Sending, SignIn, SignInState
from plugin.store import migrations, schema
from plugin.store.case_list import CaseList, Filter, Place, Release
from plugin.store.cases import CaseStore
from plugin.store.engine import open_engine

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
STATES = (CaseState.OVERDUE, CaseState.READY, CaseState.CLOSED)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    is_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/cases.sqlite" if is_file else request.getfixturevalue("postgresql")
    migrations.upgrade("cases", url)
    opened = open_engine(url)
    yield opened
    opened.dispose()


def a_case(number: int, state: CaseState, account: str, **changes: object) -> Case:
    """A case that is so many hours old."""
    status = AccountStatus(
        tenant="campus",
        netid=account,
        display_name=account.title(),
        primary_address=f"{account}.Name@example.edu",
        addresses=(),
        sending=Sending.BLOCKED,
        blocked=(BlockedAddress(address="a@example.edu", cause=Cause.SPAM),),
        sign_in=SignInState(state=SignIn.ENABLED),
        checked_at=NOW,
    )
    at = NOW - timedelta(hours=number)
    case = Case(
        id=f"c{number:03}", source="rt", ticket=str(number), account=account, state=state, round=1,
        opened_by="triage", created_at=at, updated_at=at, version=1, status=status,
    )  # fmt: skip
    return replace(case, **changes)  # type: ignore[arg-type]


@pytest.fixture
def cases(engine: sa.Engine) -> CaseList:
    store = CaseStore(engine)
    with store.change() as change:
        for number in range(30):
            state, account = STATES[number % 3], ("bbadger", "GHopper", "ümlaut")[number // 10]
            change.add_case(a_case(number, state, account))
        for number in (1, 2, 15):
            change.ask(
                Asking(
                    tenant="campus", account="x", address=f"{number}@example.edu", block="b", case=f"c{number:03}",
                    round=1, agent="Ada Lovelace (ada)" if number < 9 else "Grace (gh)", press="p", asked_at=NOW,
                )
            )  # fmt: skip
    return CaseList(engine, ["rt"])


def numbers(cases: CaseList, wanted: Filter, **how: object) -> list[int]:
    """The whole list, four at a time."""
    after, found = None, []
    while True:
        page = cases.page(STATES, wanted, limit=4, after=after, **how)  # type: ignore[arg-type]
        found += [int(case.id[1:]) for case in page.cases]
        after = page.next
        if after is None:
            return found
        assert len(page.cases) == 4


def test_the_whole_list_is_there_once_in_its_order(cases: CaseList) -> None:
    oldest_first = [*range(27, -1, -3), *range(28, 0, -3), *range(29, 1, -3)]
    assert numbers(cases, Filter()) == oldest_first
    newest_closed = oldest_first[:20] + oldest_first[:19:-1]
    assert numbers(cases, Filter(), newest_first={CaseState.CLOSED}) == newest_closed


def test_a_search_finds_parts_of_names_in_any_case_and_whole_tickets(cases: CaseList) -> None:
    assert sorted(numbers(cases, Filter(text="hop"))) == list(range(10, 20))
    assert sorted(numbers(cases, Filter(text="hopper.NAME"))) == list(range(10, 20))
    assert sorted(numbers(cases, Filter(text="ümla"))) == list(range(20, 30))
    assert numbers(cases, Filter(text="17")) == [17]
    assert numbers(cases, Filter(text="%")) == numbers(cases, Filter(text="b_adger")) == []


def test_who_pressed_is_found_alone_and_together_with_a_name(cases: CaseList) -> None:
    assert sorted(numbers(cases, Filter(agent="LOVELACE"))) == [1, 2]
    assert numbers(cases, Filter(agent="a", text="ghop")) == [15]
    assert numbers(cases, Filter(agent="nobody")) == []


def test_counts_are_of_all_that_fits(cases: CaseList) -> None:
    page = cases.page(STATES[:1], Filter(since=NOW - timedelta(hours=9), before=NOW), limit=2)
    assert {state: count for state, count in page.counts.items() if count} == dict.fromkeys(STATES, 3)
    assert cases.page(STATES, Filter(source="other"), limit=2).counts == dict.fromkeys(CaseState, 0)


def test_a_place_in_a_state_that_is_not_asked_for_has_nothing_after_it(cases: CaseList) -> None:
    nowhere = Place(state=CaseState.UNBLOCKED, created_at=NOW, id="c001")
    page = cases.page(STATES, Filter(), after=nowhere, limit=9)
    assert (page.cases, page.next) == ((), None)


def test_days_releases_and_causes_are_counted(cases: CaseList, engine: sa.Engine) -> None:
    with CaseStore(engine).change() as change:
        released = NOW - timedelta(hours=30)
        change.add_case(a_case(40, CaseState.CLOSED, "bbadger", unblocked_at=released))
    ends = [NOW - timedelta(hours=24), NOW + timedelta(seconds=1)]
    before, today = cases.by_day(ends, NOW - timedelta(hours=48))
    assert sum(before.values()) == 6
    assert sum(today.values()) == 25
    assert cases.releases(NOW - timedelta(hours=48)) == [
        Release(opened_at=NOW - timedelta(hours=40), released_at=released)
    ]
    assert cases.causes(NOW - timedelta(hours=10)) == {"outbound spam": 11}


def test_a_page_is_read_along_the_index(engine: sa.Engine, cases: CaseList) -> None:
    """What is slow with a hundred thousand cases is seen with thirty: a pass through the table itself."""
    if engine.dialect.name == "postgresql":
        return  # it plans by what it knows of the rows, and of thirty it reads all
    told: list[str] = []
    with engine.connect() as connection:

        def explain(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
            if statement.startswith("SELECT"):
                rows = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()  # type: ignore[attr-defined]
                told.extend(row[3] for row in rows)

        sa.event.listen(sa.Engine, "before_cursor_execute", explain)
        try:
            for wanted in (
                Filter(),
                Filter(text="hop"),
                Filter(agent="ada"),
                Filter(source="rt", since=NOW - timedelta(9)),
            ):
                cases.page(STATES, wanted, limit=4)
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", explain)
    through_all = [line for line in told if line.startswith("SCAN") and "COVERING INDEX" not in line]
    assert through_all == []
    assert any("cases_by_state" in line for line in told)


def test_a_database_that_cannot_be_read_is_a_storage_error(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/empty.sqlite")
    with pytest.raises(StorageError, match="could not be read"):
        CaseList(engine, []).page(STATES, Filter(), limit=1)
    engine.dispose()
    assert "cases" in schema.metadata.tables
