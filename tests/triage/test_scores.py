"""Triage keeps what is wanted of it, on the examples and on the project's own sets.

Its rules were written with the examples and the first set in view, and mended after the others were each scored unseen:
what is held here is that nothing of it gets lost.
"""

from pathlib import Path

import pytest

from plugin.model import Label
from tests.triage.scoring import (
    PROMISED,
    PROMISED_RIGHT,
    Scored,
    precision_recall_f1,
    report,
    right_accounts,
    right_codes,
    scored,
    sets,
)


@pytest.fixture(scope="module", params=sets(), ids=lambda path: path.name)
def rows(request: pytest.FixtureRequest) -> list[Scored]:
    return scored(request.param)


@pytest.mark.parametrize("label", PROMISED)
def test_each_label_is_found_and_not_claimed_wrongly(label: Label, rows: list[Scored]) -> None:
    wrong = [
        row.wanted["id"] for row in rows if row.label is not row.told.label and label in (row.label, row.told.label)
    ]
    assert precision_recall_f1(rows, label)[2] >= PROMISED[label], wrong


def test_nobody_elses_refusal_is_taken_for_a_blocked_sender(rows: list[Scored]) -> None:
    assert [row.wanted["id"] for row in rows if row.is_wrongly_blamed] == []


def test_the_account_is_right(rows: list[Scored]) -> None:
    right, named = right_accounts(rows)
    assert right >= PROMISED_RIGHT * named


def test_the_code_is_right(rows: list[Scored]) -> None:
    right, given = right_codes(rows)
    assert right >= PROMISED_RIGHT * given


@pytest.mark.parametrize("path", sets(), ids=lambda path: path.name)
def test_the_report_tells_its_figures_by_language_and_kind(path: Path) -> None:
    text = "\n".join(report(path))
    for words in ("precision", "by language", "by kind", "account right in", "code right in"):
        assert words in text
