"""The command as an operator runs it: real processes, which end in order, are started again, and leave no orphans."""

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

SETTINGS = """
[server]
listen = "127.0.0.1:{port}"
threads = 2
[organisation]
domains = ["example.edu"]
[sources.desk]
system = "generic"
api_url = "http://127.0.0.1:9/api"
api_token = "a-token-for-the-tests"
webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
[mail_tenants.campus]
system = "account_admin"
url = "http://127.0.0.1:9"
token = "a-token-for-the-tests"
[procedure]
scan_every = "0s"
"""


class Site:
    """A folder with settings, and the commands started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.write(SETTINGS.format(port=self.port))
        self.log = folder / "log"
        self._started: list[subprocess.Popen[bytes]] = []
        self._orphans: set[int] = set()

    def write(self, settings: str) -> None:
        (self.folder / "m365-unblock.toml").write_text(settings)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "plugin.cli", *words, "--config", str(self.folder / "m365-unblock.toml")]

    def start(self, name: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self._started.append(subprocess.Popen(self.command(name), stdout=log, stderr=log, stdin=subprocess.DEVNULL))
        return self._started[-1]

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command to its end: its exit status and what it said."""
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def children(self, parent: int) -> dict[str, int]:
        """The web process and the worker under a `serve`, by name."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                name = (process / "comm").read_text().strip()
                ppid = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has just ended
            if ppid == parent and name.startswith("m365-"):
                found[name.removeprefix("m365-")] = int(process.name)
        self._orphans.update(found.values())
        return found

    def get(self, path: str) -> int:
        """The status of a page; 0 where nobody answers."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=5).status_code
        except requests.ConnectionError:
            return 0

    def until(self, happened: Callable[[], object], seconds: float = 25) -> None:
        end = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < end, f"did not happen in time\n{self.log.read_text()[-3000:]}"
            time.sleep(0.05)

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
        for orphan in self._orphans:
            if is_running(orphan):
                os.kill(orphan, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """Whether a process is there and not just waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def is_serving(site: Site, serve: subprocess.Popen[bytes]) -> bool:
    return site.get("/readyz") == 200 and "worker.started" in site.log.read_text() and serve.poll() is None


def test_serve_runs_both_starts_again_what_died_and_ends_both_in_order(site: Site) -> None:
    serve = site.start("serve")
    site.until(lambda: is_serving(site, serve))
    before = site.children(serve.pid)
    assert set(before) == {"web", "worker"}

    for path in [site.folder / "var", *(site.folder / "var").iterdir()]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, f"{path} is open to others"

    code, said = site.run("worker")
    assert code == 2
    assert "another worker is running on these databases" in said
    assert "engine.lock" in said
    assert "Traceback" not in said

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    site.until(lambda: site.log.read_text().count("worker.started") == 2)
    site.until(lambda: is_serving(site, serve))
    after = site.children(serve.pid)
    assert set(after) == {"web", "worker"}
    assert not set(before.values()) & set(after.values())

    serve.terminate()
    assert serve.wait(25) == 0
    assert not any(is_running(pid) for pid in after.values())
    assert "worker.stopped" in site.log.read_text()
    assert "Traceback" not in site.log.read_text()


def test_serve_that_dies_by_sigkill_leaves_no_orphans_and_no_lock(site: Site) -> None:
    serve = site.start("serve")
    site.until(lambda: is_serving(site, serve))
    children = site.children(serve.pid)
    serve.kill()
    serve.wait()
    site.until(lambda: not any(is_running(pid) for pid in children.values()))
    assert "worker.stopped" in site.log.read_text()  # in order, not by force
    with (site.folder / "var" / "engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert site.get("/healthz") == 0


@pytest.mark.parametrize("name", ["serve", "web", "worker"])
def test_a_broken_checklist_ends_each_command_with_status_2_and_the_place(site: Site, name: str) -> None:
    (site.folder / "own.json").write_text('{"id": "own", "version": "1", "title": "t", "items": [{"id": 7}]}')
    site.write(SETTINGS.format(port=site.port) + '[checklist]\nfile = "own.json"\n')
    code, said = site.run(name)
    assert code == 2
    assert "own.json: /items/0" in said
    assert "Traceback" not in said
    assert not (site.folder / "var").exists()
