"""The plugin of the demo: its own command in a process of its own, which ends with ours however ours ends."""

import os
import subprocess
import sys
import time
from pathlib import Path

import requests


class PluginProcess:
    """`m365-unblock serve` on settings and a log in a folder."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "plugin.log"
        self._config = folder / "m365-unblock.toml"
        self._process: subprocess.Popen[bytes] | None = None

    def write_settings(self, text: str) -> None:
        """The settings it is to run on, for our own user only: secrets stand in them."""
        self._config.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._config.touch(mode=0o600)
        self._config.write_text(text, "utf-8")

    def start(self) -> None:
        """Start it; nothing of our own environment's settings reaches it."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("M365_UNBLOCK_")}
        command = [sys.executable, "-m", "plugin.cli", "serve", "--config", str(self._config), "--end-with-parent"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.PIPE,  # the system closes it with our process: then it ends too
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def await_ready(self, url: str) -> None:
        """Wait until it takes deliveries; `RuntimeError` if it ends instead, or takes too long."""
        for _ in range(300):
            if not self.is_running():
                raise RuntimeError(f"the plugin ended at once:\n{self.end_of_log()}")
            try:
                if requests.get(f"{url}/readyz", timeout=2).ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"the plugin was not ready within 30 seconds; see {self.log}")

    def end(self) -> None:
        """End it in order, or by force where it takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            if self._process.stdin is not None:
                self._process.stdin.close()

    def is_running(self) -> bool:
        """Whether its command is still there."""
        return self._process is not None and self._process.poll() is None

    def end_of_log(self) -> str:
        """What it said last."""
        return self.log.read_text("utf-8", "replace")[-2000:]
