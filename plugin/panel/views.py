"""The panel's addresses: who may ask, what the desk is asked to do, and the fresh view in answer.

Every request but the page and the exchange needs the bearer of this very source and ticket, so there is nothing to
forge across sites. A refused action is answered 409 (a bad form 422) with its words and the fresh view.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from flask import Blueprint, Response, abort, g, jsonify, make_response, request

from plugin.desk import Desk
from plugin.errors import NotAllowed, PluginError, StorageError
from plugin.log import log
from plugin.model import Role
from plugin.notes.texts import ReplyKind
from plugin.panel import assets, forms, tokens
from plugin.panel.pages import Message, Pages
from plugin.panel.tokens import Session
from plugin.ports import TicketSystem

LARGEST_BODY = 128 * 1024  # a reply of 10,000 characters, however they are encoded


class Refused(PluginError):
    """A request that gets no view in answer."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


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
        self._secret = secret
        self._pages = pages
        self._clock = clock

    def add_to(self, blue: Blueprint) -> None:
        """Give every handler its address."""
        ticket, case = "/<source>/<ticket>", "/<source>/<ticket>/cases/<case_id>"
        # A source's name begins with a letter, so none can be "-".
        blue.add_url_rule("/-/<path:name>", "asset", self.asset)
        blue.add_url_rule(ticket, "page", self.page)
        blue.add_url_rule(f"{ticket}/session", "session", self.exchange, methods=["POST"])
        blue.add_url_rule(f"{ticket}/view", "view", self.view)
        blue.add_url_rule(f"{ticket}/cases", "open_case", self.open_case, methods=["POST"])
        blue.add_url_rule(f"{case}/refresh", "refresh", self.refresh, methods=["POST"])
        blue.add_url_rule(f"{case}/answers/<item>", "answer", self.answer, methods=["POST"])
        blue.add_url_rule(f"{case}/unblock", "unblock", self.unblock, methods=["POST"])
        blue.add_url_rule(f"{case}/rely/<earlier>", "rely", self.rely, methods=["POST"])
        blue.add_url_rule(f"{case}/account", "choose", self.choose, methods=["POST"])
        blue.add_url_rule(f"{case}/reply", "reply", self.reply, methods=["POST"])
        blue.before_request(_limit_body)
        blue.after_request(self._finish)
        blue.register_error_handler(Refused, _problem)
        blue.register_error_handler(StorageError, _not_stored)

    # ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────

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

    def exchange(self, source: str, ticket: str) -> Response:
        """A launch token for a panel token, once."""
        if source not in self._sources:
            raise Refused(404, "Unknown ticket system", f"There is no ticket system “{source}” in the settings.")
        now = self._clock()
        try:
            token = forms.launch_token(request.get_json(silent=True))
            launch = self._sources[source].open_panel(token, ticket, now)
            self._desk.use_launch(source, launch.jti, launch.expires_at)
        except forms.BadForm as error:
            raise Refused(422, "Unreadable request", str(error)) from error
        except NotAllowed as error:
            log("launch.refused", logging.WARNING, source=source, why=error)
            raise Refused(403, "The panel was not opened", str(error)) from error
        session = Session(agent=launch.agent, ticket=launch.ticket, launched_at=now)
        return jsonify(token=tokens.issue(session, self._secret, now))

    # ── looking and acting ───────────────────────────────────────────────────────────────────────────────────────

    def view(self, source: str, ticket: str) -> Response:
        """All cases of the ticket."""
        return self._answer(self._session(source, ticket), 200, None)

    def open_case(self, source: str, ticket: str) -> Response:
        """A case by hand."""

        def do(session: Session) -> None:
            self._desk.open_case(source, ticket, forms.account(request.form), session.agent)

        return self._act(source, ticket, "open", do, "Opened.")

    def refresh(self, source: str, ticket: str, case_id: str) -> Response:
        """The account read again."""

        def do(session: Session) -> None:
            if session.agent.role is Role.VIEWER:
                raise NotAllowed("You are signed in as a viewer; only agents may do this.")
            self._desk.refresh(self._desk.case(source, ticket, case_id), session.agent)

        return self._act(source, ticket, f"case-{case_id}", do, "Read again just now.")

    def answer(self, source: str, ticket: str, case_id: str, item: str) -> Response:
        """One item of the checklist answered, or its answer taken back."""

        def do(session: Session) -> None:
            case = self._desk.case(source, ticket, case_id)
            self._desk.answer(case, item, forms.answer(request.form), session.agent)

        return self._act(source, ticket, f"item-{case_id}-{item}", do)

    def unblock(self, source: str, ticket: str, case_id: str) -> Response:
        """Unblock pressed and confirmed."""

        def do(session: Session) -> None:
            self._desk.unblock(self._desk.case(source, ticket, case_id), session.agent)

        return self._act(source, ticket, f"case-{case_id}", do)

    def rely(self, source: str, ticket: str, case_id: str, earlier: str) -> Response:
        """An earlier checklist relied on."""

        def do(session: Session) -> None:
            self._desk.rely_on(self._desk.case(source, ticket, case_id), earlier, session.agent)

        return self._act(source, ticket, f"case-{case_id}", do)

    def choose(self, source: str, ticket: str, case_id: str) -> Response:
        """The account of an unclear case."""

        def do(session: Session) -> None:
            case = self._desk.case(source, ticket, case_id)
            self._desk.choose_account(case, forms.account(request.form), session.agent)

        return self._act(source, ticket, f"case-{case_id}", do)

    def reply(self, source: str, ticket: str, case_id: str) -> Response:
        """The reply to the customer, as the agent saw and perhaps edited it."""

        def do(session: Session) -> None:
            case = self._desk.case(source, ticket, case_id)
            kind, text = forms.reply(request.form)
            if kind not in set(ReplyKind):
                raise forms.BadForm("Not sent: there is no such reply.")
            self._desk.send_reply(case, ReplyKind(kind), text, session.agent)

        return self._act(source, ticket, f"reply-{case_id}", do)

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _session(self, source: str, ticket: str) -> Session:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(401, "Not signed in", "Open the panel from the ticket: reload the ticket.")
        try:
            session = tokens.read(token.strip(), self._secret, self._clock())
        except NotAllowed as error:
            raise Refused(401, "Signed out", str(error)) from error
        if (session.agent.source, session.ticket) != (source, ticket):
            raise Refused(403, "Another ticket", "This panel was opened for another ticket: reload the ticket.")
        g.renewed_panel_token = tokens.issue(session, self._secret, self._clock())
        return session

    def _act(self, source: str, ticket: str, place: str, action: Callable[[Session], None], done: str = "") -> Response:
        session = self._session(source, ticket)
        try:
            _patiently(action, session)
        except forms.BadForm as error:
            return self._answer(session, 422, Message(place=place, text=str(error), is_refusal=True))
        except NotAllowed as error:
            return self._answer(session, 409, Message(place=place, text=str(error), is_refusal=True))
        return self._answer(session, 200, Message(place=place, text=done, is_refusal=False) if done else None)

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
        return Response(html, status=status)

    def _finish(self, response: Response) -> Response:
        source = (request.view_args or {}).get("source", "")
        framers = " ".join(self._origins.get(source, ())) or "'none'"
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            f"form-action 'none'; base-uri 'none'; frame-ancestors {framers}"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Cache-Control", "no-store")
        if "renewed_panel_token" in g:
            response.headers["X-Panel-Token"] = g.renewed_panel_token
        return response


def _patiently(action: Callable[[Session], None], session: Session) -> None:
    """Twice where somebody else changed the case in the same moment: every action looks at the case anew."""
    try:
        action(session)
    except StorageError:
        action(session)


def _limit_body() -> None:
    request.max_content_length = LARGEST_BODY


def _problem(error: Refused) -> Response:
    body = jsonify(title=error.title, detail=error.detail, status=error.status)
    return make_response(body, error.status, {"Content-Type": "application/problem+json"})


def _not_stored(_error: StorageError) -> Response:
    return _problem(
        Refused(503, "Not saved", "Not saved: the database did not take it, or somebody was quicker. Try again.")
    )
