"""Running the processes: the web process under granian, and it and workers as children of one command."""

import errno
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Flask
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MTServer
from sqlalchemy.engine import make_url
from werkzeug.serving import WSGIRequestHandler, make_server

from plugin import minding
from plugin.errors import SettingsError
from plugin.log import log
from plugin.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

GRACE = 10.0
"""Seconds that requests under way have to end in order."""

HEAD_WITHIN = 10_000
"""Milliseconds for a request's line and headers to arrive, after which a connection at rest is closed as well."""

LARGEST_HEAD = 64 * 1024
"""Bytes of a request's line and headers."""


class _Web(MTServer):
    """granian in this very process, with our settings and nothing from its command line.

    One process with threads: it is then the only writer of the deliveries database. granian reads and answers HTTP
    outside Python, on whatever core is free.
    """

    def _check_gil(self) -> None:
        """Let it be: with the lock granian would rather have a process for each share of the work; ours is one."""

    def shutdown(self, exit_code: int = 0) -> None:
        """Take no more and finish what is under way; whoever holds that up for too long is hung up on."""
        end = threading.Timer(GRACE, os._exit, (exit_code,))
        end.daemon = True
        end.start()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]


def serve_web(app: Flask, settings: Settings) -> None:
    """Serve until a signal; `SettingsError` if it cannot listen where it should."""
    warn_of_panels(settings.sources)
    host, port = free_address(settings.listen)
    server = _Web(
        "plugin",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        blocking_threads=settings.threads,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_WITHIN, max_buffer_size=LARGEST_HEAD),
        log_level=LogLevels.error,  # it would warn of threads at each start
        log_dictconfig={"loggers": {"_granian": {}}, "handlers": {}, "formatters": {}},  # ours writes it, as all else
    )
    server.on_startup(lambda: log("web.listening", at=f"http://{settings.listen[0]}:{port}"))
    whole = only_whole_bodies(app)
    server.serve(target_loader=lambda: whole, wrap_loader=False)


def only_whole_bodies(app: Flask) -> "WSGIApplication":
    """The same, but a body that is shorter than its Content-Length is refused, by Werkzeug.

    granian says that a body ends where it does (``wsgi.input_terminated``), so Werkzeug would take what has come.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "CONTENT_LENGTH" in environ:
            environ.pop("wsgi.input_terminated", None)
        return app(environ, start_response)

    return answer


def free_address(listen: tuple[str, int], patience: float = 5.0) -> tuple[str, int]:
    """The numeric address to listen at, once nobody does; `SettingsError` after so many seconds.

    An old process may be about to end. granian would share the address with one that listens there (SO_REUSEPORT).
    """
    host, port = listen
    end = time.monotonic() + patience
    while True:
        try:
            with socket.create_server(listen) as tried:
                found: tuple[str, int] = tried.getsockname()
                return found
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() >= end:
                why = f"[server] listen: cannot listen at {host}:{port}: {error.strerror}"
                raise SettingsError(f"{why}; choose another address or port, or end what listens there") from error
        time.sleep(0.1)


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


def begin(work: Mapping[str, Callable[[], object]]) -> minding.Children:
    """Fork a child for each work, by its name; it ends once its standard input does (`minding.end_with_parent`).

    Forked, they have what has been loaded by then in memory once for all of them, and do not load it again. So nothing
    may be open yet, no database and no thread. What `plugin.minding` waits for is blocked from then on.
    """
    gc.collect()
    gc.freeze()  # a collector that touched what all share would have each keep a copy of its own
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, as one may start us, nobody would hear of an end
    signal.pthread_sigmask(signal.SIG_BLOCK, minding.HEARD)
    children: minding.Children = {}
    for name in work:
        theirs, ours = os.pipe()
        process = os.fork()
        if process == 0:
            # Or a sister's standard input, or its own, would stay open for as long as this one lives.
            for end in (ours, *(end for _, end in children.values())):
                os.close(end)
            os.dup2(theirs, 0)
            if theirs != 0:  # as it is where the command was started without a standard input
                os.close(theirs)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, minding.HEARD)
            be_child(name, work[name])
        os.close(theirs)
        children[process] = name, ours
    return children


def be_child(name: str, work: Callable[[], object]) -> NoReturn:
    """Do a child's work and end with it, or with whoever holds our standard input."""
    minding.be_called(f"m365-{name}")
    minding.end_with_parent(lambda: log("parent.gone", logging.WARNING))
    work()
    sys.exit(0)
