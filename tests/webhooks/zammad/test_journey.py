"""The whole procedure with Zammad, over real HTTP: event, status note, checklist, unblock, result note, 24 hours."""

from collections.abc import Callable
from datetime import timedelta

import requests

from plugin.model import CaseState
from tests.conftest import ndr
from tests.stand_ins.office import Office

CUSTOMER = "bbadger@example.edu"
ADDRESSES = ("bucky.badger@example.edu", "bbadger@cs.example.edu")


def filed(office: Office, customer: str = CUSTOMER) -> str:
    ticket: str = office.site.file(customer, "my mail bounces back", "Please help.", ndr("ndr-5.1.8", customer))
    office.run()
    return ticket


def test_the_whole_procedure(office: Office) -> None:
    site = office.site
    site.install(office.config)
    ticket = filed(office)

    case = office.only_case(ticket, CaseState.CHECKLIST_OPEN)
    [status_note] = site.internal_notes(ticket)
    assert "blocked from sending" in status_note
    assert all(address in status_note for address in ADDRESSES)
    assert f'href="{office.url}/' in status_note
    assert site.tags(ticket) == {"m365-blocked"}
    assert site.fields(ticket) == {
        "Sending Status": "Blocked",
        "Blocked Addresses": "bucky.badger@example.edu, bbadger@cs.example.edu",
        "Case State": "Checklist open",
    }
    steps = site.zammad.steps_of(int(ticket))
    assert len(steps) > 5
    assert not any(is_done for _, is_done in steps)

    case = office.answer(case, 2)
    assert [is_done for _, is_done in site.zammad.steps_of(int(ticket))] == [True, True] + [False] * (len(steps) - 2)
    case = office.answer(case)
    assert case.state is CaseState.READY
    assert all(is_done for _, is_done in site.zammad.steps_of(int(ticket)))
    assert [text for text, _ in site.zammad.steps_of(int(ticket))] == [text for text, _ in steps]

    office.unblock(case)
    office.pass_time(minutes=10)
    case = office.only_case(ticket, CaseState.UNBLOCKED)
    assert [asked.address for asked in office.tenant.asked] == list(ADDRESSES)
    [_, result_note] = site.internal_notes(ticket)
    assert "24 hours" in result_note
    assert site.tags(ticket) == {"m365-unblocked"}
    fields = site.fields(ticket)
    assert (fields["Sending Status"], fields["Case State"]) == ("Not Blocked", "Unblocked")
    assert "Blocked Addresses" not in fields
    assert fields["Escalate After"] > fields["Unblocked At"]

    office.front.send_reply(case, office.front.view(case, office.alex).reply, "It works again.", office.alex)
    office.run()
    [reply] = site.public_texts(ticket)
    assert "It works again." in reply
    assert not any(address in reply for address in ADDRESSES)
    [mail] = [article for article in site.zammad.articles_of(int(ticket)) if article["body"] == reply]
    assert (mail["type"], mail["to"], mail["internal"]) == ("email", CUSTOMER, False)

    office.pass_time(hours=25)
    office.only_case(ticket, CaseState.CLOSED)
    assert len(site.internal_notes(ticket)) == 3
    assert site.zammad.jobs == []
    assert site.zammad.lost == []


def test_every_note_says_who_may_see_it_and_is_read_back(office: Office) -> None:
    office.site.install(office.config)
    filed(office)
    calls = office.site.zammad.calls
    posted = [at for at, (method, path, _) in enumerate(calls) if (method, path) == ("POST", "/ticket_articles")]
    assert len(posted) == 1
    assert calls[posted[0]][2]["internal"] is True
    method, path, _ = calls[posted[0] + 1]
    assert (method, path.rpartition("/")[0]) == ("GET", "/ticket_articles")


def test_ticking_zammads_own_checklist_opens_no_gate(office: Office) -> None:
    office.site.install(office.config)
    ticket = filed(office)
    for item in office.site.zammad.items.values():
        item["checked"] = True
    office.run()
    office.scan()
    case = office.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert not office.front.view(case, office.alex).gate.is_open
    office.answer(case, 1)
    assert [is_done for _, is_done in office.site.zammad.steps_of(int(ticket))].count(True) == 1


def test_event_told_twice_in_different_kinds_makes_one_case_with_one_note(office: Office) -> None:
    office.site.install(office.config)
    office.site.zammad.sla_updates = True
    ticket = filed(office)
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert len(office.site.internal_notes(ticket)) == 1


def test_delivery_that_is_lost_on_the_way_comes_again_with_its_id(office: Office) -> None:
    site = office.site
    site.install(office.config)
    [hook] = site.zammad.webhooks.values()
    there, hook["endpoint"] = hook["endpoint"], "http://127.0.0.1:9/webhooks/desk"
    ticket = site.file(CUSTOMER, "my mail bounces back", "Please help.", ndr("ndr-5.1.8", CUSTOMER))
    office.run()
    assert office.store.cases_of_ticket("desk", ticket) == ()
    [job] = site.zammad.jobs
    assert job.due == office.clock() + timedelta(seconds=10)
    hook["endpoint"] = there
    office.clock.forward(seconds=10)
    office.run()
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)


def test_ticket_of_which_no_delivery_ever_came_is_found_by_the_scan(office: Office) -> None:
    office.clock.forward(minutes=5)
    ticket = office.site.file(CUSTOMER, "my mail bounces back", "Please help.", ndr("ndr-5.1.8", CUSTOMER))
    assert office.scan() == 1
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)
    # Our own note has changed the ticket: it is looked at once more, and that says nothing new.
    office.clock.forward(minutes=5)
    office.scan()
    assert len(office.site.internal_notes(ticket)) == 1


def test_customer_who_writes_after_the_release_that_it_still_fails_is_heard(office: Office) -> None:
    office.site.install(office.config)
    ticket = filed(office)
    office.unblock(office.answer(office.only_case(ticket)))
    office.pass_time(minutes=10)
    office.site.reply(ticket, CUSTOMER, "My mail still bounces back, nothing has changed!")
    office.run()
    assert office.only_case(ticket, CaseState.UNBLOCKED).complained_at is not None
    assert "still" in office.site.internal_notes(ticket)[-1]


def test_answer_to_a_note_that_is_lost_leads_to_no_second_one(office: Office) -> None:
    office.site.install(office.config)
    office.site.zammad.lose_answers.append("/ticket_articles")
    ticket = filed(office)
    assert len(office.site.internal_notes(ticket)) == 1
    office.pass_time(minutes=5)
    assert len(office.site.internal_notes(ticket)) == 1
    assert office.site.tags(ticket) == {"m365-blocked"}


def test_without_leave_to_show_fields_no_attribute_is_written(make_office: Callable[..., Office]) -> None:
    office = make_office(customers_can_sign_in=True)
    said = office.site.install(office.config)
    assert "attribute" not in said
    ticket = filed(office)
    assert office.site.tags(ticket) == {"m365-blocked"}
    assert not [path for method, path, _ in office.site.zammad.calls if method == "PUT" and path.startswith("/tickets")]


def test_case_moves_with_a_ticket_that_is_merged(office: Office) -> None:
    office.site.install(office.config)
    ticket = filed(office)
    other = office.site.file("mmass@example.edu", "printer", "It is on fire.", None)
    office.site.zammad.merge(int(ticket), int(other))
    office.site.reply(other, CUSTOMER, "Any news?")
    office.clock.forward(minutes=1)
    office.scan()
    assert office.store.cases_of_ticket("desk", ticket) == ()
    assert [case.account for case in office.store.cases_of_ticket("desk", other)] == ["bbadger"]


def test_hook_is_answered_with_no_redirect_whatever_is_asked(office: Office) -> None:
    for path in ("/webhooks/desk", "/webhooks/desk/", "/webhooks//desk", "//webhooks/desk", "/webhooks"):
        for method in ("POST", "GET"):
            answer = requests.request(method, office.url + path, timeout=5, allow_redirects=False)
            assert not 300 <= answer.status_code < 400, (method, path, answer.status_code)
