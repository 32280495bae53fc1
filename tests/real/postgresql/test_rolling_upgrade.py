"""A next release of the program, started beside this one while work is in flight; this one is stopped piece by piece.

The next release is made here: this one with a higher version, a migration that adds a column, and tasks that say one
thing more than this one knows of.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.real.postgresql.conftest import Rows, accounts, release
from tests.real.postgresql.test_scale_out import FORGETFUL, Agent, nothing_is_double

pytestmark = pytest.mark.real

MIGRATION = '''"""One more column."""

import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{head}"


def upgrade() -> None:
    """Add it; it may be left out."""
    op.add_column("outbox", sa.Column("hint", sa.String(length=80), nullable=True))
'''


def change(file: Path, before: str, after: str) -> None:
    """Edit a file of the next release."""
    text = file.read_text("utf-8")
    assert text.count(before) == 1, f"{file.name} has changed: {before!r} is not there once"
    file.write_text(text.replace(before, after), "utf-8")


def next_release(folder: Path) -> Path:
    """The next release of the program."""
    release(folder, abilities=FORGETFUL)
    manifest = folder / "plugin" / "plugin.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text("utf-8")) | {"version": "0.9.0"}), "utf-8")
    migrations = folder / "plugin" / "store" / "migrations" / "cases"
    config = Config()
    config.set_main_option("script_location", str(migrations))
    head = ScriptDirectory.from_config(config).get_current_head()
    (migrations / "versions" / "9000_hints.py").write_text(MIGRATION.format(head=head), "utf-8")
    change(folder / "plugin" / "model.py", "    attempt: int = 0\n", '    attempt: int = 0\n    hint: str = "next"\n')
    store = folder / "plugin" / "store"
    change(
        store / "outbox.py", '        "lane": task.lane,\n', '        "lane": task.lane,\n        "hint": task.hint,\n'
    )
    change(
        store / "schema.py",
        '    Column("attempt", Integer, nullable=False),\n',
        '    Column("attempt", Integer, nullable=False),\n    Column("hint", String(80)),\n',
    )
    return folder


class Customers(threading.Thread):
    """File a ticket every little while until they are told to stop."""

    def __init__(self, life: Any) -> None:
        super().__init__(daemon=True)
        self._life, self._over = life, threading.Event()
        self.tickets: list[str] = []
        self.start()

    def run(self) -> None:
        """Until `stop`."""
        while not self._over.wait(0.5):
            self.tickets.append(self._life.file(f"user{4 + len(self.tickets) % 8:03}@example.edu"))

    def stop(self) -> None:
        """No more tickets."""
        self._over.set()
        self.join()


def test_a_next_release_takes_over_under_load_and_nothing_is_lost_or_twice(
    make_scaled: Callable[..., Any], rows: Rows, tmp_path: Path
) -> None:
    old, new = release(tmp_path / "old", abilities=FORGETFUL), next_release(tmp_path / "new")
    life = make_scaled(
        webs=2, workers=2, program=old, accounts=accounts(12), forgetful=True, takes=0.05, note_settles_within="3s"
    )
    customers = Customers(life)
    agents = [Agent(life, life.file(f"user{number:03}@example.edu")) for number in range(4)]
    life.until(lambda: len(customers.tickets) > 4, "the old release is at work")
    life.workers += [life.start("worker", program=new) for _ in range(2)]
    life.until(lambda: life.said().count("worker.started") == 4, "the next release is there beside it")
    # The tables are the next release's now, and the old one goes on working on them.
    so_far = len(customers.tickets)
    life.until(lambda: len(customers.tickets) > so_far + 6, "more has come in")
    assert all(process.poll() is None for process in (*life.webs, *life.workers))
    for ticket in customers.tickets[so_far : so_far + 3]:
        life.until_state(ticket, "Checklist open")
    for worker in life.workers[:2]:
        worker.terminate()
        assert worker.wait(30) == 0
    for number, web in enumerate(life.webs):
        web.terminate()
        assert web.wait(30) == 0
        life.webs[number] = life.start("web", number, program=new)
        served = life.balancer.answered[life.ports[number]]
        life.until(
            lambda number=number, served=served: life.balancer.answered[life.ports[number]] > served + 3,
            "the new web process answers",
        )
    customers.stop()
    assert life.sender.flush(60)
    for agent in agents:
        agent.join(100)
        life.until_state(agent.ticket, "Closed")
    for ticket in customers.tickets:
        life.until_state(ticket, "Checklist open")
    life.until(lambda: not rows.left(), "everything is worked off")
    assert {delivery.state for delivery in life.sender.log} == {"delivered"}
    nothing_is_double(life, [*customers.tickets, *(agent.ticket for agent in agents)])
    assert Counter(life.asked()) == Counter(f"user{number:03}@example.edu" for number in range(4))
    worked_on = dict(rows.all("SELECT coalesce(hint, ''), count(DISTINCT worker) FROM outbox GROUP BY 1"))
    assert set(worked_on) == {"", "next"}, "both releases have called for tasks"
