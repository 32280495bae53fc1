"""Puts the demo desk together."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from flask import Flask, Response, render_template, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, NotFound

from plugin.demo.bodies import Problem
from plugin.demo.desk import api, pages, portal, wire
from plugin.demo.desk.config import DeskConfig
from plugin.demo.desk.records import Happening
from plugin.demo.desk.sanitiser import sanitise
from plugin.demo.desk.sender import PAUSES, Delivery, Sender
from plugin.demo.desk.tickets import Desk, NoSuchField, NoSuchTicket
from plugin.demo.doors import SignInLinks, harden, keep_session_cookie

_LARGEST_REQUEST = 20 * 1024 * 1024


def create_app(config: DeskConfig, *, pauses: Sequence[float] = PAUSES) -> Flask:
    """The demo desk. Events wait until ``app.extensions["sender"].start()``; `pauses` are seconds between attempts.

    Also at ``app.extensions``: ``desk`` (a `Desk`, with its ``outbox``) and ``sign_in_links`` (a `SignInLinks`).
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_REQUEST
    keep_session_cookie(app, name="desk_session", secret=config.api_token)
    sender = Sender(
        config.webhook_url, config.webhook_secret, clock=config.clock, new_secret=config.new_secret, pauses=pauses
    )
    desk = Desk(clock=config.clock, new_secret=config.new_secret, announce=partial(_announce, sender, config.base_url))
    links = SignInLinks({agent.sign_in_key: agent.login for agent in config.people})
    app.extensions.update(desk=desk, sender=sender, sign_in_links=links)
    app.register_blueprint(api.blueprint(desk, config))
    app.register_blueprint(portal.blueprint(desk))
    app.register_blueprint(pages.Pages(desk, sender, links, config).blueprint())
    for kind in (Problem, NoSuchTicket, NoSuchField, HTTPException):
        app.register_error_handler(kind, _error)
    app.after_request(partial(harden, frames=config.panel_origin))
    app.add_template_filter(sanitise, "sanitise")
    app.add_template_filter(_moment, "moment")
    return app


def _announce(sender: Sender, base_url: str, happening: Happening) -> Delivery:
    return sender.put(happening.kind, happening.ticket.id, wire.event_body(happening, base_url))


def _error(error: Problem | NoSuchTicket | NoSuchField | HTTPException) -> Response:
    if request.path.startswith("/api/"):
        return api.as_problem(error)
    shown = error if isinstance(error, HTTPException) else NotFound("There is no such ticket here.")
    page = render_template("desk/error.html", title=shown.name, detail=shown.description)
    return Response(page, shown.code, content_type="text/html; charset=utf-8")


def _moment(at: datetime) -> Markup:
    return Markup('<time datetime="{}">{:%d %b %Y, %H:%M} UTC</time>').format(at.isoformat(), at)
