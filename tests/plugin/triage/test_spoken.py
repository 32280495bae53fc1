"""Codes that are said in words, as in a voicemail or a note of a call, in fourteen languages."""

import pytest

from plugin.model import Label, Said, TicketText
from plugin.triage import triage
from plugin.triage.spoken import spoken_in

SAID = {
    "en": "Voicemail: my mails come back, not a valid sender, code five dot one dot eight",
    "de": "Anruf: alle Mails kommen zurück, ungültiger Absender, Code fünf eins acht",
    "fr": "Message vocal : mes mails reviennent, expéditeur non valide, code cinq point un point huit",
    "es": "Buzón de voz: mis correos vuelven, no soy un remitente válido, código cinco punto uno punto ocho",
    "pt": "Mensagem de voz: os meus emails voltam, remetente inválido, código cinco ponto um ponto oito",
    "it": "Messaggio vocale: le mie mail tornano indietro, mittente non valido, codice cinque punto uno punto otto",
    "nl": "Voicemail: mijn mails komen terug, geen geldige afzender, code vijf punt één punt acht",
    "sv": "Röstmeddelande: mina mejl studsar, inte en giltig avsändare, kod fem punkt ett punkt åtta",
    "pl": "Poczta głosowa: moje maile wracają, nieprawidłowy nadawca, kod pięć jeden osiem",
    "ru": "Голосовое сообщение: мои письма возвращаются, недопустимый отправитель, код пять точка один точка восемь",
    "ja": "留守電：メールがすべて戻ってきて、有効な送信者ではないと出ます。コードは五点一点八です。",
    "zh": "语音留言：我的邮件全部被退回，说我不是有效的发件人，代码五点一点八",
    "zh-Hant": "語音留言：我的郵件全部被退回，說我不是有效的寄件者，代碼五點一點八",
    "ko": "음성 메시지: 제 메일이 모두 반송되고 유효한 보낸 사람이 아니라고 합니다. 코드는 오 점 일 점 팔입니다.",
}


def code_of(text: str) -> str | None:
    return triage(TicketText(subject="", said=(Said(text=text),)), ("example.edu",))[0].code


@pytest.mark.parametrize("lang", SAID)
def test_a_code_that_is_said_in_words_is_heard(lang: str) -> None:
    assert code_of(SAID[lang]) == "5.1.8"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("five-one-eight", ["5.1.8"]),
        ("five fifty, five one eight", ["5.1.8"]),
        ("550 five one eight", ["5.1.8"]),
        ("5 Punkt 1 Punkt 8", ["5.1.8"]),
        ("five seven seven oh five", ["5.7.705"]),
        ("five point seven point five hundred and one", ["5.7.501"]),
        ("fünf sieben siebenhundertfünf", ["5.7.705"]),
        ("cinq sept cinq cent un", ["5.7.501"]),
        ("five dot one dot ninety", ["5.1.90"]),
        ("5点1点8", ["5.1.8"]),
        ("오일팔", ["5.1.8"]),
        ("5 1 8", []),
        ("call me at five five oh one two", []),
        ("extension five one eight", []),
        ("Durchwahl: fünf eins acht", []),
        ("at five. One of eight colleagues", []),
    ],
)
def test_a_row_of_numbers_is_one_code_and_no_part_of_a_telephone_number(text: str, codes: list[str]) -> None:
    assert [code for code, _ in spoken_in(text)] == codes


def test_beside_nothing_else_a_spoken_code_needs_its_dots() -> None:
    told = {
        text: triage(TicketText(subject="", said=(Said(text=text),)), ("example.edu",))[0].label
        for text in ("My mail bounced, five dot one dot eight.", "My mail is about flat five one eight.")
    }
    assert list(told.values()) == [Label.SENDER_BLOCKED, Label.NOT_BLOCKED]
