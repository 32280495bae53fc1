"""What operators and their machines ask a process: is it alive, could it do its work now, and what do the metrics say?

The web process also answers here for every address that is nobody's, since whoever asks for one is a program or an
operator too.
"""

import logging
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import HTTPException, Unauthorized

from plugin.errors import StorageError
from plugin.log import log
from plugin.presence import Presence

TOLD_WITH_ERRORS = ("Allow", "WWW-Authenticate")


def blueprint(
    *,
    pings: Mapping[str, Callable[[], None]],
    presence: Callable[[], Presence],
    metrics: Callable[[str], tuple[bytes, str]],
    metrics_token: str | None,
    worker: Callable[[], str] | None = None,
) -> Blueprint:
    """``/healthz``: the process answers. ``/readyz``: every database, by its name here, takes changes now.

    A worker, which knows its own name, is ready while it is seen at work. Of the web process it is only told whether
    any worker is: it takes deliveries all the same, and they wait.

    Anybody may ask these, so the answers name only the database; the log says what is wrong with it. ``/metrics`` is
    in the form that the Accept header asks for, and only for those who know the token, where one is set.
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
                return _not_ready(error, database=name)
        found = presence()
        if worker is not None and not found.is_at_work(worker()):
            return _not_ready(f"this worker ({worker() or 'without a name yet'}) has not been seen", worker="not seen")
        return jsonify(status="ready", **_told(found))

    @pages.errorhandler(StorageError)
    def not_read(error: StorageError) -> Response:
        return _not_ready(error, database="cases")

    @pages.get("/metrics")
    def tell_metrics() -> Response:
        if metrics_token and not compare_digest(_bearer().encode(), metrics_token.encode()):
            why = "The metrics want the token that is set as metrics_token, as Authorization: Bearer."
            raise Unauthorized(why, www_authenticate=WWWAuthenticate("bearer"))
        body, content_type = metrics(request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    pages.app_errorhandler(HTTPException)(_problem)
    return pages


def _not_ready(error: object, **what: str) -> Response:
    log("not.ready", logging.WARNING, error=str(error), **what)
    return make_response(jsonify(status="not ready", **what), 503)


def _told(found: Presence) -> dict[str, Any]:
    last = found.last_seen_at
    return {"workers": found.at_work, "worker_seen_at": None if last is None else last.isoformat(timespec="seconds")}


def _bearer() -> str:
    given = request.authorization
    return given.token or "" if given is not None and given.type == "bearer" else ""


def _problem(error: HTTPException) -> Response:
    """RFC 9457, for whatever no other part of the web process has an answer of its own for."""
    response = jsonify(type="about:blank", title=error.name, status=error.code, detail=error.description)
    response.headers.extend((name, value) for name, value in error.get_headers() if name in TOLD_WITH_ERRORS)
    response.status_code = error.code or 500
    response.content_type = "application/problem+json"
    return response
