"""What Get-BlockedSenderAddress prints about our senders, pasted into a ticket as list, table or CSV."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from plugin.model import Confidence, Label
from plugin.triage.accounts import ADDRESS, is_ours
from plugin.triage.plain import excerpt
from plugin.triage.report import Verdict

MARK = "outbound"  # without which no listing is looked for
REASON = re.compile(r"outbound\s?(?:spam|mail)\s?(?:last\s?24\s?hours|percent)\s{0,3}[=:]", re.IGNORECASE)
BEFORE = 400  # characters before a reason in which its account stands
MAX_REASONS = 20


def listed_senders(text: str, domains: Sequence[str]) -> Iterator[tuple[Verdict, str]]:
    """Accounts of ours that such a listing names, each with what it says."""
    if MARK not in text.lower():
        return
    seen: set[str] = set()
    for reason in islice(REASON.finditer(text), MAX_REASONS):
        start = max(0, reason.start() - BEFORE)
        *_, last = None, *ADDRESS.finditer(text, start, reason.start())
        if last is None or last[0].lower() in seen or not is_ours(last[0], domains):
            continue
        seen.add(last[0].lower())
        verdict = Verdict(
            label=Label.SENDER_BLOCKED,
            confidence=Confidence.LIKELY,
            code=None,
            rule="list-of-blocked-senders",
            evidence=excerpt(text, last.start(), reason.end() + 20),
        )
        yield verdict, last[0].lower()
