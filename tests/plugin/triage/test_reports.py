"""Reports as they reach the help desk: attached, forwarded, pasted, quoted, as HTML, and made up."""

import re
from collections.abc import Callable

import pytest

from plugin.model import AttachedFile, Candidate, Confidence, Finding, Label, Origin, Said, TicketText
from plugin.triage import triage

Found = Callable[..., tuple[Finding, ...]]
Attached = Callable[..., AttachedFile]
BUCKY = Candidate(account="bbadger@example.edu", origin=Origin.REPORT)


@pytest.mark.parametrize(
    ("name", "label", "code", "confidence"),
    [
        ("microsoft-5.1.8.eml", Label.SENDER_BLOCKED, "5.1.8", Confidence.CERTAIN),
        ("microsoft-5.1.8-german.eml", Label.SENDER_BLOCKED, "5.1.8", Confidence.LIKELY),
        ("microsoft-5.1.8-html-only.eml", Label.SENDER_BLOCKED, "5.1.8", Confidence.CERTAIN),
        ("forwarded-as-attachment-5.1.8.eml", Label.SENDER_BLOCKED, "5.1.8", Confidence.CERTAIN),
        ("postfix-relay-5.1.8.eml", Label.SENDER_BLOCKED, "5.1.8", Confidence.CERTAIN),
        ("microsoft-5.1.90.eml", Label.SENDING_LIMIT, "5.1.90", Confidence.CERTAIN),
        ("microsoft-5.7.705.eml", Label.TENANT_BLOCKED, "5.7.705", Confidence.CERTAIN),
    ],
)
def test_an_attached_report_is_understood_and_names_its_sender(
    name: str, label: Label, code: str, confidence: Confidence, found: Found, attached: Attached
) -> None:
    (finding,) = found("see attached", attached(name))
    assert (finding.label, finding.code, finding.confidence) == (label, code, confidence)
    assert finding.candidates[0] == BUCKY


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("microsoft-5.1.10-unknown-recipient.eml", "other-refusal"),
        ("remote-5.1.8-under-microsoft-sentence.eml", "refused-by-another-system"),
        ("remote-copies-microsoft-reply.eml", "refused-by-another-system"),
        ("somebody-elses-5.1.8.eml", "somebody-elses-account"),
        ("imitation-of-a-block-notice.eml", "imitation"),
    ],
)
def test_a_report_of_another_matter_is_no_blocked_sender(
    name: str, rule: str, found: Found, attached: Attached
) -> None:
    (finding,) = found("weren't recognized as a valid sender?", attached(name), subject="Undeliverable")
    assert (finding.label, finding.rule) == (Label.NOT_BLOCKED, rule)


def test_the_machine_part_wins_over_the_sentence_above_it(found: Found, attached: Attached) -> None:
    mail = attached("microsoft-5.1.8.eml")
    changed = mail.content.replace(b"Status: 5.1.8", b"Status: 5.1.10").replace(
        b"smtp;550 5.1.8 Access denied, bad outbound sender",
        b"smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found",
    )
    (finding,) = found("", AttachedFile(filename="a.eml", content_type="message/rfc822", content=changed))
    assert finding.label is Label.NOT_BLOCKED


def test_a_report_for_a_colleague_does_not_name_the_requester(found: Found, attached: Attached) -> None:
    (finding,) = found("", attached("microsoft-5.1.8-for-a-colleague.eml"), requester="Mallory@Example.edu")
    assert finding.candidates == (
        Candidate(account="kadler@example.edu", origin=Origin.REPORT),
        Candidate(account="mallory@example.edu", origin=Origin.REQUESTER),
    )


def test_a_shared_mailbox_is_the_sender_though_its_user_got_the_report(found: Found, attached: Attached) -> None:
    (finding,) = found("", attached("microsoft-5.1.8-shared-mailbox.eml"))
    assert finding.candidates[0] == Candidate(account="museum@example.edu", origin=Origin.REPORT)


def test_a_requester_from_outside_is_no_candidate(found: Found, attached: Attached) -> None:
    (finding,) = found("", attached("microsoft-5.1.8.eml"), requester="bucky@gmail.example")
    assert finding.candidates == (BUCKY,)


def test_the_recipient_of_the_refused_mail_is_never_a_candidate(found: Found, attached: Attached) -> None:
    mail = attached("microsoft-5.1.8.eml")
    inside = mail.content.replace(b"ella@partner.example", b"dean@example.edu")
    (finding,) = found(
        "I wrote dean@example.edu twice", AttachedFile(filename="a.eml", content_type="", content=inside)
    )
    assert finding.candidates == (BUCKY,)


@pytest.mark.parametrize("kind", ["message/rfc822", "application/octet-stream", "text/plain"])
def test_a_report_is_read_whatever_kind_the_ticket_system_gives_it(kind: str, found: Found, attached: Attached) -> None:
    (finding,) = found("", attached("microsoft-5.1.8.eml", kind))
    assert finding.label is Label.SENDER_BLOCKED
    assert finding.candidates == (BUCKY,)


def test_a_delivery_status_alone_is_enough(found: Found) -> None:
    content = b"Status: 5.7.501\nDiagnostic-Code: smtp;550 5.7.501 Access denied, spam abuse detected\n"
    (finding,) = found("", AttachedFile(filename="", content_type="message/delivery-status", content=content))
    assert (finding.label, finding.code) == (Label.SENDER_BLOCKED, "5.7.501")


@pytest.mark.parametrize(
    "disguise",
    [
        lambda text: text,
        lambda text: "\n".join("> " + line for line in text.split("\n")),
        lambda text: "\n".join(">> " + line for line in text.split("\n")),
        lambda text: text.replace("5.1.8 Access", "5.\n1.8 Acc\u00adess"),
        lambda text: text.replace("5.1.8", "5 . 1 . 8"),
        lambda text: text.replace("5.1.8", "５．１．８"),
        lambda text: text.replace("outbound", "out\u200bbound"),
        lambda text: text.replace("outbound", "out-\nbound"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "<html><body><p>" + text.replace("<", "&lt;").replace("\n", "<br>") + "</p></body></html>",
    ],
    ids=["plain", "quoted", "quoted twice", "split", "spaced", "full width", "zero width", "hyphen", "crlf", "html"],
)
def test_a_pasted_report_is_understood_in_any_dress(
    disguise: Callable[[str], str], found: Found, report_text: Callable[[str], str]
) -> None:
    (finding,) = found("Hello,\nI get this:\n\n" + disguise(report_text("microsoft-5.1.8.eml")))
    assert (finding.label, finding.code) == (Label.SENDER_BLOCKED, "5.1.8")
    assert finding.candidates == (BUCKY,)


@pytest.mark.parametrize("name", ["microsoft-5.1.8.eml", "microsoft-5.1.8-german.eml", "microsoft-5.1.8-html-only.eml"])
def test_a_raw_mail_pasted_with_its_headers_is_read_as_a_mail(name: str, found: Found, attached: Attached) -> None:
    (finding,) = found("What is this?\n\n" + attached(name).content.decode())
    assert finding.label is Label.SENDER_BLOCKED
    assert finding.candidates == (BUCKY,)


def test_headers_of_the_refused_mail_are_not_taken_for_a_pasted_mail(
    found: Found, report_text: Callable[[str], str]
) -> None:
    text = report_text("microsoft-5.1.8.eml").rstrip() + "\nContent-Type: multipart/mixed; boundary=x\n"
    (finding,) = found(text)
    assert finding.label is Label.SENDER_BLOCKED
    assert finding.candidates == (BUCKY,)


def test_a_reply_line_without_a_name_joins_the_report_that_has_one(found: Found, attached: Attached) -> None:
    (finding,) = found("550 5.1.8 Access denied, bad outbound sender", attached("microsoft-5.1.8.eml"))
    assert finding.candidates == (BUCKY,)


def test_a_forwarded_report_names_whom_it_was_sent_to(found: Found) -> None:
    text = (
        "---------- Forwarded message ---------\n"
        "Von: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.edu>\n"
        "Gesendet: Montag\nAn: Bucky Badger <bbadger@example.edu>\nBetreff: Unzustellbar\n\n"
        "Remote Server returned '550 5.1.8 Access denied, bad outbound sender'\n"
    )
    (finding,) = found(text)
    assert finding.candidates == (BUCKY,)


def test_each_refused_account_gets_a_finding_and_repeats_get_none(
    found: Found, attached: Attached, report_text: Callable[[str], str]
) -> None:
    findings = found(
        report_text("microsoft-5.1.8.eml") + report_text("microsoft-5.1.8-for-a-colleague.eml"),
        attached("microsoft-5.1.8.eml"),
        attached("microsoft-5.1.10-unknown-recipient.eml"),
    )
    assert [finding.label for finding in findings] == [Label.SENDER_BLOCKED, Label.SENDER_BLOCKED]
    assert {finding.candidates[0].account for finding in findings} == {"bbadger@example.edu", "kadler@example.edu"}


def test_what_an_agent_writes_is_no_complaint() -> None:
    said = (Said(text="My mail fails"), Said(text="Microsoft restricted you from sending mail.", by_agent=True))
    assert triage(TicketText(subject="", said=said), ("example.edu",))[0].label is Label.NOT_BLOCKED


def test_what_an_agent_writes_for_a_caller_counts() -> None:
    said = (Said(text="Caller bbadger@example.edu: restricted entities", by_agent=True),)
    (finding,) = triage(TicketText(subject="phone", said=said, opened_by_agent=True), ("example.edu",))
    assert finding.label is Label.SENDER_BLOCKED
    assert finding.candidates == (Candidate(account="bbadger@example.edu", origin=Origin.TEXT),)


def test_the_help_desks_own_address_is_no_candidate(found: Found) -> None:
    (finding,) = found("To helpdesk@example.edu: I am on the restricted entities page, j@example.edu")
    assert [candidate.account for candidate in finding.candidates] == ["j@example.edu"]


def test_an_empty_ticket_has_one_finding_of_nothing() -> None:
    (finding,) = triage(TicketText(subject="", said=()), ())
    assert finding.label is Label.NOT_BLOCKED


def test_a_report_whose_boundary_was_lost_is_taken_apart_all_the_same(found: Found, attached: Attached) -> None:
    mail = attached("microsoft-5.1.8.eml")
    damaged = re.sub(rb"boundary=", b"xboundary=", mail.content, count=1)
    assert damaged != mail.content
    (finding,) = found("", AttachedFile(filename="a.eml", content_type="message/rfc822", content=damaged))
    assert (finding.label, finding.code, finding.candidates[0]) == (Label.SENDER_BLOCKED, "5.1.8", BUCKY)
