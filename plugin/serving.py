"""Running the processes: the web process under gunicorn, or it and workers under one command."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from sqlalchemy.engine import make_url
from werkzeug.serving import WSGIRequestHandler, make_server

from plugin.errors import SettingsError
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


class _Quiet(WSGIRequestHandler):
    """Writes no line a request; whoever says nothing for so many seconds is hung up on."""

    timeout = 10

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def serve_beside(app: Flask, listen: tuple[str, int]) -> None:
    """Answer in threads beside the worker's own, until the process ends; for operators' machines, a few at a time."""
    host, port = listen
    try:
        listening = socket.create_server(listen)
    except OSError as error:
        raise SettingsError(
            f"[server] worker_listen: cannot listen at {host}:{port}: {error.strerror}; each worker of a machine needs "
            "a port of its own, or none: the web process there tells what they count as well"
        ) from error
    server = make_server(host, port, app, threaded=True, request_handler=_Quiet, fd=listening.fileno())
    listening.close()  # the server works on a duplicate of it
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
    log("worker.listening", at=f"http://{host}:{server.port}")


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


def check_workers(settings: Settings, workers: int) -> None:
    """`SettingsError` where these settings do not allow so many workers."""
    if workers > 1 and any(make_url(url).get_backend_name() == "sqlite" for url in _databases(settings)):
        raise SettingsError(
            f"--workers {workers}: several workers need PostgreSQL for all three databases of [store]; "
            "on SQLite one does all the work"
        )
    if workers > 1 and settings.worker_listen is not None:
        raise SettingsError(
            f"--workers {workers}: they cannot all listen at [server] worker_listen; leave it out, "
            "the web process tells what they count as well"
        )


def _databases(settings: Settings) -> tuple[str, ...]:
    return settings.deliveries_url, settings.cases_url, settings.engine_url


class Pair:
    """Web and workers as child processes; one that ends by itself is started again, all end together."""

    def __init__(self, config: Path, workers: int = 1) -> None:
        self._config = config
        self._names = ("web", *(["worker"] if workers == 1 else [f"worker-{number + 1}" for number in range(workers)]))
        self._stopping = threading.Event()
        # A signal may come while another is being handled, in the same thread.
        self._starting = threading.RLock()
        self._threads: list[threading.Thread] = []
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all and keep them running."""
        for name in self._names:
            self._spawn(name)
            thread = threading.Thread(target=self._keep, args=(name,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _spawn(self, name: str) -> None:
        what = name.partition("-")[0]
        command = [sys.executable, "-m", "plugin.cli", what, "--config", str(self._config), "--end-with-parent"]
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
        """End all; each finishes what it has under way."""
        with self._starting:
            self._stopping.set()
            for process in self.processes.values():
                if process.poll() is None:
                    process.terminate()

    def wait(self) -> int:
        """Wait until all have ended; 0 after an orderly stop."""
        for thread in self._threads:
            thread.join()
        return max(0, *(process.wait() for process in self.processes.values()))
