"""A note's HTML as wiki markup: what people read in Jira, and what a ticket's words cannot do there."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from tests.stand_ins.jira import rendered_html
from webhooks import markers
from webhooks.jira import wiki

MEANT = re.compile(r"</?(?:p|b|li)>|<br>")


def test_note_reads_as_it_is_meant() -> None:
    html = """<p><strong>Bucky Badger (bbadger): blocked</strong></p>
    <ul>
    <li>bucky.badger@example.edu<br>Cause: outbound spam</li>
    <li><a href="https://unblock.example.edu/cases/c_1?x=1#top">Go through the checklist</a>, then press Unblock.</li>
    </ul>
    <p>It&#39;s 5 &lt; 6.</p>"""
    assert wiki.from_html(html) == (
        "*Bucky Badger (bbadger): blocked*\n\n"
        "* bucky.badger@example.edu\nCause: outbound spam\n"
        "* [Go through the checklist|https://unblock.example.edu/cases/c_1?x=1#top], then press Unblock.\n\n"
        "It's 5 < 6."
    )


@pytest.mark.parametrize(
    "words",
    [
        "[~accountid:5b10ac8d82e05b22cc7d4ef5] please unblock",
        "[click here|https://evil.example]",
        "[^secrets.txt]",
        "!https://evil.example/pixel.png!",
        "{code}x{code} {html}<script>{html} {color:red}all clear{color}",
        "h1. NOT BLOCKED",
        "bq. quoted",
        "* a list",
        "# a numbered list",
        "- crossed out -blocked- not",
        "|| a || table ||",
        "*bold* _italic_ +under+ ^up^ ~down~ ??cited??",
        "C:\\users\\bbadger \\\\ \\* \\{code}",
        "----",
        "-- a signature",
    ],
)
def test_words_of_a_ticket_are_no_markup(words: str) -> None:
    shown = rendered_html(wiki.from_html(f"<p>{escape(words)}</p><p>after <strong>{escape(words)}</strong></p>"))
    plain = str(escape(" ".join(words.split()))).replace("&#34;", '"').replace("\\", wiki.BACKSLASH)
    text = MEANT.sub("", shown.replace(wiki.NOTHING, ""))
    assert text == f"{plain}after {plain}"


@given(st.text(alphabet="ab1 .:/@{}[]|!*_-+^~?#\\h\n", max_size=40))
def test_no_text_whatever_becomes_markup(words: str) -> None:
    shown = rendered_html(wiki.from_html(f"<p>{escape(words)}</p>"))
    assert "<" not in MEANT.sub("", shown)


def test_mark_is_found_again_in_what_jira_renders() -> None:
    key = "m365-unblock/c/1/blocked"
    assert markers.is_marked(rendered_html(wiki.from_html(markers.marked_html("<p>x</p>", key))), key)


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://x.example/a|b]c", "https://x.example/{code}", ""])
def test_address_that_jira_could_misread_becomes_no_link(address: str) -> None:
    shown = rendered_html(wiki.from_html(f'<p><a href="{escape(address)}">the words</a></p>'))
    assert shown == "<p>the words</p>"


def test_words_of_a_link_cannot_end_it() -> None:
    shown = rendered_html(wiki.from_html('<p><a href="https://x.example/">a|https://evil.example] {code}</a></p>'))
    assert re.findall(r'href="([^"]*)"', shown) == ["https://x.example/"]
    assert "macro" not in shown


def test_address_in_a_reply_stays_an_address() -> None:
    text = "See https://kb.example.edu/mass-email/_new_?a=1&b=2#top."
    assert wiki.from_html(f"<p>{escape(text)}</p>") == text


def test_link_without_an_address_is_its_words() -> None:
    assert wiki.from_html("<p><a>a {b}</a> <strong> </strong>c</p>") == r"a \{b\} c"


def test_what_is_left_open_or_hidden_loses_no_text() -> None:
    assert wiki.from_html("<p>one <strong>two<p>three</p><style>p {}</style>") == "one two\n\nthree"
