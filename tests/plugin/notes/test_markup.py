"""How strangers' words, links and moments are written."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.notes.markup import LONGEST, anchor, deadline, inert, moment, whole_minute_after


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://evil.example", "http[:]//evil.example"),
        ("HTTPS://evil.example/x", "HTTPS[:]//evil[.]example/x"),
        ("www.evil.example", "www[.]evil.example"),
        ("evil.example/login", "evil[.]example/login"),
        ("evil.example:8080", "evil[.]example:8080"),
        ("bucky@example.edu: no answer", "bucky@example.edu: no answer"),
        ("info@www.example.edu", "info@www.example.edu"),
        ("550 5.1.8 Access denied", "550 5.1.8 Access denied"),
        (" a \r\n b\x00c\u202e ", "a b c"),
    ],
)
def test_words_become_one_line_without_anything_to_click(text: str, shown: str) -> None:
    assert inert(text) == shown


@given(st.text())
def test_inert_words_are_short_and_hold_no_web_address(text: str) -> None:
    shown = inert(text)
    assert "://" not in shown
    assert "\n" not in shown
    assert len(shown.replace("[", "").replace("]", "")) <= LONGEST


@pytest.mark.parametrize(
    "url", ["", "javascript:alert(1)", "data:text/html,x", "https://[", "http:///x", "https://a b"]
)
def test_address_that_is_none_of_the_webs_becomes_no_link(url: str) -> None:
    assert anchor(url, "<words>") == "&lt;words&gt;"


def test_link_is_escaped() -> None:
    assert anchor("https://x.example/?a=1&b='", "a & b") == '<a href="https://x.example/?a=1&amp;b=&#39;">a &amp; b</a>'


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        (ZoneInfo("America/Chicago"), "Mon 23 Nov 2026, 23:59 CST"),
        (ZoneInfo("UTC"), "Tue 24 Nov 2026, 05:59 UTC"),
        (ZoneInfo("America/Sao_Paulo"), "Tue 24 Nov 2026, 02:59 UTC-03"),
        (timezone(timedelta(hours=2)), "Tue 24 Nov 2026, 07:59 UTC+02:00"),
    ],
)
def test_moment_is_told_in_the_sites_zone_by_name(zone: ZoneInfo, words: str) -> None:
    assert moment(datetime(2026, 11, 24, 5, 59, 59, tzinfo=UTC), zone) == words


def test_deadline_is_rounded_up_and_a_whole_minute_stays() -> None:
    whole = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)
    assert deadline(whole, UTC) == "Tue 24 Nov 2026, 23:59 UTC"
    assert deadline(whole + timedelta(microseconds=1), UTC) == "Wed 25 Nov 2026, 00:00 UTC"


@given(st.timedeltas(timedelta(0), timedelta(days=365)))
def test_whole_minute_is_never_before_the_moment_and_less_than_a_minute_after_it(after: timedelta) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC) + after
    whole = whole_minute_after(at)
    assert (whole.second, whole.microsecond) == (0, 0)
    assert timedelta(0) <= whole - at < timedelta(minutes=1)
