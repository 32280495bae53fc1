"""/metrics tells what is so, whatever has happened, and docs/monitoring.md says what it means."""

import logging
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from plugin.app import Parts, create_app
from plugin.counting import Counts, take_slot
from plugin.demo.serving import bind
from plugin.model import Call, Outcome, Task
from plugin.store.outbox import Ended

BUCKY = "bucky.badger@example.edu"
ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "monitoring.md"
TOKEN = "a token for metrics".replace(" ", "-")


def scrape(world: Any, **headers: str) -> Any:
    return world.plugin_app.test_client().get("/metrics", headers=headers)


def told(world: Any) -> dict[str, float]:
    """Every sample by its name and labels, such as ``backlog{stage=working}``."""
    world.clock.forward(seconds=5)  # so long a reading is told again
    return samples_of(scrape(world).text)


def samples_of(text: str) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name.removeprefix('m365_unblock_')}{{{labels}}}"] = sample.value
    return found


def backlog(samples: dict[str, float]) -> dict[str, float]:
    """Stages that hold something."""
    stages = ("accepted", "waiting", "working", "retrying")
    return {stage: samples[f"backlog{{stage={stage}}}"] for stage in stages if samples[f"backlog{{stage={stage}}}"]}


def database(world: Any, name: str) -> Path:
    return Path(getattr(world.parts.settings, f"{name}_url").removeprefix("sqlite:///"))


# ── what the databases know ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_is_backlog_until_everything_for_it_is_done(world: Any) -> None:
    world.file(email=BUCKY, report="ndr-5.1.8", quietly=True)
    assert world.sender.flush(10)
    world.clock.forward(minutes=10)
    before = told(world)
    assert backlog(before) == {"accepted": 1}
    assert before["oldest_event_age_seconds{}"] == 605
    world.run()
    after = told(world)
    assert backlog(after) == {}
    assert after["oldest_event_age_seconds{}"] == 0
    assert after["cases{state=Checklist open}"] == 1
    assert after["attempts{outcome=done}"] >= 2


def test_work_that_fails_stays_backlog_between_its_attempts_and_its_event_grows_older(world: Any) -> None:
    world.tenant_faults.is_down = True
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    world.pass_time(minutes=30)
    found = told(world)
    assert backlog(found) == {"retrying": 1}
    assert found["oldest_event_age_seconds{}"] >= 1800
    assert found["attempts{outcome=again}"] > 3
    assert found["request_seconds_count{outcome=5xx,process=web,system=campus}"] > 3
    world.tenant_faults.is_down = False
    world.pass_time(minutes=10)
    assert world.only_case(ticket).state.value == "Checklist open"
    found = told(world)
    assert (backlog(found), found["oldest_event_age_seconds{}"]) == ({}, 0)


def test_what_waits_for_the_clock_of_the_release_is_no_backlog(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.unblock(world.answer_all(world.only_case(ticket)))
    assert told(world)["unblocks{state=asked}"] == len(world.asked())
    world.pass_time(minutes=5)
    found = told(world)
    assert world.case(case.id).state.value == "Unblocked"
    assert (backlog(found), found["tasks_later{}"]) == ({}, 1)
    assert found["unblocks{state=confirmed}"] == len(world.asked())
    assert found["unblocks{state=asked}"] == 0
    world.reply(ticket, BUCKY, "It still bounces.")
    world.pass_time(hours=25)
    found = told(world)
    assert (found["cases{state=Overdue}"], found["cases{state=Unblocked}"], found["tasks_later{}"]) == (1, 0, 0)


def test_an_unblock_without_an_answer_is_told_as_unknown(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.answer_all(world.only_case(ticket))
    world.tenant_faults.spoil_unblock = "before"
    world.unblock(case)
    assert told(world)["unblocks{state=unknown}"] >= 1
    world.pass_time(hours=2)
    assert told(world)["cases{state=Asked, outcome unknown}"] == 1


def test_a_dead_task_is_told_until_it_is_retried(world: Any) -> None:
    task = Task(id="handle:evt_1", name="handle", args={"source": "desk", "ticket": "1"})
    second = task.next(None)
    with world.store.change() as change:
        change.put_task(task)
        change.handed([task], world.clock())
    world.parts.outbox.end([Ended(task=task, outcome=Outcome.AGAIN)], at=world.clock(), then=[second])
    assert told(world)["tasks_dead{}"] == 0
    world.parts.outbox.end([Ended(task=second, outcome=Outcome.DEAD)], at=world.clock())
    found = told(world)
    assert (found["tasks_dead{}"], found["attempts{outcome=dead}"], found["attempts{outcome=again}"]) == (1, 1, 1)
    assert world.parts.outbox.retry([second], world.clock())
    found = told(world)
    assert (found["tasks_dead{}"], backlog(found)) == (0, {"waiting": 1})


def test_workers_are_counted_while_they_are_seen(world: Any) -> None:
    assert told(world)["workers{}"] == 0
    world.parts.outbox.seen("worker-1", world.clock())
    world.clock.forward(seconds=40)
    world.parts.outbox.seen("worker-2", world.clock())
    assert told(world)["workers{}"] == 2
    world.clock.forward(seconds=40)
    found = told(world)
    assert found["workers{}"] == 1
    assert found["worker_seen_timestamp_seconds{worker=worker-2}"] == world.clock().timestamp() - 50
    assert found["worker_seen_timestamp_seconds{worker=worker-1}"] == world.clock().timestamp() - 90


def test_the_last_scan_of_a_source_is_told(world: Any) -> None:
    assert not [name for name in told(world) if name.startswith("scan_timestamp")]
    world.scan()
    at = world.clock().timestamp()
    assert told(world)["scan_timestamp_seconds{source=desk}"] == at


@pytest.mark.parametrize(("name", "left"), [("deliveries", {"cases", "workers"}), ("cases", {"deliveries_total"})])
def test_a_database_that_cannot_be_read_is_told_and_what_it_knows_is_left_out(
    world: Any, name: str, left: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    world.file(email=BUCKY, report="ndr-5.1.8")
    other = ({"deliveries", "cases"} - {name}).pop()
    for part in database(world, name).parent.glob(f"{name}.sqlite*"):
        part.unlink()
    found = told(world)
    assert (found[f"database_up{{database={name}}}"], found[f"database_up{{database={other}}}"]) == (0, 1)
    families = {sample.partition("{")[0] for sample in found}
    assert "oldest_event_age_seconds" not in families
    assert left <= families
    assert ("cases" in families) is (name != "cases")
    assert "metrics.not_read" in caplog.text


def test_a_locked_database_can_still_be_read(world: Any) -> None:
    others = [sqlite3.connect(database(world, name), isolation_level=None) for name in ("deliveries", "cases")]
    for other in others:
        other.execute("BEGIN IMMEDIATE")
    found = told(world)
    assert {found[f"database_up{{database={name}}}"] for name in ("deliveries", "cases")} == {1}
    for other in others:
        other.close()


def test_a_database_server_that_says_nothing_is_given_up_soon(world: Any) -> None:
    with bind("127.0.0.1") as silent:
        url = f"postgresql://m365@127.0.0.1:{silent.getsockname()[1]}/m365"
        client = create_app(Parts(replace(world.parts.settings, cases_url=url), clock=world.clock)).test_client()
        begun = time.monotonic()
        found = samples_of(client.get("/metrics").text)
        answer = client.get("/readyz")
    assert time.monotonic() - begun < 9  # Prometheus waits for 10 seconds
    assert (found["database_up{database=cases}"], found["database_up{database=deliveries}"]) == (0, 1)
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "database": "cases"})


def test_the_databases_are_read_no_more_than_every_five_seconds(world: Any) -> None:
    told(world)
    world.file(email=BUCKY, report="ndr-5.1.8", quietly=True)
    assert world.sender.flush(10)
    world.clock.forward(seconds=4)
    assert backlog(samples_of(scrape(world).text)) == {}
    world.clock.forward(seconds=1)
    assert backlog(samples_of(scrape(world).text)) == {"accepted": 1}


def test_a_clock_that_was_set_back_does_not_stop_the_reading(world: Any) -> None:
    world.file(email=BUCKY, report="ndr-5.1.8", quietly=True)
    assert world.sender.flush(10)
    told(world)
    world.clock.forward(hours=-2)
    world.run()
    found = samples_of(scrape(world).text)
    assert (backlog(found), found["oldest_event_age_seconds{}"]) == ({}, 0)


# ── what is counted as it goes by ────────────────────────────────────────────────────────────────────────────────────


def test_deliveries_are_counted_by_what_became_of_them(world: Any) -> None:
    client = world.plugin_app.test_client()
    world.file(email=BUCKY, report="ndr-5.1.8", quietly=True)
    assert world.sender.flush(10)
    client.post("/webhooks/desk", json={}, headers={"webhook-id": "x"})
    client.post("/webhooks/<script>", json={})
    client.post("/webhooks/another-name", json={})
    client.get("/webhooks/desk")
    found = told(world)
    assert found["deliveries_total{outcome=accepted,source=desk,status=202}"] == 1
    assert found["deliveries_total{outcome=refused,source=desk,status=401}"] == 1
    assert found["deliveries_total{outcome=refused,source=desk,status=405}"] == 1
    assert found["deliveries_total{outcome=refused,source=,status=404}"] == 2  # no stranger's word is kept


def test_a_delivery_that_could_not_be_stored_is_counted_as_that(world: Any) -> None:
    database(world, "deliveries").unlink()
    world.parts._deliveries.dispose()
    world.file(email=BUCKY, quietly=True)
    world.sender.flush(2)
    assert told(world)["deliveries_total{outcome=not stored,source=desk,status=503}"] >= 1


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "2xx"), (204, "2xx"), (302, "3xx"), (404, "4xx"), (429, "429"), (503, "5xx"), (None, "none")],
)
def test_requests_are_counted_by_the_class_of_their_answer(status: int | None, outcome: str) -> None:
    counts = Counts("worker")
    counts.requested(call(status, seconds=0.2))
    found = samples_of(generate_latest(counts.registry).decode())
    labels = f"outcome={outcome},process=worker,system=desk"
    assert found[f"request_seconds_count{{{labels}}}"] == 1
    assert found[f"request_seconds_sum{{{labels}}}"] == 0.2
    assert found[f"request_seconds_bucket{{le=0.1,{labels}}}"] == 0
    assert found[f"request_seconds_bucket{{le=0.25,{labels}}}"] == 1


def call(status: int | None, seconds: float) -> Call:
    return Call(
        at=datetime(2026, 11, 24, tzinfo=UTC),
        system="desk",
        doing="reading",
        method="GET",
        path="/",
        sent="",
        status=status,
        answer="",
        seconds=seconds,
    )


COUNTING = """
import sys
from pathlib import Path
from prometheus_client import generate_latest
from plugin.app import Parts, create_app
from plugin.counting import Counts
counts = Counts("worker", Path(sys.argv[1]))
for word in sys.stdin:
    if word.strip() == "count":
        counts.delivered("desk", "accepted", 202)
    print([line for line in generate_latest(counts.registry).decode().splitlines() if line[:1] != "#"], flush=True)
"""


class Process:
    """A process that counts into a folder, and tells what all have counted."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", COUNTING, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def do(self, word: str) -> str:
        """Count, or only tell."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        told: str = self._process.stdout.readline()
        return (re.findall(r"accepted\S+ (\d+)", told) or ["-"])[0]

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def process(tmp_path: Path) -> Any:
    made: list[Process] = []

    def make() -> Process:
        made.append(Process(tmp_path / "metrics"))
        made[-1].do("tell")
        return made[-1]

    yield make
    for each in made:
        each.kill()


def test_processes_add_up_and_one_that_is_killed_and_started_again_takes_nothing_away(
    process: Callable[[], Process], tmp_path: Path
) -> None:
    web, worker = process(), process()
    assert [web.do("count"), worker.do("count"), worker.do("count")] == ["1", "2", "3"]
    for again in range(4):
        worker.kill()
        assert web.do("tell") == str(3 + again)
        worker = process()
        assert worker.do("count") == str(4 + again)
    assert len(list((tmp_path / "metrics").glob("*.db"))) == 4  # of two processes, however often they were started


def test_counting_begins_anew_once_no_process_is_left(process: Callable[[], Process]) -> None:
    first = process()
    assert first.do("count") == "1"
    first.kill()
    assert process().do("tell") == "-"


def test_what_a_crash_of_the_machine_left_half_written_is_emptied(
    process: Callable[[], Process], tmp_path: Path
) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "counter_7.db").write_bytes(b"\xff\x00\x00\x00" + bytes(300))
    assert process().do("count") == "1"


def test_a_slot_is_nobody_elses_while_it_is_held(tmp_path: Path) -> None:
    (one, first), (two, second) = take_slot(tmp_path), take_slot(tmp_path)
    assert (one, two) == (1, 2)
    first.close()
    three, third = take_slot(tmp_path)
    assert three == 1
    second.close()
    third.close()


def test_room_for_counting_is_taken_at_the_start_and_not_when_the_disk_may_be_full(tmp_path: Path) -> None:
    _, slot = take_slot(tmp_path)
    files = [file.stat() for file in tmp_path.glob("*.db")]
    assert [file.st_blocks * 512 >= file.st_size > 0 for file in files] == [True, True]
    slot.close()


def test_a_folder_that_cannot_be_used_is_told_and_each_process_counts_for_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "metrics"
    place.write_text("a file stands here")
    with caplog.at_level(logging.ERROR):
        counts = Counts("web", place)
    counts.delivered("desk", "accepted", 202)
    assert "deliveries_total{outcome=accepted,source=desk,status=202}" in samples_of(
        generate_latest(counts.registry).decode()
    )
    assert "metrics.not_shared" in caplog.text
    assert "metrics_folder" in caplog.text


# ── who may ask, and in which form ───────────────────────────────────────────────────────────────────────────────────


def test_the_form_is_the_one_that_is_asked_for(world: Any) -> None:
    plain = scrape(world)
    assert (plain.status_code, plain.mimetype) == (200, "text/plain")
    answer = scrape(world, Accept="application/openmetrics-text; version=1.0.0")
    assert answer.mimetype == "application/openmetrics-text"
    assert "m365_unblock_backlog" in {family.name for family in open_metrics(answer.text)}


def test_the_metrics_ask_for_their_token_where_one_is_set(world: Any) -> None:
    settings = replace(world.parts.settings, metrics_token=TOKEN)
    client = create_app(Parts(settings, clock=world.clock)).test_client()
    for headers in ({}, {"Authorization": "Bearer another"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = client.get("/metrics", headers=headers)
        assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
        assert answer.headers["WWW-Authenticate"].lower().startswith("bearer")
        assert TOKEN not in answer.text
    assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/healthz").status_code == 200


def test_metrics_name_no_ticket_no_address_and_no_account(world: Any) -> None:
    ticket = world.file(email=BUCKY, report="ndr-5.1.8")
    case = world.unblock(world.answer_all(world.only_case(ticket)))
    text = scrape(world).text
    for private in ("bucky", "badger", "example.edu", "evt_", case.id, f'"{ticket}"', "alex"):
        assert private.lower() not in text.lower(), private


# ── the document ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_document_names_every_metric_and_no_other(world: Any) -> None:
    world.file(email=BUCKY, report="ndr-5.1.8")
    world.scan()
    world.parts.outbox.seen("worker-1", world.clock())
    told_names = {name.partition("{")[0] for name in told(world)}
    exposed = {re.sub(r"_(count|sum|bucket|created)$", "", name) for name in told_names}
    described = DOCUMENT.read_text("utf-8").partition("## Alerts")[0]
    documented = set(re.findall(r"^\| `m365_unblock_(\w+)", described, re.MULTILINE))
    assert documented == exposed - {"deliveries"}
    used = set(re.findall(r"m365_unblock_(\w+)", DOCUMENT.read_text("utf-8")))
    assert {re.sub(r"_(count|sum|bucket)$", "", name) for name in used} == documented


def test_the_labels_of_the_document_are_those_of_the_metrics(world: Any) -> None:
    world.file(email=BUCKY, report="ndr-5.1.8")
    world.scan()
    world.parts.outbox.seen("worker-1", world.clock())
    labels: dict[str, set[str]] = {}
    for name in told(world):
        family = re.sub(r"_(count|sum|bucket|created)$", "", name.partition("{")[0])
        found = set(re.findall(r"(\w+)=", name.partition("{")[2])) - {"le"}
        labels.setdefault(family, set()).update(found)
    rows = re.findall(r"^\| `m365_unblock_(\w+)(?:\{([\w, ]*)\})?`", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    for family, documented in rows:
        assert set(re.findall(r"\w+", documented)) == labels[family], family


def test_values_in_the_documents_alerts_are_values_of_the_metrics(world: Any) -> None:
    found = told(world)
    named = re.findall(r'm365_unblock_(\w+)\{(\w+)="([^"]+)"\}', DOCUMENT.read_text("utf-8"))
    assert named
    for family, label, value in named:
        assert f"{family}{{{label}={value}}}" in found or family.startswith(("request", "deliveries"))
    assert (
        timedelta(hours=24) == world.parts.settings.procedure.follow_up_after
    )  # as the document says of overdue cases
