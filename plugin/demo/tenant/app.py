"""Puts the demo tenant together."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Flask, Response, render_template, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from plugin.demo.bodies import Problem
from plugin.demo.doors import MakeSecret, SignInLinks, harden, keep_session_cookie, random_secret
from plugin.demo.tenant import api, pages
from plugin.demo.tenant.world import Clock, Mailboxes, Tenant

_LONGEST_BODY = 1024 * 1024


def create_app(
    token: str,
    *,
    clock: Clock,
    settle_seconds: float,
    page_key: str,
    accounts: Mapping[str, Any] | None = None,
    mailboxes: Mailboxes | None = None,
    new_secret: MakeSecret = random_secret,
) -> Flask:
    """The demo tenant: API behind `token`, pages behind ``/?key=<page_key>``, which works once.

    `clock` gives aware UTC moments. `accounts` replaces the demo's world, in the form of `world.json`. `mailboxes` are
    looked after here as well, where they are another system's. The world is at ``app.extensions["tenant"]`` (a
    `Tenant`), the sign-in links at ``app.extensions["sign_in_links"]``.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _LONGEST_BODY
    keep_session_cookie(app, name="tenant_session", secret=token)
    tenant = Tenant(accounts, clock=clock, settle_seconds=settle_seconds, mailboxes=mailboxes)
    links = SignInLinks({page_key: "Help desk"})
    app.extensions.update(tenant=tenant, sign_in_links=links)
    app.register_blueprint(api.blueprint(tenant, token))
    app.register_blueprint(pages.blueprint(tenant, links, new_secret))
    app.register_error_handler(Problem, api.as_problem)
    app.register_error_handler(HTTPException, _error)
    app.after_request(harden)
    app.add_template_filter(_moment, "moment")
    return app


def _error(error: HTTPException) -> Response:
    if request.path.startswith("/v1/"):
        return api.as_problem(error)
    page = render_template("tenant/error.html", title=error.name, detail=error.description)
    return Response(page, error.code, content_type="text/html; charset=utf-8")


def _moment(at: datetime | None) -> Markup:
    if at is None:
        return Markup("time not given")
    return Markup('<time datetime="{}">{:%d %b %Y, %H:%M} UTC</time>').format(at.isoformat(), at)
