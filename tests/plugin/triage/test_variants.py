"""Many small tickets written for one trap each: codes split and scanned, logs, quotes, other people's refusals."""

import json
from pathlib import Path
from typing import Any

import pytest

from plugin.triage.answer import answer
from plugin.triage.documents import of_record

VARIANTS = json.loads((Path(__file__).parent / "variants.json").read_text("utf-8"))


def name_of(number: int) -> str:
    row = VARIANTS[number]
    return f"{number} {row['label']} {row.get('body', '')[:30]!r}"


@pytest.mark.parametrize("number", range(len(VARIANTS)), ids=name_of)
def test_a_variant_is_read_as_a_person_would(number: int) -> None:
    wanted: dict[str, Any] = VARIANTS[number]
    told = answer(of_record(wanted), ("example.edu",))
    assert told.label.value == wanted["label"], told
    assert told.account == wanted.get("account", told.account)
    assert told.code == wanted.get("code", told.code)
