"""The Desk API, as `openapi.yaml` beside this file has it, and the attachments behind the same bearer.

What the contract leaves to HTTP is answered as HTTP has it: 401 without the token; 400, 415 or 422 for a request that
is malformed.
"""

import re
from datetime import datetime

from flask import Blueprint, Response, jsonify, request
from jsonschema import Draft202012Validator
from werkzeug.exceptions import HTTPException

from plugin.demo.bodies import Problem, read_json
from plugin.demo.desk import wire
from plugin.demo.desk.config import DeskConfig
from plugin.demo.desk.records import File, Person, Ticket
from plugin.demo.desk.tickets import Desk, NoSuchField, NoSuchTicket
from plugin.demo.doors import bearer_is_right

_STRINGS = {"type": "array", "items": {"type": "string"}}
_NOTE = Draft202012Validator(
    {
        "type": "object",
        "required": ["key", "visibility", "body_html"],
        "properties": {
            "key": {"type": "string", "maxLength": 200},
            "visibility": {"enum": ["internal", "public"]},
            "subject": {"type": "string"},
            "body_html": {"type": "string"},
            "created_at": False,  # read-only
        },
    }
)
_TAGS = Draft202012Validator(
    {"type": "object", "additionalProperties": False, "properties": {"add": _STRINGS, "remove": _STRINGS}}
)
_FIELDS = Draft202012Validator({"type": "object", "additionalProperties": {"type": ["string", "null"]}})
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}")


def blueprint(desk: Desk, config: DeskConfig) -> Blueprint:
    """The six calls of the contract and the attachments, all behind the bearer token."""
    api = Blueprint("api", __name__, url_prefix="/api")
    service = Person(email=config.service_email, name=config.service_name, is_agent=True)

    @api.before_request
    def check_bearer() -> None:
        if not bearer_is_right(request, config.api_token):
            raise Problem(401, "Unauthorized", "The bearer token is missing or wrong.")

    @api.get("/tickets")
    def list_tickets() -> Response:
        page, more = _page(
            desk.changed(_moment(request.args.get("updated_since", ""), "updated_since")), _cursor(), config.page_size
        )
        rows = [{"id": ticket.id, "updated_at": wire.moment(ticket.updated_at)} for ticket in page]
        return jsonify({"tickets": rows} | ({"next_cursor": _mark(page[-1])} if more else {}))

    @api.get("/tickets/<ticket>")
    def get_ticket(ticket: str) -> Response:
        return jsonify(wire.ticket_as_json(desk.ticket(ticket), config.base_url))

    @api.get("/tickets/<ticket>/notes")
    def find_notes(ticket: str) -> Response:
        notes = [message for message in desk.ticket(ticket).messages if message.key is not None]
        wanted = request.args.get("key")
        return jsonify([wire.note_as_json(note) for note in notes if wanted in (None, note.key)])

    @api.post("/tickets/<ticket>/notes")
    def add_note(ticket: str) -> tuple[Response, int]:
        desk.ticket(ticket)
        body: dict[str, str] = read_json(request, _NOTE)
        note, is_new = desk.add_note(
            ticket,
            service,
            key=body["key"],
            visibility=body["visibility"],
            subject=body.get("subject", ""),
            body_html=body["body_html"],
        )
        return jsonify(wire.note_as_json(note)), 201 if is_new else 200

    @api.patch("/tickets/<ticket>/tags")
    def change_tags(ticket: str) -> tuple[str, int]:
        desk.ticket(ticket)
        body = read_json(request, _TAGS)
        desk.change_tags(ticket, service, add=body.get("add", ()), remove=body.get("remove", ()))
        return "", 204

    @api.patch("/tickets/<ticket>/fields")
    def change_fields(ticket: str) -> tuple[str, int]:
        desk.ticket(ticket)
        desk.change_fields(ticket, service, read_json(request, _FIELDS))
        return "", 204

    @api.get("/attachments/<file>")
    def get_attachment(file: str) -> Response:
        return download(desk.file(file))

    return api


def as_problem(error: Problem | NoSuchTicket | NoSuchField | HTTPException) -> Response:
    """Whatever went wrong under /api, as a problem document."""
    if isinstance(error, Problem):
        return error.response()
    if isinstance(error, NoSuchTicket):
        return Problem(404, "Not found", "No ticket or attachment has this id.").response()
    if isinstance(error, NoSuchField):
        return Problem(422, "No such field", f"This desk does not have: {error}").response()
    answer = Problem(error.code or 500, error.name, error.description or "").response()
    answer.headers.extend([header for header in error.get_headers() if header[0] == "Allow"])
    return answer


def download(file: File) -> Response:
    """A file that a stranger uploaded: saved, never shown, never guessed at."""
    answer = Response(file.content, content_type=file.content_type)
    answer.headers.set("Content-Disposition", "attachment", filename=file.filename)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def _moment(text: str, name: str) -> datetime:
    try:
        return datetime.fromisoformat(text.upper() if _RFC_3339.fullmatch(text) else "")
    except ValueError as error:
        raise Problem(400, f"Bad {name}", "Moments are written as RFC 3339 has it, and percent-encoded.") from error


def _mark(ticket: Ticket) -> str:
    return f"{wire.moment(ticket.updated_at)}~{ticket.id}"


def _cursor() -> tuple[datetime, int] | None:
    value = request.args.get("cursor")
    if value is None:
        return None
    at, _, number = value.partition("~")
    if not _NUMBER.fullmatch(number):
        raise Problem(400, "Bad cursor", "Give back next_cursor as it was.")
    return _moment(at, "cursor"), int(number)


def _page(tickets: list[Ticket], after: tuple[datetime, int] | None, size: int) -> tuple[list[Ticket], bool]:
    left = [ticket for ticket in tickets if after is None or (ticket.updated_at, int(ticket.id)) > after]
    return left[:size], len(left) > size
