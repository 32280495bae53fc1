"""Puts the demo of Microsoft 365 together: sign-in, Exchange and Graph under one address, by their own paths."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, request

from plugin.demo.exchange import graph, invoke, login
from plugin.demo.exchange.application import Application
from plugin.demo.exchange.world import Clock, World

_LONGEST_BODY = 1024 * 1024


class Faults:
    """Answers that come instead of the right ones, by a part of the path, so often."""

    def __init__(self) -> None:
        self._planned: list[list[Any]] = []

    def plan(self, path: str, answer: Response, times: int = 1) -> None:
        """Answer the next requests whose path holds `path` like this."""
        self._planned.append([path, answer, times])

    def clear(self) -> None:
        """Answer rightly again."""
        self._planned.clear()

    def take(self, path: str) -> Response | None:
        """What is answered instead, if anything is planned."""
        for plan in self._planned:
            if plan[0] in path and plan[2] > 0:
                plan[2] -= 1
                planned: Response = plan[1]
                return Response(planned.get_data(), planned.status_code, planned.headers)
        return None


def create_app(
    application: Application,
    *,
    base_url: str,
    clock: Clock,
    settle_seconds: float,
    users: Mapping[str, Any] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Flask:
    """The three services for one `application`, as reached by `base_url`.

    `clock` gives aware UTC moments. `users` replaces those of `world.json`. The world is at
    ``app.extensions["world"]``, what is answered wrongly on purpose at ``app.extensions["faults"]``.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _LONGEST_BODY
    world, faults = World(users, clock=clock, settle_seconds=settle_seconds), Faults()
    app.extensions.update(world=world, faults=faults, application=application)
    app.register_blueprint(login.blueprint(application, base_url))
    app.register_blueprint(invoke.blueprint(application, world, base_url, sleep))
    app.register_blueprint(graph.blueprint(application, world))

    @app.before_request
    def spoil() -> Response | None:
        return faults.take(request.path)

    return app
