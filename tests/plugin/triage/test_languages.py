"""The same matters in fourteen languages: complaints in words, and reports in whatever dress they come.

`languages/complaints.json` and `languages/reports.json` were written for these tests; no native speaker checked them.
"""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from plugin.model import Label, Said, TicketText
from plugin.triage.answer import Answer, answer

HERE = Path(__file__).parent / "languages"
COMPLAINTS = json.loads((HERE / "complaints.json").read_text("utf-8"))
REPORTS = json.loads((HERE / "reports.json").read_text("utf-8"))
KIM = "kadler@example.edu"
HEADERS = """Received: from AB1PR01MB1234.eurprd01.prod.outlook.com (2603:10a6:1::1) by
 AB1PR01MB1234.eurprd01.prod.outlook.com with Microsoft SMTP Server
From: Kim Adler <kadler@example.edu>
To: "Ella Moreau" <ella.moreau@partner.example>
Subject: minutes
"""
BAD_OUTBOUND = "550 5.1.8 Access denied, bad outbound sender AS(42004)"
ELSEWHERE = "501 5.1.8 <kadler@example.edu>: Sender address rejected: Domain not found"
REFUSALS = [
    (BAD_OUTBOUND, Label.SENDER_BLOCKED, "5.1.8"),
    ("550 5.7.501 Access denied, spam abuse detected", Label.SENDER_BLOCKED, "5.7.501"),
    ("550 5.7.503 Access denied, banned sender", Label.SENDER_BLOCKED, "5.7.503"),
    ("550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
     Label.SENDING_LIMIT, "5.1.90"),
    ("550 5.2.2 Submission quota exceeded", Label.SENDING_LIMIT, "5.2.2"),
    ("550 5.5.3 RESOLVER.ADR.RecipientLimit; too many recipients", Label.SENDING_LIMIT, "5.5.3"),
    ("550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit for sending email to "
     "external recipients (tenant external recipient rate limit)", Label.SENDING_LIMIT, "5.7.233"),
    ("550 5.7.705 Access denied, tenant has exceeded threshold.", Label.TENANT_BLOCKED, "5.7.705"),
    ("550 5.7.708 Access denied, traffic not accepted from this IP.", Label.TENANT_BLOCKED, "5.7.708"),
    ("550 5.7.750 Client blocked from sending from unregistered domains", Label.TENANT_BLOCKED, "5.7.750"),
    ("550 5.7.511 Access denied, banned sender[203.0.113.9].", Label.NOT_BLOCKED, "5.7.511"),
    ("550 5.7.606 Access denied, banned sending IP [203.0.113.9]", Label.NOT_BLOCKED, "5.7.606"),
    ("552 5.2.2 mailbox full", Label.NOT_BLOCKED, "5.2.2"),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found by SMTP address lookup", Label.NOT_BLOCKED, "5.1.10"),
    ("550 5.7.520 Access denied, Your organization does not allow external forwarding.", Label.NOT_BLOCKED, "5.7.520"),
]  # fmt: skip


def told(text: str, subject: str = "") -> Answer:
    return answer(TicketText(subject=subject, said=(Said(text=text),)), ("example.edu",))


def report(lang: str, reply: str, *, sentence: str = "", refused_by: str = "", headers: str = HEADERS) -> str:
    """A report as Outlook shows it, with Microsoft's answer or, where a host is named, with that one's."""
    words = REPORTS[lang]
    lines = [
        words["intro"], "", "ella.moreau@partner.example<mailto:ella.moreau@partner.example>", sentence, "",
        words["diagnostics"], "", f"{words['server']} AB1PR01MB1234.eurprd01.prod.outlook.com", "",
        "ella.moreau@partner.example", *filter(None, [refused_by]), f"{words['returned']} '{reply}'", "",
    ]  # fmt: skip
    return "\n".join([*lines, words["headers"], "", headers] if headers else lines)


def forwarded(lang: str, text: str) -> str:
    sender, sent, to, subject = REPORTS[lang]["fields"]
    head = "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.edu>"
    return f"____________\n{sender}: {head}\n{sent}: 5\n{to}: Kim Adler <{KIM}>\n{subject}: minutes\n\n{text}"


@pytest.mark.parametrize("lang", COMPLAINTS)
@pytest.mark.parametrize("label", Label)
def test_a_complaint_in_words_is_understood(lang: str, label: Label) -> None:
    texts = COMPLAINTS[lang][label.value]
    wrong = {text: found.rule for text in texts if (found := told(text)).label is not label}
    assert texts
    assert wrong == {}


@pytest.mark.parametrize("lang", REPORTS)
@pytest.mark.parametrize(("reply", "label", "code"), REFUSALS, ids=[code for _, _, code in REFUSALS])
def test_a_report_in_any_language_means_what_microsoft_answered(lang: str, reply: str, label: Label, code: str) -> None:
    for text in (report(lang, reply), "x\n\n" + forwarded(lang, report(lang, reply, headers=""))):
        found = told(text)
        assert (found.label, found.code) == (label, code)
        assert found.account == (None if label is Label.NOT_BLOCKED else KIM)


@pytest.mark.parametrize("lang", REPORTS)
@pytest.mark.parametrize(
    "dress",
    [
        lambda text: "\n".join("> " + line for line in text.split("\n")),
        lambda text: text.replace(" ", "\u00a0"),
        lambda text: text.replace("5.1.8", "5.\n1.8"),
        lambda text: text.replace("5.1.8", "5.1.9"),
        lambda text: text.replace("5.1.8", "5.l.8").replace("outbound", "0utbound"),
        lambda text: text.replace("outbound", "оutbоund"),
        lambda text: text.replace("outbound", "out\u202ebound"),
        lambda text: "\n".join("\n".join(textwrap.wrap(line, 34) or [""]) for line in text.split("\n")),
        lambda text: text[: text.index("sender AS")],
    ],
    ids=["quoted", "nbsp", "split", "typo", "scanned", "cyrillic letters", "bidi mark", "wrapped", "cut off"],
)
def test_a_report_is_understood_in_any_dress(lang: str, dress: Callable[[str], str]) -> None:
    text = report(lang, BAD_OUTBOUND, sentence=REPORTS[lang]["not_a_valid_sender"], headers="")
    assert (told(dress(text)).label, told(dress(text)).code) == (Label.SENDER_BLOCKED, "5.1.8")


@pytest.mark.parametrize("lang", REPORTS)
def test_a_translated_answer_is_understood(lang: str) -> None:
    reply = f"550 5.1.8 {REPORTS[lang]['translated_reply']} AS(42004)"
    assert told(report(lang, reply)).label is Label.SENDER_BLOCKED
    assert told(f"{REPORTS[lang]['returned']} '{reply}'").code == "5.1.8"


@pytest.mark.parametrize("lang", REPORTS)
def test_the_sentence_for_people_is_understood_without_the_machines_part(lang: str) -> None:
    sentence = REPORTS[lang]["not_a_valid_sender"]
    assert told(sentence).label is Label.SENDER_BLOCKED
    assert told(f"?\n\n{REPORTS[lang]['intro']}\n\nella@partner.example\n{sentence}").label is Label.SENDER_BLOCKED


@pytest.mark.parametrize("lang", REPORTS)
def test_who_refused_decides_not_the_sentence_or_the_code(lang: str) -> None:
    sentence = REPORTS[lang]["not_a_valid_sender"]
    for reply in (ELSEWHERE, BAD_OUTBOUND):
        text = report(lang, reply, sentence=sentence, refused_by="mx1.city.example")
        assert told(text).label is Label.NOT_BLOCKED
