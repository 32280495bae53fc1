"""Names come out the same on every repeat, and fit where they are kept."""

from dataclasses import replace
from datetime import UTC, datetime

from plugin.model import Case, CaseState
from plugin.naming import account_lane
from plugin.store import schema

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
CASE = Case(
    id="c1",
    source="desk",
    ticket="7",
    account="bbadger",
    state=CaseState.READY,
    round=1,
    opened_by="triage",
    created_at=NOW,
    updated_at=NOW,
    version=1,
)


def test_an_account_has_one_lane_whatever_the_ticket() -> None:
    assert account_lane(CASE) == account_lane(replace(CASE, id="c2", ticket="8")) == "account bbadger"
    assert account_lane(replace(CASE, account="rroe")) != account_lane(CASE)


def test_the_longest_account_has_a_lane_that_can_be_kept() -> None:
    lane = account_lane(replace(CASE, account="a" * 320))
    assert len(lane) <= schema.outbox.c.lane.type.length  # type: ignore[attr-defined]
