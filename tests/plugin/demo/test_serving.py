"""The stand-ins over real sockets."""

import pytest
import requests
from flask import Flask

from plugin.demo.serving import bind, serve


def an_app() -> Flask:
    app = Flask("an-app")
    app.add_url_rule("/", view_func=lambda: "here")
    return app


def test_a_server_answers_on_the_port_it_names_until_it_is_closed():
    server = serve(an_app(), "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.port}/"
    with requests.Session() as session:
        assert session.get(address, timeout=5).text == "here"
        server.close()
        with pytest.raises(requests.ConnectionError):
            session.get(address, timeout=5)


def test_a_port_can_be_known_before_the_application_is():
    listening = bind("127.0.0.1")
    port = listening.getsockname()[1]
    server = serve(an_app(), "127.0.0.1", 0, listening=listening)
    assert server.port == port
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=5).text == "here"
    server.close()


def test_requests_are_not_logged_because_addresses_hold_keys(capfd):
    server = serve(an_app(), "127.0.0.1", 0)
    requests.get(f"http://127.0.0.1:{server.port}/?key=secret", timeout=5)
    server.close()
    assert "secret" not in "".join(capfd.readouterr())
