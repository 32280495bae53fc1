"""What operators and their machines ask the web process: is it alive, and could it take a delivery now?"""

from flask import Blueprint, Response, jsonify, make_response

from plugin.errors import StorageError
from plugin.store.cases import CaseStore
from plugin.store.deliveries import DeliveryStore


def blueprint(deliveries: DeliveryStore, cases: CaseStore) -> Blueprint:
    """``/healthz``: the process answers. ``/readyz``: both databases answer too."""
    pages = Blueprint("status", __name__)

    @pages.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="alive")

    @pages.get("/readyz")
    def readyz() -> Response:
        try:
            deliveries.ping()
            cases.ping()
        except StorageError as error:
            return make_response(jsonify(status="not ready", why=str(error)), 503)
        return jsonify(status="ready")

    return pages
