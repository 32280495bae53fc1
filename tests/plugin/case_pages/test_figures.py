"""The pictures: what they are drawn from, and the same in words."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from plugin.case_pages import pictures
from plugin.model import CaseState
from plugin.store.case_list import Release
from tests.plugin.case_pages.conftest import House
from tests.plugin.panel.conftest import NOW, a_status


def test_every_state_has_one_outcome() -> None:
    assert sorted(state for _words, of in pictures.OUTCOMES.values() for state in of) == sorted(CaseState)


def test_days_begin_at_the_sites_midnight_also_when_clocks_change() -> None:
    zone = ZoneInfo("Europe/Berlin")
    since, ends, days = pictures.day_ends(datetime(2026, 11, 3, 23, 30, tzinfo=UTC), zone)
    assert days[-1].isoformat() == "2026-11-04"  # there it is past midnight
    assert ends[-1] == datetime(2026, 11, 4, 23, tzinfo=UTC)
    assert since == datetime(2026, 10, 5, 22, tzinfo=UTC)
    lengths = {(end - begin).total_seconds() / 3600 for begin, end in zip([since, *ends], ends, strict=False)}
    assert lengths == {24, 25}  # 25 October
    assert len(ends) == len(days) == pictures.DAYS


def test_bars_are_as_high_as_their_counts_and_stand_on_each_other() -> None:
    days = [NOW.date(), (NOW + timedelta(days=1)).date()]
    counted = [{CaseState.CLOSED: 3, CaseState.READY: 1}, {CaseState.OVERDUE: 2}]
    picture = pictures.days_picture(days, counted)
    assert (picture.most, picture.total) == (4, 6)
    first, second = picture.days
    assert [(piece.outcome, piece.y, piece.height) for piece in first.pieces] == [
        ("released", 30.0, 90.0),
        ("work", 0.0, 30.0),
    ]
    assert [(piece.outcome, piece.height) for piece in second.pieces] == [("trouble", 60.0)]


def test_nothing_is_drawn_of_nothing() -> None:
    picture = pictures.days_picture([NOW.date()], [{}])
    assert (picture.total, picture.days[0].pieces) == (0, ())
    times = pictures.times_picture([])
    assert (times.count, times.median, times.ninth) == (0, None, None)
    assert pictures.causes_picture({}) == ()


@pytest.mark.parametrize(
    ("minutes", "median", "ninth"),
    [([10], 10, 10), ([10, 20], 15, 19), ([*range(1, 12)], 6, 10), ([-5], 0, 0)],
)
def test_times_are_told_by_the_middle_and_by_nine_of_ten(minutes: list[int], median: float, ninth: float) -> None:
    took = [Release(opened_at=NOW, released_at=NOW + timedelta(minutes=each)) for each in minutes]
    times = pictures.times_picture(took)
    assert (times.median, times.ninth) == (timedelta(minutes=median), timedelta(minutes=ninth))
    assert sum(bar.count for bar in times.bars) == len(minutes)


def test_a_time_at_a_limit_counts_as_the_longer() -> None:
    hour = Release(opened_at=NOW, released_at=NOW + timedelta(hours=1))
    (bar,) = [bar for bar in pictures.times_picture([hour]).bars if bar.count]
    assert (bar.words, bar.percent) == ("1 to 2 hours", 100.0)
    year = Release(opened_at=NOW, released_at=NOW + timedelta(days=400))
    assert [bar.words for bar in pictures.times_picture([year]).bars if bar.count] == ["a day or longer"]


def test_the_page_says_in_words_what_it_draws(house: House) -> None:
    for number, (days, state) in enumerate(
        [(0, CaseState.CLOSED), (0, CaseState.READY), (5, CaseState.OVERDUE), (40, CaseState.CLOSED)]
    ):
        opened = NOW - timedelta(days=days)
        released = opened + timedelta(minutes=40) if state is CaseState.CLOSED else None
        house.case(
            state,
            ticket=str(number),
            created_at=opened,
            unblocked_at=released,
            status=a_status(house.clock, f"u{number}"),
        )
    browser = house.signed_in()
    browser.get("/cases/figures")

    text = browser.text()
    assert "3 cases; 2 on the busiest day." in text
    assert "Half of 1 took at most 40 minutes; nine of ten at most 40 minutes." in text
    assert "Outbound spam 3" in text
    assert re.search(r"Nov 23, 2026 1 1 0 0 2 ", text)
    assert re.search(r"Nov 18, 2026 0 0 1 0 1 ", text)
    assert browser.page.count("<rect") >= 3
    assert re.search(r'<svg class="days" role="img" aria-labelledby="days-told"', browser.page)


def test_figures_stay_for_a_minute_and_are_counted_anew_after_it(house: House) -> None:
    browser = house.signed_in()
    browser.get("/cases/figures")
    assert "No case was opened in these days." in browser.text()
    house.case()
    browser.get("/cases/figures")
    assert "No case was opened in these days." in browser.text()
    house.clock.pass_time(minutes=1)
    browser.get("/cases/figures")
    assert "1 case; 1 on the busiest day." in browser.text()
