"""The whole procedure with Zendesk, over real HTTP: event, status note, checklist, unblock, result note, 24 hours."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import requests

from plugin.model import CaseState
from tests.conftest import ndr
from tests.stand_ins.office import Office
from tests.stand_ins.zendesk import User

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
    assert site.tags(ticket) == {"m365-blocked"}
    assert site.fields(ticket) == {
        "Sending Status": "Blocked",
        "Blocked Addresses": "bucky.badger@example.edu, bbadger@cs.example.edu",
        "Case State": "Checklist open",
    }
    assert len(site.updates(ticket)) == 1, "note, tag and fields are one update"

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
    assert site.zendesk.mails == [], "nothing of all this was mailed to anybody"

    office.front.send_reply(case, office.front.view(case, office.alex).reply, "It works again.", office.alex)
    office.run()
    [reply] = site.public_texts(ticket)
    assert "It works again." in reply
    assert not any(address in reply for address in ADDRESSES)
    assert [address for address, _ in site.zendesk.mails] == [CUSTOMER]

    office.pass_time(hours=25)
    office.only_case(ticket, CaseState.CLOSED)
    assert len(site.internal_notes(ticket)) == 3
    assert (site.zendesk.queue, site.zendesk.lost) == ([], [])


def test_every_note_says_who_may_see_it_and_is_read_back(office: Office) -> None:
    office.site.install(office.config)
    ticket = filed(office)
    [update] = office.site.updates(ticket)
    assert update["comment"]["public"] is False
    calls = [(call.method, call.path) for call in office.site.zendesk.calls]
    assert calls[calls.index(("PUT", f"/tickets/{ticket}")) + 1] == ("GET", f"/tickets/{ticket}/comments")


def test_reply_that_others_would_get_is_not_sent_and_agents_are_told_who_they_are(office: Office) -> None:
    site = office.site
    site.install(office.config)
    ticket = filed(office)
    office.unblock(office.answer(office.only_case(ticket)))
    office.pass_time(minutes=10)
    case = office.only_case(ticket, CaseState.UNBLOCKED)
    site.zendesk.tickets[int(ticket)]["email_cc_ids"] = [site.zendesk.add_user("boss@example.org").id]
    office.front.send_reply(case, office.front.view(case, office.alex).reply, "It works again.", office.alex)
    office.run()
    assert site.public_texts(ticket) == []
    assert site.zendesk.mails == []
    assert "the reply to the customer was not sent" in site.internal_notes(ticket)[-1]
    assert "boss@example.org" in site.internal_notes(ticket)[-1]
    site.zendesk.tickets[int(ticket)]["email_cc_ids"] = []
    office.pass_time(minutes=6)
    assert site.zendesk.mails == []


def test_what_is_written_in_zendesk_itself_comes_back_by_no_trigger(office: Office) -> None:
    office.site.install(office.config)
    ticket = filed(office)
    office.site.zendesk.comment_of_agent(int(ticket), office.site.running.agent, "I look into it.")
    office.run()
    assert [one.attempts for one in office.site.zendesk.sent] == [1], "the customer's own mail"
    assert len(office.site.internal_notes(ticket)) == 1


def test_by_event_subscription_the_same_comes_of_it(office: Office) -> None:
    zendesk = office.site.zendesk
    office.site.make_fields()
    zendesk.webhooks["01EJ"] = {
        "name": "by an administrator", "endpoint": f"{office.url}/webhooks/desk", "status": "active",
        "subscriptions": ["zen:event-type:ticket.created", "zen:event-type:ticket.comment_added"],
    }  # fmt: skip
    zendesk.secrets["01EJ"] = zendesk.make_secret()
    ticket = filed(office)
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)
    office.run()
    assert len(office.site.internal_notes(ticket)) == 1
    office.unblock(office.answer(office.only_case(ticket)))
    office.pass_time(minutes=10)
    office.site.reply(ticket, CUSTOMER, "My mail still bounces back, nothing has changed!")
    office.run()
    assert office.only_case(ticket, CaseState.UNBLOCKED).complained_at is not None
    assert zendesk.lost == []


def test_ticket_of_which_no_delivery_ever_came_is_found_by_the_scan(office: Office) -> None:
    site = office.site
    site.install(office.config)
    [hook] = site.zendesk.webhooks.values()
    hook["endpoint"] = "http://127.0.0.1:9/webhooks/desk"
    ticket = filed(office)
    assert [one.attempts for one in site.zendesk.lost] == [1]
    assert office.store.cases_of_ticket("desk", ticket) == ()
    office.clock.forward(minutes=5)
    assert office.scan() == 1
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)
    # Our own note has changed the ticket: it is looked at once more, and that says nothing new.
    office.clock.forward(minutes=5)
    office.scan()
    assert len(site.internal_notes(ticket)) == 1


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
    ticket = str(office.site.file(CUSTOMER, "my mail bounces back", "Please help.", ndr("ndr-5.1.8", CUSTOMER)))
    office.site.zendesk.lose_answers.append(("PUT", f"/tickets/{ticket}"))
    office.run()
    assert len(office.site.internal_notes(ticket)) == 1
    office.pass_time(minutes=5)
    assert len(office.site.internal_notes(ticket)) == 1
    assert office.site.tags(ticket) == {"m365-blocked"}


def test_limit_of_the_account_holds_a_note_up_and_loses_none(office: Office) -> None:
    office.site.install(office.config)
    office.site.zendesk.limit = 3
    ticket = filed(office)
    assert office.site.internal_notes(ticket) == []
    office.site.zendesk.limit = 700
    office.pass_time(minutes=6)
    assert len(office.site.internal_notes(ticket)) == 1
    office.only_case(ticket, CaseState.CHECKLIST_OPEN)


def test_case_moves_with_a_ticket_that_is_merged(office: Office) -> None:
    office.site.install(office.config)
    ticket = filed(office)
    other = office.site.file("mmass@example.edu", "printer", "It is on fire.", None)
    office.site.zendesk.merge(int(ticket), int(other), office.site.running.agent)
    office.site.reply(other, CUSTOMER, "Any news?")
    office.clock.forward(minutes=1)
    office.scan()
    assert office.store.cases_of_ticket("desk", ticket) == ()
    assert [case.account for case in office.store.cases_of_ticket("desk", other)] == ["bbadger"]


def test_groups_keep_it_to_the_help_desk(make_office: Callable[..., Office]) -> None:
    office = make_office(groups=[21])
    office.site.install(office.config)
    elsewhere = office.site.zendesk.mail_in(CUSTOMER, "bounce", "x", files=[], group=22)
    here = filed(office)
    office.clock.forward(minutes=1)
    office.scan()
    office.only_case(here)
    assert office.store.cases_of_ticket("desk", str(elsewhere)) == ()


# ── the panel in the sidebar ─────────────────────────────────────────────────────────────────────────────────────


def opened(office: Office, ticket: str, user: User, **claims: Any) -> requests.Response:
    """What the browser does: Zendesk posts the token to the frame, whose script learns the ticket and goes on."""
    token = office.site.zendesk.launch_token(user, **claims)
    frame = requests.post(f"{office.url}/panel/desk?origin=x&app_guid=y", data={"token": token}, timeout=5)
    assert frame.status_code == 200
    [given] = re.findall(r'data-token="([^"]*)"', frame.text)
    [place] = re.findall(r'data-panel="([^"]*)"', frame.text)
    headers = {"Accept": "text/html"}
    url = f"{office.url}{place}/{ticket}/session"
    return requests.post(url, json={"token": unescape(given)}, headers=headers, timeout=5)


def test_agent_sees_the_case_in_the_sidebar_and_a_token_is_good_once(office: Office) -> None:
    office.site.install(office.config)
    ticket = filed(office)
    alex = office.site.running.agent
    view = opened(office, ticket, alex, jti="one")
    assert view.status_code == 200
    assert "bucky.badger@example.edu" in view.text
    assert "X-Panel-Token" in view.headers
    assert opened(office, ticket, alex, jti="one").status_code == 403
    assert opened(office, ticket, alex, jti="two").status_code == 200


def test_frame_may_load_zendesks_script_and_ours_and_may_stand_in_zendesk_alone(office: Office) -> None:
    frame = requests.post(f"{office.url}/panel/desk", data={"token": '"><script>alert(1)</script>'}, timeout=5)
    policy = frame.headers["Content-Security-Policy"]
    framework = "https://static.zdassets.com/zendesk_app_framework_sdk/2.0/zaf_sdk.min.js"
    assert f"script-src 'self' {framework};" in policy
    assert f"frame-ancestors {office.site.running.url}" in policy
    assert frame.text.index(framework) < frame.text.index("opening/desk.js")
    assert "<script>alert" not in frame.text
    [ours] = re.findall(r'src="(/panel/-/opening/desk.js[^"]*)"', frame.text)
    script = requests.get(office.url + unescape(ours), timeout=5)
    assert (script.status_code, script.headers["Content-Type"].split(";")[0]) == (200, "text/javascript")
    assert "ticket.id" in script.text
    page = requests.get(f"{office.url}/panel/desk/4711", timeout=5)
    assert framework not in page.headers["Content-Security-Policy"]


def test_nothing_is_opened_by_form_for_a_source_that_is_not_there(office: Office) -> None:
    assert requests.post(f"{office.url}/panel/other", data={"token": "x"}, timeout=5).status_code == 404
    assert requests.get(f"{office.url}/panel/desk", timeout=5).status_code == 405
