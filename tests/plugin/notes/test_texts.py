"""Notes and replies as people read them, whatever a stranger wrote into the ticket."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.errors import SettingsError
from plugin.manifest import manifest
from plugin.model import AccountStatus, BlockedAddress, CaseState, Finding, Sending, SignIn, SignInState, Visibility
from plugin.notes.facts import AddressResult, Facts
from plugin.notes.templating import BUILT_IN, LINKS
from plugin.notes.texts import TEMPLATES, NoteKind, ReplyKind, Texts, public_note, says_too_much, template_for

About = Callable[..., Facts]
Read = Callable[[str], Any]
UTC_ZONE = ZoneInfo("UTC")

MEANINGFUL = [(kind, state) for kind, states in TEMPLATES.items() for state in states]
HOSTILE = [
    "<script>alert(1)</script>",
    "</p></li></ul><img src=x onerror=alert(1)>",
    '"><a href="http://evil.example">here</a>',
    "{{7*7}}",
    "{% for x in [].__class__.__mro__ %}{{ x }}{% endfor %}",
    "see http://evil.example/login now",
    "see www.evil.example or evil.example/login",
    "javascript:alert(1)",
    "&lt;b&gt; &#60;i&#62;",
    "one\r\ntwo\u2028three\x00four\u202efive",
    "<!-- hidden",
    "x" * 5000,
]


def poisoned(facts: Facts, words: str) -> Facts:
    """The same case with a stranger's words in every place that a stranger can reach."""
    assert facts.status is not None
    assert facts.finding is not None
    moment = facts.status.checked_at
    status = replace(
        facts.status,
        netid=words,
        display_name=words,
        blocked=(BlockedAddress(address=words, reason=words, blocked_at=moment),),
        sign_in=SignInState(state=SignIn.DISABLED, reason=words),
        failure=words,
    )
    result = AddressResult(address=words, outcome=words, asked_at=moment, asked_by=words, confirmed_at=moment)
    finding = replace(facts.finding, evidence=(words, words), code=words)
    return replace(
        facts,
        status=status,
        finding=finding,
        results=(result,),
        question=words,
        candidates=(words, words),
        agent=words,
        reason=words,
    )


def check_inert(page: Any, facts: Facts, links: Mapping[str, str]) -> None:
    assert set(page.tags) <= {"p", "strong", "ul", "li", "a", "br"}
    assert {name for name, _ in page.attributes} <= {"href"}
    assert {url for _, url in page.attributes} <= {facts.panel_url, *links.values()}
    assert "://" not in page.text
    assert not re.search(r"(?<![\w@])www\.", page.text)


# ── every note ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", CaseState)
@pytest.mark.parametrize("kind", NoteKind)
def test_every_note_of_every_state_is_for_agents_and_well_formed(
    texts: Texts, about: About, read: Read, links: Mapping[str, str], kind: NoteKind, state: CaseState
) -> None:
    facts = about(state)
    note = texts.note(kind, key="m365-unblock/1/1/x", facts=facts)
    assert note.key == "m365-unblock/1/1/x"
    assert note.visibility is Visibility.INTERNAL
    page = read(note.body_html)
    check_inert(page, facts, links)
    assert page.text.startswith(note.subject)
    assert 0 < len(note.subject) < 100
    assert "Next" in page.text
    assert "Do not" in page.text
    assert "None" not in page.text


@pytest.mark.parametrize("kind", NoteKind)
@pytest.mark.parametrize("state", CaseState)
def test_note_of_a_case_of_which_nothing_is_known_yet_renders(
    texts: Texts, about: About, kind: NoteKind, state: CaseState
) -> None:
    facts = about(
        state, status=None, finding=None, results=(), unblocked_at=None, escalate_after=None, panel_url="", agent=""
    )
    body = texts.note(kind, key="k", facts=facts).body_html
    assert "None" not in body
    assert 'href=""' not in body


@pytest.mark.parametrize("words", HOSTILE)
@pytest.mark.parametrize(("kind", "state"), MEANINGFUL)
def test_strangers_words_come_out_inert(
    texts: Texts,
    about: About,
    read: Read,
    links: Mapping[str, str],
    kind: NoteKind,
    state: CaseState,
    words: str,
) -> None:
    facts = poisoned(about(state), words)
    note = texts.note(kind, key="k", facts=facts)
    check_inert(read(note.body_html), facts, links)
    assert "49" not in note.body_html
    assert "x" * 401 not in note.body_html
    assert not set("\r\x00\u2028\u202e") & set(note.body_html + note.subject)


PIECES = [
    "<",
    ">",
    '"',
    "'",
    "http",
    ":",
    "//",
    "www",
    ".",
    "com/",
    "{{",
    "}}",
    "&#60;",
    "&",
    "\n",
    "\u202e",
    "script",
    " ",
]


@given(
    words=st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)),
    place=st.sampled_from(MEANINGFUL),
)
def test_no_words_at_all_get_markup_or_a_link_into_a_note(
    texts: Texts, about: About, read: Read, links: Mapping[str, str], words: str, place: tuple[NoteKind, CaseState]
) -> None:
    kind, state = place
    facts = poisoned(about(state), words)
    check_inert(read(texts.note(kind, key="k", facts=facts).body_html), facts, links)


def manifest_links() -> list[str]:
    return list(manifest()["settings"]["properties"]["links"]["properties"])


def test_template_syntax_in_a_ticket_is_shown_as_it_was_written(texts: Texts, about: About, read: Read) -> None:
    facts = about(CaseState.NEEDS_PERSON, question="Whose?", candidates=("{{7*7}}",))
    assert "{{7*7}}" in read(texts.note(NoteKind.STATUS, key="k", facts=facts).body_html).text


def test_addresses_are_shown_exactly_as_listed(texts: Texts, about: About, read: Read) -> None:
    page = read(texts.note(NoteKind.STATUS, key="k", facts=about(CaseState.CHECKLIST_OPEN)).body_html)
    assert "Bucky.Badger@example.edu" in page.text
    assert "bbadger@cs.example.edu" in page.text


# ── what each note says ──────────────────────────────────────────────────────────────────────────────────────────


def test_blocked_note_names_the_account_addresses_sign_in_and_the_way_on(
    texts: Texts, about: About, read: Read
) -> None:
    note = texts.note(NoteKind.STATUS, key="k", facts=about(CaseState.CHECKLIST_OPEN, earlier_unblocks=2))
    text = read(note.body_html).text
    assert note.subject == "Bucky Badger (bbadger): blocked from sending"
    assert "outbound spam, blocked Mon 23 Nov 2026, 11:05 CST" in text
    assert "“OutboundSpamLast24Hours=412;" in text
    assert "Sign-in: disabled (“Compromised Account”" in text
    assert "“550 5.1.8 Access denied, bad outbound sender AS(42004)”" in text
    assert "Addresses released before: 2." in text
    assert '<a href="https://unblock.example.edu/panel/rt/4711?case=1&amp;x=2">' in note.body_html


def test_result_note_names_each_address_and_the_hour_before_which_nobody_escalates(
    texts: Texts, about: About, read: Read
) -> None:
    text = read(texts.note(NoteKind.RESULT, key="k", facts=about(CaseState.UNBLOCKED)).body_html).text
    assert "Bucky.Badger@example.edu: Not Blocked" in text
    assert "by Alex Agent (alex)" in text
    assert "escalate to the Office 365 team before Tue 24 Nov 2026, 14:05 CST" in text


def test_hour_of_escalation_is_never_told_too_early(texts: Texts, about: About) -> None:
    facts = about(CaseState.UNBLOCKED, escalate_after=datetime(2026, 11, 24, 20, 5, 0, 1, tzinfo=UTC))
    assert "Tue 24 Nov 2026, 14:06 CST" in texts.note(NoteKind.RESULT, key="k", facts=facts).body_html


def test_early_complaint_gets_the_hour_and_no_escalation(texts: Texts, about: About, read: Read) -> None:
    text = read(texts.note(NoteKind.EARLY_COMPLAINT, key="k", facts=about(CaseState.UNBLOCKED)).body_html).text
    assert "too early to escalate" in text
    assert "before Tue 24 Nov 2026, 14:05 CST" in text


def test_overdue_note_carries_the_evidence_for_the_escalation(
    texts: Texts, about: About, read: Read, links: Mapping[str, str]
) -> None:
    note = texts.note(NoteKind.FOLLOW_UP, key="k", facts=about(CaseState.OVERDUE))
    text = read(note.body_html).text
    for evidence in ("Unblocked: Mon 23 Nov 2026, 14:05 CST", "Sending: Blocked", "by Alex Agent", "5.1.8"):
        assert evidence in text
    assert f'<a href="{links["office365_team"]}">' in note.body_html


def test_refer_to_security_says_not_to_enable_and_offers_no_unblock(texts: Texts, about: About, read: Read) -> None:
    facts = about(CaseState.REFER_TO_SECURITY, reason="The sign-in is disabled: HR Request.")
    text = read(texts.note(NoteKind.STATUS, key="k", facts=facts).body_html).text
    assert "do not re-enable; refer to Security" in text
    assert "HR Request" in text
    assert "press Unblock" not in text


def test_mail_link_is_shown_as_an_address_and_not_as_a_link(texts: Texts, about: About) -> None:
    body = texts.note(NoteKind.STATUS, key="k", facts=about(CaseState.REFER_TO_SECURITY)).body_html
    assert "Security (security@example.edu)" in body
    assert "mailto:" not in body


def test_unclear_account_shows_the_question_and_the_candidates(texts: Texts, about: About, read: Read) -> None:
    facts = about(
        CaseState.NEEDS_PERSON,
        status=None,
        question="Several accounts are named.",
        candidates=("ada", "bob@example.edu"),
    )
    text = read(texts.note(NoteKind.STATUS, key="k", facts=facts).body_html).text
    assert "Several accounts are named." in text
    assert "ada\nbob@example.edu" in text


@pytest.mark.parametrize(
    "state", [CaseState.RECEIVED, CaseState.NEEDS_PERSON, CaseState.NOT_BLOCKED, CaseState.CHECKLIST_OPEN]
)
def test_failed_reading_claims_nothing_and_says_what_failed(
    texts: Texts, about: About, read: Read, status: AccountStatus, state: CaseState
) -> None:
    unknown = replace(status, sending=Sending.UNKNOWN, failure="the admin site gave no answer")
    text = read(texts.note(NoteKind.STATUS, key="k", facts=about(state, status=unknown)).body_html).text
    assert "sending status unknown" in text
    assert "“the admin site gave no answer”" in text
    assert "we keep trying" in text
    assert "Microsoft" not in text


def test_account_that_could_never_be_read_says_what_failed(texts: Texts, about: About, read: Read) -> None:
    facts = about(CaseState.NEEDS_PERSON, status=None, reason="admin: reading bbadger: no connection")
    text = read(texts.note(NoteKind.STATUS, key="k", facts=facts).body_html).text
    assert "“admin: reading bbadger: no connection”" in text


def test_support_only_bounce_goes_to_a_person_with_its_reason(
    texts: Texts, about: About, read: Read, status: AccountStatus
) -> None:
    free = replace(status, sending=Sending.NOT_BLOCKED, blocked=())
    facts = about(CaseState.NEEDS_PERSON, status=free, reason="The bounce says 5.7.501 (banned sender).")
    text = read(texts.note(NoteKind.STATUS, key="k", facts=facts).body_html).text
    assert "The bounce says 5.7.501 (banned sender)." in text
    assert "Microsoft Support" in text


def test_reached_unblock_limit_sends_to_microsoft_support_only(texts: Texts, about: About, read: Read) -> None:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    result = AddressResult(
        address="a@example.edu",
        outcome="unblock limit reached: Microsoft Support only",
        asked_at=moment,
        asked_by="Alex",
        confirmed_at=None,
    )
    limit = read(texts.note(NoteKind.RESULT, key="k", facts=about(CaseState.REFUSED, results=(result,))).body_html)
    assert "Only Microsoft Support can release it" in limit.text
    assert "Once they have mended it" not in limit.text
    other = replace(result, outcome="refused: no such role")
    refused = read(texts.note(NoteKind.RESULT, key="k", facts=about(CaseState.REFUSED, results=(other,))).body_html)
    assert "refused: no such role" in refused.text
    assert "Once they have mended it, press Unblock again" in refused.text
    assert "Only Microsoft Support" not in refused.text


@pytest.mark.parametrize("state", [CaseState.STILL_BLOCKED, CaseState.OUTCOME_UNKNOWN, CaseState.REFUSED])
def test_only_a_confirmed_release_is_called_unblocked(texts: Texts, about: About, state: CaseState) -> None:
    note = texts.note(NoteKind.RESULT, key="k", facts=about(state))
    assert "unblocked" not in note.subject.lower()
    assert "tell the customer that mail works again" in note.body_html


def test_kind_that_does_not_fit_the_state_claims_nothing(about: About) -> None:
    assert template_for(NoteKind.RESULT, about(CaseState.CHECKLIST_OPEN)) == "case-state.html"


# ── replies ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ReplyKind)
def test_reply_passes_its_own_guard(texts: Texts, status: AccountStatus, finding: Finding, kind: ReplyKind) -> None:
    assert says_too_much(texts.reply(kind), status, finding) == ()


@pytest.mark.parametrize("kind", ReplyKind)
def test_reply_without_any_link_set_still_reads_well(kind: ReplyKind) -> None:
    reply = Texts(overrides=None, links={}, zone=UTC_ZONE).reply(kind)
    assert reply.startswith("Hello,")
    assert "{" not in reply
    assert "http" not in reply


def test_customer_reply_names_the_24_hours_and_what_to_do_then(texts: Texts) -> None:
    reply = texts.reply(ReplyKind.CUSTOMER)
    assert "within the next 24 hours" in reply
    assert "answer here" in reply


def test_bulk_reply_gives_the_links_whole(texts: Texts, links: Mapping[str, str]) -> None:
    reply = texts.reply(ReplyKind.BULK_SENDER)
    assert links["distribution_lists"] in reply
    assert links["mass_email"] in reply


def test_public_note_keeps_the_agents_paragraphs_and_escapes_the_rest() -> None:
    note = public_note("k", "Hello <b>Bucky</b>,\r\n\r\nline one\nline two\x00\n\n\n\nhttps://it.example.edu/a?b&c\n")
    assert note.visibility is Visibility.PUBLIC
    assert note.key == "k"
    assert note.body_html == (
        "<p>Hello &lt;b&gt;Bucky&lt;/b&gt;,</p>\n<p>line one<br>line two</p>\n<p>https://it.example.edu/a?b&amp;c</p>"
    )


@given(text=st.text())
def test_public_note_has_paragraphs_and_line_breaks_only(read: Read, text: str) -> None:
    page = read(public_note("k", text).body_html)
    assert set(page.tags) <= {"p", "br"}
    assert page.attributes == []


def test_subject_of_a_public_note_tells_nothing(status: AccountStatus, finding: Finding) -> None:
    assert says_too_much(public_note("k", "Hello").subject, status, finding) == ()


# ── a site's own templates and links ─────────────────────────────────────────────────────────────────────────────


def own(folder: Path, name: str, text: str) -> Texts:
    (folder / name).write_text(text, "utf-8")
    return Texts(overrides=folder, links={}, zone=UTC_ZONE)


def test_site_replaces_one_template_and_keeps_the_others(tmp_path: Path, about: About, status: AccountStatus) -> None:
    texts = own(
        tmp_path, "status-not-blocked.html", "<p><strong>{{ facts.account }} ist frei</strong></p>\n<p>Ende</p>"
    )
    free = replace(status, sending=Sending.NOT_BLOCKED, blocked=())
    note = texts.note(NoteKind.STATUS, key="k", facts=about(CaseState.NOT_BLOCKED, status=free))
    assert note.subject == "bbadger ist frei"
    assert note.body_html == "<p><strong>bbadger ist frei</strong></p>\n<p>Ende</p>"
    assert texts.note(NoteKind.STATUS, key="k", facts=about(CaseState.CHECKLIST_OPEN)).subject == (
        "Bucky Badger (bbadger): blocked from sending"
    )


def test_sites_template_cannot_forget_to_make_words_inert(tmp_path: Path, about: About, read: Read) -> None:
    texts = own(tmp_path, "bulk-sender.html", "<p>Heading</p>\n<p>{{ facts.reason }} {{ facts.candidates }}</p>")
    facts = about(CaseState.BULK_SENDER, reason="<i>http://evil.example", candidates=("http://evil.example",))
    page = read(texts.note(NoteKind.BULK_SENDER, key="k", facts=facts).body_html)
    assert page.tags == ["p", "p"]
    assert "://" not in page.text


def test_moment_and_nothing_are_readable_without_a_filter(tmp_path: Path, about: About) -> None:
    texts = own(tmp_path, "bulk-sender.html", "Heading\n{{ facts.unblocked_at }} / {{ facts.escalate_after }}")
    note = texts.note(NoteKind.BULK_SENDER, key="k", facts=about(CaseState.BULK_SENDER, escalate_after=None))
    assert note.body_html == "Heading\nMon 23 Nov 2026, 20:05 UTC / unknown"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("result-unblocked.html", "<p>Heading</p>\n\n{% if %}", r"result-unblocked\.html, line 3"),
        ("result-unblocked.html", "<p>Heading</p>\n{{ facts.colour }}", r"result-unblocked\.html, line 2.*colour"),
        ("result-unblocked.html", "<p>Heading</p>\n{{ ticket }}", r"line 2.*'ticket' is undefined"),
        ("result-unblocked.html", "<p>Heading</p>\n{{ facts.status.netid }}", r"line 2.*netid"),
        ("result-unblocked.html", "<p>Heading</p>\n{{ 1 / facts.earlier_unblocks }}", r"line 2.*division by zero"),
        ("result-unblocked.html", "<p>Heading</p>\n{{ facts.agent + 1 }}", r"line 2"),
        (
            "result-unblocked.html",
            "<p>Heading</p>\n{{ link('mass_mail', 'x') }}",
            r"line 2.*there is no link 'mass_mail'",
        ),
        ("result-unblocked.html", "<p>Heading</p>\n{% include 'absent.html' %}", r"line 2.*absent\.html"),
        ("_parts.html", "\n{% macro %}", r"_parts\.html, line 2"),
        ("follow-up-closed.html", "", r"follow-up-closed\.html.*first line must be its heading"),
        ("reply-customer.txt", " \n", r"reply-customer\.txt: the template is empty"),
        ("reply-bulk-sender.txt", "{% if false %}x{% endif %}", r"reply-bulk-sender\.txt: the template is empty"),
        ("reply-customer.txt", "Hello\n{{ facts }}", r"reply-customer\.txt, line 2.*'facts' is undefined"),
        ("reply-customer.txt", "Your account was compromised.", r"reply-customer\.txt.*says compromised"),
        (
            "result-unblockt.html",
            "x",
            r"result-unblockt\.html: replaces no template; did you mean result-unblocked\.html",
        ),
    ],
)
def test_broken_template_is_refused_at_start_with_its_place(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        own(tmp_path, name, text)


def test_template_that_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "bulk-sender.html").write_bytes(b"<p>\xff</p>")
    with pytest.raises(SettingsError, match=r"bulk-sender\.html"):
        Texts(overrides=tmp_path, links={}, zone=UTC_ZONE)


def test_missing_directory_of_templates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\[notes\] templates: there is no directory"):
        Texts(overrides=tmp_path / "absent", links={}, zone=UTC_ZONE)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://x.example", "https://", 'https://x.example/"', "//x"])
def test_link_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"\[links\] mass_email"):
        Texts(overrides=None, links={"mass_email": url}, zone=UTC_ZONE)


def test_link_that_tells_the_customer_too_much_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"reply-bulk-sender\.txt.*blocked"):
        Texts(overrides=None, links={"mass_email": "https://it.example.edu/blocked"}, zone=UTC_ZONE)


def test_every_template_speaks_on_some_occasion() -> None:
    used = {name for states in TEMPLATES.values() for name in states.values()} | {"case-state.html"}
    used |= {"status-unreadable.html", "_parts.html", *(f"reply-{kind}.txt" for kind in ReplyKind)}
    assert {path.name for path in BUILT_IN.iterdir()} == used


def test_links_are_those_of_the_settings() -> None:
    assert list(LINKS) == manifest_links()


def test_summer_time_is_told_by_its_name(about: About) -> None:
    texts = Texts(overrides=None, links={}, zone=ZoneInfo("Europe/Berlin"))
    moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    facts = about(CaseState.UNBLOCKED, escalate_after=moment)
    assert "Sun 25 Oct 2026, 02:30 CEST" in texts.note(NoteKind.RESULT, key="k", facts=facts).body_html
    later = about(CaseState.UNBLOCKED, escalate_after=moment + timedelta(hours=1))
    assert "Sun 25 Oct 2026, 02:30 CET" in texts.note(NoteKind.RESULT, key="k", facts=later).body_html


def test_contributing_names_every_variable_of_the_templates() -> None:
    told = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text("utf-8")
    known = {field.name for field in fields(Facts)} | {
        name for name, value in vars(Facts).items() if isinstance(value, property)
    }
    missing = [name for name in known - {"panel_url"} if f"facts.{name}" not in told]
    missing += [link for link in LINKS if f"`{link}`" not in told]
    assert missing == []
    for kind in (AccountStatus, BlockedAddress, SignInState, Finding, AddressResult):
        missing += [field.name for field in fields(kind) if f".{field.name}`" not in told]
    assert missing == ["tenant", "rule"]
