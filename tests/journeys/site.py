"""A site of its own for a test of the command: a folder with settings, and real processes started in it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import requests

from tests import smallest
from tests.ports import free_port

SETTINGS = f"""{smallest.SETTINGS}
[server]
listen = "127.0.0.1:{{port}}"
threads = 2
[procedure]
scan_every = "0s"
"""


class Site:
    """A folder with settings, and the commands started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.write(SETTINGS.format(port=self.port))
        self.log = folder / "log"
        self._started: list[subprocess.Popen[bytes]] = []
        self._orphans: set[int] = set()

    def write(self, settings: str) -> None:
        """Other settings from now on."""
        (self.folder / "m365-unblock.toml").write_text(settings)

    def command(self, *words: str) -> list[str]:
        """The command line with our settings."""
        return [sys.executable, "-m", "plugin.cli", *words, "--config", str(self.folder / "m365-unblock.toml")]

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a command; what it says goes to the log."""
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
        """Wait for something to happen."""
        end = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < end, f"did not happen in time\n{self.log.read_text()[-3000:]}"
            time.sleep(0.05)

    def close(self) -> None:
        """End what was started."""
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
