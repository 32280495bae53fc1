"""So many internal notes go on a ticket within an hour: what happens then, and what is never held."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from plugin.model import Case, Note, Visibility
from plugin.naming import posting

LIMIT = 5


@pytest.fixture
def world(make_world: Callable[..., Any]) -> Any:
    return make_world(settings=f"[procedure]\nnotes_per_hour = {LIMIT}\n")


@pytest.fixture
def case(world: Any) -> Case:
    ticket = world.file(email="bbadger@example.edu", report="ndr-5.1.8")
    assert len(world.notes(ticket)) == 1
    case: Case = world.only_case(ticket)
    return case


def meant(world: Any, case: Case, name: str, visibility: Visibility = Visibility.INTERNAL) -> None:
    """A note is meant to be on the case's ticket, as in a loop: each time under another key."""
    note = Note(key=f"m365-unblock/{case.id}/1/{name}", visibility=visibility, subject=name, body_html=f"<p>{name}</p>")
    with world.store.change() as change:
        change.intend(case.id, note, world.clock())
        change.put_task(posting(case, note.key))
    world.run()


def test_further_note_waits_until_an_hour_after_the_oldest(
    world: Any, case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="m365-unblock"):
        for number in range(LIMIT + 1):
            world.clock.forward(minutes=1)
            meant(world, case, f"loop-{number}")
    assert len(world.notes(case.ticket)) == LIMIT
    assert "note.held" in caplog.text
    first, _ = [task for task in world.store.waiting_tasks(100) if task.name == "post"]
    left = first.not_before - world.clock()
    assert timedelta(minutes=50) < left <= timedelta(minutes=60)
    world.pass_time(minutes=70)
    assert len(world.notes(case.ticket)) == LIMIT + 2


def test_operators_are_told_why_it_waits(world: Any, case: Case) -> None:
    for number in range(LIMIT):
        meant(world, case, f"loop-{number}")
    key = posting(case, f"m365-unblock/{case.id}/1/loop-{LIMIT - 1}").id
    [held] = [record for record in world.parts.outbox.records([key]) if record.error]
    assert f"the ticket got {LIMIT} notes of ours within an hour ([procedure] notes_per_hour)" in held.error


def test_reply_to_the_customer_is_never_held(world: Any, case: Case) -> None:
    for number in range(LIMIT):
        meant(world, case, f"loop-{number}")
    assert len(world.notes(case.ticket)) == LIMIT
    meant(world, case, "reply-customer", Visibility.PUBLIC)
    assert len(world.mails(case.ticket)) == 1


def test_another_ticket_is_not_held(world: Any, case: Case) -> None:
    for number in range(LIMIT):
        meant(world, case, f"loop-{number}")
    other = world.file(email="mmass@example.edu", report="ndr-5.1.8")
    assert len(world.notes(other)) == 1


def test_tags_and_fields_are_brought_up_to_date_all_the_same(world: Any, case: Case) -> None:
    for number in range(LIMIT):
        meant(world, case, f"loop-{number}")
    case = world.unblock(world.answer_all(case))
    world.pass_time(minutes=5)
    assert len(world.notes(case.ticket)) == LIMIT, "the result note waits"
    assert world.ticket(case.ticket)["tags"] == ["m365-unblocked"]
