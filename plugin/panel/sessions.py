"""Who is asking: a launch token for a panel token, once, and the panel token's session with every request."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from flask import Response, g, jsonify, make_response, request
from flask_babel import gettext as _

from plugin.desk import Desk
from plugin.errors import NotAllowed, PluginError
from plugin.log import log
from plugin.panel import forms, tokens
from plugin.panel.tokens import Session
from plugin.ports import TicketSystem


class Refused(PluginError):
    """A request that gets no view in answer."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


def problem(error: Refused) -> Response:
    """The refusal as the script reads it."""
    body = jsonify(title=error.title, detail=error.detail, status=error.status)
    return make_response(body, error.status, {"Content-Type": "application/problem+json"})


class Sessions:
    """Launches and bearers of the configured sources."""

    def __init__(
        self, *, desk: Desk, sources: Mapping[str, TicketSystem], secret: bytes, clock: Callable[[], datetime]
    ) -> None:
        self._desk = desk
        self._sources = sources
        self._secret = secret
        self._clock = clock

    def launch(self, source: str, ticket: str) -> Session:
        """The session that a launch token opens, once; the answer carries its panel token."""
        if source not in self._sources:
            words = _("There is no ticket system “%(source)s” in the settings.", source=source)
            raise Refused(404, "Unknown ticket system", words)
        now = self._clock()
        try:
            token = forms.launch_token(request.get_json(silent=True))
            launch = self._sources[source].open_panel(token, ticket, now)
            self._desk.use_launch(source, launch.jti, launch.expires_at)
        except forms.BadForm as error:
            raise Refused(422, "Unreadable request", str(error)) from error
        except NotAllowed as error:
            log("launch.refused", logging.WARNING, source=source, why=error)
            # English in the log, whatever the agent reads.
            raise Refused(403, "The panel was not opened", _(str(error))) from error
        session = Session(agent=launch.agent, ticket=launch.ticket, launched_at=now)
        g.renewed_panel_token = tokens.issue(session, self._secret, now)
        return session

    def of_request(self, source: str, ticket: str) -> Session:
        """The session of the bearer, for this very source and ticket; the answer carries a renewed token."""
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(401, "Not signed in", _("Open the panel from the ticket: reload the ticket."))
        try:
            session = tokens.read(token.strip(), self._secret, self._clock())
        except NotAllowed as error:
            raise Refused(401, "Signed out", str(error)) from error
        if (session.agent.source, session.ticket) != (source, ticket):
            words = _("This panel was opened for another ticket: reload the ticket.")
            raise Refused(403, "Another ticket", words)
        g.renewed_panel_token = tokens.issue(session, self._secret, self._clock())
        return session
