"""The same matters in fourteen languages: complaints in words, and reports in whatever dress they come.

The files in `languages/` were written for these tests; no native speaker checked them. In `matters.json` each matter is
told once in every language, so that no rule is better in one of them.
"""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from plugin.model import Confidence, Label, Said, TicketText
from plugin.triage.answer import Answer, answer
from plugin.triage.knowledge import data

HERE = Path(__file__).parent / "languages"
COMPLAINTS = json.loads((HERE / "complaints.json").read_text("utf-8"))
MATTERS = json.loads((HERE / "matters.json").read_text("utf-8"))
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


def test_every_concept_has_words_in_every_language_and_a_use() -> None:
    words = data("words.json")
    english = {"named_list", "named_list_translated"}  # what Microsoft calls the list, and what others make of it
    needed = {lang.replace("zh-Hans", "zh") for lang in COMPLAINTS}
    lacking = {name: needed - found.keys() for name, found in words["concepts"].items() if "any" not in found}
    assert {name for name, langs in lacking.items() if langs} == english
    rows = [row for kind in ("rules", "asides", "somebody_else") for row in words[kind]]
    named = {name for row in rows for key in ("one", "near", "text", "none", "unless") for name in row.get(key, ())}
    named |= {name for key, names in words.items() if key.startswith("code_") for name in names}
    named |= {*words["cancelled"].values(), *words["signs"]}
    assert {*words["groups"]} <= named
    named |= {name for group in words["groups"].values() for name in group}
    assert {name for either in named for name in either.split("|")} == {
        *words["concepts"],
        *words["groups"],
        "question",
    }


def test_every_translated_answer_has_its_words_in_every_language() -> None:
    translated = data("translated.json")
    needed = {lang.replace("zh-Hans", "zh") for lang in COMPLAINTS} - {"en"}
    named = {
        name for row in translated["answers"] for names in (row["first"], *row["with"]) for name in names.split("|")
    }
    assert named == translated["words"].keys()
    lacking = {name: needed - langs.keys() for name, langs in translated["words"].items() if "any" not in langs}
    assert {name for name, langs in lacking.items() if langs} == set()


@pytest.mark.parametrize("matter", MATTERS)
def test_a_matter_is_understood_in_every_language(matter: str) -> None:
    label, texts = MATTERS[matter]["label"], MATTERS[matter]["texts"]
    wrong = {lang: found.rule for lang, text in texts.items() if (found := told(text)).label.value != label}
    assert texts.keys() == COMPLAINTS.keys()
    assert wrong == {}


@pytest.mark.parametrize("matter", [name for name, row in MATTERS.items() if row["label"] == "sender_blocked"])
def test_a_complaint_with_its_report_is_believed_whatever_else_it_says(matter: str) -> None:
    for text in MATTERS[matter]["texts"].values():
        assert told(f"{text}\n\n{report('en', BAD_OUTBOUND)}").label is Label.SENDER_BLOCKED


@pytest.mark.parametrize("matter", ["over", "question", "bulletin", "last-year", "released", "intranet-draft"])
def test_a_report_without_a_sender_is_set_aside_where_nothing_is_blocked(matter: str) -> None:
    for text in MATTERS[matter]["texts"].values():
        assert told(f"{text}\n\n{report('en', BAD_OUTBOUND, headers='')}").label is Label.NOT_BLOCKED


@pytest.mark.parametrize("lang", REPORTS)
def test_a_report_that_another_organisations_server_made_is_none_of_ours(lang: str) -> None:
    text = report(lang, BAD_OUTBOUND, headers="").replace(
        "AB1PR01MB1234.eurprd01.prod.outlook.com", "mail.city.example"
    )
    assert told(text).rule == "refused-by-another-system"
    assert told(text.replace("mail.city.example", "exch01.ad.example.edu")).label is Label.SENDER_BLOCKED


@pytest.mark.parametrize("lang", REPORTS)
def test_a_second_report_below_the_first_is_read_for_itself(lang: str) -> None:
    first = report(lang, "552 5.2.2 mailbox full", refused_by="mx1.city.example", headers="")
    found = told(f"{first}\n\n{report(lang, BAD_OUTBOUND)}")
    assert (found.label, found.account) == (Label.SENDER_BLOCKED, KIM)


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
@pytest.mark.parametrize(("matter", "code"), [("translated-threshold", "5.7.705"), ("translated-traffic", "5.7.708")])
def test_a_translated_answer_is_read_in_a_report_as_far_as_microsoft_gave_it(lang: str, matter: str, code: str) -> None:
    reply = MATTERS[matter]["texts"][lang]
    found = told(report(lang, reply))
    assert (found.label, found.account, found.code) == (Label.TENANT_BLOCKED, KIM, code)
    assert (found.confidence is Confidence.CERTAIN) == (lang == "en")
    assert told(report(lang, f"550 {reply}", refused_by="mx1.city.example")).label is Label.NOT_BLOCKED


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
