"""What operators and their machines ask the web process: is it alive, and could it take a delivery now?

It also answers for every address that is nobody's, since whoever asks for one is a program or an operator too.
"""

import logging
from collections.abc import Callable, Mapping

from flask import Blueprint, Response, jsonify, make_response
from werkzeug.exceptions import HTTPException

from plugin.errors import StorageError
from plugin.log import log


def blueprint(pings: Mapping[str, Callable[[], None]]) -> Blueprint:
    """``/healthz``: the process answers. ``/readyz``: every database, by its name here, takes changes now.

    Anybody may ask, so the answer names only the database; the log says what is wrong with it.
    """
    pages = Blueprint("status", __name__)

    @pages.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="alive")

    @pages.get("/readyz")
    def readyz() -> Response:
        for name, ping in pings.items():
            try:
                ping()
            except StorageError as error:
                log("not.ready", logging.WARNING, database=name, error=str(error))
                return make_response(jsonify(status="not ready", database=name), 503)
        return jsonify(status="ready")

    pages.app_errorhandler(HTTPException)(_problem)
    return pages


def _problem(error: HTTPException) -> Response:
    """RFC 9457, for whatever no other part of the web process has an answer of its own for."""
    response = jsonify(type="about:blank", title=error.name, status=error.code, detail=error.description)
    response.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
    response.status_code = error.code or 500
    response.content_type = "application/problem+json"
    return response
