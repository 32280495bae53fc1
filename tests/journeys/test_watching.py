"""What operators see of the real processes: metrics of all of them at one place, and of a worker at its own."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from plugin.demo.serving import bind
from tests.journeys.life import Life


@pytest.fixture
def life(make_life: Callable[..., Life]) -> Life:
    return make_life()


def scraped(url: str) -> Callable[..., float]:
    """What /metrics says: the sum over all samples of a name with these labels."""
    answer = requests.get(f"{url}/metrics", timeout=10)
    assert answer.status_code == 200, answer.text
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]

    def total(name: str, **labels: str) -> float:
        found = [sample for sample in samples if sample.name == f"m365_unblock_{name}"]
        return sum(sample.value for sample in found if labels.items() <= sample.labels.items())

    return total


def idle(life: Life) -> Callable[..., float]:
    """What /metrics says once nothing is left to do."""
    told = [scraped(life.url)]

    def is_idle() -> bool:
        told[0] = scraped(life.url)
        return told[0]("backlog") == 0 == told[0]("oldest_event_age_seconds")

    life.until(is_idle, "the backlog is worked off")
    return told[0]


def test_the_web_process_tells_what_the_worker_did_and_that_nothing_is_left(life: Life) -> None:
    life.until_state(life.file(), "Checklist open")
    told = idle(life)
    assert told("deliveries_total", source="desk", outcome="accepted", status="202") >= 1
    assert told("request_seconds_count", process="worker", system="campus", outcome="2xx") >= 1
    assert told("request_seconds_count", process="worker", system="desk", outcome="2xx") >= 3
    assert told("request_seconds_count", process="web") == 0
    assert told("cases", state="Checklist open") == 1
    assert (told("database_up"), told("workers")) == (2, 1)


def test_what_a_killed_worker_counted_stays_counted(life: Life) -> None:
    life.until_state(life.file(), "Checklist open")
    before = idle(life)("request_seconds_count", process="worker")
    os.kill(life.worker.pid, signal.SIGKILL)
    life.worker.wait()
    assert scraped(life.url)("request_seconds_count", process="worker") == before
    life.worker = life.start("worker")
    life.until_state(life.file("buckingham.badger@example.edu"), "Needs a person", "Checklist open", "Not blocked")
    assert scraped(life.url)("request_seconds_count", process="worker") > before


def test_a_worker_answers_for_itself_where_it_is_told_to(life: Life) -> None:
    with bind("127.0.0.1") as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    life.config.write_text(
        life.config.read_text("utf-8").replace("[server]", f'[server]\nworker_listen = "{url.removeprefix("http://")}"')
    )
    life.worker.kill()
    life.worker.wait()
    life.worker = life.start("worker")
    life.until(lambda: _ready(url).get("status") == "ready", "the worker is ready")
    assert _ready(url)["workers"] == 1
    assert requests.get(f"{url}/healthz", timeout=10).json() == {"status": "alive"}
    assert scraped(url)("workers") == 1
    second = life.start("worker")
    assert second.wait(60) == 2
    assert "[server] worker_listen: cannot listen at 127.0.0.1:" in life.said()


def _ready(url: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = requests.get(f"{url}/readyz", timeout=5).json()
    except requests.ConnectionError:
        return {}
    return answer
