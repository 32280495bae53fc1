"""The single answer that a ticket comes to: whose account, and what speaks against it."""

import pytest

from plugin.model import Confidence, Label, Said, TicketText
from plugin.triage.answer import Answer, answer

REFUSAL = "550 5.1.8 Access denied, bad outbound sender"


def told(text: str, requester: str = "") -> Answer:
    ticket = TicketText(subject="", said=(Said(text=text),), requester=requester)
    return answer(ticket, ("example.edu",))


def test_an_account_of_ours_in_the_text_is_the_answer() -> None:
    found = told(f"For kadler@cs.example.edu: {REFUSAL}; she wrote to dean@partner.example")
    assert (found.account, found.doubts) == ("kadler@cs.example.edu", ())


def test_without_any_name_it_is_the_requesters() -> None:
    found = told(REFUSAL, requester="bbadger@example.edu")
    assert (found.account, found.account_from) == ("bbadger@example.edu", "the requester; the text names none")


def test_nobody_from_outside_is_the_answer() -> None:
    assert told(f"bucky@gmail.example: {REFUSAL}", requester="bucky@gmail.example").account is None
    assert told(f"bucky@notexample.edu: {REFUSAL}").account is None


def test_a_netid_gives_way_to_the_address_that_belongs_to_it() -> None:
    assert told(f"NetID: bbadger, bbadger@example.edu: {REFUSAL}").account == "bbadger@example.edu"
    assert told(f"NetID: bbadger. {REFUSAL}").account == "bbadger"


@pytest.mark.parametrize(
    "text", ["请帮忙kadler@example.edu无法发信", "私のkadler@example.eduから送れません", "계정kadler@example.edu에서"]
)
def test_an_address_is_found_where_no_space_stands_around_it(text: str) -> None:
    assert told(f"{text} {REFUSAL}").account == "kadler@example.edu"


def test_letters_that_only_look_like_an_address_of_ours_are_none() -> None:
    assert told(f"kаdler@example.edu {REFUSAL}").account is None


def test_a_colleague_who_reports_is_said() -> None:
    found = told(f"Kim (kadler@example.edu) gets {REFUSAL}", requester="bbadger@example.edu")
    assert found.account == "kadler@example.edu"
    assert "not the requester's" in found.doubts[0]


def test_several_accounts_are_said() -> None:
    found = told(f"events@example.edu and museum@example.edu get {REFUSAL}")
    assert found.account == "events@example.edu"
    assert found.doubts == ("other accounts are named too: museum@example.edu",)


def test_where_nothing_is_blocked_no_account_is_named() -> None:
    found = told("550 5.1.1 User unknown, says bbadger@example.edu", requester="bbadger@example.edu")
    assert (found.label, found.account, found.code) == (Label.NOT_BLOCKED, None, "5.1.1")


def test_an_unconfirmed_wording_alone_leaves_it_unsure() -> None:
    found = told("Delivery has failed to these recipients or groups:\nals een geldige afzender")
    assert found.confidence is Confidence.UNSURE
