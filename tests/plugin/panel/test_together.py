"""Two agents at one checklist: each sees the other's answers, and nobody's answer is written over unseen."""

import re
from typing import Any

from plugin.model import Case

SVEN = {"sub": "sven", "name": "Sven Supervisor"}


def seen_in(html: str, case: Case, item: str) -> str:
    """Which answer to an item a view shows."""
    (seen,) = re.findall(rf'id="seen-item-{case.id}-{item}" name="-seen" value="(\w*)"', html)
    return str(seen)


def test_an_answer_on_an_outdated_view_is_refused_with_the_answer_that_stays(office: Any) -> None:
    case = office.case()
    ada, sven = office.open(), office.open(**SVEN)
    seen = seen_in(sven.look().text, case, "devices-scanned")
    ada.act(case, "answers", "devices-scanned", yes="yes")

    refused = sven.act(case, "answers", "devices-scanned", **{"yes": "no", "-seen": seen})

    assert refused.status_code == 409
    said = office.said(refused.text, f"item-{case.id}-devices-scanned")
    assert "Not saved: Ada Lovelace (ada) answered “yes” meanwhile." in said
    (row,) = office.work.store.answers(case.id)
    assert (row.value, row.agent) == ({"yes": True}, "Ada Lovelace (ada)")


def test_having_seen_the_other_s_answer_an_agent_may_change_it(office: Any) -> None:
    case = office.case()
    ada, sven = office.open(), office.open(**SVEN)
    ada.act(case, "answers", "devices-scanned", yes="yes")
    seen = seen_in(sven.look().text, case, "devices-scanned")

    changed = sven.act(case, "answers", "devices-scanned", **{"yes": "no", "-seen": seen})

    assert changed.status_code == 200
    (row,) = office.work.store.answers(case.id)
    assert (row.value, row.agent) == ({"yes": False}, "Sven Supervisor (sven)")


def test_an_answer_seen_and_since_changed_is_not_taken_back(office: Any) -> None:
    case = office.case()
    ada, sven = office.open(), office.open(**SVEN)
    ada.act(case, "answers", "devices-scanned", yes="yes")
    seen = seen_in(sven.look().text, case, "devices-scanned")
    office.clock.pass_time(seconds=1)
    ada.act(case, "answers", "devices-scanned", yes="no")

    refused = sven.act(case, "answers", "devices-scanned", **{"yes": "", "-seen": seen})

    assert refused.status_code == 409
    assert [row.value for row in office.work.store.answers(case.id)] == [{"yes": False}]


def test_changing_an_answer_that_was_taken_back_meanwhile_is_refused(office: Any) -> None:
    case = office.case()
    ada, sven = office.open(), office.open(**SVEN)
    ada.act(case, "answers", "devices-scanned", yes="yes")
    seen = seen_in(sven.look().text, case, "devices-scanned")
    ada.act(case, "answers", "devices-scanned", yes="")

    refused = sven.act(case, "answers", "devices-scanned", **{"yes": "no", "-seen": seen})

    assert refused.status_code == 409
    said = office.said(refused.text, f"item-{case.id}-devices-scanned")
    assert "the answer that you were shown was taken back meanwhile" in said
    assert office.work.store.answers(case.id) == ()


def test_the_same_answer_by_both_is_one_and_the_first_agent_s(office: Any) -> None:
    case = office.case()
    ada, sven = office.open(), office.open(**SVEN)
    ada.act(case, "answers", "password-changed", done="yes")

    again = sven.act(case, "answers", "password-changed", done="yes")

    assert again.status_code == 200
    assert office.said(again.text, f"item-{case.id}-password-changed") == "Saved. Ada Lovelace (ada), 14:05"
    assert [entry.actor for entry in office.work.store.journal(case.id)] == ["Ada Lovelace (ada)"]


def test_an_answer_sent_again_after_a_lost_connection_counts_once_and_its_agent_may_change_it(office: Any) -> None:
    case = office.case()
    ada = office.open()
    form = {"how": "called back", "by-whom": "Ada"}
    ada.act(case, "answers", "caller-verified", **form)  # and the answer to this request was lost

    again = ada.act(case, "answers", "caller-verified", **form)
    changed = ada.act(case, "answers", "caller-verified", **form | {"how": "met in person"})

    assert (again.status_code, changed.status_code) == (200, 200)
    assert [row.value["how"] for row in office.work.store.answers(case.id)] == ["met in person"]
    assert len(office.work.store.journal(case.id)) == 2


def test_the_other_s_answers_come_with_the_next_look(office: Any) -> None:
    case = office.case()
    ada, sven = office.open(), office.open(**SVEN)
    ada.act(case, "answers", "password-changed", done="yes")

    assert office.said(sven.look().text, f"item-{case.id}-password-changed") == "Saved. Ada Lovelace (ada), 14:05"
