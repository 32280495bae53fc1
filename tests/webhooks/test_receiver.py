"""What a ticket system sees when it sends us something."""

import http.client
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from plugin.ports import Abilities
from plugin.store import migrations
from plugin.store.deliveries import DeliveryStore, deliveries
from plugin.store.engine import open_engine
from webhooks.generic.adapter import connect
from webhooks.receiver import LARGEST_BODY, blueprint

ALL = Abilities(notes_by_key=True, one_note_per_key=False, tags=True, fields=True, panel=True, scan=True)
CREATED = b'{"type": "ticket.created", "data": {"ticket": {"id": 7}, "message": {"id": 1, "text": "SECRET WORDS"}}}'
MERGED = b'{"type": "ticket.merged", "data": {"ticket": {"id": 7}}}'

Sign = Callable[..., dict[str, str]]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'deliveries.sqlite'}", busy_seconds=0.05)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: sa.Engine) -> DeliveryStore:
    migrations.upgrade("deliveries", engine.url.render_as_string())
    return DeliveryStore(engine)


@pytest.fixture
def app(store: DeliveryStore, settings: Mapping[str, Any], now: datetime) -> Flask:
    app = Flask(__name__)
    app.register_blueprint(blueprint({"desk": connect("desk", settings, ALL)}, store, lambda: now, lambda *_: None))
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def served(app: Flask) -> Iterator[int]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def is_problem(response: TestResponse, status: int, title: str, pointer: str | None = None) -> bool:
    problem = json.loads(response.data)
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert (problem["status"], problem["title"], problem.get("pointer")) == (status, title, pointer)
    assert problem["type"] == "urn:m365-unblock:problem:" + title.lower().replace(" ", "-")
    return bool(problem["detail"])


def stored(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(deliveries)) or 0


def test_new_event_is_accepted_and_on_disk(
    client: FlaskClient, sign: Sign, store: DeliveryStore, engine: sa.Engine
) -> None:
    response = client.post("/webhooks/desk", data=CREATED, headers=sign(CREATED))
    [event] = store.events_after(0, 10)
    assert (response.status_code, response.json) == (202, {"event_ids": [event.id]})
    assert event.event.ticket == "7"
    assert stored(engine) == 1


def test_delivery_sent_again_is_answered_200_and_changes_nothing(
    client: FlaskClient, sign: Sign, engine: sa.Engine
) -> None:
    first = client.post("/webhooks/desk", data=CREATED, headers=sign(CREATED))
    again = client.post("/webhooks/desk", data=CREATED, headers=sign(CREATED))
    assert first.json
    assert (again.status_code, again.json) == (200, {**first.json, "seen_before": True})
    assert stored(engine) == 1


def test_same_event_in_another_delivery_changes_nothing(client: FlaskClient, sign: Sign, engine: sa.Engine) -> None:
    client.post("/webhooks/desk", data=CREATED, headers=sign(CREATED))
    again = client.post("/webhooks/desk", data=CREATED, headers=sign(CREATED, delivery="msg_2"))
    assert again.status_code == 200
    assert stored(engine) == 1


def test_unknown_kind_is_kept_and_answered_202(
    client: FlaskClient, sign: Sign, store: DeliveryStore, engine: sa.Engine
) -> None:
    response = client.post("/webhooks/desk", data=MERGED, headers=sign(MERGED))
    assert (response.status_code, response.json) == (202, {"event_ids": []})
    assert (stored(engine), store.events_after(0, 10)) == (1, [])
    assert client.post("/webhooks/desk", data=MERGED, headers=sign(MERGED)).status_code == 200


def test_unknown_source_is_404_whatever_is_sent(client: FlaskClient, sign: Sign) -> None:
    assert is_problem(client.post("/webhooks/other", data=CREATED, headers=sign(CREATED)), 404, "Unknown source")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_post_is_taken(method: str, client: FlaskClient, sign: Sign, engine: sa.Engine) -> None:
    response = client.open("/webhooks/desk", method=method, data=CREATED, headers=sign(CREATED))
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert method == "HEAD" or is_problem(response, 405, "Method not allowed")
    assert stored(engine) == 0


@pytest.mark.parametrize("more", [{"webhook-signature": "v1,AAAA"}, {"webhook-signature": ""}, {"webhook-id": "x"}])
def test_bad_signature_stores_nothing(more: dict[str, str], client: FlaskClient, sign: Sign, engine: sa.Engine) -> None:
    response = client.post("/webhooks/desk", data=CREATED, headers=sign(CREATED, **more))
    assert is_problem(response, 401, "Signature refused")
    assert stored(engine) == 0


def test_stale_delivery_stores_nothing(client: FlaskClient, sign: Sign, engine: sa.Engine, now: datetime) -> None:
    stale = sign(CREATED, at=now - timedelta(seconds=301))
    assert is_problem(client.post("/webhooks/desk", data=CREATED, headers=stale), 401, "Signature refused")
    assert stored(engine) == 0


def test_nothing_is_parsed_before_it_is_verified(client: FlaskClient, sign: Sign) -> None:
    unsigned = sign(b"{") | {"webhook-signature": "v1,AAAA"}
    assert is_problem(client.post("/webhooks/desk", data=b"{", headers=unsigned), 401, "Signature refused")


def test_signed_nonsense_is_400_and_stores_nothing(client: FlaskClient, sign: Sign, engine: sa.Engine) -> None:
    assert is_problem(client.post("/webhooks/desk", data=b"{", headers=sign(b"{")), 400, "Body not readable")
    assert stored(engine) == 0


def test_signed_improper_event_is_422_with_a_pointer(client: FlaskClient, sign: Sign, engine: sa.Engine) -> None:
    body = b'{"type": "ticket.created", "data": {"ticket": {"id": null}}}'
    response = client.post("/webhooks/desk", data=body, headers=sign(body))
    assert is_problem(response, 422, "Event not valid", "/data/ticket/id")
    assert stored(engine) == 0


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
)
def test_json_is_taken_with_or_without_a_charset(kind: str, client: FlaskClient, sign: Sign) -> None:
    response = client.post("/webhooks/desk", data=CREATED, headers=sign(CREATED) | {"content-type": kind})
    assert response.status_code == 202


@pytest.mark.parametrize(
    "kind", ["", "text/json", "application/x-www-form-urlencoded", "application/json2", "multipart/form-data"]
)
def test_anything_but_json_is_415(kind: str, client: FlaskClient, sign: Sign, engine: sa.Engine) -> None:
    response = client.post("/webhooks/desk", data=CREATED, headers=sign(CREATED) | {"content-type": kind})
    assert is_problem(response, 415, "Not JSON")
    assert stored(engine) == 0


def padded(size: int) -> bytes:
    return CREATED + b" " * (size - len(CREATED))


def test_largest_delivery_is_taken_and_one_byte_more_is_413(client: FlaskClient, sign: Sign, engine: sa.Engine) -> None:
    for size, status in ((LARGEST_BODY + 1, 413), (LARGEST_BODY, 202)):
        body = padded(size)
        assert client.post("/webhooks/desk", data=body, headers=sign(body)).status_code == status
    assert stored(engine) == 1


@pytest.mark.parametrize(("size", "status"), [(200, 202), (LARGEST_BODY, 202), (LARGEST_BODY + 1, 413)])
def test_body_sent_in_chunks_has_the_same_limit(
    size: int, status: int, served: int, sign: Sign, engine: sa.Engine
) -> None:
    body = padded(size)
    connection = http.client.HTTPConnection("127.0.0.1", served, timeout=10)
    connection.request(
        "POST", "/webhooks/desk", iter([body[:100], body[100:]]), {**sign(body), "Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )  # fmt: skip
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert response.status == status
    assert status == 202 or answer["title"] == "Delivery too large"
    assert stored(engine) == (status == 202)


def test_what_could_not_be_stored_is_not_acknowledged(client: FlaskClient, sign: Sign, engine: sa.Engine) -> None:
    with engine.begin():  # somebody else holds the write lock
        response = client.post("/webhooks/desk", data=CREATED, headers=sign(CREATED))
    assert is_problem(response, 503, "Not stored")
    assert int(response.headers["Retry-After"]) > 0
    assert stored(engine) == 0
    assert client.post("/webhooks/desk", data=CREATED, headers=sign(CREATED)).status_code == 202


def test_log_names_what_happened_and_never_what_was_said(
    client: FlaskClient, sign: Sign, engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    signed = sign(CREATED)
    client.post("/webhooks/desk", data=CREATED, headers=signed)
    client.post("/webhooks/desk", data=CREATED, headers=signed)
    client.post("/webhooks/desk", data=CREATED + b" ", headers=signed)
    client.post("/webhooks/%0Afake%20line", data=CREATED, headers=signed)
    with engine.begin():
        client.post("/webhooks/desk", data=MERGED, headers=sign(MERGED, delivery="msg_9"))
    names = [record.getMessage().split()[0] for record in caplog.records if record.name == "m365-unblock"]
    assert names == [
        "delivery.accepted",
        "delivery.duplicate",
        "delivery.refused",
        "delivery.refused",
        "delivery.not_stored",
    ]
    written = str([vars(record) for record in caplog.records])
    assert "SECRET WORDS" not in written
    assert signed["webhook-signature"] not in written
    assert "\nfake line" not in "".join(record.getMessage() for record in caplog.records)
