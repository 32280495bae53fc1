"""Checklist items that check themselves: what counts as answered, and who may say otherwise."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plugin import checklist as checklists
from plugin import rules
from plugin.checklist import Item
from plugin.errors import NotAllowed
from plugin.model import (
    PROGRAM,
    AccountCheck,
    AccountStatus,
    Agent,
    BlockedAddress,
    GivenAnswer,
    Looked,
    Role,
    Sending,
    SignIn,
    SignInState,
    Verdict,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHECKLIST = checklists.load(checklists.default_path())
RULES: Item = next(item for item in CHECKLIST.items if item.check is AccountCheck.NO_SUSPICIOUS_RULES)
METHODS: Item = next(item for item in CHECKLIST.items if item.check is AccountCheck.MFA_METHODS)
ALEX = Agent(login="alex", name="Alex", email="", role=Role.AGENT, source="rt")
SVEN = Agent(login="sven", name="Sven", email="", role=Role.SUPERVISOR, source="rt")


def look(verdict: Verdict, *items: str, check: AccountCheck = AccountCheck.NO_SUSPICIOUS_RULES, **more: Any) -> Looked:
    return replace(
        Looked(check=check, verdict=verdict, finding="Two rules.", items=items, looked_at=NOW - HOUR), **more
    )


def said(value: Mapping[str, Any], item: Item = RULES) -> dict[str, GivenAnswer]:
    given = GivenAnswer(
        item=item.id, value=value, agent="Alex (alex)", answered_at=NOW, checklist="c", checklist_version="1"
    )
    return {item.id: given}


def counted(looked: Looked | None, value: Mapping[str, Any] | None, item: Item = RULES) -> bool:
    looks = {} if looked is None else {looked.check: looked}
    answers = {} if value is None else said(value, item)
    return item.id in rules.counting([item], answers, looks, CHECKLIST)


def status(*blocked: BlockedAddress) -> AccountStatus:
    return AccountStatus(
        tenant="microsoft", netid="bbadger", display_name="", primary_address="a@example.edu",
        addresses=("a@example.edu",), sending=Sending.BLOCKED, blocked=blocked,
        sign_in=SignInState(state=SignIn.ENABLED), checked_at=NOW,
    )  # fmt: skip


# ── what counts ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_verified_item_is_answered_by_the_program_at_the_moment_of_the_look() -> None:
    seen = look(Verdict.VERIFIED)
    (answer,) = rules.counting([RULES], {}, {seen.check: seen}, CHECKLIST).values()
    assert (answer.agent, answer.answered_at, answer.value) == (PROGRAM, seen.looked_at, {"done": True})
    assert (answer.checklist, answer.checklist_version) == (CHECKLIST.id, CHECKLIST.version)


@pytest.mark.parametrize("verdict", [Verdict.NOT_SO, Verdict.LISTED, Verdict.NOT_LOOKED, None])
def test_bare_tick_answers_no_item_that_checks_itself(verdict: Verdict | None) -> None:
    assert not counted(verdict and look(verdict), {"done": True})
    assert not counted(verdict and look(verdict), None)


def test_item_that_was_not_looked_at_is_answered_by_nothing() -> None:
    assert not counted(None, {"done": True, "reason": "I looked myself", "look": rules.mark_of(look(Verdict.NOT_SO))})


def test_override_holds_for_the_very_finding_and_for_no_other() -> None:
    value = {"done": True, "reason": "The rule is known", "look": rules.mark_of(look(Verdict.NOT_SO, "a", "b"))}
    assert counted(look(Verdict.NOT_SO, "a", "b"), value)
    assert counted(look(Verdict.NOT_SO, "b", "a", looked_at=NOW), value)  # the same found again, in another order
    assert not counted(look(Verdict.NOT_SO, "a", "b", "c"), value)
    assert not counted(look(Verdict.LISTED, "a", "b"), value)


def test_list_that_was_gone_through_counts_until_another_entry_is_on_it() -> None:
    first = look(Verdict.LISTED, "phone: +1 608", check=AccountCheck.MFA_METHODS)
    value = {"done": True, "look": rules.mark_of(first)}
    assert counted(first, value, METHODS)
    assert not counted(replace(first, items=("phone: +1 608", "phone: +44 20")), value, METHODS)


def test_word_with_a_reason_counts_where_nobody_could_look_and_ends_with_a_finding() -> None:
    value = {"done": True, "reason": "Seen in Outlook with the customer", "look": "whatever"}
    assert counted(look(Verdict.NOT_LOOKED), value)
    assert counted(look(Verdict.NOT_LOOKED, finding="Throttled."), value)
    assert not counted(look(Verdict.NOT_SO), value)


def test_items_without_a_check_keep_their_answers() -> None:
    plain = replace(RULES, check=None)
    assert counted(look(Verdict.NOT_SO), {"done": True}, plain) is False  # `items` says which check themselves
    assert rules.counting([], said({"done": True}, plain), {}, CHECKLIST).keys() == {plain.id}


def test_looks_before_the_newest_block_or_the_round_no_longer_stand() -> None:
    seen = look(Verdict.VERIFIED)
    older = BlockedAddress(address="a@example.edu", blocked_at=NOW - 2 * HOUR)
    newer = BlockedAddress(address="b@example.edu", blocked_at=NOW - HOUR)
    assert rules.standing_looks([seen], status(older)) == {seen.check: seen}
    assert rules.standing_looks([seen], status(older, newer)) == {}
    assert rules.standing_looks([seen], status(older), after=NOW) == {}


def test_block_began_with_the_newest_and_is_unknown_where_one_has_no_time() -> None:
    older = BlockedAddress(address="a@example.edu", blocked_at=NOW - 2 * HOUR)
    newer = BlockedAddress(address="b@example.edu", blocked_at=NOW - HOUR)
    assert rules.block_began(status(older, newer)) == NOW - HOUR
    assert rules.block_began(status(older, BlockedAddress(address="c@example.edu"))) is None
    assert rules.block_began(status()) is None


# ── the gate ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_refuted_is_what_is_required_not_so_and_not_overridden() -> None:
    bad = look(Verdict.NOT_SO)
    assert rules.refuted([RULES], {}, {bad.check: bad}) == {RULES.id: bad}
    assert rules.refuted([replace(RULES, required=False)], {}, {bad.check: bad}) == {}
    assert rules.refuted([RULES], said({"done": True}), {bad.check: bad}) == {}
    assert rules.refuted([RULES], {}, {bad.check: look(Verdict.NOT_LOOKED)}) == {}


# ── what people may say ──────────────────────────────────────────────────────────────────────────────────────────


def word(looked: Looked | None, agent: Agent = ALEX, **form: str) -> dict[str, Any] | None:
    seen = {rules.MARK: rules.mark_of(looked)} if looked else {}
    return rules.read_word(RULES, looked, seen | form, agent)


def test_agent_gives_their_word_with_a_reason_where_nobody_could_look() -> None:
    unseen = look(Verdict.NOT_LOOKED)
    assert word(unseen, reason=" Seen it ") == {"done": True, "reason": "Seen it", "look": rules.mark_of(unseen)}
    assert word(unseen, done="yes") is None  # a tick is no reason
    assert word(unseen, reason="") is None


def test_agent_ticks_the_list_that_was_gone_through() -> None:
    listed = look(Verdict.LISTED, "a")
    assert word(listed, done="yes") == {"done": True, "look": rules.mark_of(listed)}
    assert word(listed) is None


def test_only_a_supervisor_overrides_and_only_with_a_reason() -> None:
    bad = look(Verdict.NOT_SO, "fwd")
    with pytest.raises(NotAllowed, match="only a supervisor may override it"):
        word(bad, reason="Please")
    assert word(bad, SVEN, reason="Known") == {"done": True, "reason": "Known", "look": rules.mark_of(bad)}
    assert word(bad, SVEN, done="yes") is None


def test_nothing_is_said_to_what_was_verified_or_not_looked_at() -> None:
    with pytest.raises(NotAllowed, match="was verified by looking"):
        word(look(Verdict.VERIFIED), SVEN, done="yes")
    with pytest.raises(NotAllowed, match="have it checked first"):
        word(None, SVEN, done="yes")


@pytest.mark.parametrize("verdict", [Verdict.NOT_SO, Verdict.LISTED, Verdict.NOT_LOOKED])
def test_word_about_another_finding_than_was_shown_is_refused(verdict: Verdict) -> None:
    for shown in ({}, {rules.MARK: rules.mark_of(look(verdict, "x"))}):
        with pytest.raises(NotAllowed, match="was looked at again meanwhile"):
            rules.read_word(RULES, look(verdict, "x", "y"), {**shown, "done": "yes", "reason": "r"}, SVEN)


def test_reason_is_held_to_the_rules_of_every_text() -> None:
    with pytest.raises(NotAllowed, match="longer than 1000"):
        word(look(Verdict.NOT_LOOKED), reason="x" * 1001)
