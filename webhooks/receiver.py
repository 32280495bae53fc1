"""The way in: POST /webhooks/<source>. Nothing is parsed before it is verified, or answered before it is on disk."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, json, request
from werkzeug.exceptions import RequestEntityTooLarge

from plugin.errors import DeliveryRefused, StorageError
from plugin.log import log
from plugin.model import Delivery
from plugin.ports import TicketSystem
from plugin.store.deliveries import DeliveryStore

LARGEST_BODY = 1024 * 1024
RETRY_AFTER = "10"  # seconds; the database is busy or full, and somebody may have to mend it


OUTCOMES = {200: "duplicate", 202: "accepted", 503: "not stored"}
"""What became of a delivery, by the answer; every other one is a refusal."""

Told = Callable[[str, str, int], None]
"""Hears of every delivery: its source, empty for an unknown one, what became of it, and the status of the answer."""


def blueprint(
    sources: Mapping[str, TicketSystem], deliveries: DeliveryStore, clock: Callable[[], datetime], told: Told
) -> Blueprint:
    """The receiver of the configured sources. Its store must have its tables."""
    receiver = Blueprint("webhooks", __name__, url_prefix="/webhooks")

    @receiver.post("/<source>", provide_automatic_options=False)
    def receive(source: str) -> Response:
        system = _known(sources, source)
        delivery = Delivery(source=source, headers=_headers(), body=_body(), received_at=clock())
        _expect_json()
        system.verify(delivery, delivery.received_at)
        parsed = system.parse(delivery)
        accepted = deliveries.accept(delivery, parsed)
        what = "delivery.duplicate" if accepted.seen_before else "delivery.accepted"
        log(what, source=source, delivery=parsed.delivery_id, events=",".join(accepted.event_ids))
        if accepted.seen_before:
            return _answer(200, {"event_ids": accepted.event_ids, "seen_before": True})
        return _answer(202, {"event_ids": accepted.event_ids})

    # Without a rule of its own a wrong method would get Flask's page instead of a problem.
    @receiver.route(
        "/<source>", methods=["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"], provide_automatic_options=False
    )
    def refuse_method(source: str) -> Response:
        _known(sources, source)
        raise DeliveryRefused(405, "Method not allowed", "Deliveries are sent with POST.")

    @receiver.after_request
    def tell(answer: Response) -> Response:
        source = (request.view_args or {}).get("source", "")
        # Anybody can ask for any name, and each that is told is kept.
        told(source if source in sources else "", OUTCOMES.get(answer.status_code, "refused"), answer.status_code)
        return answer

    receiver.register_error_handler(DeliveryRefused, _refused)
    receiver.register_error_handler(StorageError, _not_stored)
    return receiver


def _known(sources: Mapping[str, TicketSystem], source: str) -> TicketSystem:
    if source not in sources:
        raise DeliveryRefused(
            404, "Unknown source", "No ticket system of this name is in the plugin's settings, under [sources]."
        )
    return sources[source]


def _headers() -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _body() -> bytes:
    # A body in chunks is silently cut off at Werkzeug's limit, so the limit is one byte further than ours.
    request.max_content_length = LARGEST_BODY + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise _too_large() from error
    if len(body) > LARGEST_BODY:
        raise _too_large()
    return body


def _too_large() -> DeliveryRefused:
    return DeliveryRefused(
        413, "Delivery too large", f"At most {LARGEST_BODY} bytes; leave texts out, the ticket is read by its API."
    )


def _expect_json() -> None:
    if request.mimetype != "application/json":
        raise DeliveryRefused(415, "Not JSON", "Send the event with Content-Type: application/json.")


def _refused(refusal: DeliveryRefused) -> Response:
    source = (request.view_args or {}).get("source", "")
    # Quoted and cut: anybody can ask for any name.
    log("delivery.refused", logging.WARNING, source=ascii(source[:60]), status=refusal.status, why=refusal.title)
    answer = _problem(refusal.status, refusal.title, refusal.detail, refusal.pointer)
    if refusal.status == 405:
        answer.headers["Allow"] = "POST"
    return answer


def _not_stored(error: StorageError) -> Response:
    log("delivery.not_stored", logging.ERROR, source=(request.view_args or {}).get("source"), why=error)
    answer = _problem(503, "Not stored", "The delivery was not kept; send it again later.")
    answer.headers["Retry-After"] = RETRY_AFTER
    return answer


def _problem(status: int, title: str, detail: str, pointer: str | None = None) -> Response:
    """RFC 9457."""
    kind = "urn:m365-unblock:problem:" + title.lower().replace(" ", "-")
    problem: dict[str, Any] = {"type": kind, "title": title, "status": status, "detail": detail}
    if pointer is not None:
        problem["pointer"] = pointer
    return _answer(status, problem, "application/problem+json")


def _answer(status: int, body: Mapping[str, Any], mimetype: str = "application/json") -> Response:
    return Response(json.dumps(body), status=status, mimetype=mimetype)
