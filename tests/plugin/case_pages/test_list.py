"""The list of cases: tabs with counts, filters, order, pages, and words where there is nothing."""

import re
from datetime import timedelta
from typing import Any

import pytest

from plugin import rules
from plugin.case_pages import listing
from plugin.docket import Docket
from plugin.model import CaseState, Confidence, Finding, Label, Person, Ticket
from plugin.store.cases import CaseStore
from tests.plugin.case_pages.conftest import Browser, House
from tests.plugin.panel.conftest import NOW, a_status


def rows(browser: Browser) -> list[str]:
    """The tickets of the list, in its order."""
    return re.findall(r'<span class="label">Ticket </span>(?:<a [^>]*>)?([^<]*)', browser.page)


def test_every_state_is_in_one_tab_and_in_all() -> None:
    tabs = [of for name, (_label, of, _none) in listing.TABS.items() if name != "all"]
    assert sorted(state for of in tabs for state in of) == sorted(CaseState)
    assert listing.TABS["all"][1] == set(CaseState)


def test_tabs_tell_how_many_are_in_them(house: House) -> None:
    for number, state in enumerate(CaseState):
        house.case(state, ticket=str(number))
    house.case(CaseState.OVERDUE, ticket="99", created_at=NOW + timedelta(hours=1))
    browser = house.signed_in()
    browser.get("/cases")
    expected = "Open 6 Overdue 2 Outcome unknown 1 Waiting 3 Closed 1 Not ours to unblock 4 All 17"
    assert expected in browser.text()
    browser.get("/cases", tab="overdue")
    assert rows(browser) == ["rt:15", "rt:99"]
    assert '<a href="/cases?tab=overdue" aria-current="page">' in browser.page


def test_the_most_urgent_come_first_and_of_these_the_oldest(house: House) -> None:
    for number, state in enumerate(rules.URGENCY):
        for age in (3, 2):
            house.case(state, ticket=f"{number:02}-{age}", created_at=NOW - timedelta(hours=age))
    browser = house.signed_in()
    browser.get("/cases", tab="all")
    expected = []
    for number, state in enumerate(rules.URGENCY):
        ages = (2, 3) if state in listing.NEWEST_FIRST else (3, 2)
        expected += [f"rt:{number:02}-{age}" for age in ages]
    assert rows(browser) == expected


def test_pages_go_on_where_the_last_one_ended_and_leave_none_out(house: House) -> None:
    house.many(listing.PAGE + 7, CaseState.READY)
    house.many(listing.PAGE - 9, CaseState.CHECKLIST_OPEN, status=a_status(house.clock, "other"))
    at_once = house.clock() - timedelta(days=9)
    for number in range(20):  # all in the same moment
        house.case(CaseState.CLOSED, ticket=f"c{number}", created_at=at_once)
    browser = house.signed_in()
    browser.get("/cases", tab="all")
    seen = rows(browser)
    while match := re.search(r'rel="next" href="([^"]*)"', browser.page):
        browser.get(match[1].replace("&amp;", "&"))
        seen += rows(browser)
        assert "To the beginning" in browser.text()
    assert len(seen) == 2 * listing.PAGE - 2 + 20
    assert len(set(seen)) == listing.PAGE + 7 + 20  # two accounts on most tickets


def test_a_case_that_comes_while_somebody_pages_moves_no_other_off_the_next_page(house: House) -> None:
    house.many(listing.PAGE + 1, CaseState.READY)
    browser = house.signed_in()
    browser.get("/cases")
    first = rows(browser)
    house.case(CaseState.READY, ticket="older", created_at=NOW - timedelta(days=99))
    following = re.search(r'rel="next" href="([^"]*)"', browser.page)
    assert following is not None
    browser.get(following[1].replace("&amp;", "&"))
    assert rows(browser) == [f"rt:{1000 + listing.PAGE}"]
    assert len(first) == listing.PAGE


@pytest.fixture
def filled(house: House) -> House:
    def status(netid: str, name: str) -> Any:
        return a_status(house.clock, netid, primary_address=f"{name}@example.edu", display_name=name)

    days = timedelta(days=1)
    first = house.case(ticket="4711", status=status("bbadger", "bucky.badger"), created_at=NOW - 3 * days)
    second = house.case(
        ticket="4712", status=status("GHopper", "Grace.Hopper"), created_at=NOW - 2 * days, source="other"
    )
    house.case(CaseState.CLOSED, ticket="4713", status=status("bbadger", "bucky.badger"), created_at=NOW - days)
    house.asking(first, "a@example.edu")
    house.asking(second, "b@example.edu")
    return house


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"text": "4712"}, ["4712"]),
        ({"text": "471"}, []),  # a ticket's number is whole
        ({"text": "badge"}, ["4711", "4713"]),
        ({"text": "bucky.badger@"}, ["4711", "4713"]),
        ({"text": "GRACE"}, ["4712"]),
        ({"text": "ghop"}, ["4712"]),
        ({"text": " bbadger "}, ["4711", "4713"]),
        ({"text": "%"}, []),
        ({"text": "_"}, []),
        ({"source": "other"}, ["4712"]),
        ({"source": "rt", "text": "badger"}, ["4711", "4713"]),
        ({"agent": "lovelace"}, ["4711", "4712"]),
        ({"agent": "(ada)", "text": "badger"}, ["4711"]),
        ({"agent": "nobody"}, []),
        ({"since": "2026-11-21"}, ["4712", "4713"]),
        ({"until": "2026-11-20"}, ["4711"]),
        ({"since": "2026-11-21", "until": "2026-11-21"}, ["4712"]),
        ({"since": "", "text": ""}, ["4711", "4712", "4713"]),
    ],
    ids=str,
)
def test_filters_leave_what_fits(filled: House, query: dict[str, str], found: list[str]) -> None:
    browser = filled.signed_in()
    browser.get("/cases", tab="all", **query)
    assert [row.partition(":")[2] for row in rows(browser)] == found
    assert f"All {len(found)}" in browser.text()
    for value in query.values():
        assert f'value="{value.strip()}"' in browser.page or not value or "source" in query


def test_what_is_asked_for_is_kept_in_every_address_of_the_page(filled: House) -> None:
    browser = filled.signed_in()
    browser.get("/cases", tab="all", text="badger", since="2026-11-01")
    assert 'href="/cases?tab=closed&amp;text=badger&amp;since=2026-11-01"' in browser.page
    assert 'href="/cases?tab=all"' in browser.page  # show all again


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "2026-02-30", "-1", "\0", "0001-01-01", "9999-12-31"])
def test_a_day_that_is_none_is_said_or_asks_for_nothing(filled: House, day: str) -> None:
    browser = filled.signed_in()
    answer = browser.get("/cases", tab="all", since=day, until=day)
    assert answer.status_code == 200
    assert len(rows(browser)) == 3


def test_a_day_that_cannot_be_read_is_told(filled: House) -> None:
    browser = filled.signed_in()
    browser.get("/cases", since="yesterday")
    assert "“yesterday” is no day; write it as 2026-11-24." in browser.text()


@pytest.mark.parametrize(
    "after",
    ["x", "READY~2026-11-24T00:00:00~", "NONE~2026-11-24T00:00:00~a", "READY~2026-99-24T00:00:00~a", "~~", "\0"],
)
def test_a_place_that_is_none_is_the_beginning(filled: House, after: str) -> None:
    browser = filled.signed_in()
    assert browser.get("/cases", tab="all", after=after).status_code == 200
    assert len(rows(browser)) == 3


def test_an_unknown_tab_is_the_first(filled: House) -> None:
    browser = filled.signed_in()
    browser.get("/cases", tab="<script>")
    assert 'href="/cases?tab=open" aria-current="page"' in browser.page


@pytest.mark.parametrize("tab", listing.TABS)
def test_an_empty_tab_says_so_in_words(house: House, tab: str) -> None:
    browser = house.signed_in()
    browser.get("/cases", tab=tab)
    assert str(listing.TABS[tab][2]) in browser.text()
    browser.get("/cases", tab=tab, text="zzz")
    assert "No case fits." in browser.text()


def test_a_ticket_is_linked_where_its_address_is_known(house: House) -> None:
    house.case(ticket="1", ticket_url="https://rt.example.edu/Ticket/Display.html?id=1")
    house.case(ticket="2")
    browser = house.signed_in()
    browser.get("/cases")
    assert (
        '<a href="https://rt.example.edu/Ticket/Display.html?id=1" rel="noopener noreferrer">rt:1</a>' in browser.page
    )
    assert "</span>rt:2</td>" in browser.page


def test_the_list_tells_what_a_person_is_asked(house: House) -> None:
    house.case(CaseState.NEEDS_PERSON, question="Several accounts are named.", account="", status=None)
    browser = house.signed_in()
    browser.get("/cases")
    assert "Several accounts are named." in browser.text()


# ── what a case keeps for the list ───────────────────────────────────────────────────────────────────────────────


def test_why_microsoft_blocked_is_kept_once_it_no_longer_does(house: House) -> None:
    store: CaseStore = house.work.store
    case = house.case()
    with store.change() as change:
        saved = change.save_case(case, status=a_status(house.clock, blocked=(), primary_address="New.Name@example.edu"))
    assert house.now_of(case) == saved
    browser = house.signed_in()
    browser.get("/cases/figures")
    assert "Outbound spam 1" in browser.text()
    browser.get("/cases", text="new.name")
    assert rows(browser) == ["rt:4711"]


def test_triage_keeps_where_the_ticket_is_seen(world: Any) -> None:
    ticket = world.file(email="bucky.badger@example.edu", report="ndr-5.1.8")
    (case,) = world.cases(ticket)
    assert case.ticket_url == world.ticket(ticket)["url"] != ""


@pytest.mark.parametrize("url", ["javascript:alert(1)", "/tickets/7", "https://x/\n", "https://x/" + "y" * 500, ""])
def test_an_address_that_no_browser_should_open_is_not_kept(house: House, url: str) -> None:
    person = Person(email="bucky.badger@example.edu")
    ticket = Ticket(source="rt", id="7", subject="", requester=person, messages=(), url=url)
    found = Finding(
        label=Label.SENDER_BLOCKED, confidence=Confidence.CERTAIN, code=None, candidates=(), rule="", evidence=()
    )
    case, _why = Docket(house.work).new(ticket, found, "bbadger")
    assert case.ticket_url == ""
