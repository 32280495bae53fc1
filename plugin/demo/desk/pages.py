"""What agents see: the ticket list, the ticket with the panel beside it, and the log of webhooks."""

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from plugin.demo.desk.api import download
from plugin.demo.desk.config import DeskAgent, DeskConfig
from plugin.demo.desk.launch import panel_address
from plugin.demo.desk.records import Person
from plugin.demo.desk.sender import Sender
from plugin.demo.desk.tickets import Desk
from plugin.demo.desk.uploads import take_files, wrong_with
from plugin.demo.doors import SignInLinks, require_form_token, sign_in


class Pages:
    """The views, behind a session that a one-time link begins."""

    def __init__(self, desk: Desk, sender: Sender, links: SignInLinks, config: DeskConfig) -> None:
        self._desk, self._sender, self._links, self._config = desk, sender, links, config
        self._agents = {agent.login: agent for agent in config.people}

    def blueprint(self) -> Blueprint:
        """Where each view is found."""
        pages = Blueprint("pages", __name__)
        pages.add_url_rule("/", view_func=self.start)
        pages.add_url_rule("/sign-in", view_func=self.enter)
        pages.add_url_rule("/sign-out", view_func=self.leave, methods=["POST"])
        pages.add_url_rule("/tickets", view_func=self.tickets)
        pages.add_url_rule("/tickets/<ticket>", view_func=self.ticket)
        pages.add_url_rule("/tickets/<ticket>/conversation", view_func=self.conversation)
        pages.add_url_rule("/tickets/<ticket>/messages", view_func=self.write, methods=["POST"])
        pages.add_url_rule("/attachments/<file>", view_func=self.attachment)
        pages.add_url_rule("/deliveries", view_func=self.deliveries)
        return pages

    def start(self) -> Response:
        """The desk begins with its tickets."""
        return redirect(url_for("pages.tickets"))

    def enter(self) -> Response:
        """Sign in by a link; with a used one only whoever is signed in already gets on."""
        login = self._links.use(request.args.get("key", ""))
        if login in self._agents:
            sign_in(self._agents[login].login, self._config.new_secret)
        elif "person" not in session:
            abort(401, "This sign-in link is unknown or was used before. Ask for a new one.")
        return redirect(url_for("pages.tickets"), 303)

    def leave(self) -> Response:
        """Sign out."""
        require_form_token()
        session.clear()
        return redirect(url_for("portal.new_ticket"), 303)

    def tickets(self) -> str:
        """All tickets, newest first."""
        return render_template("desk/tickets.html", me=self._me(), tickets=self._desk.tickets())

    def ticket(self, ticket: str) -> str:
        """One ticket with the panel beside it."""
        return self._ticket_page(self._me(), ticket, {})

    def conversation(self, ticket: str) -> str:
        """The part of the ticket's page that changes, for the script that keeps it up to date."""
        self._me()
        return render_template("desk/conversation.html", ticket=self._desk.ticket(ticket))

    def write(self, ticket: str) -> Response | tuple[str, int]:
        """A reply to the requester, or an internal note."""
        agent = self._me()
        require_form_token()
        if agent.role == "viewer":
            abort(403, "Viewers may read tickets, not write in them.")
        visibility = request.form.get("visibility", "")
        if visibility not in ("public", "internal"):
            abort(400, "Say whether this is a reply or an internal note.")
        if wrong := wrong_with(request.form, "text"):
            return self._ticket_page(agent, ticket, wrong), 422
        author = Person(email=agent.email, name=agent.name, is_agent=True)
        files = take_files(self._desk, request)
        self._desk.reply(ticket, author, request.form["text"], visibility, files=files)
        return redirect(url_for("pages.ticket", ticket=ticket), 303)

    def attachment(self, file: str) -> Response:
        """A file of a ticket, to be saved."""
        self._me()
        return download(self._desk.file(file))

    def deliveries(self) -> str:
        """Every webhook and its attempts, newest first."""
        return render_template("desk/deliveries.html", me=self._me(), deliveries=self._sender.log[::-1])

    def _me(self) -> DeskAgent:
        agent = self._agents.get(session.get("person", ""))
        return agent or abort(401, "Open the sign-in link you were given; it works once.")

    def _ticket_page(self, agent: DeskAgent, ticket_id: str, wrong: dict[str, str]) -> str:
        ticket = self._desk.ticket(ticket_id)
        panel = panel_address(self._config, agent, ticket.id)
        return render_template("desk/ticket.html", ticket=ticket, me=agent, panel=panel, wrong=wrong, form=request.form)
