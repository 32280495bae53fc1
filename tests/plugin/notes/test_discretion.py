"""Rule 6: what an agent's text to the customer may not say."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.model import AccountCheck, AccountStatus, Candidate, Finding, Looked, Origin, Verdict
from plugin.notes.discretion import says_too_much


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mail from bucky.badger@example.edu works.", "bucky.badger@example.edu"),
        ("Mail from BBADGER@CS.example.edu works.", "bbadger@cs.example.edu"),
        ("Your NetID bbadger works.", "bbadger"),
        ("Your NetID (BBadger) works.", "bbadger"),
        ("The code was 5.1.8.", "5.1.8"),
        ("The code was AS(42004).", "AS(42004)"),
        ("See OutboundSpamLast24Hours.", "OutboundSpamLast24Hours"),
        ("Trace 1F0C6A52-8c0e-4b27-9d51-3b7de2a94f10.", "1F0C6A52-8c0e-4b27-9d51-3b7de2a94f10"),
        ("Your account was compromised.", "compromised"),
        ("You were phished.", "phished"),
        ("You were BLOCKED.", "BLOCKED"),
        ("You are un-blocked now.", "un-blocked"),
        ("You were hacked.", "hacked"),
        ("Security looked at it.", "Security"),
        ("It was the compromised\n account.", "Compromised Account"),
        ("Access denied, bad\noutbound sender", "Access denied, bad outbound sender"),
        ("Your account was com\u00adpromised.", "compromised"),
        ("Ihr Konto war gesperrt.", "gesperrt"),
        ("Votre compte était bloqué.", "bloqué"),
    ],
)
def test_text_that_tells_is_refused_with_the_words_that_must_go(
    status: AccountStatus, finding: Finding, text: str, words: str
) -> None:
    finding = replace(finding, evidence=("Access denied, bad outbound sender",))
    assert words.casefold() in [found.casefold() for found in says_too_much(text, status, finding)]


@pytest.mark.parametrize(
    "text",
    [
        "Dear Bucky Badger, your email should work again within 24 hours.",
        "Please answer here if a message still comes back after Tue 24 Nov 2026, 14:05 CST.",
        "Call 555 1.2 or see https://it.example.edu/help?topic=mail.",
        "Badgers and hackathons are welcome.",
        "",
    ],
)
def test_harmless_text_may_go_out(status: AccountStatus, finding: Finding, text: str) -> None:
    assert says_too_much(text, status, finding) == ()


def test_display_name_may_stay_even_where_it_holds_the_netid_or_a_telling_word(status: AccountStatus) -> None:
    named = replace(status, netid="block", display_name="John Block")
    assert says_too_much("Dear John Block, all is well.", named, None) == ()
    assert says_too_much("Dear John Block, you had a block.", named, None) == ("block",)


def test_display_name_that_is_an_address_does_not_let_the_address_through(status: AccountStatus) -> None:
    named = replace(status, display_name="bucky.badger@example.edu")
    assert says_too_much("Dear bucky.badger@example.edu,", named, None) == ("bucky.badger@example.edu",)


def test_another_account_named_in_the_ticket_may_not_be_named_either(status: AccountStatus, finding: Finding) -> None:
    candidates = (
        Candidate(account="colleague@example.edu", origin=Origin.TEXT),
        Candidate(account="cleague", origin=Origin.TEXT),
    )
    found = says_too_much("Is it Colleague@example.edu or cleague?", status, replace(finding, candidates=candidates))
    assert found == ("colleague@example.edu", "cleague")


def test_each_thing_is_named_once(status: AccountStatus) -> None:
    found = says_too_much("blocked, Blocked, BLOCKED", status, None)
    assert [words.casefold() for words in found] == ["blocked"]


def test_nothing_known_still_refuses_telling_words() -> None:
    assert says_too_much("You were hacked; code 5.7.501.", None, None) == ("5.7.501", "hacked")


def test_account_without_a_netid_or_name_refuses_nothing_more(status: AccountStatus) -> None:
    assert says_too_much("Hello there.", replace(status, netid="", display_name=""), None) == ()


@given(before=st.text(), after=st.text(), index=st.integers(0, 1))
def test_an_address_is_found_wherever_it_stands(
    status: AccountStatus, finding: Finding, before: str, after: str, index: int
) -> None:
    address = status.addresses[index]
    assert address in says_too_much(f"{before} {address} {after}", status, finding)


def test_words_of_the_ticket_may_not_be_repeated_where_the_evidence_left_something_out(finding: Finding) -> None:
    cut = replace(finding, evidence=("… turned away by the outgoing relay …",))
    assert says_too_much("It was turned away by the outgoing relay, sorry.", None, cut) == (
        "turned away by the outgoing relay",
    )


def test_addresses_that_were_found_in_the_account_are_not_told(status: AccountStatus) -> None:
    forwards = Looked(
        check=AccountCheck.NO_FORWARDING,
        verdict=Verdict.NOT_SO,
        finding="The mailbox forwards.",
        items=("ForwardingSmtpAddress: smtp:drop@mailbox.example",),
        looked_at=status.checked_at,
    )
    assert says_too_much("It went to Drop@mailbox.example, too.", status, None, [forwards]) == ("drop@mailbox.example",)
    assert says_too_much("It went elsewhere, too.", status, None, [forwards]) == ()
