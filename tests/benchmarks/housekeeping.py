"""How long a sender waits for its acknowledgement while housekeeping forgets old deliveries, and while it does not.

    python -m tests.benchmarks.housekeeping [ROUNDS]

A real web process on SQLite takes signed deliveries from four senders. Beside it a process with the real housekeeping
has old deliveries to forget, in every other stretch of a few seconds; so whatever else the machine does meanwhile
falls on both kinds of stretches alike.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles

import click
import requests
import sqlalchemy as sa

from plugin.app import Parts
from plugin.demo.desk.sender import sign
from plugin.settings import load
from plugin.store.deliveries import deliveries, events
from plugin.store.engine import open_engine

SECRET = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
SETTINGS = """
[server]
listen = "127.0.0.1:{port}"
[organisation]
domains = ["example.edu"]
[sources.desk]
system = "generic"
api_url = "http://127.0.0.1:9/api"
api_token = "a-token-for-the-benchmark"
webhook_secrets = ["{secret}"]
[mail_tenants.campus]
system = "account_admin"
url = "http://127.0.0.1:9"
token = "a-token-for-the-benchmark"
"""
STRETCH = 5.0  # seconds
SENDERS = 4
OLD = 4000  # deliveries to forget in each of those stretches, more than there is time for
BODY = 4000  # bytes of each


def keep_house(config: Path) -> None:
    """The housekeeping of a worker, round after round, whenever the file ``go`` is there."""
    house = Parts(load(config, {})).housekeeping
    go = config.with_name("go")
    while True:
        if go.exists():
            house.tidy(lambda ids: ids)
        time.sleep(0.01)


def fill(config: Path, many: int) -> None:
    """Deliveries of forty days ago with an event each, all of them relayed."""
    parts = Parts(load(config, {}))
    at = datetime.now(UTC) - timedelta(days=40)
    engine = open_engine(parts.settings.deliveries_url)
    with engine.begin() as connection:
        rows = [
            {"seq": number, "source": "desk", "delivery_id": f"old-{number}", "headers": {},
             "body": os.urandom(BODY), "received_at": at}
            for number in range(1, many + 1)
        ]  # fmt: skip
        connection.execute(sa.insert(deliveries), rows)
        old = [
            {"seq": number, "delivery": number, "id": f"evt_{number}", "key": "k",
             "source": "desk", "ticket": "7", "kind": "ticket.created"}
            for number in range(1, many + 1)
        ]  # fmt: skip
        connection.execute(sa.insert(events), old)
    engine.dispose()
    with parts.casework.store.change() as change:
        change.set_mark("relayed", str(10**9))


def left(config: Path) -> int:
    """How many of the old deliveries are still there."""
    engine = open_engine(load(config, {}).deliveries_url)
    with engine.connect() as connection:
        query = sa.select(sa.func.count()).where(deliveries.c.delivery_id.startswith("old-"))
        found = connection.scalar(query) or 0
    engine.dispose()
    return found


class Sender(threading.Thread):
    """Sends one delivery after the other and notes how long each acknowledgement takes, in seconds."""

    def __init__(self, url: str, name: str, until: float) -> None:
        super().__init__()
        self._url, self._name, self._until = url, name, until
        self.took: list[float] = []

    def run(self) -> None:
        session = requests.Session()
        number = 0
        while time.monotonic() < self._until:
            number += 1
            ticket = {"id": f"{self._name}-{number}", "subject": "x" * 1000}
            body = json.dumps({"type": "ticket.created", "data": {"ticket": ticket}}).encode()
            id_, now = f"msg_{self._name}_{number}", str(int(time.time()))
            headers = {"webhook-id": id_, "webhook-timestamp": now, "webhook-signature": sign(SECRET, id_, now, body)}
            begun = time.perf_counter()
            answer = session.post(self._url, body, headers=headers | {"content-type": "application/json"}, timeout=30)
            self.took.append(time.perf_counter() - begun)
            assert answer.status_code == 202, answer.text


def stretch(url: str, name: str) -> list[float]:
    """How long each acknowledgement took in one stretch."""
    senders = [Sender(url, f"{name}-{number}", time.monotonic() + STRETCH) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return [took for sender in senders for took in sender.took]


def told(name: str, took: list[float]) -> tuple[float, float, float]:
    """Prints and gives p50, p95 and p99 in milliseconds."""
    cut = quantiles(took, n=100)
    p50, p95, p99 = cut[49] * 1000, cut[94] * 1000, cut[98] * 1000
    click.echo(f"{name:8} {len(took):6} p50 {p50:7.2f}  p95 {p95:7.2f}  p99 {p99:7.2f}  max {max(took) * 1000:7.2f} ms")
    return p50, p95, p99


def main(rounds: int) -> None:
    """Stretches with and without, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "m365-unblock.toml"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        config.write_text(SETTINGS.format(port=port, secret=SECRET))
        go, log = config.with_name("go"), (Path(folder) / "log").open("ab")
        start = [sys.executable, "-m", "plugin.cli", "web", "--config", str(config)]
        keeper = [sys.executable, "-m", __spec__.name, "--keep-house", str(config)]
        processes = [subprocess.Popen(start, stdout=log, stderr=log)]
        try:
            ready = f"http://127.0.0.1:{port}/readyz"
            while not _answers(ready):
                time.sleep(0.1)
            fill(config, OLD * rounds)
            processes.append(subprocess.Popen(keeper, stdout=log, stderr=log))
            times: dict[bool, list[float]] = {False: [], True: []}
            for number in range(rounds * 2):
                with_it = bool(number % 2)
                if with_it:
                    go.touch()
                times[with_it] += stretch(f"http://127.0.0.1:{port}/webhooks/desk", str(number))
                go.unlink(missing_ok=True)
            forgot = OLD * rounds - left(config)
        finally:
            for process in processes:
                process.kill()
                process.wait()
            log.close()
    click.echo(f"{forgot} old deliveries of {BODY} bytes forgotten in {rounds} stretches of {STRETCH:g} s")
    without, within = told("without", times[False]), told("with", times[True])
    for name, one, other in zip(("p50", "p95", "p99"), without, within, strict=True):
        click.echo(f"{name} with / without: {other / one:.2f}")


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.ConnectionError:
        return False


if __name__ == "__main__":
    if sys.argv[1:2] == ["--keep-house"]:
        keep_house(Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 4)
