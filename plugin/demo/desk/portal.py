"""Where customers file a ticket and follow it. They see public messages only: no notes, fields or tags."""

from flask import Blueprint, Request, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from plugin.demo.desk.records import Person, Ticket
from plugin.demo.desk.tickets import Desk
from plugin.demo.desk.uploads import one_line, take_files, wrong_with
from plugin.demo.doors import same


def blueprint(desk: Desk) -> Blueprint:
    """Open to everybody; a ticket is read and replied to with its key, which its filer is led to."""
    portal = Blueprint("portal", __name__, url_prefix="/portal")

    @portal.get("")
    def new_ticket() -> str:
        return render_template("desk/portal_new.html", form={}, wrong={})

    @portal.post("/tickets")
    def file_ticket() -> Response | tuple[str, int]:
        form = request.form
        if wrong := wrong_with(form, "name", "email", "subject", "text"):
            return render_template("desk/portal_new.html", form=form, wrong=wrong), 422
        requester = Person(email=one_line(form["email"]), name=one_line(form["name"]))
        files = take_files(desk, request)
        return _to(desk.open_ticket(requester, one_line(form["subject"]), form["text"], files=files))

    @portal.get("/tickets/<ticket>")
    def read_ticket(ticket: str) -> str:
        return _page(_opened(desk, ticket, request), {})

    @portal.post("/tickets/<ticket>/replies")
    def reply(ticket: str) -> Response | tuple[str, int]:
        found = _opened(desk, ticket, request)
        if wrong := wrong_with(request.form, "text"):
            return _page(found, wrong), 422
        desk.reply(ticket, found.requester, request.form["text"], "public", files=take_files(desk, request))
        return _to(found)

    return portal


def _opened(desk: Desk, ticket: str, asked: Request) -> Ticket:
    """The ticket, if the request has its key; a wrong key looks like a ticket that is not there."""
    found = desk.ticket(ticket)
    return found if same(asked.values.get("key", ""), found.customer_key) else abort(404)


def _to(ticket: Ticket) -> Response:
    return redirect(url_for("portal.read_ticket", ticket=ticket.id, key=ticket.customer_key), 303)


def _page(ticket: Ticket, wrong: dict[str, str]) -> str:
    public = [message for message in ticket.messages if message.visibility == "public"]
    return render_template("desk/portal_ticket.html", ticket=ticket, messages=public, wrong=wrong, form=request.form)
