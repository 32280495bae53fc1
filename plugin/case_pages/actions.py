"""What an agent does on the page of a case: the desk is asked for it, and the browser is sent back to the page.

What is refused is told on the page itself, with all that was typed (409, or 422 for a bad form).
"""

from collections.abc import Callable, Mapping

from flask import Blueprint, Response, request, url_for
from flask_babel import gettext as _

from plugin.case_pages.pages import Pages, Words
from plugin.case_pages.session import Session
from plugin.case_pages.sign_in import FORM_KEY, Door, see_other
from plugin.case_pages.views import Views
from plugin.desk import Desk
from plugin.errors import NotAllowed, NotFound, RemoteError, StorageError
from plugin.model import Case
from plugin.notes.texts import ReplyKind
from plugin.panel import forms
from plugin.panel.pages import Message
from plugin.ports import TicketSystem

LARGEST_BODY = 128 * 1024  # a reply of 10,000 characters, however they are encoded
TAKE_BACK = "take-back"
"""The button beside an answer that takes it back."""


class Actions:
    """The request handlers that change something."""

    def __init__(
        self, *, door: Door, desk: Desk, views: Views, pages: Pages, sources: Mapping[str, TicketSystem]
    ) -> None:
        self._door = door
        self._desk = desk
        self._views = views
        self._pages = pages
        self._sources = sources

    def add_to(self, blue: Blueprint) -> None:
        """Give every handler its address."""
        for address, name, handler in (
            ("", "open_ticket", self.open_ticket),
            ("/<case_id>/refresh", "refresh", self.refresh),
            ("/<case_id>/answers/<item>", "answer", self.answer),
            ("/<case_id>/looks", "look_all", self.look),
            ("/<case_id>/looks/<item>", "look", self.look),
            ("/<case_id>/unblock", "unblock", self.unblock),
            ("/<case_id>/rely/<earlier>", "rely", self.rely),
            ("/<case_id>/account", "choose", self.choose),
            ("/<case_id>/others", "open_case", self.open_case),
            ("/<case_id>/reply", "reply", self.reply),
            ("/<case_id>/complaint", "complain", self.complain),
            ("/<case_id>/escalation", "escalate", self.escalate),
        ):
            blue.add_url_rule(address, name, handler, methods=["POST"])
        blue.before_request(_limit_body)
        blue.register_error_handler(StorageError, self._not_stored)

    def refresh(self, case_id: str) -> Response:
        """The account read again."""
        return self._act(
            case_id, f"case-{case_id}", lambda case, session: self._desk.refresh(case, session.agent), "refreshed"
        )

    def answer(self, case_id: str, item: str) -> Response:
        """One item of the checklist answered, or its answer taken back."""

        def do(case: Case, session: Session) -> None:
            given = {name: value for name, value in request.form.items() if name not in (FORM_KEY, TAKE_BACK)}
            said, seen = forms.answer(given)
            self._desk.answer(case, item, {} if TAKE_BACK in request.form else said, session.agent, seen=seen)

        return self._act(case_id, f"item-{case_id}-{item}", do)

    def look(self, case_id: str, item: str = "") -> Response:
        """One item of the checklist that checks itself, or all of them."""
        return self._act(
            case_id,
            f"looks-{case_id}-{item}",
            lambda case, session: self._desk.look(case, session.agent, item),
            "checked",
        )

    def unblock(self, case_id: str) -> Response:
        """Unblock pressed and confirmed."""
        return self._act(
            case_id, f"case-{case_id}", lambda case, session: self._desk.unblock(case, session.agent), "asked"
        )

    def rely(self, case_id: str, earlier: str) -> Response:
        """An earlier checklist relied on."""
        return self._act(
            case_id, f"case-{case_id}", lambda case, session: self._desk.rely_on(case, earlier, session.agent), "relied"
        )

    def choose(self, case_id: str) -> Response:
        """The account of an unclear case."""

        def do(case: Case, session: Session) -> None:
            self._desk.choose_account(case, forms.account(request.form), session.agent)

        return self._act(case_id, f"case-{case_id}", do, "chosen")

    def reply(self, case_id: str) -> Response:
        """The reply to the customer, as the agent saw and perhaps edited it."""

        def do(case: Case, session: Session) -> None:
            kind, text = forms.reply(request.form)
            if kind not in set(ReplyKind):
                raise forms.BadForm(_("Not sent: there is no such reply."))
            self._desk.send_reply(case, ReplyKind(kind), text, session.agent)

        return self._act(case_id, f"reply-{case_id}", do, "sent")

    def complain(self, case_id: str) -> Response:
        """The customer told the agent that mail still fails."""
        return self._act(
            case_id, f"after-{case_id}", lambda case, session: self._desk.complain(case, session.agent), "noted"
        )

    def escalate(self, case_id: str) -> Response:
        """The case handed to the Office 365 team."""
        return self._act(
            case_id, f"after-{case_id}", lambda case, session: self._desk.escalate(case, session.agent), "escalated"
        )

    # ── by hand ──────────────────────────────────────────────────────────────────────────────────────────────────

    def open_case(self, case_id: str) -> Response:
        """A case for another account on the ticket of this one."""
        opened: list[Case] = []

        def do(case: Case, session: Session) -> None:
            account = forms.account(request.form)
            opened.append(self._desk.open_case(case.source, case.ticket, account, session.agent))

        answer = self._act(case_id, "open", do)
        return _to(opened[-1].id, "opened") if opened else answer

    def open_ticket(self) -> Response:
        """A case on any ticket: a phone call, or something triage missed."""
        session = self._door.session()
        source, ticket = request.form.get("source", ""), request.form.get("ticket", "").strip()
        try:
            account = forms.account(request.form)
            found = self._ticket(source, ticket)
            case = self._desk.open_case(source, found, account, session.agent)
        except (forms.BadForm, NotAllowed) as error:
            words = Words(title=_("No case was opened"), text=str(error))
            return Response(self._pages.told(words), 409)
        return _to(case.id, "opened")

    def _ticket(self, source: str, ticket: str) -> str:
        """The ticket as its own system knows it; `NotAllowed` if there is none."""
        if source not in self._sources or not ticket or len(ticket) > 200:
            raise NotAllowed(_("Choose a ticket system and type the ticket's number."))
        try:
            return self._sources[source].read_ticket(ticket).id
        except NotFound as error:
            raise NotAllowed(_("There is no ticket %(ticket)s in %(source)s.", ticket=ticket, source=source)) from error
        except RemoteError as error:
            raise NotAllowed(_("The ticket could not be read. %(error)s. Try again.", error=error)) from error

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _act(self, case_id: str, place: str, action: Callable[[Case, Session], object], done: str = "") -> Response:
        session = self._door.session()
        try:
            self._patiently(case_id, action, session)
        except (forms.BadForm, NotAllowed) as error:
            status = 422 if isinstance(error, forms.BadForm) else 409
            message = Message(place=place, text=str(error), is_refusal=True)
            case = self._views.found(case_id)
            return self._views.shown(session, case, status, message, typed=request.form)
        return _to(case_id, done, place)

    def _patiently(self, case_id: str, action: Callable[[Case, Session], object], session: Session) -> None:
        """Twice where somebody else changed the case in the same moment: every action looks at the case anew."""
        try:
            action(self._views.found(case_id), session)
        except StorageError:
            action(self._views.found(case_id), session)

    def _not_stored(self, _error: StorageError) -> Response:
        text = _("The database did not take it or could not be read, or somebody was quicker. Go back and try again.")
        return Response(self._pages.told(Words(title=_("Not done"), text=text)), 503)


def _to(case_id: str, done: str, place: str = "") -> Response:
    # What is None is left out.
    return see_other(url_for("case_pages.case", case_id=case_id, said=done or None, _anchor=place or None))


def _limit_body() -> None:
    request.max_content_length = LARGEST_BODY
