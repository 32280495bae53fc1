"""What an agent does: answering, relying, unblocking, choosing, opening by hand, replying; and being told why not."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from plugin.model import Answer, CaseState, GivenAnswer, Sending, SignIn, SignInState, Visibility


def unblock_button(html: str) -> str:
    found = re.search(r"<button[^>]*>Unblock[^<]*</button>", html)
    assert found is not None
    return found[0]


# ── answering ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_is_saved_with_its_agent_and_shown_as_saved(office: Any) -> None:
    case = office.case()

    answer = office.open().act(case, "answers", "password-changed", done="yes")

    assert answer.status_code == 200
    assert office.said(answer.text, f"item-{case.id}-password-changed") == "Saved. Ada Lovelace (ada), 14:05"
    assert re.search(r'name="done"[^>]*aria-describedby="said-item-\w+-password-changed" checked', answer.text)
    assert "1 of 14 answered" in office.text_of(answer.text)
    (row,) = office.work.store.answers(case.id)
    assert (row.item, row.value, row.agent) == ("password-changed", {"done": True}, "Ada Lovelace (ada)")


def test_an_answer_survives_a_reload(office: Any) -> None:
    case = office.case()
    office.open().act(case, "answers", "caller-verified", **{"how": "called back", "by-whom": "Ada"})

    html = office.open().look().text

    assert 'value="called back"' in html
    assert office.said(html, f"item-{case.id}-caller-verified") == "Saved. Ada Lovelace (ada), 14:05"


def test_an_answer_can_be_taken_back(office: Any) -> None:
    case = office.case()
    panel = office.open()
    panel.act(case, "answers", "password-changed", done="yes")
    panel.act(case, "answers", "devices-scanned", yes="yes")

    panel.act(case, "answers", "password-changed")
    assert office.work.store.journal(case.id)[-1].what == "Took back: Password changed since the block"
    html = panel.act(case, "answers", "devices-scanned", yes="").text

    assert office.work.store.answers(case.id) == ()
    assert office.said(html, f"item-{case.id}-password-changed") == ""
    assert "0 of 14 answered" in office.text_of(html)


def test_an_answer_that_leads_elsewhere_says_why_beside_it(office: Any) -> None:
    case = office.case()

    html = office.open().act(case, "answers", "devices-scanned", yes="no").text

    assert "Have every device scanned and cleaned first" in office.said(html, f"item-{case.id}-devices-scanned")
    assert "Have every device scanned and cleaned first" in office.text_of(html.split("Unblock is closed:")[1])


def test_an_answer_older_than_the_block_is_to_be_given_again(office: Any) -> None:
    case = office.case()
    before = office.clock() - timedelta(hours=4)
    with office.work.store.change() as change:
        for item, value in (
            ("password-changed", {"done": True}),
            ("caller-verified", {"how": "phone", "by-whom": "Bo"}),
        ):
            row = GivenAnswer(
                item=item,
                value=value,
                agent="Bo (bo)",
                answered_at=before,
                checklist=office.work.checklist.id,
                checklist_version=office.work.checklist.version,
            )
            change.save_answer(case.id, row)
    panel = office.open()

    html = panel.look().text

    words = "Bo (bo), 10:05: given before Microsoft's newest block: confirm again"
    assert office.said(html, f"item-{case.id}-password-changed") == f"“done”, {words}"
    assert office.said(html, f"item-{case.id}-caller-verified") == f"“phone, Bo”, {words}"
    assert "0 of 14 answered" in office.text_of(html)
    assert "Confirm again" in html
    (seen,) = re.findall(rf'id="seen-item-{case.id}-caller-verified" name="-seen" value="(\w+)"', html)
    html = panel.act(case, "answers", "caller-verified", **{"how": "phone", "by-whom": "Bo", "-seen": seen}).text
    assert office.said(html, f"item-{case.id}-caller-verified") == "Saved. Ada Lovelace (ada), 14:05"


@pytest.mark.parametrize(
    ("changes", "version", "words"),
    [
        ({"answers_after": timedelta(hours=-1)}, None, "given about the earlier block"),
        ({"disabled_at": timedelta(hours=-1)}, None, "given before the sign-in was disabled"),
        ({}, "0", "given to another version of this checklist"),
    ],
)
def test_every_answer_that_no_longer_counts_says_why(
    office: Any, changes: dict[str, timedelta], version: str | None, words: str
) -> None:
    now = office.clock()
    status = office.case(ticket="9").status
    if "disabled_at" in changes:
        since = now + changes["disabled_at"]
        disabled = SignInState(state=SignIn.DISABLED, reason="Compromised Account", since=since)
        status = replace(status, sign_in=disabled)
    answers_after = now + changes["answers_after"] if "answers_after" in changes else None
    case = office.case(status=status, answers_after=answers_after)
    row = GivenAnswer(
        item="password-changed",
        value={"done": True},
        agent="Bo (bo)",
        answered_at=now - timedelta(hours=2),
        checklist=office.work.checklist.id,
        checklist_version=version or office.work.checklist.version,
    )
    with office.work.store.change() as change:
        change.save_answer(case.id, row)

    assert words in office.said(office.open().look().text, f"item-{case.id}-password-changed")


def test_a_half_answer_is_refused_in_words_at_its_item(office: Any) -> None:
    case = office.case()

    answer = office.open().act(case, "answers", "caller-verified", how="called back")

    assert answer.status_code == 409
    assert "fill in “By whom”" in office.said(answer.text, f"item-{case.id}-caller-verified")
    assert office.work.store.answers(case.id) == ()


def test_an_overlong_answer_is_a_bad_form(office: Any) -> None:
    case = office.case()
    panel = office.open()

    answer = panel.act(case, "answers", "caller-verified", **{"how": "x" * 2001, "by-whom": "Ada"})

    assert answer.status_code == 422
    assert "2,000 characters" in office.said(answer.text, f"item-{case.id}-caller-verified")
    assert panel.act(case, "answers", "caller-verified", **{f"f{n}": "x" for n in range(21)}).status_code == 422


def test_a_body_without_bounds_is_not_read(office: Any) -> None:
    case = office.case()

    assert office.open().act(case, "answers", "caller-verified", how="x" * 200_000).status_code == 413


def test_an_answer_in_the_wrong_state_is_refused_with_the_fresh_view(office: Any) -> None:
    case = office.case(CaseState.CLOSED)

    answer = office.open().act(case, "answers", "password-changed", done="yes")

    assert answer.status_code == 409
    assert f'<article id="case-{case.id}"' in answer.text


def test_a_finished_checklist_stays_readable_once_it_is_closed(office: Any) -> None:
    case = office.case()
    panel = office.open()
    panel.act(case, "answers", "password-changed", done="yes")
    now = office.now_of(case)
    with office.work.store.change() as change:
        change.save_case(replace(now, state=CaseState.UNBLOCKING))

    html = panel.look().text

    assert "Password changed since the block done; Ada Lovelace (ada), 14:05" in office.text_of(html)
    assert 'name="done"' not in html


# ── relying on an earlier checklist ──────────────────────────────────────────────────────────────────────────────


def test_an_earlier_checklist_is_offered_with_its_reasons_and_relied_on_by_name(office: Any) -> None:
    earlier, case = office.case(ticket="4700"), office.case()
    office.complete(office.open(ticket="4700"), earlier)
    panel = office.open()

    offer = office.text_of(panel.look().text)
    html = panel.act(case, "rely", earlier.id).text

    assert "was completed 14:06 by Ada Lovelace (ada) on ticket rt:4700: after each current block" in offer
    assert "Relies on the checklist of ticket rt:4700" in html
    assert "disabled" not in unblock_button(html)
    assert office.now_of(case).state is CaseState.READY


def test_relying_on_a_checklist_that_does_not_count_is_refused(office: Any) -> None:
    earlier, case = office.case(ticket="4700"), office.case()

    answer = office.open().act(case, "rely", earlier.id)

    assert answer.status_code == 409
    assert "cannot be relied on" in office.said(answer.text, f"case-{case.id}")


# ── Unblock ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_unblock_is_closed_with_its_reasons_until_the_checklist_is_complete(office: Any) -> None:
    case = office.case()
    panel = office.open()

    html = panel.look().text
    assert ">Unblock bbadger@example.edu and 1 more<" in unblock_button(html)
    described = re.search(r' disabled aria-describedby="(\S+)"', unblock_button(html))
    assert described is not None
    reasons = re.search(rf'id="{described[1]}"[^>]*>(.*?)</div>', html, re.DOTALL)
    assert reasons is not None
    assert "13 of the checklist's required items are not answered yet." in office.text_of(reasons[1])

    office.complete(panel, case)

    html = panel.look().text
    assert "disabled" not in unblock_button(html)
    assert "Next: Press Unblock." in office.text_of(html)
    assert "Ask Microsoft to release these 2 addresses?" in office.text_of(html)
    assert "in your name (Ada Lovelace)" in office.text_of(html)


def test_pressing_unblock_asks_the_worker_and_says_that_it_is_under_way(office: Any) -> None:
    case = office.case()
    panel = office.open()
    office.complete(panel, case)

    answer = panel.act(case, "unblock")

    assert answer.status_code == 200
    assert ">Unblocking</span>" in answer.text
    assert [task.name for task in office.work.store.waiting_tasks(99)].count("unblock") == 1


def test_pressing_twice_asks_once(office: Any) -> None:
    case = office.case()
    first, second = office.open(), office.open()
    office.complete(first, case)

    assert first.act(case, "unblock").status_code == 200
    again = second.act(case, "unblock")

    assert again.status_code == 409
    assert "there is nothing to unblock now" in office.said(again.text, f"case-{case.id}")
    assert [task.name for task in office.work.store.waiting_tasks(99)].count("unblock") == 1


def test_pressing_a_closed_unblock_is_refused_with_every_reason(office: Any) -> None:
    disabled = SignInState(state=SignIn.DISABLED, reason="Compromised Account")
    case = office.case(status=replace(office.case(ticket="9").status, sign_in=disabled))

    answer = office.open().act(case, "unblock")

    assert answer.status_code == 409
    words = office.said(answer.text, f"case-{case.id}")
    assert "The sign-in is still disabled." in words
    assert "14 of the checklist's required items" in words
    assert office.now_of(case).state is CaseState.CHECKLIST_OPEN


def test_asking_once_more_says_that_it_was_asked_before(office: Any) -> None:
    case = office.case(CaseState.OUTCOME_UNKNOWN, asked_at=office.clock())
    office.asking(case, "bbadger@example.edu", answer=Answer.REQUESTED)
    panel = office.open()
    office.complete(panel, case)

    assert "It was asked before, 14:05 by Ada Lovelace (ada)." in office.text_of(panel.look().text)


# ── reading, choosing, opening ───────────────────────────────────────────────────────────────────────────────────


def test_refresh_reads_the_account_again(office: Any) -> None:
    case = office.case()
    office.tenant.accounts["bbadger"] = replace(case.status, sending=Sending.NOT_BLOCKED, blocked=())
    office.clock.pass_time(minutes=1)

    answer = office.open().act(case, "refresh")

    assert office.said(answer.text, f"case-{case.id}") == "Read again just now."
    assert "Sending Microsoft's block Not Blocked" in office.text_of(answer.text)
    assert office.now_of(case).state is CaseState.NOT_BLOCKED


def test_a_failed_refresh_says_what_failed_and_changes_nothing(office: Any) -> None:
    case = office.case()
    office.tenant.is_down = True

    answer = office.open().act(case, "refresh")

    assert answer.status_code == 409
    assert "could not connect. Nothing was changed; try again." in office.said(answer.text, f"case-{case.id}")
    assert office.now_of(case) == case


def test_the_account_of_an_unclear_case_is_chosen(office: Any) -> None:
    case = office.case(CaseState.NEEDS_PERSON, account="", question="Which?", candidates=("bbadger",))

    answer = office.open().act(case, "account", account=" bbadger ")

    assert answer.status_code == 200
    assert office.now_of(case).account == "bbadger"
    assert "Which?" not in answer.text


@pytest.mark.parametrize("form", [{}, {"account": ""}, {"account": "x" * 321}])
def test_an_account_of_the_wrong_shape_is_a_bad_form(office: Any, form: dict[str, str]) -> None:
    case = office.case(CaseState.NEEDS_PERSON, account="")
    panel = office.open()

    chosen, opened = panel.act(case, "account", **form), panel.press("cases", **form)

    assert (chosen.status_code, opened.status_code) == (422, 422)
    assert "Type a NetID or a mail address" in office.said(chosen.text, f"case-{case.id}")
    assert "Type a NetID or a mail address" in office.said(opened.text, "open")


def test_a_case_is_opened_by_hand(office: Any) -> None:
    office.case(ticket="9")

    answer = office.open().press("cases", account="bbadger")

    assert answer.status_code == 200
    assert office.said(answer.text, "open") == "Opened."
    (case,) = office.work.store.cases_of_ticket("rt", "4711")
    assert (case.account, case.opened_by, case.state) == ("bbadger", "ada", CaseState.CHECKLIST_OPEN)


@pytest.mark.parametrize(("account", "words"), [("nobody", "There is no account “nobody”"), ("bbadger", "already")])
def test_a_case_that_cannot_be_opened_says_why_at_its_form(office: Any, account: str, words: str) -> None:
    office.case()

    answer = office.open().press("cases", account=account)

    assert answer.status_code == 409
    assert words in office.said(answer.text, "open")
    assert len(office.work.store.cases_of_ticket("rt", "4711")) == 1


# ── the reply to the customer ────────────────────────────────────────────────────────────────────────────────────


def test_the_reply_goes_out_as_the_agent_saw_it_and_only_once(office: Any) -> None:
    case = office.case(CaseState.UNBLOCKED, asked_at=office.clock())
    panel = office.open()

    answer = panel.act(case, "reply", kind="customer", text="All well <again>.")
    again = panel.act(case, "reply", kind="customer", text="Another text.")

    assert "The reply is on its way to the customer." in office.text_of(answer.text)
    assert "<textarea" not in answer.text
    assert again.status_code == 409
    (sent,) = office.work.store.notes(case.id)
    assert sent.note.visibility is Visibility.PUBLIC
    assert "All well &lt;again&gt;." in sent.note.body_html


def test_a_reply_that_says_too_much_is_not_sent(office: Any) -> None:
    case = office.case(CaseState.UNBLOCKED)

    answer = office.open().act(case, "reply", kind="customer", text="bbadger@example.edu works again.")

    assert answer.status_code == 409
    assert "Not sent. Take out: bbadger@example.edu" in office.said(answer.text, f"reply-{case.id}")
    assert office.work.store.notes(case.id) == ()


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"kind": "customer"}, 422),
        ({"kind": "gossip", "text": "x"}, 422),
        ({"kind": "customer", "text": "x" * 10_001}, 422),
        ({"kind": "bulk-sender", "text": "x"}, 409),
        ({"kind": "customer", "text": "  "}, 409),
    ],
)
def test_a_reply_that_does_not_fit_is_refused(office: Any, form: dict[str, str], status: int) -> None:
    case = office.case(CaseState.UNBLOCKED)

    answer = office.open().act(case, "reply", **form)

    assert answer.status_code == status
    assert office.said(answer.text, f"reply-{case.id}") != ""


def test_a_bulk_sender_gets_the_reply_with_the_way_out(office: Any) -> None:
    case = office.case()

    html = office.open().act(case, "answers", "bulk-sender", yes="yes").text

    assert office.now_of(case).state is CaseState.BULK_SENDER
    assert re.search(r"<textarea[^>]*>[^<]*https://help\.example\.edu/lists", html)
    assert not re.search(r"<button[^>]*>Unblock", html)
