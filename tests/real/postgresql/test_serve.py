"""`m365-unblock serve` with several workers, and PostgreSQL restarted below them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.journeys.life import Life
from tests.postgresql import Cluster
from tests.real.postgresql.conftest import Rows, accounts

pytestmark = pytest.mark.real


@pytest.fixture
def server() -> Iterator[Cluster]:
    """A PostgreSQL that nobody else uses."""
    running = Cluster()
    yield running
    running.close()


def test_served_workers_live_through_a_restart_of_postgresql(server: Cluster, tmp_path: Path) -> None:
    database = server.new_database()
    with closing(Life(tmp_path, database=database, accounts=accounts(12), workers=0, takes=0.2)) as life:
        life.web.kill()
        life.web.wait()
        life.web = life.start("serve", 0, "--workers", "2")
        life.until(lambda: life.said().count("worker.started") == 2, "both workers are there")
        tickets = [life.file(f"user{number:03}@example.edu") for number in range(6)]
        life.until(lambda: life.at_desk.all > 3, "they are at work")
        server.restart(away=3)
        tickets += [life.file(f"user{6 + number:03}@example.edu") for number in range(6)]
        for ticket in tickets:
            life.until_state(ticket, "Checklist open")
        life.until(lambda: not Rows(address=database).left(), "everything is worked off")
        assert {delivery.state for delivery in life.sender.log} == {"delivered"}
        assert all(len(life.notes(ticket)) == 1 for ticket in tickets)
        assert life.web.poll() is None
