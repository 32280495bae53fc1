"""Runs a stand-in as a real HTTP server in a thread, for the demo and for tests."""

import errno
import socket
import ssl
from threading import Thread

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server


class _QuietHandler(WSGIRequestHandler):
    """Writes no request log, because sign-in keys stand in addresses; one request a connection, so closed is closed."""

    protocol_version = "HTTP/1.0"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class RunningServer:
    """A server that answers until `close`."""

    def __init__(self, server: BaseWSGIServer) -> None:
        self._server = server
        self.port: int = server.port
        self._thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more; the port is free afterwards."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class PortTaken(Exception):
    """A port is not to be had; the message names it, what wanted it, and why."""


def bind(host: str, port: int = 0, *, what: str = "this server") -> socket.socket:
    """A listening socket, for whoever must know its port before the application exists; 0 picks a free one."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        why = "something else is using it" if error.errno == errno.EADDRINUSE else error.strerror
        raise PortTaken(f"port {port}, wanted for {what}, is not to be had: {why}") from error


def serve(
    app: Flask,
    host: str,
    port: int,
    *,
    listening: socket.socket | None = None,
    tls: ssl.SSLContext | None = None,
) -> RunningServer:
    """Answer requests with `app` on host and port, or on a socket from `bind`, which then belongs to the server."""
    fd = None if listening is None else listening.fileno()
    server = make_server(host, port, app, threaded=True, request_handler=_QuietHandler, fd=fd, ssl_context=tls)
    if listening is not None:
        listening.close()  # the server works on a duplicate of it
    return RunningServer(server)
