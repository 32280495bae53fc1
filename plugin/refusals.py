"""What another system's answer that says no tells us: a line for people, a kind for the program, a time to wait.

What it says is a stranger's words. They are read within bounds, and shown as one short line without markup, links or
anything like a token.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3.exceptions import HTTPError

MAX_REFUSAL = 64 * 1024  # bytes that are read of an answer that says no
MAX_TITLE = 200  # characters of it that people are shown
MAX_WAIT = 24 * 3600.0  # seconds; no Retry-After makes us wait longer
ABOUT_TOKENS = r"(?:token|auth|authentication|authorization|credentials|scheme)(?![\w~+/=-]|\.\w)"
"""Words that people put after Bearer or Basic where no secret stands."""
NOT_FOR_PEOPLE = (
    re.compile(r"[a-z][a-z0-9+.-]*://\S*|\bwww\.\S*", re.IGNORECASE),
    re.compile(
        rf"\b(bearer|basic)\s+(?!{ABOUT_TOKENS})\S+|\b\w*(token|password|secret|key)\s*[:=]\s*\S+", re.IGNORECASE
    ),
    re.compile(r"[\w+/=.-]{40,}"),  # a correlation id has 36
    re.compile(r"<[^>]*>?|>"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a refusal says. `kind` is a word that programs compare, never shown."""

    title: str = ""
    kind: str = ""


ReadRefusal = Callable[[Mapping[str, str], bytes], Said]
"""How one kind of system says no: headers (in any case) and body to what it says. Never fails, whatever it is given."""


def problem_document(_headers: Mapping[str, str], body: bytes) -> Said:
    """A problem document (RFC 9457), or whatever else has a title or an error in JSON."""
    document = json_object(body)
    title, kind = document.get("title") or document.get("error"), document.get("type")
    return Said(title=title if isinstance(title, str) else "", kind=kind if isinstance(kind, str) else "")


def json_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object; empty if it is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def body_of(response: requests.Response) -> bytes:
    """The body of an answer that says no; empty if it is endless, breaks off or is not coded as it claims."""
    body = bytearray()
    try:
        for chunk in response.iter_content(MAX_REFUSAL):
            body += chunk
            if len(body) > MAX_REFUSAL:
                return b""
    except (requests.exceptions.RequestException, HTTPError):
        return b""
    return bytes(body)


def line_for_people(text: str, hidden: Iterable[str]) -> str:
    """A stranger's words as one short line; `hidden` are secrets of ours that must not come back in it."""
    for secret in hidden:
        text = text.replace(secret, "…") if secret else text
    text = text[:1000]
    for pattern in NOT_FOR_PEOPLE:
        text = pattern.sub("…", text)
    return "".join(c if c.isprintable() else " " for c in text).strip()[:MAX_TITLE]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header, a number or an HTTP date (RFC 9110 §10.2.3), a day at most.

    A date is taken against the answer's own Date header, so that a clock that is wrong here or there does not matter.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_WAIT)
    try:
        seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(headers["Date"])).total_seconds()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), MAX_WAIT)
