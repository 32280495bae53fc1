"""What Microsoft's words must not carry to people: stack traces, and the names of its machines."""

import re

LONGEST = 2000  # characters that are looked at
NOT_TO_BE_SHOWN = (
    re.compile(r"(?:^|\s+)at [\w.<>`]+\(.*", re.DOTALL),  # a stack trace, to its end
    re.compile(r"\[Server=[^\]]*\]?"),
    re.compile(r"\b[\w-]+(?:\.[\w-]+)*\.(?:outlook|office365|office|exchangelabs)\.(?:com|us|cn|de)\b", re.IGNORECASE),
    re.compile(r"\b[A-Z0-9]{6,12}(?:MB|CA|FT)[0-9]{3,4}\b"),  # BN8PR12MB1234 and its like
)


def redacted(text: str) -> str:
    """Words that may go on to `plugin.refusals.line_for_people`."""
    text = text[:LONGEST]
    for pattern in NOT_TO_BE_SHOWN:
        text = pattern.sub("…", text)
    return text.strip()
