"""A mark in a note's text by which it is found again, for ticket systems that keep no key with a note. Pure.

The same for every text and every reader: the requester sees it too, so it tells nothing. Whoever looks for it counts
only what our own user has written: a customer who answers a note quotes it.
"""

import re
from hashlib import sha256

MARK = re.compile(r"\bRef: [0-9a-f]{16}\b")


def mark(key: str) -> str:
    """The mark of the note with this key."""
    return f"Ref: {sha256(key.encode()).hexdigest()[:16]}"


def marked_html(body_html: str, key: str) -> str:
    """A note's text with its mark at the end."""
    return f"{body_html}\n<p>{mark(key)}</p>"


def is_marked(text: str, key: str | None = None) -> bool:
    """Whether a text carries the mark of this key, or without a key, any."""
    return MARK.search(text) is not None if key is None else mark(key) in text
