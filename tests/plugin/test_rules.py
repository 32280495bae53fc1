"""The seven rules as decisions. Each test fails if its rule is taken away."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin import checklist as checklists
from plugin import rules
from plugin.model import (
    AccountStatus,
    Agent,
    Answer,
    Asking,
    BlockedAddress,
    Candidate,
    Case,
    CaseState,
    Confidence,
    Finding,
    GivenAnswer,
    Label,
    Origin,
    Role,
    Sending,
    SignIn,
    SignInState,
)
from plugin.rules import ClockEnd, Settled, Unclear, Watch

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHECKLIST = checklists.load(checklists.default_path())
REASONS = ("Compromised Account",)
AGENT = Agent(login="alex", name="Alex", email="alex@example.edu", role=Role.AGENT, source="desk")
BLOCKED = BlockedAddress(address="Bucky@example.edu", blocked_at=NOW - 3 * HOUR)


def status(
    *blocked: BlockedAddress,
    sending: Sending | None = None,
    sign_in: SignIn = SignIn.ENABLED,
    reason: str | None = None,
    since: datetime | None = None,
    netid: str = "bbadger",
) -> AccountStatus:
    return AccountStatus(
        tenant="campus",
        netid=netid,
        display_name="Bucky Badger",
        primary_address=f"{netid}@example.edu",
        addresses=(f"{netid}@example.edu",),
        sending=sending or (Sending.BLOCKED if blocked else Sending.NOT_BLOCKED),
        blocked=blocked,
        sign_in=SignInState(state=sign_in, reason=reason, since=since),
        checked_at=NOW,
    )


def case(state: CaseState = CaseState.READY, read: AccountStatus | None = None, **more: object) -> Case:
    blank = Case(
        id="c1", source="desk", ticket="1", account="bbadger", state=state, round=1, opened_by="triage",
        created_at=NOW, updated_at=NOW, version=1, status=read or status(BLOCKED),
    )  # fmt: skip
    return replace(blank, **more)  # type: ignore[arg-type]


def value_of(item: checklists.Item) -> dict[str, object]:
    """A value that answers an item and leads nowhere."""
    if item.kind is checklists.Kind.DONE:
        return {"done": True}
    if item.kind is checklists.Kind.YES_NO:
        return {"yes": "yes" not in item.leads_to}
    return {line.id: "told" for line in item.fields}


def answered(at: datetime = NOW - HOUR, *, version: str = CHECKLIST.version) -> tuple[GivenAnswer, ...]:
    """A completed checklist."""
    return tuple(
        GivenAnswer(
            item=item.id, value=value_of(item), agent="Alex (alex)", answered_at=at, checklist=CHECKLIST.id,
            checklist_version=version,
        )
        for item in CHECKLIST.items
    )  # fmt: skip


def gate(
    read: AccountStatus,
    *,
    agent: Agent = AGENT,
    answers: tuple[GivenAnswer, ...] | None = None,
    state: CaseState = CaseState.READY,
    while_disabled: bool = False,
) -> rules.Gate:
    standing = rules.standing(answered() if answers is None else answers, CHECKLIST, read)
    return rules.gate(
        case(state, read), agent, CHECKLIST, standing, relied=False, refuted={}, compromise_reasons=REASONS,
        while_sign_in_disabled=while_disabled,
    )  # fmt: skip


def finding(*candidates: tuple[str, Origin], confidence: Confidence = Confidence.CERTAIN, **more: object) -> Finding:
    blank = Finding(
        label=Label.SENDER_BLOCKED, confidence=confidence, code="5.1.8", rule="test", evidence=(),
        candidates=tuple(Candidate(account=account, origin=origin) for account, origin in candidates),
    )  # fmt: skip
    return replace(blank, **more)  # type: ignore[arg-type]


def asking(blocked: BlockedAddress = BLOCKED, **more: object) -> Asking:
    blank = Asking(
        tenant="campus", account="bbadger", address=blocked.address, block=rules.block_of(blocked, ()), case="c1",
        round=1, agent="Alex", press="p1", asked_at=NOW, answer=Answer.REQUESTED,
    )  # fmt: skip
    return replace(blank, **more)  # type: ignore[arg-type]


# ── whose account ────────────────────────────────────────────────────────────────────────────────────────────────


def test_report_and_requester_that_are_one_account_settle_it_even_by_different_addresses() -> None:
    found = finding(("bucky.badger@example.edu", Origin.REPORT), ("bbadger@example.edu", Origin.REQUESTER))
    known = {"bucky.badger@example.edu": status(), "bbadger@example.edu": status()}
    assert isinstance(rules.settle(found, known), Settled)


def test_a_report_about_somebody_else_asks_a_person() -> None:
    found = finding(("dean@example.edu", Origin.REPORT), ("mallory@example.edu", Origin.REQUESTER))
    known = {"dean@example.edu": status(netid="dean"), "mallory@example.edu": status(netid="mallory")}
    assert isinstance(rules.settle(found, known), Unclear)


def test_a_report_sent_from_a_private_address_asks_a_person() -> None:
    found = finding(("dean@example.edu", Origin.REPORT))
    assert isinstance(rules.settle(found, {"dean@example.edu": status(netid="dean")}), Unclear)


def test_an_agent_who_opens_the_ticket_for_a_customer_settles_it() -> None:
    found = finding(("dean@example.edu", Origin.REPORT))
    known = {"dean@example.edu": status(netid="dean")}
    assert isinstance(rules.settle(found, known, opened_by_agent=True), Settled)


def test_an_agent_who_opens_the_ticket_is_not_taken_for_the_blocked_sender() -> None:
    found = finding(("alex@example.edu", Origin.REQUESTER))
    known = {"alex@example.edu": status(netid="alex")}
    assert isinstance(rules.settle(found, known), Settled)
    assert isinstance(rules.settle(found, known, opened_by_agent=True), Unclear)


def test_an_unsure_finding_never_settles_an_account() -> None:
    found = finding(("bbadger@example.edu", Origin.REQUESTER), confidence=Confidence.UNSURE)
    assert isinstance(rules.settle(found, {"bbadger@example.edu": status()}), Unclear)


def test_two_accounts_in_one_report_ask_a_person() -> None:
    found = finding(("a@example.edu", Origin.REPORT), ("b@example.edu", Origin.REPORT))
    known = {"a@example.edu": status(netid="a"), "b@example.edu": status(netid="b")}
    assert isinstance(rules.settle(found, known), Unclear)


def test_accounts_that_nobody_knows_ask_a_person() -> None:
    found = finding(("ghost@example.edu", Origin.REPORT), ("ghost@example.edu", Origin.REQUESTER))
    assert isinstance(rules.settle(found, {"ghost@example.edu": None}), Unclear)


# ── rule 1: who may, when ────────────────────────────────────────────────────────────────────────────────────────


def test_a_completed_checklist_a_named_agent_and_a_listed_block_open_the_gate() -> None:
    assert gate(status(BLOCKED)).reasons == ()
    assert gate(status(BLOCKED), agent=replace(AGENT, role=Role.SUPERVISOR)).is_open


def test_a_viewer_never_may() -> None:
    assert "viewer" in gate(status(BLOCKED), agent=replace(AGENT, role=Role.VIEWER)).reasons[0]


def test_an_agent_without_a_login_may_not() -> None:
    assert not gate(status(BLOCKED), agent=replace(AGENT, login="")).is_open


@pytest.mark.parametrize(
    "left_out", [item.id for item in checklists.asked(CHECKLIST, sign_in=status().sign_in) if item.required]
)
def test_any_required_item_left_out_keeps_the_gate_closed(left_out: str) -> None:
    rest = tuple(answer for answer in answered() if answer.item != left_out)
    assert not gate(status(BLOCKED), answers=rest).is_open


@pytest.mark.parametrize("state", sorted(set(CaseState) - rules.PRESSING))
def test_in_other_states_nothing_can_be_pressed(state: CaseState) -> None:
    assert not gate(status(BLOCKED), state=state).is_open


@pytest.mark.parametrize("sending", [Sending.NOT_BLOCKED, Sending.UNKNOWN])
def test_without_a_listed_block_the_gate_is_closed(sending: Sending) -> None:
    assert not gate(status(sending=sending)).is_open


# ── rule 2: the sign-in ──────────────────────────────────────────────────────────────────────────────────────────


def test_disabled_for_another_reason_refers_to_security() -> None:
    read = status(BLOCKED, sign_in=SignIn.DISABLED, reason="HR Request")
    assert rules.first_state(None, read, REASONS)[0] is CaseState.REFER_TO_SECURITY
    assert not gate(read, while_disabled=True).is_open


@pytest.mark.parametrize("reason", ["compromised account", "Compromised Account?", "Not a Compromised Account", ""])
def test_a_reason_counts_as_compromise_only_if_it_is_equal(reason: str) -> None:
    assert rules.refers_to_security(status(BLOCKED, sign_in=SignIn.DISABLED, reason=reason), REASONS)


def test_disabled_for_compromise_stays_closed_until_enabled_unless_the_site_says_otherwise() -> None:
    read = status(BLOCKED, sign_in=SignIn.DISABLED, reason="Compromised Account")
    assert not gate(read).is_open
    assert gate(read, while_disabled=True).is_open


def test_disabled_without_a_readable_reason_needs_securitys_word() -> None:
    read = status(BLOCKED, sign_in=SignIn.DISABLED, reason=None)
    asked = {item.id for item in checklists.asked(CHECKLIST, sign_in=read.sign_in)}
    always = {item.id for item in checklists.asked(CHECKLIST, sign_in=status().sign_in)}
    without = tuple(answer for answer in answered() if answer.item in always)
    assert asked > always
    assert not gate(read, answers=without, while_disabled=True).is_open
    assert gate(read, while_disabled=True).is_open


def test_a_sign_in_that_could_not_be_read_keeps_the_gate_closed() -> None:
    assert not gate(status(BLOCKED, sign_in=SignIn.UNKNOWN), while_disabled=True).is_open


# ── rule 3: already done ─────────────────────────────────────────────────────────────────────────────────────────


def may_rely(answers: tuple[GivenAnswer, ...], read: AccountStatus, now: datetime = NOW) -> bool:
    counting = rules.standing(answers, CHECKLIST, read)
    return rules.may_rely_on(counting, CHECKLIST, read, now=now, window=24 * HOUR)


def test_an_earlier_checklist_after_every_block_may_be_relied_on() -> None:
    assert may_rely(answered(), status(BLOCKED))


def test_not_where_a_block_is_newer_than_the_answers() -> None:
    newer = BlockedAddress(address="alias@example.edu", blocked_at=NOW - HOUR / 2)
    assert not may_rely(answered(), status(BLOCKED, newer))


def test_not_where_microsoft_gives_no_time() -> None:
    assert not may_rely(answered(), status(BlockedAddress(address="a@example.edu")))


def test_not_where_the_sign_in_was_disabled_since() -> None:
    read = status(BLOCKED, sign_in=SignIn.DISABLED, reason="Compromised Account", since=NOW - HOUR / 2)
    assert not may_rely(answered(), read)


def test_not_with_another_version_of_the_checklist_nor_after_the_window_nor_incomplete() -> None:
    assert not may_rely(answered(version="0"), status(BLOCKED))
    assert not may_rely(answered(), status(BLOCKED), NOW + 24 * HOUR)
    assert not may_rely(answered()[:3], status(BLOCKED))
    assert not may_rely((), status(BLOCKED))


def test_answers_of_the_case_itself_stand_where_microsoft_gives_no_time() -> None:
    assert gate(status(BlockedAddress(address="a@example.edu"))).is_open


def test_answers_before_a_newer_block_or_before_a_release_no_longer_stand() -> None:
    newer = BlockedAddress(address="a@example.edu", blocked_at=NOW)
    assert rules.standing(answered(), CHECKLIST, status(newer)) == {}
    assert rules.standing(answered(), CHECKLIST, status(BLOCKED), after=NOW) == {}


# ── rule 4: asked once ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_block_has_the_same_key_and_a_newer_one_another() -> None:
    assert rules.block_of(BLOCKED, ()) == rules.block_of(BLOCKED, (asking(),))
    assert rules.block_of(replace(BLOCKED, blocked_at=NOW), ()) != rules.block_of(BLOCKED, ())


def test_a_block_without_a_time_is_the_same_until_a_release_is_confirmed() -> None:
    timeless = BlockedAddress(address="a@example.edu")
    first = asking(timeless)
    assert rules.block_of(timeless, (first,)) == first.block
    assert rules.block_of(timeless, (replace(first, released_at=NOW),)) != first.block


@pytest.mark.parametrize("state", sorted(set(CaseState) - rules.AFTER_ASKING))
def test_nothing_is_asked_again_but_by_an_agent_after_the_watching_has_ended(state: CaseState) -> None:
    assert not rules.may_ask_again(asking(answer=None), "p2", state, seen_at=NOW)


def test_an_agent_may_decide_to_ask_again_but_a_repeat_of_the_same_pressing_may_not() -> None:
    assert rules.may_ask_again(asking(answer=None), "p2", CaseState.OUTCOME_UNKNOWN, seen_at=NOW)
    assert not rules.may_ask_again(asking(answer=None), "p1", CaseState.OUTCOME_UNKNOWN, seen_at=NOW)
    assert not rules.may_ask_again(asking(answer=Answer.LIMIT), "p2", CaseState.REFUSED, seen_at=NOW)


def test_the_watching_ends_unknown_where_no_answer_came_and_still_blocked_where_one_did() -> None:
    assert rules.watch((asking(answer=None),), status(BLOCKED), is_time_up=True) is Watch.OUTCOME_UNKNOWN
    assert rules.watch((asking(),), status(BLOCKED), is_time_up=True) is Watch.STILL_BLOCKED
    assert rules.watch((asking(),), status(BLOCKED), is_time_up=False) is Watch.GO_ON


def test_refused_everywhere_ends_the_watching_at_once() -> None:
    assert rules.watch((asking(answer=Answer.REFUSED),), status(BLOCKED), is_time_up=False) is Watch.REFUSED


def test_another_block_listed_meanwhile_is_a_new_block() -> None:
    other = BlockedAddress(address="alias@example.edu", blocked_at=NOW)
    assert rules.watch((asking(),), status(other), is_time_up=False) is Watch.NEW_BLOCK


# ── rule 5: the clock ────────────────────────────────────────────────────────────────────────────────────────────


def test_silence_closes_and_a_complaint_makes_overdue() -> None:
    released = case(CaseState.UNBLOCKED, unblocked_at=NOW)
    done = (asking(released_at=NOW),)
    assert rules.at_clock_end(released, status(), done) is ClockEnd.CLOSED
    assert rules.at_clock_end(replace(released, complained_at=NOW), status(), done) is ClockEnd.OVERDUE


def test_still_listed_by_the_same_block_is_overdue_by_a_newer_one_a_new_block() -> None:
    released, done = case(CaseState.UNBLOCKED, unblocked_at=NOW), (asking(released_at=NOW),)
    assert rules.at_clock_end(released, status(BLOCKED), done) is ClockEnd.OVERDUE
    newer = replace(BLOCKED, blocked_at=NOW + HOUR)
    assert rules.at_clock_end(released, status(newer), done) is ClockEnd.NEW_BLOCK


def test_the_clock_starts_at_the_release_and_a_new_block_opens_a_new_round() -> None:
    watching = case(CaseState.UNBLOCKING)
    released = rules.entered(watching, CaseState.UNBLOCKED, "", follow_up_after=24 * HOUR, now=NOW)
    assert (released.unblocked_at, released.escalate_after) == (NOW, NOW + 24 * HOUR)
    again = rules.entered(released, CaseState.CHECKLIST_OPEN, "", follow_up_after=24 * HOUR, now=NOW)
    assert (again.round, again.escalate_after, again.unblocked_at) == (2, None, NOW)


# ── rule 7: contradictions and failed reads ──────────────────────────────────────────────────────────────────────

sendings = st.sampled_from(Sending)
answers_given = st.sampled_from([None, *Answer])


@given(answers=st.lists(answers_given, min_size=1, max_size=3), is_time_up=st.booleans(), sending=sendings)
def test_only_a_clear_reading_without_the_asked_address_is_ever_a_release(
    answers: list[Answer | None], is_time_up: bool, sending: Sending
) -> None:
    addresses = [BlockedAddress(address=f"a{n}@example.edu", blocked_at=NOW) for n in range(len(answers))]
    asked = tuple(asking(blocked, answer=answer) for blocked, answer in zip(addresses, answers, strict=True))
    listed = addresses if sending is Sending.BLOCKED else []
    verdict = rules.watch(asked, status(*listed, sending=sending), is_time_up=is_time_up)
    assert (verdict is Watch.RELEASED) == (sending is Sending.NOT_BLOCKED)


@given(state=st.sampled_from(CaseState), release=st.booleans())
def test_a_reading_that_failed_moves_nothing_but_takes_back_an_all_clear(state: CaseState, release: bool) -> None:
    before = case(state, unblocked_at=NOW if release else None)
    after = rules.after_reading(before, status(sending=Sending.UNKNOWN), (), REASONS)[0]
    assert after is (CaseState.RECEIVED if state in rules.ALL_CLEAR else state)


@given(state=st.sampled_from(CaseState), sending=sendings)
def test_no_reading_outside_the_watching_calls_a_case_unblocked_but_a_clear_one_after_an_asking(
    state: CaseState, sending: Sending
) -> None:
    read = status(*([BLOCKED] if sending is Sending.BLOCKED else []), sending=sending)
    after = rules.after_reading(case(state), read, (asking(),), REASONS)[0]
    if after is CaseState.UNBLOCKED and state is not CaseState.UNBLOCKED:
        assert sending is Sending.NOT_BLOCKED
        assert state in rules.AFTER_ASKING


def test_a_banned_sender_who_is_not_listed_is_no_all_clear() -> None:
    state, reason = rules.first_state(finding(code="5.7.501"), status(), REASONS)
    assert state is CaseState.NEEDS_PERSON
    assert "Microsoft Support" in reason


@given(st.lists(st.sampled_from(CaseState), min_size=1, max_size=4))
def test_the_ticket_shows_the_case_that_most_needs_somebody(states: list[CaseState]) -> None:
    leading = rules.ticket_state([case(state) for state in states])
    assert leading is not None
    assert leading.state is min(states, key=rules.URGENCY.index)
