"""Whatever is in a ticket, triage answers, in the form that others rely on.

The normal run is bounded and always the same; `pytest --hypothesis-profile=long` goes on for as long as one likes.
"""

import json
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.model import AttachedFile, Confidence, Finding, Label, Said, TicketText
from plugin.triage import documents, still_fails, triage
from plugin.triage.answer import answer

settings.register_profile("long", max_examples=20_000, deadline=None, suppress_health_check=list(HealthCheck))
BOUNDED = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

DOMAINS = ("example.edu",)
KINDS = st.sampled_from(["message/rfc822", "message/delivery-status", "text/plain", "text/html", "", "application/pdf"])
PIECES = st.sampled_from(
    [
        "550 5.1.8 ", "Access denied, bad outbound sender", "5.1.8", "\n", "> ", "From: ", "To: ", "<a@example.edu>",
        "Microsoft Outlook", "Delivery has failed to these recipients or groups:", "X.prod.outlook.com", "mx.a.example",
        " said: ", "NetID: ", "<p>", "<!--", "</div>", "=3D", "=\n", "\u200b", "－", "送信", "限制", "а",
        "Content-Type: multipart/report; boundary=b",
        "\n\n", "--b\n", "--b--\n", "Content-Type: message/rfc822\n\n", "Content-Type: message/delivery-status\n\n",
        "Content-Transfer-Encoding: base64\n", "Status: 5.1.8\n", "=?utf-8?b?x?=", "restricted from sending email",
        "((((", "\x00", "\ud800",
    ]
)  # fmt: skip
OUTLOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def read(text: str, content: bytes, kind: str) -> tuple[Finding, ...]:
    file = AttachedFile(filename="a.eml", content_type=kind, content=content)
    said = Said(text=text, content_type=kind, files=(file,))
    still_fails(said, DOMAINS)
    return triage(TicketText(subject=text[:300], said=(said,), requester=text[:40]), DOMAINS)


def assert_well_formed(findings: tuple[Finding, ...]) -> None:
    assert 1 <= len(findings) <= 20
    for finding in findings:
        assert all(len(words) <= 200 and "\n" not in words for words in finding.evidence)
        assert len(finding.candidates) <= 30
        assert all(candidate.account == candidate.account.lower() for candidate in finding.candidates)
        assert len(set(finding.candidates)) == len(finding.candidates)


@given(st.text(max_size=2000), st.binary(max_size=2000), KINDS)
@BOUNDED
def test_any_text_and_any_bytes_get_an_answer(text: str, content: bytes, kind: str) -> None:
    assert_well_formed(read(text, content, kind))


@given(st.lists(PIECES, max_size=60).map("".join), KINDS)
@BOUNDED
def test_any_mixture_of_pieces_of_reports_gets_an_answer(text: str, kind: str) -> None:
    assert_well_formed(read(text, text.encode("utf-8", "replace"), kind))


@given(st.binary(max_size=4000), st.booleans())
@BOUNDED
def test_any_file_gets_an_answer(content: bytes, is_outlook: bool) -> None:
    told = answer(documents.of_file(OUTLOOK * is_outlook + content), DOMAINS)
    assert told.label in Label
    assert told.confidence in Confidence


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
RECORDS = st.dictionaries(st.sampled_from(["id", "subject", "body", "attachment_eml", "requester", "x"]), VALUES)


@given(RECORDS | VALUES)
@BOUNDED
def test_any_record_is_a_ticket_or_is_refused_in_words(record: Any) -> None:
    fields = ("subject", "body", "attachment_eml", "requester")
    is_ticket = isinstance(record, dict) and all(isinstance(record.get(name), str | None) for name in fields)
    with nullcontext() if is_ticket else pytest.raises(documents.NoTicket, match=r"."):
        assert answer(documents.of_record(json.loads(json.dumps(record))), DOMAINS).label in Label
