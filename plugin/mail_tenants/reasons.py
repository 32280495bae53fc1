"""Microsoft's reason for a block, read as far as it is known.

The string has no published grammar. Seen in public tools that read it: a list separated by semicolons, most entries
``key=value``, some ``key:value``, some a bare word, such as::

    OutboundSpamLast24Hours=412;OutboundMailLast24Hours=450;Last Spam Message MessagetraceId:0a1b…
    EmailSendingLimitExceeded;InternalRecipientCountToday=0;ExternalRecipientCountToday=1001;ExceedingLimitType=External
    RecipientRateLimitExceeded;RecipientCountLast24Hours=10012;RcptRateLimit=10000

So nothing here ever fails: what is not understood stays in the raw string for people to read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from plugin.model import Cause

# In this order: a limit is named outright, while spam counts may stand beside anything.
CAUSES = {
    "recipientratelimitexceeded": Cause.RECIPIENT_LIMIT,
    "emailsendinglimitexceeded": Cause.POLICY_LIMIT,
    "exceedinglimittype": Cause.POLICY_LIMIT,
    "outboundspamlast24hours": Cause.SPAM,
    "outboundspampercent": Cause.SPAM,
    "lastspammessagemessagetraceid": Cause.SPAM,
}
COUNTS = {
    name.lower(): name
    for name in (
        "OutboundSpamLast24Hours",
        "OutboundMailLast24Hours",
        "OutboundSpamPercent",
        "InternalRecipientCountToday",
        "ExternalRecipientCountToday",
        "LastMessageRcptCount",
        "RecipientCountLast24Hours",
        "RcptRateLimit",
    )
}
ENTRY = re.compile(r"([^=:]*)[=:]?(.*)", re.DOTALL)
COUNT = re.compile(r"[0-9]{1,15}")
TRACE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """What a reason string says. `counts` has Microsoft's names; `trace_id` finds the mail in a message trace."""

    raw: str
    cause: Cause
    counts: Mapping[str, int]
    trace_id: str | None


def read_reason(raw: str) -> Reason:
    """Read a reason string; whatever it is, the answer is a `Reason` with the string untouched in it."""
    entries = list(_entries(raw))
    keys = {key for key, _ in entries}
    return Reason(
        raw=raw,
        cause=next((cause for key, cause in CAUSES.items() if key in keys), Cause.UNKNOWN),
        counts={COUNTS[key]: int(value) for key, value in entries if key in COUNTS and COUNT.fullmatch(value)},
        trace_id=next((v for k, v in entries if k.endswith("messagetraceid") and TRACE_ID.fullmatch(v)), None),
    )


def _entries(raw: str) -> Iterator[tuple[str, str]]:
    """Key and value of each entry; keys in lower case and without blanks, since both vary."""
    for entry in raw.split(";"):
        if found := ENTRY.fullmatch(entry):
            yield "".join(found[1].lower().split()), found[2].strip()
