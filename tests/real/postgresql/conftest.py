"""Lives on PostgreSQL: several web and worker processes on one database, between the same stand-ins as elsewhere."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.journeys.life import Life

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What the databases say, for a test that must know."""

    address: str

    def all(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with psycopg.connect(self.address) as connection:
            return connection.execute(query.encode()).fetchall()

    def one(self, query: str) -> Any:
        """The one value of a query."""
        ((value,),) = self.all(query)
        return value

    def left(self) -> str:
        """What is not worked off; empty where all is."""
        waiting = {
            "events not relayed": "SELECT count(*) FROM events WHERE seq > "
            "(SELECT coalesce(max(value::int), 0) FROM marks WHERE name = 'relayed')",
            "tasks not ended": "SELECT count(*) FROM outbox WHERE ended_at IS NULL",
            "tasks in the engine": "SELECT count(*) FROM dbos.workflow_status "
            "WHERE status IN ('PENDING', 'ENQUEUED', 'DELAYED')",
        }
        counts = {what: self.one(query) for what, query in waiting.items()}
        return ", ".join(f"{what}: {count}" for what, count in counts.items() if count)


@pytest.fixture
def rows(postgresql: str) -> Rows:
    """The test's database."""
    return Rows(address=postgresql)


def accounts(many: int) -> dict[str, Any]:
    """So many accounts that Microsoft has blocked by one address each, as the demo's world.json has them."""
    return {
        f"user{number:03}": {
            "display_name": f"User {number}",
            "addresses": [f"user{number:03}@example.edu"],
            "blocked": [{"address": f"user{number:03}@example.edu", "reason": "OutboundSpamLast24Hours=412;"}],
        }
        for number in range(many)
    }


def release(folder: Path, *, abilities: Mapping[str, bool] | None = None) -> Path:
    """A release of the program in a folder of its own: ours, with other abilities of the generic ticket system."""
    folder.mkdir(parents=True)
    for package in ("plugin", "webhooks"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "plugin.json"))
    manifest = json.loads((ROOT / "plugin.json").read_text("utf-8"))
    for system in manifest["ticket_systems"]:
        if system["id"] == "generic":
            system["abilities"] |= abilities or {}
    (folder / "plugin" / "plugin.json").write_text(json.dumps(manifest), "utf-8")
    return folder


@pytest.fixture
def make_scaled(tmp_path: Path, postgresql: str) -> Iterator[Callable[..., Life]]:
    """Lives to order, on the test's database."""
    made: list[Life] = []

    def make(**options: Any) -> Life:
        made.append(Life(tmp_path, **({"database": postgresql, "accounts": accounts(12)} | options)))
        return made[-1]

    yield make
    for life in made:
        life.close()
