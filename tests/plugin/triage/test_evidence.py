"""What a note quotes of a ticket: whole words, short, and honest about what was left out."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plugin.model import Said, TicketText
from plugin.triage import triage
from plugin.triage.plain import LEFT_OUT, LONG_WORD, evidence, excerpt

MOST = 200
TEXTS = st.lists(st.text("a5.,\n ", max_size=30) | st.text(max_size=250), max_size=12).map(" ".join)


def quoted(text: str) -> str:
    (finding,) = triage(TicketText(subject="", said=(Said(text=text),)), ("example.edu",))
    return finding.evidence[0]


@pytest.mark.parametrize("spaces", range(1, 40))
def test_a_code_is_quoted_whole_or_not_at_all_however_far_before_its_sentence(spaces: int) -> None:
    words = quoted(f"Remote Server returned '550 5.1.8{' ' * spaces}Access denied, bad outbound sender AS(42004)'")
    assert "Access denied, bad outbound sender AS(42004)'" in words
    assert set(re.findall(r"\S*\d\S*", words)) <= {"'550", "5.1.8", "AS(42004)'"}
    assert words.startswith(LEFT_OUT) is ("Remote" not in words)


def test_a_sentence_is_quoted_with_its_codes_and_some_words_before() -> None:
    words = quoted("My mail comes back: 550 5.1.8 Access denied, bad outbound sender AS(42004)")
    assert words == "… mail comes back: 550 5.1.8 Access denied, bad outbound sender AS(42004)"


def test_a_long_answer_is_cut_between_words_and_says_so() -> None:
    words = quoted("550 5.1.1 " + "the mailbox is unavailable, " * 20)
    assert len(words) <= MOST
    assert re.fullmatch(r"550 5\.1\.1 (the mailbox is unavailable, )+(the |mailbox |is )*…", words)


@given(TEXTS, st.integers(-30, 400), st.integers(0, 400))
@example("a few words", -30, 10)
def test_an_excerpt_is_made_of_whole_words_of_its_text_and_marks_what_it_leaves_out(
    text: str, start: int, size: int
) -> None:
    text = text.replace(LEFT_OUT, "...")
    shown = excerpt(text, start, start + size)
    assert len(shown) <= MOST
    assert "\n" not in shown
    words, whole = shown.replace(LEFT_OUT, "").split(), text.split()
    if all(len(word) < LONG_WORD for word in whole):
        assert [word for word in words if word not in whole] == [], (text, start, size, shown)
    if LEFT_OUT not in shown:
        assert words == whole


@given(TEXTS)
def test_what_is_shortened_begins_as_it_was_and_is_not_cut_without_need(text: str) -> None:
    text = text.replace(LEFT_OUT, "...")
    shown, line = evidence(text), " ".join(text.split())
    assert len(shown) <= MOST
    assert line.startswith(shown.removesuffix(LEFT_OUT))
    assert (shown == line) is (len(line) <= MOST)
    assert len(shown) >= min(len(line), MOST - LONG_WORD - 1)
