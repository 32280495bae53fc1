"""The panel's addresses: the page, what it looks at, and what is done there (`plugin.panel.actions`).

Every request but the page and the exchange needs the bearer of this very source and ticket, so there is nothing to
forge across sites.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from flask import Blueprint, Response, abort, g, jsonify, request
from flask_babel import gettext as _

from plugin.desk import Desk
from plugin.errors import NotAllowed, StorageError
from plugin.panel import assets, forms
from plugin.panel.actions import TICKET, Actions
from plugin.panel.pace import Pace
from plugin.panel.pages import Message, Pages, fingerprint, opening_script
from plugin.panel.sessions import Refused, Sessions, problem
from plugin.panel.tokens import Session
from plugin.ports import OpensByForm, TicketSystem

LARGEST_BODY = 128 * 1024  # a reply of 10,000 characters, however they are encoded
SEEN = "X-Panel-Seen"
"""The fingerprint of a view; a page that looks again tells the one it has, and gets nothing if that is still right."""


class Panel:
    """The request handlers."""

    def __init__(
        self,
        *,
        desk: Desk,
        sources: Mapping[str, TicketSystem],
        origins: Mapping[str, Sequence[str]],
        secret: bytes,
        pages: Pages,
        clock: Callable[[], datetime],
    ) -> None:
        self._desk = desk
        self._sources = sources
        self._origins = origins
        self._pages = pages
        self._sessions = Sessions(desk=desk, sources=sources, secret=secret, clock=clock)
        self._actions = Actions(desk=desk, sessions=self._sessions, answer=self._answer)
        self._pace = Pace(clock)
        self._openings = {name: system.opening for name, system in sources.items() if isinstance(system, OpensByForm)}
        for source, opening in self._openings.items():
            pages.assets[opening_script(source)] = assets.made("opening.js", opening.script)

    def add_to(self, blue: Blueprint) -> None:
        """Give every handler its address."""
        # A source's name begins with a letter, so none can be "-".
        blue.add_url_rule("/-/<path:name>", "asset", self.asset)
        blue.add_url_rule("/<source>", "opening", self.opening, methods=["POST"])
        blue.add_url_rule(TICKET, "page", self.page)
        blue.add_url_rule(f"{TICKET}/session", "session", self.exchange, methods=["POST"])
        blue.add_url_rule(f"{TICKET}/view", "view", self.view)
        blue.add_url_rule(f"{TICKET}/look-up", "look_up", self.look_up)
        self._actions.add_to(blue)
        blue.before_request(_limit_body)
        blue.after_request(self._finish)
        blue.register_error_handler(Refused, problem)
        blue.register_error_handler(StorageError, _not_stored)

    def asset(self, name: str) -> Response:
        """A style sheet or script."""
        if name not in self._pages.assets:
            abort(404)
        return assets.answer(self._pages.assets, name)

    def page(self, source: str, ticket: str) -> tuple[str, int]:
        """The shell, which holds nothing of the ticket."""
        if source not in self._sources:
            return self._pages.unknown_source(source), 404
        return self._pages.shell(source, ticket), 200

    def opening(self, source: str) -> tuple[str, int]:
        """Where the ticket system posts the token to: a page that finds out the ticket and goes on to `page`."""
        if source not in self._sources:
            return self._pages.unknown_source(source), 404
        if source not in self._openings:
            abort(405)
        scripts = self._openings[source].scripts_of_the_system
        g.scripts_of_the_system = scripts
        return self._pages.opening(source, request.form.get("token", ""), scripts), 200

    def exchange(self, source: str, ticket: str) -> Response:
        """A launch token for a panel token, once; with the first view, where HTML is asked for."""
        session = self._sessions.launch(source, ticket)
        if request.accept_mimetypes.best == "text/html":
            return self._answer(session, 200, None)
        return jsonify(token=g.renewed_panel_token)

    def view(self, source: str, ticket: str) -> Response:
        """All cases of the ticket; 204 where the page that asks shows just these already."""
        response = self._answer(self._sessions.of_request(source, ticket), 200, None)
        if request.headers.get(SEEN) == response.headers[SEEN]:
            response.set_data(b"")
            response.status_code = 204
        return response

    def look_up(self, source: str, ticket: str) -> Response:
        """An account as it is now, before an agent decides on it. Changes nothing."""
        session = self._sessions.of_request(source, ticket)
        case_id, decides = request.args.get("case", ""), "only" not in request.args
        try:
            account = forms.account(request.args)
            self._pace.look_up(session.agent)
            found = self._desk.look_up(source, ticket, account, session.agent)
        except (forms.BadForm, NotAllowed) as error:
            return Response(self._pages.not_found(str(error)))
        return Response(self._pages.found(source=source, ticket=ticket, found=found, case_id=case_id, decides=decides))

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _answer(self, session: Session, status: int, message: Message | None) -> Response:
        source, ticket = session.agent.source, session.ticket
        cases = self._desk.views(source, ticket, session.agent)
        html = self._pages.view(
            source=source,
            ticket=ticket,
            agent=session.agent,
            cases=cases,
            replies={view.case.id: self._desk.reply_text(view.reply) for view in cases if view.reply},
            message=message,
        )
        return Response(html, status=status, headers={SEEN: fingerprint(html)})

    def _finish(self, response: Response) -> Response:
        source = (request.view_args or {}).get("source", "")
        framers = " ".join(self._origins.get(source, ())) or "'none'"
        scripts = " ".join(("'self'", *g.get("scripts_of_the_system", ())))
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            f"form-action 'none'; base-uri 'none'; frame-ancestors {framers}"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Cache-Control", "no-store")
        if "renewed_panel_token" in g:
            response.headers["X-Panel-Token"] = g.renewed_panel_token
        return assets.compressed(response)


def _limit_body() -> None:
    request.max_content_length = LARGEST_BODY


def _not_stored(_error: StorageError) -> Response:
    words = _("Not saved: the database did not take it, or somebody was quicker. Try again.")
    return problem(Refused(503, "Not saved", words))
