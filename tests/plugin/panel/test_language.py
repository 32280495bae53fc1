"""Every word of ours can be translated: in a language where each text stands in brackets, none stands outside."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask
from flask_babel import Babel

from plugin import rules
from plugin.model import Answer, BlockedAddress, CaseState, Cause, Note, Sending, SignIn, SignInState, Visibility
from plugin.notes.texts import ReplyKind
from plugin.rules import kept

TEMPLATE = Path(__file__).parents[3] / "plugin" / "translations" / "messages.pot"
READ = frozenset({"title", "aria-label", "placeholder", "alt", "data-busy"})
"""Attributes that people read or hear."""


@pytest.fixture(scope="module")
def brackets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue for Esperanto, in which each text is the English one in brackets."""
    folder = tmp_path_factory.mktemp("translations")
    with TEMPLATE.open("rb") as file:
        known = read_po(file)
    catalogue = Catalog(locale="eo")
    for message in known:
        if message.id:
            texts = [message.id] if isinstance(message.id, str) else list(message.id)
            bracketed = [f"⟦{text}⟧" for text in texts]
            catalogue.add(message.id, bracketed[0] if isinstance(message.id, str) else bracketed, flags=message.flags)
    place = folder / "eo" / "LC_MESSAGES"
    place.mkdir(parents=True)
    with (place / "messages.mo").open("wb") as file:
        write_mo(file, catalogue)
    return folder


@pytest.fixture
def speak(brackets: Path) -> Callable[[Flask], None]:
    """Everybody reads that language."""
    return lambda app: (
        Babel(  # type: ignore[return-value]
            app, default_translation_directories=str(brackets), locale_selector=lambda: "eo"
        )
        and None
    )


class Words(HTMLParser):
    """What people read of a page, without times, which have a language of their own."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._in_time = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_time = tag == "time"
        if not self._in_time:
            self.found += [f" {value} " for name, value in attrs if name in READ and value]
            self.found += [
                " ".join(json.loads(value).values()) for name, value in attrs if name == "data-texts" and value
            ]

    def handle_endtag(self, tag: str) -> None:
        self._in_time = self._in_time and tag != "time"

    def handle_data(self, data: str) -> None:
        if not self._in_time:
            self.found.append(data)


def outside_brackets(html: str, data: list[str]) -> list[str]:
    """The words of a page that no catalogue could change, but for `data`."""
    reader = Words()
    reader.feed(re.sub(r"<(style|script)\b.*?</\1>", "", html, flags=re.DOTALL))
    text = "".join(reader.found)
    for known in sorted(filter(None, data), key=len, reverse=True):
        text = text.replace(known, " ")
    inner = re.compile("⟦[^⟦⟧]*⟧")
    while inner.search(text):
        text = inner.sub(" ", text)
    return re.findall(r"[^\W\d_]{2,}", text)


def data_of(office: Any) -> list[str]:
    """What a page shows and does not say itself: accounts, the site's checklist and replies, and the record."""
    known = [
        "rt:4711",
        "rt:9",
        "4711",
        "Ada Lovelace (ada)",
        "Ada Lovelace",
        "Bo (bo)",
        "m365-unblock",
        "What it says.",
        "Noted",
    ]
    for item in office.work.checklist.items:
        known += [item.text, item.help, *(line.label for line in item.fields)]
        known += [lead.because for lead in item.leads_to.values()]
    for status in office.tenant.accounts.values():
        known += [status.display_name, status.netid, status.primary_address, *status.addresses, status.failure]
        known += [blocked.reason for blocked in status.blocked] + [status.sign_in.reason or ""]
    for ticket in ("4711", "9"):
        for case in office.work.store.cases_of_ticket("rt", ticket):
            known += [case.account, *case.candidates, *(entry.what for entry in office.work.store.journal(case.id))]
    known += [line for kind in ReplyKind for line in office.desk.reply_text(kind).splitlines()]
    return known


@pytest.mark.parametrize("state", list(CaseState))
def test_no_word_of_a_state_stands_outside_the_catalogue(office: Any, state: CaseState) -> None:
    now = office.clock()
    office.case(CaseState.CLOSED, ticket="9", unblocked_at=now, escalated_at=now)
    case = office.case(
        state,
        asked_at=now,
        unblocked_at=now,
        escalate_after=now + timedelta(hours=24),
        complained_at=now,
        reason=kept("The 24 hours are over and mail still fails, or the account is still listed."),
        question=kept("Several accounts are named."),
        candidates=("bbadger",),
    )
    office.asking(case, "bbadger@example.edu", answer=Answer.REQUESTED, times=2)
    office.asking(case, "bucky.badger@example.edu", answer=Answer.LIMIT)
    note = Note(key="n", visibility=Visibility.INTERNAL, subject="Noted", body_html="<p>What it says.</p>")
    with office.work.store.change() as change:
        change.intend(case.id, note, now)
    panel = office.open()

    assert outside_brackets(panel.look().text, data_of(office)) == []
    assert outside_brackets(office.open("viewer").look().text, data_of(office)) == []


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize(("sending", "sign_in"), list(zip(Sending, SignIn, strict=True)))
def test_no_word_of_a_reading_stands_outside_the_catalogue(
    office: Any, sending: Sending, sign_in: SignIn, cause: Cause
) -> None:
    blocked = (BlockedAddress(address="b@example.edu", cause=cause, blocked_at=office.clock()),)
    told = SignInState(state=sign_in, reason="HR Request" if cause is Cause.SPAM else None)
    plain = office.case(ticket="9").status
    status = replace(plain, sending=sending, blocked=blocked, sign_in=told, addresses=("b@example.edu",))
    reason = "The sign-in is disabled: HR Request." if told.reason else ""
    office.case(CaseState.REFER_TO_SECURITY, status=status, reason=f"{reason} {rules.PUT_BACK}".strip())

    data = ["b@example.edu", *data_of(office)]
    assert outside_brackets(office.open().look().text, data) == []
    found = office.client.get("/panel/rt/4712/look-up?account=bbadger", headers=office.open(ticket="4712").bearer)
    assert outside_brackets(found.text, data) == []


def refusals(office: Any) -> Iterator[Any]:
    """Answers that refuse something, each for its own reason."""
    case = office.case()
    panel, viewer = office.open(), office.open("viewer")
    yield viewer.act(case, "unblock")
    yield viewer.act(case, "complaint")
    yield panel.act(case, "unblock")
    yield panel.act(case, "complaint")
    yield panel.act(case, "escalation")
    yield panel.act(case, "rely", "x")
    yield panel.act(case, "account", account="bbadger")
    yield panel.act(case, "answers", "nothing", done="yes")
    yield panel.act(case, "answers", "devices-scanned", yes="no")
    yield panel.act(case, "answers", "caller-verified", how="x")
    yield panel.act(case, "answers", "caller-verified", **{"how": "x" * 1001, "by-whom": "x"})
    yield panel.act(case, "answers", "caller-verified", **{"how": "x" * 2001, "by-whom": "x"})
    yield panel.press("cases", account="bbadger")
    yield panel.press("cases", account="")
    yield panel.press("cases", account="nobody")
    yield panel.act(case, "reply", kind="customer", text="All well.")
    yield panel.act(case, "reply", kind="gossip", text="x")
    bulk = panel.act(case, "answers", "bulk-sender", yes="yes")
    yield bulk
    yield panel.act(case, "reply", kind="bulk-sender", text="bbadger@example.edu")
    yield panel.act(case, "reply", kind="bulk-sender", text=" ")


def test_no_word_of_a_refusal_stands_outside_the_catalogue(office: Any) -> None:
    for answer in refusals(office):
        assert outside_brackets(answer.text, ["x" * 3, "nobody", *data_of(office)]) == []


def test_no_word_of_a_page_or_a_refused_request_stands_outside_the_catalogue(office: Any) -> None:
    client = office.client
    shell, unknown = client.get("/panel/rt/4711"), client.get("/panel/nowhere/4711")
    assert 'lang="eo"' in shell.text
    assert "\\u27e6No connection." in shell.text
    assert outside_brackets(shell.text, ["NetID"]) == []
    assert outside_brackets(unknown.text, ["nowhere"]) == []
    bare = client.get("/panel/rt/4711/view")
    panel = office.open()
    elsewhere = client.get("/panel/rt/9/view", headers=panel.bearer)
    office.clock.pass_time(hours=2)
    over = panel.look()
    launch = office.launch()
    office.exchange(launch)
    refused = [
        office.exchange(token) for token in (launch, "no token", office.launch("king"), office.launch(ticket="8"))
    ]
    for answer in (bare, elsewhere, over, *refused, office.exchange("no token", source="nowhere")):
        assert outside_brackets(answer.json["detail"], ["nowhere"]) == []


def test_what_is_kept_with_a_case_is_english_whoever_did_it(office: Any) -> None:
    case = office.case(CaseState.UNBLOCKED, unblocked_at=office.clock(), escalate_after=office.clock())

    office.open().act(case, "complaint")
    office.open().act(case, "refresh")

    record = [entry.what for entry in office.work.store.journal(case.id)] + [office.now_of(case).reason]
    assert not any("⟦" in line for line in record)
