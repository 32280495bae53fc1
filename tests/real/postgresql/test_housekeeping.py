"""Housekeeping and putting back on PostgreSQL: the same as on SQLite, by the same queries in another dialect."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from plugin import rules
from plugin.backups import back_up, put_back
from plugin.errors import SettingsError
from plugin.model import CaseState
from plugin.store import schema
from plugin.store.deliveries import deliveries, events
from tests.plugin.test_backups import ALEX
from tests.plugin.test_housekeeping import BUCKY, House, asking, unblocked

pytestmark = pytest.mark.real


@pytest.fixture
def at_the_end() -> Iterator[ExitStack]:
    """What is to be done once the world is closed, whose senders and servers go on until then."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def house(postgresql: str, at_the_end: ExitStack, make_world: Callable[..., Any]) -> House:
    urls = "".join(f'{name}_url = "{postgresql}"\n' for name in ("deliveries", "cases", "engine"))
    house = House(make_world(settings=f"[store]\n{urls}"))
    parts = house.world.parts
    for close in (house.close, parts._cases.dispose, parts._deliveries.dispose, parts.locks.close):
        at_the_end.callback(close)  # or psycopg warns of connections that nobody closed
    return house


def test_what_is_over_is_forgotten_and_a_ticket_that_comes_back_is_told_nothing_twice(house: House) -> None:
    world = house.world
    ticket = unblocked(house)
    notes = world.notes(ticket)
    house.change(asking(0, days_ago=500)(world.clock()))
    house.tidy(days=31)
    assert house.rows(deliveries) == house.rows(events) == house.rows(schema.outbox) == []
    assert len(house.rows(schema.cases)) == 1
    house.tidy(days=370)
    for table in (schema.cases, schema.answers, schema.journal, schema.askings):
        assert house.rows(table) == []
    world.reply(ticket, BUCKY, "Thank you, that was it.")
    assert world.only_case(ticket).state is CaseState.CLOSED
    assert world.notes(ticket) == notes
    world.tenant.block("bbadger", BUCKY, reason="spam")
    world.reply(ticket, BUCKY, "it bounces again", report="ndr-5.1.8", sender=BUCKY)
    assert world.only_case(ticket, CaseState.CHECKLIST_OPEN).round == 2
    assert len(world.notes(ticket)) == len(notes) + 1


def test_a_database_that_was_put_back_is_made_fit_to_go_on(house: House) -> None:
    world = house.world
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    world.front.unblock(case, ALEX)
    for _ in range(2):
        said = list(put_back(world.parts.casework, world.parts.settings))
        assert "DROP SCHEMA dbos CASCADE" in "\n".join(said)
    world.run()
    assert world.only_case(ticket, CaseState.OUTCOME_UNKNOWN).reason.endswith(rules.PUT_BACK)
    assert world.asked() == []


def test_a_backup_is_left_to_pg_dump(house: House, tmp_path: Any) -> None:
    with pytest.raises(SettingsError, match="pg_dump"):
        list(back_up(house.world.parts.settings, tmp_path / "backup"))
