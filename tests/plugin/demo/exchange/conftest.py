"""The demo of Microsoft 365 as whoever calls it meets it: requests that are right, to be spoilt by a test."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from cryptography import x509
from flask import Flask
from flask.testing import FlaskClient

from plugin.demo.exchange import Application, World, certificates, create_app
from plugin.demo.exchange.application import EXCHANGE, GRAPH

TENANT, CLIENT = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "6fa459ea-ee8a-3ca4-894e-db77e160355e"
SECRET = "a-secret-of-the-demo"
HOME = "https://demo.example"
ANCHOR = f"APP:SystemMailbox{{bb558c35-97f1-4cb9-8ff7-d53741dc928c}}@{TENANT}"
WALL = 1_795_000_000.0


@pytest.fixture(scope="session")
def identity() -> tuple[str, x509.Certificate]:
    return certificates.for_application()


@pytest.fixture
def application(identity: tuple[str, x509.Certificate]) -> Application:
    return Application(
        tenant_id=TENANT, client_id=CLIENT, certificates=[identity[1]], secrets={SECRET}, wall=lambda: WALL
    )


@pytest.fixture
def slept() -> list[float]:
    """How long the demo slept."""
    return []


@pytest.fixture
def app(application: Application, clock: Any, slept: list[float]) -> Flask:
    return create_app(application, base_url=HOME, clock=clock, settle_seconds=60, sleep=slept.append)


@pytest.fixture
def world(app: Flask) -> World:
    world: World = app.extensions["world"]
    return world


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def invoke(client: FlaskClient, application: Application) -> Callable[..., Any]:
    """Run a cmdlet; `headers` replace the right ones, None leaves one out."""

    def invoke(cmdlet: str, *, url: str = "", body: Any = None, headers: Any = None, **parameters: Any) -> Any:
        right = {
            "Authorization": f"Bearer {application.issue(EXCHANGE)}",
            "X-AnchorMailbox": ANCHOR,
            "client-request-id": str(uuid4()),
            "connection-id": str(uuid4()),
        } | (headers or {})
        asked = {"CmdletInput": {"CmdletName": cmdlet, "Parameters": parameters}} if body is None else body
        return client.post(
            url or f"/adminapi/beta/{TENANT}/InvokeCommand",
            json=asked,
            headers={name: value for name, value in right.items() if value is not None},
        )

    return invoke


@pytest.fixture
def graph(client: FlaskClient, application: Application) -> Callable[..., Any]:
    def graph(path: str, headers: Any = None, **query: str) -> Any:
        right = {"Authorization": f"Bearer {application.issue(GRAPH)}"} | (headers or {})
        named = {f"${name}": value for name, value in query.items()}
        return client.get(f"/v1.0/{path}", query_string=named, headers=right)

    return graph
