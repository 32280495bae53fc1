"""What runs: the stub, `hello`, and the plugin by its own command; and what its processes cost, from /proc."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests

from tests.ports import free_port

SECRET = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
LAUNCH_SECRET = "a-launch-secret-of-the-benchmark-0123456789"
PANEL_SECRET = "a-panel-secret-of-the-benchmark-0123456789"
SETTINGS = """
[server]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
[organisation]
domains = ["example.edu"]
[panel]
secret = "{panel_secret}"
[sign_in]
issuer = "http://127.0.0.1:9"
client_id = "bench"
client_secret = "a-secret-of-the-benchmark"
agents = ["desk"]
[sources.desk]
system = "generic"
api_url = "http://127.0.0.1:{stub}/api"
api_token = "a-token-of-the-benchmark"
webhook_secrets = ["{secret}"]
launch_secrets = ["{launch_secret}"]
panel_origins = ["http://127.0.0.1:{stub}"]
{calls_at_once}
[mail_tenants.campus]
system = "account_admin"
url = "http://127.0.0.1:{stub}"
token = "a-token-of-the-benchmark"
{calls_at_once}
[store]
{store}
"""
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 60.0  # seconds


def wait_until(what: str, is_so: Any, patience: float = PATIENCE) -> None:
    """Look every few milliseconds."""
    end = time.monotonic() + patience
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {patience:g} seconds: {what}")
        time.sleep(0.005)


def answers(url: str) -> dict[str, Any] | None:
    """The JSON at an address; None unless it is answered with 200."""
    try:
        answer = requests.get(url, timeout=5)
    except requests.RequestException:
        return None
    return dict(answer.json()) if answer.ok else None


class Process:
    """A command with all that it starts; ends with the block."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        with log.open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.PIPE)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            for process in self.tree():
                os.kill(process, 9)
            self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def tree(self) -> list[int]:
        """The ids of all its processes."""
        return list(_below(self._process.pid))

    def pss(self) -> float:
        """Megabytes of memory, what is shared counted in shares."""
        return sum(self.each_pss())

    def each_pss(self) -> list[float]:
        """The same, process by process."""
        return [_pss(process) / 1024 for process in self.tree()]

    def cpu(self) -> float:
        """Seconds of CPU that its processes have taken by now."""
        return sum(_cpu(process) for process in self.tree())


def _below(process: int) -> Iterator[int]:
    yield process
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        yield from _below(int(child))


def _pss(process: int) -> int:
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def _cpu(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Stub(Process):
    """The APIs."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        super().__init__([sys.executable, "-m", "tests.benchmarks.speed.stub", str(self.port)], folder / "stub.log")
        wait_until("the stub answers", lambda: answers(f"http://127.0.0.1:{self.port}/-/told"))

    def set(self, delay: float = 0.0) -> None:
        """From now on answer after so many seconds; what came in is forgotten."""
        requests.post(f"http://127.0.0.1:{self.port}/-/set", json={"delay": delay}, timeout=5)

    def told(self) -> dict[str, Any]:
        """Calls, when each ticket got its first note (monotonic), and CPU taken."""
        return answers(f"http://127.0.0.1:{self.port}/-/told") or {}


class Hello(Process):
    """The bare endpoint."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        where = ["--bind", f"127.0.0.1:{self.port}", "--workers", "2", "--log-level", "warning"]
        command = [sys.executable, "-m", "gunicorn", *where, "tests.benchmarks.speed.hello:app"]
        super().__init__(command, folder / "hello.log")
        wait_until("hello answers", self._answers)

    def _answers(self) -> bool:
        try:
            return requests.post(f"http://127.0.0.1:{self.port}/", timeout=5).status_code > 0
        except requests.RequestException:
            return False


class Plugin(Process):
    """`m365-unblock serve`, or web alone, on databases in a folder, which may be there from before."""

    def __init__(
        self, folder: Path, stub: int, *, what: str = "serve", workers: int = 1, database: str = "", calls: int = 0
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = folder / "m365-unblock.toml"
        names = ("deliveries_url", "cases_url", "engine_url")
        self.config.write_text(
            SETTINGS.format(
                port=self.port,
                stub=stub,
                secret=SECRET,
                launch_secret=LAUNCH_SECRET,
                panel_secret=PANEL_SECRET,
                store="\n".join(f'{name} = "{database}"' for name in names if database),
                calls_at_once=f"calls_at_once = {calls}" if calls else "",
            )
        )
        more = ["--workers", str(workers)] if workers > 1 else []
        self._log = folder / "plugin.log"
        begun = time.monotonic()
        super().__init__([sys.executable, "-m", "plugin.cli", what, "--config", str(self.config), *more], self._log)
        wait_until(f"the plugin is ready; see {self._log}", lambda: answers(f"{self.url}/readyz"))
        self.web_ready_after = time.monotonic() - begun
        if what == "serve":
            wait_until("workers are at work", lambda: (answers(f"{self.url}/readyz") or {}).get("workers") == workers)
        self.all_ready_after = time.monotonic() - begun
