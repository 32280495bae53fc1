"""How well triage does on labelled tickets: `make triage-report` prints it, test_scores.py holds it to the promise.

A set is a file of lines as in examples.jsonl: what the reader sees (subject, body, attachment_eml, requester) and what
a person made of it (label, sender_address, expected_code), with lang, source_kind and tags to sort by.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugin.model import Label
from plugin.triage.answer import Answer, answer
from plugin.triage.documents import of_record

HERE = Path(__file__).parent
DOMAINS = ("example.edu",)
POSITIVE = (Label.SENDER_BLOCKED, Label.TENANT_BLOCKED, Label.SENDING_LIMIT)
PROMISED = {Label.SENDER_BLOCKED: 0.98, Label.TENANT_BLOCKED: 0.97, Label.SENDING_LIMIT: 0.97}  # F1
PROMISED_RIGHT = 0.98  # of accounts, and of codes, among the three positive labels


@dataclass(frozen=True, slots=True)
class Scored:
    """A labelled ticket and what triage made of it."""

    wanted: dict[str, Any]
    told: Answer

    @property
    def label(self) -> Label:
        """The right one."""
        return Label(self.wanted["label"])

    @property
    def is_wrongly_blamed(self) -> bool:
        """Whether somebody else's refusal was taken for a block of our sender."""
        is_refusal = bool(self.wanted["expected_code"])
        return self.label is Label.NOT_BLOCKED and is_refusal and self.told.label is Label.SENDER_BLOCKED


def sets() -> list[Path]:
    """The examples, and the project's own set where there is one."""
    return [HERE / "examples.jsonl", *sorted((HERE / "set").glob("*.jsonl"))]


def scored(path: Path) -> list[Scored]:
    """All tickets of a set, each with its answer."""
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return [Scored(record, answer(of_record(record), DOMAINS)) for record in records]


def precision_recall_f1(rows: Sequence[Scored], label: Label) -> tuple[float, float, float]:
    """Of one label; 1 where there is nothing to miss or to claim."""
    right = sum(row.label is label and row.told.label is label for row in rows)
    claimed = sum(row.told.label is label for row in rows)
    there = sum(row.label is label for row in rows)
    precision, recall = right / claimed if claimed else 1.0, right / there if there else 1.0
    return precision, recall, 2 * right / (claimed + there) if claimed + there else 1.0


def right_accounts(rows: Iterable[Scored]) -> tuple[int, int]:
    """How many accounts are right, of how many that the tickets name."""
    named = [row for row in rows if row.label in POSITIVE and row.wanted["sender_address"]]
    return sum(row.told.account == row.wanted["sender_address"].lower() for row in named), len(named)


def right_codes(rows: Iterable[Scored]) -> tuple[int, int]:
    """How many codes are right, of how many that the tickets give."""
    given = [row for row in rows if row.label in POSITIVE and row.wanted["expected_code"]]
    return sum(row.told.code == row.wanted["expected_code"] for row in given), len(given)


# ── the report ───────────────────────────────────────────────────────────────────────────────────────────────────


def report(path: Path) -> Iterator[str]:
    """A set's figures in lines."""
    rows = scored(path)
    yield f"{path.relative_to(HERE)}: {len(rows)} tickets"
    yield f"  {'':<16}{'precision':>10}{'recall':>8}{'F1':>8}{'tickets':>9}"
    for label in Label:
        figures = precision_recall_f1(rows, label)
        count = sum(row.label is label for row in rows)
        yield f"  {label:<16}{figures[0]:>10.3f}{figures[1]:>8.3f}{figures[2]:>8.3f}{count:>9}"
    yield f"  account right in {_share(right_accounts(rows))}, code right in {_share(right_codes(rows))}"
    yield f"  somebody else's refusal taken for a blocked sender: {sum(row.is_wrongly_blamed for row in rows)}"
    yield from _by("language", rows, lambda row: [row.wanted["lang"]])
    yield from _by("kind", rows, lambda row: [row.wanted["source_kind"]])
    yield from _by("tag", rows, lambda row: row.wanted["tags"])
    yield from _wrong(rows)


def _by(name: str, rows: Sequence[Scored], keys: Callable[[Scored], Sequence[str]]) -> Iterator[str]:
    yield f"  by {name:<26}{'tickets':>8}{'label':>8}{'account':>9}{'code':>8}"
    count = Counter(key for row in rows for key in keys(row))
    for key, number in count.most_common():
        some = [row for row in rows if key in keys(row)]
        right = sum(row.label is row.told.label for row in some)
        account, code = (_percent(figures) for figures in (right_accounts(some), right_codes(some)))
        yield f"     {key:<26}{number:>8}{_percent((right, number)):>8}{account:>9}{code:>8}"


def _wrong(rows: Sequence[Scored]) -> Iterator[str]:
    confusions = Counter((row.label, row.told.label) for row in rows if row.label is not row.told.label)
    for (wanted, told), count in confusions.most_common():
        yield f"  {count} × {wanted} taken for {told}"
    for row in rows:
        differs = [
            f"{name} {told} instead of {wanted}"
            for name, told, wanted, is_asked in (
                ("label", row.told.label.value, row.label.value, True),
                ("account", row.told.account, row.wanted["sender_address"], row.label in POSITIVE),
                ("code", row.told.code, row.wanted["expected_code"], row.label in POSITIVE),
            )
            if is_asked and wanted and told != wanted
        ]
        if differs:
            yield f"     {row.wanted['id']}: {'; '.join(differs)} ({row.told.rule})"


def _share(figures: tuple[int, int]) -> str:
    return f"{figures[0]} of {figures[1]} ({_percent(figures)})"


def _percent(figures: tuple[int, int]) -> str:
    return f"{figures[0] / figures[1]:.1%}" if figures[1] else "–"


if __name__ == "__main__":
    for one in sets():
        sys.stdout.write("\n".join(report(one)) + "\n\n")
