"""Running the processes: the web process under gunicorn, and the pair of web and worker under one command."""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from plugin.log import log
from plugin.settings import Settings


class _Web(BaseApplication):  # type: ignore[misc]
    """gunicorn with our settings and nothing from its command line.

    One process with threads: it is then the only writer of the deliveries database.
    """

    def __init__(self, make_app: Callable[[], Flask], settings: Settings) -> None:
        self._make_app = make_app
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        host, port = self._settings.listen
        for name, value in {
            "bind": f"{host}:{port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._settings.threads,
            "timeout": 60,
            "graceful_timeout": 10,
            "accesslog": None,  # addresses hold ticket ids; events are logged where they are decided
            "errorlog": "-",
            "loglevel": "warning",
            "proc_name": "m365-unblock-web",
            "when_ready": _say_where,
            "control_socket_disable": True,
        }.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        return self._make_app()


def _say_where(arbiter: Any) -> None:
    log("web.listening", at=",".join(str(listener) for listener in arbiter.LISTENERS))


def run_gunicorn(make_app: Callable[[], Flask], settings: Settings) -> None:
    """Serve until a signal; does not return."""
    warn_of_panels(settings.sources)
    _Web(make_app, settings).run()


def warn_of_panels(sources: Mapping[str, Mapping[str, Any]]) -> None:
    """Log for which sources the panel cannot be used as they are set: a site may want that, or have forgotten it."""
    for name, chosen in sources.items():
        if not chosen.get("launch_secrets") and not chosen.get("launch_public_keys"):
            why = "launch_secrets is not set: the panel opens for nobody"
            log("panel.closed", logging.WARNING, source=name, why=why)
        elif not chosen.get("panel_origins"):
            log("panel.closed", logging.WARNING, source=name, why="panel_origins is empty: no frame may show the panel")


def end_with_parent() -> None:
    """End this process in order, as by SIGTERM, once its standard input ends.

    The parent, `Pair` or the demo, holds the other end, and the system closes that however it ends, by SIGKILL too.
    """

    def watch() -> None:
        while os.read(0, 1024):
            pass
        log("parent.gone", logging.WARNING)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


class Pair:
    """Web and worker as child processes; one that ends by itself is started again, both end together."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._stopping = threading.Event()
        # A signal may come while another is being handled, in the same thread.
        self._starting = threading.RLock()
        self._threads: list[threading.Thread] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start both and keep them running."""
        for name in ("web", "worker"):
            self._spawn(name)
            thread = threading.Thread(target=self._keep, args=(name,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _spawn(self, name: str) -> None:
        command = [sys.executable, "-m", "plugin.cli", name, "--config", str(self._config), "--end-with-parent"]
        with self._starting:
            if not self._stopping.is_set():
                self.processes[name] = subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: S603 - our own program

    def _keep(self, name: str) -> None:
        while True:
            code = self.processes[name].wait()
            if self._stopping.is_set():
                return
            log("process.ended", logging.ERROR, name=name, code=code)
            if code == 2:  # wrong settings: starting again changes nothing
                self.stop()
                return
            if self._stopping.wait(1.0):
                return
            self._spawn(name)

    def stop(self) -> None:
        """End both; each finishes what it has under way."""
        with self._starting:
            self._stopping.set()
            for process in self.processes.values():
                if process.poll() is None:
                    process.terminate()

    def wait(self) -> int:
        """Wait until both have ended; 0 after an orderly stop."""
        for thread in self._threads:
            thread.join()
        return max(0, *(process.wait() for process in self.processes.values()))
