"""Does a customer's later message say that mail still fails, and is an attachment worth fetching?"""

from collections.abc import Callable

import pytest

from plugin.model import AttachedFile, Attachment, Said
from plugin.triage import still_fails, wanted

DOMAINS = ("example.edu",)
OLD_THREAD = (
    "\n\nFrom: Help Desk <help@example.edu>\nSent: Monday\nTo: Bucky\nSubject: Re: mail\n\nDoes it still bounce?\n"
)
BOUNCE = "Remote Server returned '550 5.1.8 Access denied, bad outbound sender'"


@pytest.mark.parametrize(
    "text",
    [
        "It still bounces.",
        "Still can't send, same error as before",
        "Internal mail works again. External mail still bounces though.",
        "Kommt immer noch zurück",
        "Mes messages sont toujours bloqués",
        "Sigue rebotando",
        "まだ送信できません",
        "仍然无法发送",
        "여전히 반송됩니다",
        "I got this now:\n" + BOUNCE,
        "<p>It <b>still</b> bounces</p>",
        "again:\n\nFrom: Microsoft Outlook <MicrosoftExchange329e@example.edu>\nSent: Monday\nTo: B <b@example.edu>\n\n"
        + BOUNCE,
    ],
)
def test_a_complaint_is_heard(text: str) -> None:
    assert still_fails(Said(text=text), DOMAINS)


@pytest.mark.parametrize(
    "text",
    [
        "Thanks, it works again!",
        "Mail no longer bounces, thank you.",
        "If it still bounces I'll let you know.",
        "I don't get the same error any more",
        "Works now. Before, I was unable to send anything.",
        "Danke, alles geht wieder.",
        "Funktioniert, die Mails kommen nicht mehr zurück",
        "Merci, tout fonctionne",
        "Ya no rebota, gracias",
        "エラーは出なくなりました。ありがとうございます",
        "> It still bounces\nThanks!",
        "Thanks" + OLD_THREAD + BOUNCE,
        "Thanks\n\nOn Mon, Nov 23, 2026 at 9:00 Help Desk <help@example.edu> wrote:\nstill bounces?",
        "",
    ],
)
def test_thanks_conditions_and_old_threads_are_no_complaint(text: str) -> None:
    assert not still_fails(Said(text=text), DOMAINS)


def test_what_an_agent_writes_is_no_complaint() -> None:
    assert not still_fails(Said(text="It still bounces.", by_agent=True), DOMAINS)


def test_a_new_report_in_an_attachment_is_a_complaint(attached: Callable[..., AttachedFile]) -> None:
    assert still_fails(Said(text="", files=(attached("microsoft-5.1.8.eml"),)), DOMAINS)
    other = attached("microsoft-5.1.10-unknown-recipient.eml")
    assert not still_fails(Said(text="", files=(other,)), DOMAINS)


@pytest.mark.parametrize(
    ("filename", "kind", "size", "expected"),
    [
        ("bounce.eml", "message/rfc822", 5000, True),
        ("", "message/delivery-status", None, True),
        ("x.bin", "Text/HTML; charset=utf-8", 10, True),
        ("Undeliverable.EML", "application/octet-stream", 5000, True),
        ("Undeliverable.eml", "", 5000, True),
        ("photo.png", "image/png", 5000, False),
        ("list.csv.zip", "application/zip", 5000, False),
        ("bounce.eml", "message/rfc822", 50_000_000, False),
        ("bounce.eml", "message/rfc822", 0, False),
    ],
)
def test_only_small_mail_reports_are_fetched(filename: str, kind: str, size: int | None, expected: bool) -> None:
    assert wanted(Attachment(filename=filename, content_type=kind, size=size, url="https://desk/1")) is expected
