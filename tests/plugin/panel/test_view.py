"""What an agent reads: every road in its own words, both blocks apart, and nothing of a stranger's come alive."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape
from html.parser import HTMLParser
from typing import Any

import pytest

from plugin.model import (
    Answer,
    BlockedAddress,
    CaseState,
    Cause,
    Confidence,
    Finding,
    JournalEntry,
    Label,
    Note,
    Sending,
    SignIn,
    SignInState,
    Visibility,
)
from plugin.notes.facts import AddressResult, Facts
from plugin.notes.markup import deadline, moment
from plugin.notes.texts import NoteKind, Texts
from plugin.panel import states

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
NOT_LISTED: dict[str, Any] = {"sending": Sending.NOT_BLOCKED, "blocked": ()}
UNREAD: dict[str, Any] = {
    "sending": Sending.UNKNOWN,
    "blocked": (),
    "sign_in": SignInState(state=SignIn.UNKNOWN),
    "failure": "campus: reading the account: could not connect",
}


def status_of(office: Any, **changes: Any) -> Any:
    case = office.case(**changes)
    return case.status


def test_a_ticket_without_a_case_says_so(office: Any) -> None:
    assert "no case on this ticket" in office.open().look().text


def test_every_state_has_its_words() -> None:
    assert set(states.TONES) == set(CaseState)
    assert set(states.STEPS) == set(CaseState) - {CaseState.CHECKLIST_OPEN}


@pytest.mark.parametrize(
    ("state", "words", "link", "has_unblock"),
    [
        (CaseState.RECEIVED, "this page follows by itself", "", False),
        (CaseState.NEEDS_PERSON, "the program does not guess", "", False),
        (CaseState.NOT_BLOCKED, "look for another cause of the bounce", "", False),
        (CaseState.SENDING_LIMIT, "A limit ends by itself within 24 hours", "https://help.example.edu/lists", False),
        (
            CaseState.TENANT_BLOCKED,
            "They open a case with Microsoft Support",
            "https://admin.example.edu/support",
            False,
        ),
        (CaseState.REFER_TO_SECURITY, "Do not re-enable the sign-in", "mailto:security@example.edu", False),
        (CaseState.BULK_SENDER, "Do not unblock", "https://help.example.edu/mass-email", False),
        (CaseState.CHECKLIST_OPEN, "Go through the checklist with the customer: 13 required items left", "", True),
        (CaseState.READY, "13 of the checklist's required items", "", True),
        (CaseState.UNBLOCKING, "Microsoft is being asked and watched", "", False),
        (CaseState.UNBLOCKED, "up to 24 hours", "", False),
        (CaseState.STILL_BLOCKED, "still lists the address", "https://help.example.edu/o365", True),
        (CaseState.OUTCOME_UNKNOWN, "nobody knows whether the request arrived", "https://help.example.edu/o365", True),
        (CaseState.REFUSED, "Take the answer to the Office 365 team", "https://admin.example.edu/support", True),
        (CaseState.CLOSED, "Nothing more to do", "", False),
        (CaseState.OVERDUE, "Escalate to the Office 365 team now", "https://help.example.edu/o365", False),
    ],
)
def test_every_road_has_its_own_words_and_only_the_right_ones_an_unblock(
    office: Any, state: CaseState, words: str, link: str, has_unblock: bool
) -> None:
    office.case(state)

    html = office.open().look().text

    assert f'">{state}</span>' in html
    assert words in office.text_of(html)
    assert link in html
    assert (re.search(r"<button[^>]*>Unblock", html) is not None) == has_unblock


@pytest.mark.parametrize(
    ("state", "kind", "answer"),
    [
        (CaseState.SENDING_LIMIT, NoteKind.STATUS, None),
        (CaseState.TENANT_BLOCKED, NoteKind.STATUS, None),
        (CaseState.REFUSED, NoteKind.RESULT, Answer.REFUSED),
        (CaseState.REFUSED, NoteKind.RESULT, Answer.LIMIT),
    ],
)
def test_the_panel_says_the_next_step_in_the_words_of_the_note(
    office: Any, state: CaseState, kind: NoteKind, answer: Answer | None
) -> None:
    case = office.case(state)
    if answer is not None:
        office.asking(case, "bbadger@example.edu", answer=answer)
    asked = AddressResult(
        address="bbadger@example.edu", outcome=answer or "", asked_at=NOW, asked_by="Ada", confirmed_at=None
    )
    facts = Facts(
        state=state, finding=None, status=case.status, results=(asked,), question="", candidates=(), agent="",
        reason="", unblocked_at=None, escalate_after=None, panel_url="", earlier_unblocks=0,
    )  # fmt: skip

    html = office.open().look().text
    shown = re.search(r'<p class="next"><strong>Next:</strong> (.*?)</p>', html)
    note = office.text_of(Texts(overrides=None, links={}, zone=UTC).note(kind, key="k", facts=facts).body_html)

    assert shown
    for sentence in re.split(r"(?<=[.:]) ", shown[1]):
        assert sentence in note


def test_both_blocks_are_told_apart_with_their_own_times(office: Any) -> None:
    disabled = SignInState(
        state=SignIn.DISABLED, reason="Compromised Account", since=office.clock() - timedelta(days=1, hours=1)
    )
    status = replace(status_of(office, ticket="9"), sign_in=disabled)
    office.case(status=status)

    read = office.text_of(office.open().look().text)

    assert "Sending Microsoft's block Blocked since 11:05" in read
    assert "Sign-in Security's switch Disabled since Sun 22 Nov, 13:05 Compromised Account" in read
    assert "bbadger bucky.badger@example.edu" in read


def test_what_could_not_be_read_is_unknown_with_what_failed(office: Any) -> None:
    office.case(CaseState.RECEIVED, status=replace(status_of(office, ticket="9"), **UNREAD))

    read = office.text_of(office.open().look().text)

    assert "Sending Microsoft's block Unknown campus: reading the account: could not connect" in read
    assert "Sign-in Security's switch Unknown campus: reading the account: could not connect" in read
    assert "Not Blocked" not in read


def test_an_unreadable_reason_is_said_to_be_one(office: Any) -> None:
    disabled = SignInState(state=SignIn.DISABLED)
    office.case(status=replace(status_of(office, ticket="9"), sign_in=disabled))

    assert "Disabled The reason cannot be read here." in office.text_of(office.open().look().text)


def test_each_blocked_address_has_its_cause_its_raw_reason_and_its_time(office: Any) -> None:
    office.case()

    html = office.open().look().text

    assert re.search(r'<h3 id="(blocked-\w+)">Blocked addresses</h3>\s*<ul aria-labelledby="\1"', html)
    read = office.text_of(html)
    assert "bbadger@example.edu Outbound spam, listed 11:05 What Microsoft wrote: OutboundSpamLast24Hours=312;" in read
    assert "bucky.badger@example.edu Outbound spam, listed 11:05" in read


def test_a_time_shows_the_hour_and_has_the_exact_moment_at_hand(office: Any) -> None:
    office.case()

    html = office.open().look().text

    assert '<time datetime="2026-11-23T11:05:00+00:00" title="Mon 23 Nov 2026, 11:05 UTC">11:05</time>' in html
    assert f'data-ago="{office.clock().timestamp()}"' in html


@pytest.mark.parametrize(
    ("state", "asking", "words"),
    [
        (CaseState.UNBLOCKING, {}, "asked, no answer yet"),
        (CaseState.UNBLOCKING, {"answer": Answer.REQUESTED}, "waiting for Microsoft"),
        (CaseState.UNBLOCKING, {"answer": Answer.NOT_BLOCKED}, "Microsoft says it was not blocked; read again"),
        (CaseState.STILL_BLOCKED, {"answer": Answer.REQUESTED}, "asked, still listed"),
        (CaseState.REFUSED, {"answer": Answer.REFUSED, "detail": "HTTP 418"}, "refused: HTTP 418"),
        (CaseState.REFUSED, {"answer": Answer.LIMIT}, "refused: unblock limit reached: Microsoft Support only"),
        (CaseState.OUTCOME_UNKNOWN, {}, "outcome unknown: no clear answer came to the request"),
        (CaseState.OUTCOME_UNKNOWN, {"detail": "the line broke"}, "outcome unknown: the line broke"),
    ],
)
def test_each_address_tells_how_far_it_is(office: Any, state: CaseState, asking: dict[str, Any], words: str) -> None:
    case = office.case(state, asked_at=office.clock())
    office.asking(case, "bbadger@example.edu", **asking)

    read = office.text_of(office.open().look().text)

    assert f"bbadger@example.edu {words}" in read
    assert "asked 14:05 by Ada Lovelace (ada)" in read


def test_between_the_press_and_the_asking_each_address_is_about_to_be_asked(office: Any) -> None:
    office.case(CaseState.UNBLOCKING, asked_at=office.clock())

    read = office.text_of(office.open().look().text)

    assert "bbadger@example.edu about to be asked" in read
    assert "bucky.badger@example.edu about to be asked" in read


def test_an_address_stays_in_the_list_once_it_is_released(office: Any) -> None:
    status = replace(status_of(office, ticket="9"), **NOT_LISTED)
    case = office.case(CaseState.UNBLOCKED, status=status, asked_at=office.clock())
    office.asking(case, "bbadger@example.edu", answer=Answer.REQUESTED, released_at=office.clock())

    assert "bbadger@example.edu Not Blocked since 14:05, asked 14:05 by Ada Lovelace (ada)" in office.text_of(
        office.open().look().text
    )


def test_an_address_that_is_listed_again_is_never_called_not_blocked(office: Any) -> None:
    case = office.case(CaseState.CHECKLIST_OPEN, asked_at=office.clock())
    office.asking(case, "bbadger@example.edu", answer=Answer.REQUESTED, released_at=office.clock())

    assert "Not Blocked" not in office.text_of(office.open().look().text).split("Compromise checklist")[0]


@pytest.mark.parametrize(
    ("state", "seconds"), [(CaseState.UNBLOCKING, 3), (CaseState.CHECKLIST_OPEN, 5), (CaseState.CLOSED, 20)]
)
def test_the_page_looks_again_the_sooner_the_more_may_change(office: Any, state: CaseState, seconds: int) -> None:
    office.case(state)

    assert f'hx-trigger="every {seconds}s, look"' in office.open().look().text


def test_a_page_that_shows_the_view_already_gets_nothing(office: Any) -> None:
    case = office.case()
    panel = office.open()
    seen = panel.look().headers["X-Panel-Seen"]
    office.clock.pass_time(seconds=5)

    same = office.client.get(panel.path("view"), headers=panel.bearer | {"X-Panel-Seen": seen})
    panel.act(case, "answers", "password-changed", done="yes")
    changed = office.client.get(panel.path("view"), headers=panel.bearer | {"X-Panel-Seen": seen})

    assert (same.status_code, same.data) == (204, b"")
    assert same.headers["X-Panel-Token"]
    assert changed.status_code == 200


def test_the_page_follows_until_the_result_note_is_on_the_ticket(office: Any) -> None:
    case = office.case(CaseState.UNBLOCKED, asked_at=office.clock())
    panel = office.open()
    note = Note(key="n", visibility=Visibility.INTERNAL, subject="Released", body_html="<p>Released.</p>")

    assert "every 3s" in panel.look().text
    with office.work.store.change() as change:
        change.intend(case.id, note, office.clock())
    assert "being posted" in office.text_of(panel.look().text)
    with office.work.store.change() as change:
        change.done("n", office.clock())
    assert "every 3s" not in panel.look().text


def test_a_note_that_never_comes_is_not_waited_for_without_end(office: Any) -> None:
    office.case(CaseState.UNBLOCKED, asked_at=office.clock())
    panel = office.open()
    office.clock.pass_time(minutes=3)

    assert "every 3s" not in panel.look().text


def test_the_result_has_the_clock_the_note_as_posted_and_the_reply_to_preview(office: Any) -> None:
    now = office.clock()
    case = office.case(
        CaseState.UNBLOCKED,
        status=replace(status_of(office, ticket="9"), **NOT_LISTED),
        asked_at=now - timedelta(minutes=3),
        unblocked_at=now,
        escalate_after=now + timedelta(hours=24),
    )
    note = Note(
        key="n",
        visibility=Visibility.INTERNAL,
        subject="Released",
        body_html="<p>Released:<br>a &amp; b</p><ul>\n<li>one\nline</li></ul>",
    )
    with office.work.store.change() as change:
        change.intend(case.id, note, now)
        change.done("n", now)

    html = office.open().look().text
    read = office.text_of(html)

    assert re.search(r'<section[^>]*aria-labelledby="(result-title-\w+)"[^>]*>\s*<h3 id="\1">Result</h3>', html)
    assert "Do not escalate before Tue 24 Nov 2026, 14:05 UTC" in read
    assert "Internal note on the ticket, posted 14:05 Released: a & b • one line" in read
    assert "It must not name addresses, reasons or findings" in read
    assert re.search(r"<textarea[^>]*>\s*Hello,", html)


@pytest.mark.parametrize(
    ("state", "more"), [(CaseState.UNBLOCKED, timedelta(hours=24)), (CaseState.OVERDUE, timedelta(hours=-1))]
)
def test_the_hour_of_escalation_is_that_of_the_note_and_never_too_early(
    office: Any, state: CaseState, more: timedelta
) -> None:
    due = office.clock() + more + timedelta(microseconds=1)
    office.case(state, unblocked_at=due - timedelta(hours=24), escalate_after=due)

    html = office.open().look().text

    assert deadline(due, UTC) in office.text_of(html)
    assert deadline(due, UTC) == moment(due + timedelta(minutes=1), UTC)
    (machine,) = re.findall(r'<p class="clock">[^<]*<strong><time datetime="([^"]+)"', html)
    assert timedelta(0) <= datetime.fromisoformat(machine) - due < timedelta(minutes=1)


def test_after_the_clock_the_panel_says_that_it_may_be_escalated(office: Any) -> None:
    now = office.clock()
    office.case(
        CaseState.OVERDUE,
        unblocked_at=now - timedelta(hours=25),
        escalate_after=now - timedelta(hours=1),
        complained_at=now - timedelta(hours=2),
    )

    read = office.text_of(office.open().look().text)

    assert "The 24 hours ended Mon 23 Nov 2026, 13:05 UTC; it may be escalated now." in read
    assert "Heard 12:05 from the customer: mail still fails." in read


def test_several_cases_stand_on_one_page_the_most_urgent_first(office: Any) -> None:
    done = office.case(CaseState.CLOSED)
    status = replace(done.status, netid="cwillow", display_name="Charles Willow")
    urgent = office.case(CaseState.OUTCOME_UNKNOWN, status=status)

    html = office.open().look().text

    assert re.findall(r'<article id="case-(\w+)"', html) == [urgent.id, done.id]
    overview = re.search(r"<nav[^>]*>(.*?)</nav>", html, re.DOTALL)
    assert overview
    assert re.findall(r'data-shows="case-(\w+)"', overview[1]) == [urgent.id, done.id]
    assert office.text_of(overview[1]) == (
        "2 cases on this ticket Charles Willow Asked, outcome unknown Bucky Badger Closed"
    )


def test_a_ticket_with_one_case_has_no_overview(office: Any) -> None:
    office.case()

    assert re.search(r"<nav[^>]* hidden[^>]*></nav>", office.open().look().text)


# ── the account's past ───────────────────────────────────────────────────────────────────────────────────────────


def test_other_cases_of_the_account_are_shown_with_what_came_of_them(office: Any) -> None:
    day = timedelta(days=1)
    now = office.clock()
    office.case(CaseState.CLOSED, ticket="4100", created_at=now - 40 * day, unblocked_at=now - 39 * day)
    office.case(CaseState.OVERDUE, ticket="4200", created_at=now - 9 * day, escalated_at=now - 7 * day)
    office.case()

    read = office.text_of(office.open().look().text)

    assert "2 other cases of this account Ticket rt:4200 Overdue Sat 14 Nov, 14:05; escalated Mon 16 Nov, 14:05" in read
    assert "Ticket rt:4100 Closed Wed 14 Oct, 14:05; unblocked Thu 15 Oct, 14:05" in read


def test_unblocks_of_the_last_ninety_days_are_counted_by_pressing(office: Any) -> None:
    now = office.clock()
    for ticket, days, addresses in (("1", 91, ("old@a",)), ("2", 89, ("b@a", "c@a")), ("3", 9, ("d@a",))):
        other = office.case(CaseState.CLOSED, ticket=ticket)
        for address in addresses:
            asked = now - timedelta(days=days)
            office.asking(other, address, press=f"press {ticket}", asked_at=asked, released_at=asked)
    refused = office.case(CaseState.REFUSED, ticket="4")
    office.asking(refused, "e@a", press="press 4", answer=Answer.REFUSED)
    office.case()

    read = office.text_of(office.open().look().text)

    assert "Unblocked 2 times in the last 90 days. This would be number 3: find out why it comes back." in read


def test_an_account_without_a_past_has_none(office: Any) -> None:
    office.case()

    read = office.text_of(office.open().look().text)

    assert "last 90 days" not in read
    assert "other case" not in read


def test_an_unclear_account_offers_each_candidate_and_a_field(office: Any) -> None:
    case = office.case(
        CaseState.NEEDS_PERSON,
        account="",
        question="Several accounts are named.",
        candidates=("bbadger@example.edu", "cwillow@example.edu"),
    )

    html = office.open().look().text

    assert "Several accounts are named." in html
    assert re.findall(r"<button[^>]*>It is ([^<]*)</button>", html) == list(case.candidates)
    assert "Another NetID or mail address" in html


def test_the_history_tells_what_happened_and_who_did_it(office: Any) -> None:
    case = office.case()
    with office.work.store.change() as change:
        change.log(case.id, JournalEntry(at=office.clock(), actor="m365-unblock", what="Read the account."))

    html = office.open().look().text

    assert '<section aria-label="History"' in html
    assert "1 entry Read the account. 14:05, m365-unblock" in office.text_of(html)


# ── what strangers wrote ─────────────────────────────────────────────────────────────────────────────────────────

NASTY = (
    '<script>alert(1)</script><img src=x onerror=alert(2)>"\' onfocus=alert(3) autofocus x="'
    "{{ 7*191 }}{% raw %} <a href=javascript:alert(4)>link</a> https://evil.example/ \u202eelif"
)


class Inventory(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in {"href", "src", "action", "hx-get", "hx-post"}:
                self.addresses.add(value or "")


def test_nothing_that_a_stranger_wrote_comes_alive(office: Any) -> None:
    plain = status_of(office, ticket="9")
    nasty = replace(
        plain,
        display_name=NASTY,
        primary_address=NASTY,
        blocked=(
            BlockedAddress(address=NASTY, reason=NASTY, cause=Cause.UNKNOWN, blocked_at=office.clock()),
            BlockedAddress(address=f"second {NASTY}"),
        ),
        sign_in=SignInState(state=SignIn.DISABLED, reason=NASTY),
        failure=NASTY,
    )
    case = office.case(CaseState.REFUSED, status=nasty, reason=NASTY, question=NASTY, asked_at=office.clock())
    office.asking(case, NASTY, answer=Answer.REFUSED, detail=NASTY)
    finding = Finding(
        label=Label.SENDER_BLOCKED,
        confidence=Confidence.LIKELY,
        code=NASTY,
        candidates=(),
        rule="",
        evidence=(NASTY,),
    )
    office.case(
        CaseState.NEEDS_PERSON,
        status=replace(plain, netid=NASTY),
        account="",
        question=NASTY,
        candidates=(NASTY,),
        finding=finding,
    )
    note = Note(
        key="n", visibility=Visibility.INTERNAL, subject=NASTY, body_html=f"<p>{NASTY}</p><p>{escape(NASTY)}</p>"
    )
    with office.work.store.change() as change:
        change.log(case.id, JournalEntry(at=office.clock(), actor=NASTY, what=NASTY))
        change.intend(case.id, note, office.clock())
    office.clock.pass_time(minutes=1)
    panel = office.open(name=NASTY)
    panel.act(case, "answers", "caller-verified", **{"how": NASTY.replace("\u202e", ""), "by-whom": NASTY[:20]})

    html = panel.look().text
    found = Inventory(html)

    assert html.count("onerror") > 10  # it is shown, as text
    assert not found.tags & {"script", "img", "svg", "iframe", "object", "embed", "style", "link", "base", "meta"}
    assert not {name for name in found.attributes if name.startswith("on")} | (
        found.attributes & {"autofocus", "style"}
    )
    assert not {
        address
        for address in found.addresses
        if not address.startswith(("/panel/rt/4711/", "https://help.example.edu/"))
        and address not in {"https://admin.example.edu/support", "https://netid.example.edu/tool"}
    }
    assert "1337" not in html


def test_a_ticket_id_cannot_leave_its_place_in_the_page(office: Any) -> None:
    page = office.client.get("/panel/rt/%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E")

    assert page.status_code == 404 or "<script>alert" not in page.text
    page = office.client.get("/panel/rt/%22%3E%3Cb%3E")
    assert page.status_code == 200
    assert "<b>" not in page.text
