"""The whole procedure with Jira, over real HTTP: event, status note, checklist, unblock, result note, 24 hours."""

from collections.abc import Callable
from datetime import timedelta

import pytest

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
    assert ticket == "SUP-1"

    case = office.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert case.reference == "desk:SUP-1"
    [status_note] = site.internal_notes(ticket)
    assert "blocked from sending</b>" in status_note
    assert all(address in status_note for address in ADDRESSES)
    assert f'<a href="{office.url}/' in status_note
    assert site.tags(ticket) == {"m365-blocked"}
    assert site.fields(ticket) == {
        "Sending Status": "Blocked",
        "Blocked Addresses": "bucky.badger@example.edu, bbadger@cs.example.edu",
        "Case State": "Checklist open",
    }

    case = office.answer(case)
    assert case.state is CaseState.READY
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
    assert site.jira.mails == [], "no internal note was mailed to anybody"

    office.front.send_reply(case, office.front.view(case, office.alex).reply, "It works again.", office.alex)
    office.run()
    [reply] = site.public_texts(ticket)
    assert "It works again." in reply
    assert not any(address in reply for address in ADDRESSES)
    assert [reader for reader, _ in site.jira.mails] == [CUSTOMER]

    office.pass_time(hours=25)
    office.only_case(ticket, CaseState.CLOSED)
    assert len(site.internal_notes(ticket)) == 3
    assert site.jira.jobs == []
    assert site.jira.lost == []


def test_every_note_says_who_may_see_it_and_is_read_back(office: Office) -> None:
    office.site.install(office.config)
    filed(office)
    calls = office.site.jira.calls
    posted = [at for at, (method, path, _) in enumerate(calls) if method == "POST" and path.endswith("/comment")]
    assert len(posted) == 1
    assert calls[posted[0]][2]["public"] is False
    method, path, _ = calls[posted[0] + 1]
    assert (method, path.rpartition("/")[0]) == ("GET", "/rest/servicedeskapi/request/SUP-1/comment")


@pytest.mark.parametrize(
    "told_by", [("comment_created", "jira:issue_updated"), ("jira:issue_updated",), ("comment_created",)]
)
def test_comment_told_twice_or_by_either_alone_makes_one_case_with_one_note(
    office: Office, told_by: tuple[str, ...]
) -> None:
    site = office.site
    site.install(office.config)
    site.jira.twins = told_by
    ticket = site.file(CUSTOMER, "a question", "How do I print?", None)
    office.run()
    assert office.store.cases_of_ticket("desk", ticket) == ()
    site.reply(ticket, CUSTOMER, ndr("ndr-5.1.8", CUSTOMER).decode())
    office.run()
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert len(site.internal_notes(ticket)) == 1
    told = [row.event.key for row in office.parts.deliveries.events_after(0, 100)]
    assert len([key for key in told if ":comment:" in key]) == 1


def test_delivery_that_is_lost_on_the_way_comes_again_with_its_id(office: Office) -> None:
    site = office.site
    site.install(office.config)
    [hook] = site.jira.webhooks.values()
    there, hook["url"] = hook["url"], "http://127.0.0.1:9/webhooks/desk"
    ticket = site.file(CUSTOMER, "my mail bounces back", "Please help.", ndr("ndr-5.1.8", CUSTOMER))
    for _ in range(5):
        office.run()
        office.clock.forward(minutes=5)
    assert office.store.cases_of_ticket("desk", ticket) == ()
    hook["url"] = there
    office.run()
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)
    office.run()  # what our own note and labels are told by
    assert site.jira.jobs == site.jira.lost == []


def test_delivery_of_long_ago_is_refused_and_the_scan_has_its_ticket(office: Office) -> None:
    site = office.site
    site.install(office.config)
    ticket = site.file(CUSTOMER, "my mail bounces back", "Please help.", ndr("ndr-5.1.8", CUSTOMER))
    office.clock.forward(minutes=61)
    assert site.jira.run_jobs() == 1  # 401: Jira does not try again
    office.work_off()
    assert office.store.cases_of_ticket("desk", ticket) == ()
    with office.store.change() as change:
        change.set_mark("scanned desk", (office.clock() - timedelta(hours=2)).isoformat())
    office.scan()
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)


def test_ticket_of_which_no_delivery_ever_came_is_found_by_the_scan(office: Office) -> None:
    office.site.install(office.config)
    office.site.jira.webhooks.clear()
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


def test_agent_who_quotes_that_is_not_taken_for_the_customer(office: Office) -> None:
    office.site.install(office.config)
    ticket = filed(office)
    office.unblock(office.answer(office.only_case(ticket)))
    office.pass_time(minutes=10)
    text = "You wrote: my mail still bounces back. Does it still?"
    office.site.jira.comment_of_agent(ticket, office.site.running.agent, text, public=True)
    office.run()
    assert office.only_case(ticket, CaseState.UNBLOCKED).complained_at is None


def test_answer_to_a_note_that_is_lost_leads_to_no_second_one(office: Office) -> None:
    office.site.install(office.config)
    office.site.jira.lose_answers.append("/request/SUP-1/comment")
    ticket = filed(office)
    assert len(office.site.internal_notes(ticket)) == 1
    office.pass_time(minutes=5)
    assert len(office.site.internal_notes(ticket)) == 1
    assert office.site.tags(ticket) == {"m365-blocked"}


def test_jira_that_has_enough_of_us_gets_its_pause_and_the_ticket_its_note(office: Office) -> None:
    office.site.install(office.config)
    ticket = office.site.file(CUSTOMER, "my mail bounces back", "Please help.", ndr("ndr-5.1.8", CUSTOMER))
    office.site.deliver()
    office.site.jira.throttle += [(429, {"Retry-After": "20"}), (429, {})]
    office.work_off()
    asked = len(office.site.jira.calls)
    office.clock.forward(seconds=19)
    office.work_off()
    assert len(office.site.jira.calls) == asked
    office.pass_time(minutes=5)
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert len(office.site.internal_notes(ticket)) == 1


def test_without_fields_none_is_written(make_office: Callable[..., Office]) -> None:
    office = make_office(fields=False)
    assert "Case State" not in office.site.install(office.config)
    ticket = filed(office)
    assert office.site.tags(ticket) == {"m365-blocked"}
    assert not [body for method, _, body in office.site.jira.calls if method == "PUT" and "fields" in body]


def test_case_goes_along_with_an_issue_that_is_moved(make_office: Callable[..., Office]) -> None:
    office = make_office(projects=["SUP", "FAC"])
    office.site.install(office.config)
    ticket = filed(office)
    moved = office.site.jira.move(ticket, "FAC")
    office.site.reply(moved, CUSTOMER, "Any news?")
    office.run()
    assert office.store.cases_of_ticket("desk", ticket) == ()
    case = office.only_case(moved, CaseState.CHECKLIST_OPEN)
    assert len(office.site.internal_notes(moved)) == 1
    office.unblock(office.answer(case))
    office.pass_time(minutes=10)
    assert office.site.tags(moved) == {"m365-unblocked"}


def test_token_that_ran_out_makes_no_ticket_disappear(office: Office) -> None:
    office.site.install(office.config)
    good, office.site.running.ours.token = office.site.running.ours.token, "another one"
    ticket = filed(office)
    assert office.store.cases_of_ticket("desk", ticket) == ()
    office.site.running.ours.token = good
    office.pass_time(minutes=30)
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)


def test_requester_whose_address_jira_hides_is_asked_about_and_nothing_is_guessed(office: Office) -> None:
    office.site.install(office.config)
    office.site.jira.user_of(CUSTOMER).hides_email = True
    ticket = filed(office)
    case = office.only_case(ticket, CaseState.NEEDS_PERSON)
    assert "bbadger" in "".join(case.candidates)
    assert office.site.tags(ticket) == {"m365-needs-person"}
