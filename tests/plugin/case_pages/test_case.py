"""One case outside the frame: all that the panel offers, by forms that a browser sends by itself."""

import re
from datetime import timedelta
from typing import Any

import pytest

from plugin.checklist import Kind
from plugin.errors import StorageError
from plugin.model import AccountStatus, CaseState, Role, Sending
from tests.plugin.case_pages.conftest import House
from tests.plugin.panel.conftest import NOW, a_status


def released(house: House, **changes: Any) -> AccountStatus:
    return a_status(house.clock, sending=Sending.NOT_BLOCKED, blocked=(), **changes)


def test_the_whole_job_without_a_script(house: House) -> None:
    case = house.case()
    browser = house.signed_in()
    browser.get(f"/cases/{case.id}")
    assert "Unblock is closed" in browser.text()
    house.clock.pass_time(minutes=1)

    for item, form in house.items():
        answer = browser.act(case, "answers", item.id, **form)
        assert answer.status_code == 303, answer.text
        assert answer.headers["Location"] == f"/cases/{case.id}#item-{case.id}-{item.id}"
    browser.get(f"/cases/{case.id}")
    assert "14 of 14 answered" in browser.text()
    assert f'<form method="get" action="/cases/{case.id}/unblock">' in browser.page

    browser.get(f"/cases/{case.id}/unblock")
    assert "Ask Microsoft to release these 2 addresses?" in browser.text()
    assert house.now_of(case).state is CaseState.READY
    answer = browser.post(f"/cases/{case.id}/unblock")

    assert answer.headers["Location"] == f"/cases/{case.id}?said=asked#case-{case.id}"
    browser.get(answer.headers["Location"].partition("#")[0])
    assert "Microsoft is being asked." in browser.text()
    assert "this page does not follow by itself. Look again" in browser.text()
    assert house.now_of(case).state is CaseState.UNBLOCKING
    (task,) = [task for task in house.work.store.waiting_tasks(99) if task.name == "unblock"]
    assert task.args["agent"] == {
        "login": "ada", "name": "Ada Lovelace", "email": "ada@example.edu", "role": "agent", "source": "sign-in",
    }  # fmt: skip
    assert house.work.store.journal(case.id)[-1].actor == "Ada Lovelace (ada)"


def test_every_form_is_a_form_of_the_browsers_own_and_carries_its_key(house: House) -> None:
    unclear = house.case(CaseState.NEEDS_PERSON, account="", candidates=("bbadger",), question="Which?")
    pages = [house.case(ticket="1"), house.case(CaseState.UNBLOCKED, ticket="2", status=released(house)), unclear]
    pages.append(house.case(CaseState.OVERDUE, ticket="3", escalate_after=NOW, unblocked_at=NOW, asked_at=NOW))
    browser = house.signed_in()
    for case in pages:
        browser.get(f"/cases/{case.id}", account="bbadger")
        forms = re.findall(r"<form\b([^>]*)>(.*?)</form>", browser.page, re.DOTALL)
        assert len(forms) >= 3
        for opening, inside in forms:
            method, action = re.search(r'method="(\w+)"', opening), re.search(r'action="([^"]*)"', opening)
            assert method is not None
            assert action is not None
            assert action[1].startswith("/cases")
            assert re.search(r"<button(?![^>]*type=.button)", inside), inside
            assert (method[1] == "get") or 'name="form-key"' in inside
        assert "hx-" not in browser.page
        assert "/panel/rt" not in browser.page


def test_an_answer_is_changed_and_taken_back(house: House) -> None:
    case = house.case()
    browser = house.signed_in()
    house.clock.pass_time(minutes=1)
    for given in ("no", "yes"):
        assert browser.act(case, "answers", "bulk-sender", yes=given, seen="").status_code in (303, 409)
        seen = re.search(rf'id="seen-item-{case.id}-bulk-sender" name="-seen" value="([^"]*)"', browser.page)
        assert seen is not None
    browser.get(f"/cases/{case.id}")
    (stored,) = house.work.store.answers(case.id)
    assert stored.value == {"yes": True}
    seen = re.search(rf'id="seen-item-{case.id}-bulk-sender" name="-seen" value="([^"]*)"', browser.page)
    assert seen is not None
    answer = browser.post(
        f"/cases/{case.id}/answers/bulk-sender", **{"yes": "yes", "-seen": seen[1], "take_back": "yes"}
    )
    assert answer.status_code == 303
    assert house.work.store.answers(case.id) == ()


def test_an_unticked_box_is_an_answer_taken_back(house: House) -> None:
    case = house.case()
    house.clock.pass_time(minutes=1)
    browser = house.signed_in()
    browser.act(case, "answers", "password-changed", done="yes")
    assert len(house.work.store.answers(case.id)) == 1
    assert browser.act(case, "answers", "password-changed").status_code == 303
    assert house.work.store.answers(case.id) == ()


def test_another_agents_answer_is_not_written_over_and_ones_own_words_are_not_lost(house: House) -> None:
    case = house.case()
    ada, grace = house.signed_in(), house.signed_in(preferred_username="grace", name="Grace Hopper")
    house.clock.pass_time(minutes=1)
    for browser in (ada, grace):
        browser.get(f"/cases/{case.id}")
    item = next(item for item, _form in house.items() if item.kind is Kind.TEXT)
    fields = {line.id: "as Ada saw it" for line in item.fields}
    assert ada.post(f"/cases/{case.id}/answers/{item.id}", **fields).status_code == 303

    mine = {line.id: "as Grace saw it" for line in item.fields}
    answer = grace.post(f"/cases/{case.id}/answers/{item.id}", **{"-seen": ""}, **mine)

    assert answer.status_code == 409
    assert "Ada Lovelace" in grace.text()
    assert set(house.work.store.answers(case.id)[0].value.values()) == {"as Ada saw it"}
    assert grace.page.count('value="as Grace saw it"') == len(mine)


def test_unblock_is_not_asked_while_it_is_closed(house: House) -> None:
    case = house.case()
    browser = house.signed_in()
    for answer in (browser.get(f"/cases/{case.id}/unblock"), browser.post(f"/cases/{case.id}/unblock")):
        assert answer.status_code == 409
        assert "13 of the checklist's required items are not answered yet." in browser.text()
    assert house.now_of(case) == case


def test_a_viewer_sees_everything_and_can_change_nothing(house: House) -> None:
    case = house.case()
    house.signed_in()
    browser = house.signed_in("desk-viewers")
    browser.get(f"/cases/{case.id}")
    assert "you see everything here and can change nothing" in browser.text()
    controls = re.findall(r"<(?:button|input|textarea)\b[^>]*>", browser.page)
    ours = [
        it for it in controls if 'type="hidden"' not in it and "Sign out" not in it and it != '<button class="quiet">'
    ]
    assert len(ours) > 20
    assert [control for control in ours if "disabled" not in control] == []
    acts: dict[str, dict[str, str]] = {
        "refresh": {}, "unblock": {}, "rely/x": {}, "complaint": {}, "escalation": {},
        "account": {"account": "bbadger"}, "others": {"account": "bbadger"},
        "reply": {"kind": "customer", "text": "x"}, "answers/password-changed": {"done": "yes"},
    }  # fmt: skip
    for what, form in acts.items():
        answer = browser.act(case, *what.split("/"), **form)
        assert answer.status_code == 409, what
        assert "viewer" in browser.text()
    browser.get("/cases")
    assert "Open a case by hand" not in browser.text()
    assert browser.post("/cases", source="rt", ticket="5", account="bbadger").status_code == 409
    assert house.now_of(case) == case
    assert house.work.store.journal(case.id) == ()


def test_refresh_reads_the_account_again_or_says_why_it_could_not(house: House) -> None:
    case = house.case()
    browser = house.signed_in()
    house.clock.pass_time(minutes=5)
    answer = browser.act(case, "refresh")
    browser.get(answer.headers["Location"].partition("#")[0])
    assert "Read again just now." in browser.text()
    assert "checked 14:10" in browser.text()

    house.tenant.is_down = True
    assert browser.act(case, "refresh").status_code == 409
    assert "Nothing was changed; try again." in browser.text()


def test_words_after_an_action_are_ours_whatever_the_address_says(house: House) -> None:
    case = house.case()
    browser = house.signed_in()
    for said in ("<b>x</b>", "nonsense", "__class__"):
        browser.get(f"/cases/{case.id}", said=said)
        assert said not in browser.page


def test_the_account_of_an_unclear_case_is_looked_up_and_chosen(house: House) -> None:
    unclear = house.case(CaseState.NEEDS_PERSON, account="", candidates=("x@example.edu",), question="Which?")
    browser = house.signed_in()
    browser.get(f"/cases/{unclear.id}", account="nobody")
    assert "There is no account “nobody”" in browser.text()
    browser.get(f"/cases/{unclear.id}", account="bbadger")
    assert "It is Bucky Badger" in browser.text()
    assert house.now_of(unclear).account == ""

    answer = browser.post(f"/cases/{unclear.id}/account", account="bbadger")

    assert answer.headers["Location"] == f"/cases/{unclear.id}?said=chosen#case-{unclear.id}"
    assert house.now_of(unclear).account == "bbadger"


def test_a_case_for_another_account_is_opened_on_the_same_ticket(house: House) -> None:
    case = house.case()
    house.tenant.accounts["other"] = a_status(house.clock, "other", display_name="Otto Other")
    browser = house.signed_in()
    browser.get(f"/cases/{case.id}", account="other", **{"for": "ticket"})
    assert "Open a case for Otto Other" in browser.text()
    answer = browser.post(f"/cases/{case.id}/others", account="other")
    opened = next(it for it in house.work.store.cases_of_ticket("rt", "4711") if it.account == "other")
    assert answer.headers["Location"] == f"/cases/{opened.id}?said=opened"
    browser.get(f"/cases/{opened.id}")
    assert f'href="/cases/{case.id}"' in browser.page  # the other case of the ticket


def test_a_case_is_opened_by_hand_on_a_ticket_that_is_there(house: House) -> None:
    house.tenant.accounts["bbadger"] = a_status(house.clock)
    browser = house.signed_in()
    browser.get("/cases")
    for source, ticket, words in (
        ("rt", "none", "There is no ticket none in rt."),
        ("nowhere", "7", "Choose a ticket system"),
        ("rt", "", "Choose a ticket system"),
    ):
        assert browser.post("/cases", source=source, ticket=ticket, account="bbadger").status_code == 409
        assert words in browser.text()
        browser.get("/cases")
    assert browser.post("/cases", source="rt", ticket="7", account="nobody").status_code == 409
    browser.get("/cases")

    answer = browser.post("/cases", source="rt", ticket="7", account="bbadger")

    (opened,) = house.work.store.cases_of_ticket("rt", "7")
    assert answer.headers["Location"] == f"/cases/{opened.id}?said=opened"
    assert opened.opened_by == "ada"


def test_a_reply_that_says_too_much_is_refused_and_kept_as_it_was_typed(house: House) -> None:
    case = house.case(CaseState.UNBLOCKED, status=released(house), unblocked_at=NOW, asked_at=NOW)
    browser = house.signed_in()
    typed = "Hello, bucky.badger@example.edu is free again; I typed this for five minutes."
    assert browser.act(case, "reply", kind="customer", text=typed).status_code == 409
    assert "Take out: bucky.badger@example.edu" in browser.text()
    assert "I typed this for five minutes." in browser.page

    answer = browser.act(case, "reply", kind="customer", text="Your mail works again.")
    assert answer.headers["Location"] == f"/cases/{case.id}?said=sent#reply-{case.id}"
    browser.get(f"/cases/{case.id}", said="sent")
    assert "The reply goes to the customer." in browser.text()
    assert browser.act(case, "reply", kind="nonsense", text="x").status_code == 422
    assert browser.act(case, "reply", kind="customer", text="x" * 10_001).status_code == 422


def test_a_complaint_is_noted_and_what_is_overdue_is_escalated(house: House) -> None:
    waiting = house.case(
        CaseState.UNBLOCKED, status=released(house), unblocked_at=NOW, asked_at=NOW, escalate_after=NOW + timedelta(1)
    )
    browser = house.signed_in()
    assert browser.act(waiting, "complaint").status_code == 303
    assert house.now_of(waiting).complained_at == house.clock()
    overdue = house.case(CaseState.OVERDUE, ticket="9", unblocked_at=NOW, asked_at=NOW, escalate_after=NOW)
    assert browser.act(overdue, "escalation").status_code == 303
    assert house.now_of(overdue).escalated_by == "Ada Lovelace (ada)"
    assert browser.act(overdue, "escalation").status_code == 409


def test_an_earlier_checklist_is_relied_on_by_name(house: House) -> None:
    earlier, case = house.case(ticket="1"), house.case(ticket="2")
    browser = house.signed_in()
    house.clock.pass_time(minutes=1)
    for item, form in house.items():
        browser.act(earlier, "answers", item.id, **form)
    browser.get(f"/cases/{case.id}")
    assert "Rely on it, in my name" in browser.text()
    assert browser.post(f"/cases/{case.id}/rely/{earlier.id}").status_code == 303
    assert house.now_of(case).relied_on == earlier.id


def test_a_case_that_is_not_there_is_said(house: House) -> None:
    browser = house.signed_in()
    for answer in (browser.get("/cases/none"), browser.get("/cases/none/unblock"), browser.post("/cases/none/refresh")):
        assert answer.status_code == 404
    browser.get("/cases/none")
    assert "There is no such case; it may have been forgotten since" in browser.text()


def test_a_database_that_does_not_answer_is_said(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    case = house.case()
    browser = house.signed_in()
    browser.get(f"/cases/{case.id}")
    house.work.store._engine.dispose()

    def broken(*_: object) -> None:
        raise StorageError("no")

    monkeypatch.setattr(house.tenant, "status", broken)
    assert browser.post(f"/cases/{case.id}/refresh").status_code == 503
    assert "The database did not take it" in browser.text()


def test_what_strangers_wrote_is_text(house: House) -> None:
    markup = "<img src=x onerror=alert(1)>\"'{{7*7}}"
    case = house.case(status=a_status(house.clock, display_name=markup), ticket="4711", reason=markup)
    browser = house.signed_in(name=markup)
    for path in (f"/cases/{case.id}", "/cases", f"/cases?text={markup}", f"/cases/{case.id}?account={markup}"):
        browser.get(path)
        assert "<img" not in browser.page
        assert "49" not in browser.text()


def test_the_agents_role_is_taken_from_the_groups_at_each_sign_in(house: House) -> None:
    case = house.case()
    browser = house.signed_in("desk-leads")
    browser.act(case, "refresh")
    assert house.work.store.journal(case.id)[-1].actor == "Ada Lovelace (ada)"
    assert set(house.settings.groups) == set(Role)
