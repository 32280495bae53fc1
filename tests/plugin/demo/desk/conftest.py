"""A demo desk, its API, and the people who use it."""

import json
import re
from collections.abc import Callable, Iterator
from threading import Condition
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.testing import FlaskClient

from plugin.demo.desk import DeskAgent, DeskConfig, create_app
from plugin.demo.serving import serve

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """A webhook receiver over a real socket that answers with the statuses it is given, then with 202."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self._came = Condition()
        app = Flask("receiver")
        app.add_url_rule("/webhooks/desk", view_func=self._take, methods=["POST"])
        self.server = serve(app, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.port}/webhooks/desk"

    def wait_for(self, number: int) -> None:
        """Until so many requests came."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.got) >= number, 10)

    def _take(self) -> Response:
        with self._came:
            self.got.append(({name.lower(): value for name, value in request.headers}, request.get_data()))
            self._came.notify_all()
        status = self.answers.pop(0) if self.answers else 202
        return Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.close()


@pytest.fixture
def config(clock, receiver) -> DeskConfig:
    return DeskConfig(
        base_url="http://localhost:8700",
        api_token="bearer-of-the-api",
        webhook_url=receiver.url,
        webhook_secret=SECRET,
        source="desk",
        panel_url="http://127.0.0.1:8800",
        panel_secret="panel-secret-" + "p" * 32,
        people=tuple(
            DeskAgent(login=login, name=name, email=f"{login}@example.edu", role=role, sign_in_key=f"key-of-{login}")
            for login, name, role in (
                ("ada", "Ada Agent", "agent"),
                ("vic", "Vic Viewer", "viewer"),
                ("sue", "Sue Super", "supervisor"),
            )
        ),
        clock=clock,
        page_size=3,
    )


@pytest.fixture
def app(config) -> Iterator[Flask]:
    """A desk whose sender runs, and does not wait between attempts."""
    app = create_app(config, pauses=(0.0, 0.0))
    app.extensions["sender"].start()
    yield app
    app.extensions["sender"].stop()


@pytest.fixture
def desk(app) -> Any:
    return app.extensions["desk"]


@pytest.fixture
def events(app, receiver) -> Callable[[], list[Any]]:
    """What the receiver was told so far."""

    def told() -> list[Any]:
        assert app.extensions["sender"].flush(10)
        return [json.loads(body) for _, body in receiver.got]

    return told


@pytest.fixture
def ticket(app) -> str:
    """A ticket that a customer filed; its id."""
    form = {"name": "Bucky", "email": "bucky.badger@example.edu", "subject": "My mail bounces", "text": "550 5.1.8"}
    place = app.test_client().post("/portal/tickets", data=form).headers["Location"]
    return place.split("/")[-1].split("?")[0]


@pytest.fixture
def api(app) -> Callable[..., Any]:
    """Call the Desk API with its token."""

    def call(method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": "Bearer bearer-of-the-api"}
        return app.test_client().open(f"/api{path}", method=method, headers=headers, **more)

    return call


@pytest.fixture
def note(api, ticket) -> Callable[..., Any]:
    """Put a note on the ticket by the API."""

    def add(key: str, *, visibility: str = "internal", body_html: str = "<p>Blocked</p>", **more: str) -> Any:
        body = {"key": key, "visibility": visibility, "body_html": body_html, **more}
        return api("POST", f"/tickets/{ticket}/notes", json=body)

    return add


@pytest.fixture
def signed_in(app) -> Callable[[str], FlaskClient]:
    """An agent's browser."""

    def browser(login: str) -> FlaskClient:
        client = app.test_client()
        assert client.get(f"/sign-in?key=key-of-{login}").status_code == 303
        return client

    return browser


@pytest.fixture
def form_token() -> Callable[[FlaskClient, str], str]:
    """What a page puts into its forms for a session."""

    def token(client: FlaskClient, path: str) -> str:
        found = re.search(r'name="form_token" value="([^"]+)"', client.get(path).text)
        assert found is not None
        return found[1]

    return token
