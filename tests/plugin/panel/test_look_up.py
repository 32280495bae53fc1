"""By hand: an account is looked up, seen with its name and state, and only then decided on."""

from dataclasses import replace
from typing import Any

from plugin.model import CaseState, Sending
from plugin.panel.pace import MOST


def look_up(office: Any, panel: Any, account: str, **more: str) -> Any:
    return office.client.get(panel.path("look-up"), query_string={"account": account} | more, headers=panel.bearer)


def test_an_account_is_shown_before_a_case_is_opened_for_it(office: Any) -> None:
    office.case(ticket="9")
    panel = office.open()

    answer = look_up(office, panel, " bbadger ")

    read = office.text_of(answer.text)
    assert "Bucky Badger bbadger · bucky.badger@example.edu Blocked Sign-in: Enabled" in read
    assert "Open a case for Bucky Badger" in read
    assert '<input type="hidden" name="account" value="bbadger">' in answer.text
    assert office.work.store.cases_of_ticket("rt", "4711") == ()  # nothing was changed
    assert answer.headers["X-Panel-Token"]


def test_for_an_unclear_case_the_account_found_can_be_chosen(office: Any) -> None:
    case = office.case(CaseState.NEEDS_PERSON, account="", question="Which?", candidates=("bbadger",))
    panel = office.open()

    answer = look_up(office, panel, "bbadger", case=case.id)

    assert f'hx-post="/panel/rt/4711/cases/{case.id}/account"' in answer.text
    assert "It is Bucky Badger" in office.text_of(answer.text)
    assert "<form" not in look_up(office, panel, "bbadger", only="yes").text


def test_an_account_that_has_a_case_here_offers_no_second_one(office: Any) -> None:
    office.case()

    answer = look_up(office, office.open(), "bbadger")

    assert "There is a case for this account on this ticket." in answer.text
    assert "<form" not in answer.text


def test_what_is_not_found_or_cannot_be_read_is_said(office: Any) -> None:
    panel = office.open()

    assert "There is no account “nobody”" in look_up(office, panel, "nobody").text
    office.tenant.is_down = True
    assert "could not connect. Nothing was changed" in look_up(office, panel, "bbadger").text
    assert "Type a NetID or a mail address" in look_up(office, panel, "").text


def test_an_unknown_state_is_told_with_what_failed(office: Any) -> None:
    status = office.case(ticket="9").status
    office.tenant.accounts["bbadger"] = replace(status, sending=Sending.UNKNOWN, blocked=(), failure="no answer")

    assert "Unknown Sign-in: Enabled. no answer" in office.text_of(look_up(office, office.open(), "bbadger").text)


def test_a_viewer_looks_nobody_up(office: Any) -> None:
    office.case(ticket="9")

    answer = look_up(office, office.open("viewer"), "bbadger")

    assert "viewer" in answer.text
    assert "Bucky" not in answer.text


def test_nobody_searches_the_directory_as_fast_as_a_program(office: Any) -> None:
    office.case(ticket="9")
    panel = office.open()

    answers = [look_up(office, panel, "bbadger").text for _ in range(MOST + 1)]

    assert all("Bucky" in answer for answer in answers[:-1])
    assert "many look-ups within a minute" in answers[-1]
    assert "Bucky" in look_up(office, office.open(sub="sven"), "bbadger").text
    office.clock.pass_time(seconds=60)
    assert "Bucky" in look_up(office, panel, "bbadger").text
