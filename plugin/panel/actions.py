"""What an agent does in the panel: each action as the desk is asked for it, and the fresh view in answer.

A refused action is answered 409 (a bad form 422) with its words and the fresh view.
"""

from collections.abc import Callable

from flask import Blueprint, Response, request
from flask_babel import gettext as _

from plugin.desk import Desk
from plugin.errors import NotAllowed, StorageError
from plugin.model import Role
from plugin.notes.texts import ReplyKind
from plugin.panel import forms
from plugin.panel.pages import Message
from plugin.panel.sessions import Sessions
from plugin.panel.tokens import Session

TICKET, CASE = "/<source>/<ticket>", "/<source>/<ticket>/cases/<case_id>"


class Actions:
    """The request handlers that change something; `answer` makes the fresh view."""

    def __init__(
        self, *, desk: Desk, sessions: Sessions, answer: Callable[[Session, int, Message | None], Response]
    ) -> None:
        self._desk = desk
        self._sessions = sessions
        self._answer = answer

    def add_to(self, blue: Blueprint) -> None:
        """Give every handler its address."""
        for address, name, handler in (
            (f"{TICKET}/cases", "open_case", self.open_case),
            (f"{CASE}/refresh", "refresh", self.refresh),
            (f"{CASE}/answers/<item>", "answer", self.answer),
            (f"{CASE}/looks", "look_all", self.look),
            (f"{CASE}/looks/<item>", "look", self.look),
            (f"{CASE}/unblock", "unblock", self.unblock),
            (f"{CASE}/rely/<earlier>", "rely", self.rely),
            (f"{CASE}/account", "choose", self.choose),
            (f"{CASE}/reply", "reply", self.reply),
            (f"{CASE}/complaint", "complain", self.complain),
            (f"{CASE}/escalation", "escalate", self.escalate),
        ):
            blue.add_url_rule(address, name, handler, methods=["POST"])

    def open_case(self, source: str, ticket: str) -> Response:
        """A case by hand."""

        def do(session: Session) -> None:
            self._desk.open_case(source, ticket, forms.account(request.form), session.agent)

        return self._act(source, ticket, "open", do, _("Opened."))

    def refresh(self, source: str, ticket: str, case_id: str) -> Response:
        """The account read again."""

        def do(session: Session) -> None:
            if session.agent.role is Role.VIEWER:
                raise NotAllowed(_("You are signed in as a viewer; only agents may do this."))
            self._desk.refresh(self._desk.case(source, ticket, case_id), session.agent)

        return self._act(source, ticket, f"case-{case_id}", do, _("Read again just now."))

    def answer(self, source: str, ticket: str, case_id: str, item: str) -> Response:
        """One item of the checklist answered, or its answer taken back."""

        def do(session: Session) -> None:
            case = self._desk.case(source, ticket, case_id)
            said, seen = forms.answer(request.form)
            self._desk.answer(case, item, said, session.agent, seen=seen)

        return self._act(source, ticket, f"item-{case_id}-{item}", do)

    def look(self, source: str, ticket: str, case_id: str, item: str = "") -> Response:
        """One item of the checklist that checks itself, or all of them."""

        def do(session: Session) -> None:
            self._desk.look(self._desk.case(source, ticket, case_id), session.agent, item)

        return self._act(source, ticket, f"looks-{case_id}-{item}", do, _("Checked just now."))

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
                raise forms.BadForm(_("Not sent: there is no such reply."))
            self._desk.send_reply(case, ReplyKind(kind), text, session.agent)

        return self._act(source, ticket, f"reply-{case_id}", do)

    def complain(self, source: str, ticket: str, case_id: str) -> Response:
        """The customer told the agent that mail still fails."""

        def do(session: Session) -> None:
            self._desk.complain(self._desk.case(source, ticket, case_id), session.agent)

        return self._act(source, ticket, f"after-{case_id}", do, _("Noted. What to do next stands above."))

    def escalate(self, source: str, ticket: str, case_id: str) -> Response:
        """The case handed to the Office 365 team."""

        def do(session: Session) -> None:
            self._desk.escalate(self._desk.case(source, ticket, case_id), session.agent)

        return self._act(
            source, ticket, f"after-{case_id}", do, _("The evidence goes on the ticket as an internal note.")
        )

    def _act(self, source: str, ticket: str, place: str, action: Callable[[Session], None], done: str = "") -> Response:
        session = self._sessions.of_request(source, ticket)
        try:
            _patiently(action, session)
        except forms.BadForm as error:
            return self._answer(session, 422, Message(place=place, text=str(error), is_refusal=True))
        except NotAllowed as error:
            return self._answer(session, 409, Message(place=place, text=str(error), is_refusal=True))
        return self._answer(session, 200, Message(place=place, text=done, is_refusal=False) if done else None)


def _patiently(action: Callable[[Session], None], session: Session) -> None:
    """Twice where somebody else changed the case in the same moment: every action looks at the case anew."""
    try:
        action(session)
    except StorageError:
        action(session)
