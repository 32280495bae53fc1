"""What the ticket shows of its cases: every note once whatever fails on the way, and nothing written without need."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest

from plugin.annotation import due_notes, shown_fields
from plugin.model import (
    AccountStatus,
    Agent,
    BlockedAddress,
    Case,
    CaseState,
    Note,
    Role,
    Sending,
    SignIn,
    SignInState,
    Task,
    Visibility,
)
from plugin.naming import annotation, note_key
from plugin.notes.texts import NoteKind

NOW = datetime(2026, 11, 24, 14, 5, 6, 789, tzinfo=UTC)
BUCKY = "bucky.badger@example.edu"
STATUS = AccountStatus(
    tenant="campus",
    netid="bbadger",
    display_name="Bucky",
    primary_address=BUCKY,
    addresses=(BUCKY, "b@example.edu"),
    sending=Sending.BLOCKED,
    blocked=(BlockedAddress(address=BUCKY), BlockedAddress(address="b@example.edu")),
    sign_in=SignInState(state=SignIn.ENABLED),
    checked_at=NOW,
)
CASE = Case(
    id="c1",
    source="desk",
    ticket="7",
    account="bbadger",
    state=CaseState.RECEIVED,
    round=1,
    opened_by="triage",
    created_at=NOW,
    updated_at=NOW,
    version=1,
    status=STATUS,
    asked_at=NOW,
    unblocked_at=NOW,
)

# ── which notes are due ──────────────────────────────────────────────────────────────────────────────────────────

RESULT = "-20261124T140506.000789"


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (CaseState.RECEIVED, []),
        (CaseState.NOT_BLOCKED, [(NoteKind.STATUS, "not-blocked")]),
        (CaseState.SENDING_LIMIT, [(NoteKind.STATUS, "sending-limit")]),
        (CaseState.TENANT_BLOCKED, [(NoteKind.STATUS, "tenant-blocked")]),
        (CaseState.BULK_SENDER, [(NoteKind.BULK_SENDER, "bulk-sender")]),
        (CaseState.CHECKLIST_OPEN, [(NoteKind.STATUS, "blocked")]),
        (CaseState.READY, [(NoteKind.STATUS, "blocked")]),
        (CaseState.UNBLOCKING, []),
        (CaseState.UNBLOCKED, [(NoteKind.RESULT, "unblocked" + RESULT)]),
        (CaseState.STILL_BLOCKED, [(NoteKind.RESULT, "still_blocked" + RESULT)]),
        (CaseState.OUTCOME_UNKNOWN, [(NoteKind.RESULT, "outcome_unknown" + RESULT)]),
        (CaseState.REFUSED, [(NoteKind.RESULT, "refused" + RESULT)]),
        (CaseState.CLOSED, [(NoteKind.FOLLOW_UP, "closed")]),
        (CaseState.OVERDUE, [(NoteKind.FOLLOW_UP, "overdue")]),
    ],
)
def test_each_state_has_its_notes(state: CaseState, due: list[tuple[NoteKind, str]]) -> None:
    assert list(due_notes(replace(CASE, state=state))) == due


def test_another_reason_for_the_referral_is_another_note_and_so_is_its_end() -> None:
    case = replace(CASE, state=CaseState.REFER_TO_SECURITY, reason="The sign-in is disabled: HR Request.")
    assert due_notes(case) == due_notes(case)
    assert due_notes(case) != due_notes(replace(case, reason="The sign-in is disabled: Legal Hold."))
    opened = replace(case, state=CaseState.CHECKLIST_OPEN, reason="")
    assert due_notes(opened, referrals=1) != due_notes(opened)


def test_another_question_to_a_person_is_another_note_and_the_same_one_is_not() -> None:
    case = replace(CASE, state=CaseState.NEEDS_PERSON, account="", question="Which?", candidates=("a", "b"))
    first, again, other = (due_notes(it) for it in (case, case, replace(case, candidates=("a", "c"))))
    assert first == again
    assert first != other
    assert due_notes(replace(case, question="", unreadable_since=NOW)) == ((NoteKind.STATUS, "unreadable"),)


def test_a_second_pressing_has_a_result_note_of_its_own() -> None:
    case = replace(CASE, state=CaseState.REFUSED)
    assert due_notes(case) != due_notes(replace(case, asked_at=NOW + timedelta(microseconds=1)))


def test_a_complaint_within_the_day_has_a_note_beside_the_result() -> None:
    complained = replace(CASE, state=CaseState.UNBLOCKED, complained_at=NOW)
    assert [kind for kind, _ in due_notes(complained)] == [NoteKind.RESULT, NoteKind.EARLY_COMPLAINT]


@pytest.mark.parametrize("status", [None, replace(STATUS, sending=Sending.UNKNOWN)], ids=["none", "unknown"])
def test_a_note_that_rests_on_a_reading_waits_for_one(status: AccountStatus | None) -> None:
    assert due_notes(replace(CASE, state=CaseState.CHECKLIST_OPEN, status=status)) == ()
    assert due_notes(replace(CASE, state=CaseState.TENANT_BLOCKED, status=status)) != ()


def test_fields_show_the_release_only_once_there_is_one() -> None:
    released = replace(CASE, unblocked_at=NOW, escalate_after=NOW + timedelta(hours=24))
    assert shown_fields(replace(released, state=CaseState.UNBLOCKED)) == {
        "Sending Status": "Blocked",
        "Blocked Addresses": f"{BUCKY}, b@example.edu",
        "Case State": "Unblocked",
        "Unblocked At": "2026-11-24T14:05:06Z",
        "Escalate After": "2026-11-25T14:05:06Z",
    }
    before = shown_fields(replace(released, state=CaseState.CHECKLIST_OPEN))
    assert (before["Unblocked At"], before["Escalate After"]) == (None, None)
    unread = shown_fields(replace(CASE, status=None))
    assert (unread["Sending Status"], unread["Blocked Addresses"]) == (None, None)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Between:
    """Stands between the plugin and the desk's API: counts writes, and spoils those that a test names."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.writes: list[str] = []
        self.spoilt = ""  # the last part of an address, such as "notes"
        self.status = "500 Internal Server Error"
        self.is_done_first = False

    def __call__(self, environ: Any, start_response: Any) -> Any:
        last = environ["PATH_INFO"].rsplit("/", 1)[-1]
        is_ours = environ["PATH_INFO"].startswith("/api/") and environ["REQUEST_METHOD"] in ("POST", "PATCH")
        if not is_ours:
            return self._app(environ, start_response)
        self.writes.append(last)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        if last != self.spoilt:
            return self._app(environ, start_response)
        if self.is_done_first:
            list(self._app(environ, lambda *_: None))
        start_response(self.status, [("Content-Type", "text/plain"), ("Content-Length", "12")])
        return [b"out of order"]


@pytest.fixture
def between(world: Any) -> Between:
    between = Between(world.desk_app.wsgi_app)
    world.desk_app.wsgi_app = between
    return between


def show_again(world: Any, case: Case) -> None:
    """Do the annotation of a case once more, as after a crash."""
    world.parts.workflow.tasks()["annotate"]({"case": case.id})


@pytest.mark.parametrize("is_done_first", [True, False])
def test_a_note_whose_answer_was_lost_is_on_the_ticket_once(world: Any, between: Between, is_done_first: bool) -> None:
    between.spoilt, between.is_done_first = "notes", is_done_first
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    assert len(world.notes(ticket)) == int(is_done_first)
    between.spoilt = ""
    world.pass_time(minutes=2)
    assert len(world.notes(ticket)) == 1
    assert between.writes.count("notes") == (1 if is_done_first else 2)  # looked for before it is sent again
    (sent,) = world.store.notes(world.only_case(ticket).id)
    assert sent.done_at is not None
    assert world.ticket(ticket)["tags"] == ["m365-blocked"]


def test_a_note_meant_before_a_crash_is_written_as_it_was_meant(world: Any, between: Between) -> None:
    between.spoilt = "notes"
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.only_case(ticket)
    (meant,) = world.store.notes(case.id)
    assert meant.note.key == note_key(case, "blocked")
    between.spoilt = ""
    changed = replace(case, status=replace(case.status, display_name="Somebody Else"))
    world.parts.workflow._annotation.show(changed)
    (note,) = world.notes(ticket)
    assert "Somebody Else" not in note


def test_showing_a_case_again_writes_nothing(world: Any, between: Between) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    assert between.writes == ["notes", "tags", "fields"]
    show_again(world, world.only_case(ticket))
    assert between.writes == ["notes", "tags", "fields"]


@pytest.mark.parametrize("spoilt", ["tags", "fields"])
def test_tags_or_fields_that_are_refused_hold_up_nothing_and_are_tried_again_with_the_next_change(
    world: Any, between: Between, spoilt: str
) -> None:
    between.spoilt, between.status = spoilt, "422 Unprocessable Content"
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert len(world.notes(ticket)) == 1
    shown = world.ticket(ticket)
    assert (shown["tags"] == [], shown["fields"]["Case State"] is None) == (spoilt == "tags", spoilt == "fields")
    assert world.store.waiting_tasks(10) == ()
    between.spoilt = ""
    show_again(world, case)
    assert world.ticket(ticket)["tags"] == ["m365-blocked"]
    assert world.ticket(ticket)["fields"]["Case State"] == "Checklist open"


def test_tags_that_could_not_be_sent_now_are_sent_later(world: Any, between: Between) -> None:
    between.spoilt = "tags"
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    between.spoilt = ""
    world.pass_time(minutes=2)
    assert world.ticket(ticket)["tags"] == ["m365-blocked"]


def test_a_reply_that_was_meant_is_mailed_once_although_its_task_runs_twice(world: Any, between: Between) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.only_case(ticket)
    note = Note(key="m365-unblock/reply", visibility=Visibility.PUBLIC, subject="Your email", body_html="<p>Hello</p>")
    with world.store.change() as change:
        change.intend(case.id, note, world.clock())
    for _ in range(2):
        world.parts.workflow.tasks()["post"]({"case": case.id, "key": note.key})
    assert len(world.mails(ticket)) == 1


def test_two_tasks_for_the_same_version_of_a_case_are_one() -> None:
    assert annotation(CASE) == annotation(replace(CASE, reason="told otherwise"))
    assert isinstance(annotation(CASE), Task)
    assert annotation(CASE).lane == "ticket desk:7"


def test_a_note_that_was_never_meant_is_not_posted(world: Any, between: Between) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.10-unknown-recipient")
    world.parts.workflow._annotation.post(replace(CASE, ticket=ticket), "m365-unblock/none")
    assert between.writes == []


def test_several_cases_of_a_ticket_share_one_tag_of_the_one_that_most_needs_somebody(
    world: Any,
) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    alex = Agent(login="alex", name="Alex", email="", role=Role.AGENT, source="desk")
    world.front.open_case("desk", ticket, "fine", alex)
    world.run()
    assert {case.state for case in world.cases(ticket)} == {CaseState.CHECKLIST_OPEN, CaseState.NOT_BLOCKED}
    assert world.ticket(ticket)["tags"] == ["m365-blocked"]
    assert len(world.notes(ticket)) == 2
