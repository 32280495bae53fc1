"""Whoever watches over the web process is told quickly and truly, and strangers learn nothing from it."""

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from plugin.app import create_worker_app

BOTH = pytest.mark.parametrize("name", ["deliveries", "cases"])


@pytest.fixture
def client(world: Any) -> FlaskClient:
    found: FlaskClient = world.plugin_app.test_client()
    return found


@pytest.fixture
def file(world: Any) -> Callable[[str], Path]:
    """Where a database is."""
    return lambda name: Path(getattr(world.parts.settings, f"{name}_url").removeprefix("sqlite:///"))


def test_a_web_process_in_order_is_alive_and_ready(client: FlaskClient) -> None:
    assert (client.get("/healthz").status_code, client.get("/healthz").json) == (200, {"status": "alive"})
    ready = {"status": "ready", "workers": 0, "worker_seen_at": None}
    assert (client.get("/readyz").status_code, client.get("/readyz").json) == (200, ready)


def test_a_web_process_tells_whether_a_worker_is_at_work_and_is_ready_without(client: FlaskClient, world: Any) -> None:
    world.parts.outbox.seen("worker-1", world.clock())
    world.clock.forward(seconds=50)
    world.parts.outbox.seen("worker-2", world.clock())
    seen_at = world.clock().isoformat()
    assert client.get("/readyz").json == {"status": "ready", "workers": 2, "worker_seen_at": seen_at}
    world.clock.forward(seconds=59)
    assert client.get("/readyz").json == {"status": "ready", "workers": 1, "worker_seen_at": seen_at}
    world.clock.forward(seconds=2)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"status": "ready", "workers": 0, "worker_seen_at": seen_at})


def test_a_worker_is_ready_while_it_is_seen_itself(world: Any) -> None:
    client = create_worker_app(world.parts).test_client()
    not_ready = (503, {"status": "not ready", "worker": "not seen"})
    world.parts.outbox.seen("worker-1", world.clock())
    assert (client.get("/readyz").status_code, client.get("/readyz").json) == not_ready  # it has no name yet
    world.parts.attempts.worker = "worker-1"
    assert client.get("/readyz").status_code == 200
    world.clock.forward(seconds=61)
    world.parts.outbox.seen("worker-2", world.clock())
    assert (client.get("/readyz").status_code, client.get("/readyz").json) == not_ready
    assert client.get("/healthz").status_code == 200
    world.parts.outbox.seen("worker-1", world.clock())
    assert client.get("/readyz").status_code == 200


@BOTH
def test_a_worker_with_a_database_that_is_gone_is_not_ready(world: Any, file: Callable[[str], Path], name: str) -> None:
    client = create_worker_app(world.parts).test_client()
    world.parts.attempts.worker = "worker-1"
    world.parts.outbox.seen("worker-1", world.clock())
    for part in file(name).parent.glob(f"{name}.sqlite*"):
        part.unlink()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "database": name})


@BOTH
def test_a_locked_database_is_not_ready_and_that_is_said_soon(
    client: FlaskClient, file: Callable[[str], Path], name: str
) -> None:
    other = sqlite3.connect(file(name), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    answer = client.get("/readyz")
    assert time.monotonic() - begun < 3
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "database": name})
    assert client.get("/healthz").status_code == 200
    other.execute("ROLLBACK")
    other.close()
    assert client.get("/readyz").status_code == 200


@BOTH
def test_a_database_that_is_gone_is_not_ready_although_it_was_open(
    client: FlaskClient, file: Callable[[str], Path], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/readyz").status_code == 200
    for part in file(name).parent.glob(f"{name}.sqlite*"):
        part.unlink()
    with caplog.at_level(logging.WARNING):
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "database": name})
    assert "not.ready" in caplog.text


def test_the_answer_names_no_place_and_no_cause(client: FlaskClient, file: Callable[[str], Path]) -> None:
    file("cases").unlink()
    assert str(file("cases").parent) not in client.get("/readyz").text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/webhooks", 404), ("POST", "/webhooks/", 404), ("GET", "/panel/desk", 405),
     ("POST", "/healthz", 405), ("GET", "/panel/-/nothing.css", 404), ("GET", "/panel/desk/1/session", 405)],
)  # fmt: skip
def test_an_address_that_is_nobodys_is_answered_with_a_problem_document(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert (answer.json or {})["status"] == status
    assert ("Allow" in answer.headers) is (status == 405)
