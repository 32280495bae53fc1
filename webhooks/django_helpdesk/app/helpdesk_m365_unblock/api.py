"""The Desk API (docs/desk.openapi.yaml of m365-unblock), its attachments, and what `m365-unblock check` asks for."""

import functools
import hashlib
import hmac
import json
import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.dateparse import parse_datetime
from django.views.decorators.csrf import csrf_exempt

from helpdesk_m365_unblock import fields, notes, set_up, tickets
from helpdesk_m365_unblock.conf import Settings, load
from helpdesk_m365_unblock.problems import Problem

PAGE = 100
log = logging.getLogger(__name__)

Handler = Callable[..., HttpResponseBase]


def door(**handlers: Handler) -> Handler:
    """A view of one address: a handler a method, all behind the plugin's bearer token."""

    @csrf_exempt
    @login_not_required
    @functools.wraps(next(iter(handlers.values())))
    def view(request: HttpRequest, **ids: str) -> HttpResponseBase:
        try:
            settings = load()
            _check_bearer(request, settings)
            if request.method not in handlers:
                return _not_allowed(handlers)
            return handlers[request.method](request, settings, **ids)
        except Problem as problem:
            return problem.response()
        except ImproperlyConfigured as error:
            log.error("the plugin is not answered: %s", error)
            return Problem(503, "M365_UNBLOCK will not do: run manage.py check", retry_after=300).response()
        except OperationalError:
            log.exception("the database did not take it")
            return Problem(503, "The database is busy or away", retry_after=5).response()

    return view


def _check_bearer(request: HttpRequest, settings: Settings) -> None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    given = hashlib.sha256(token.strip().encode("utf-8", "replace")).hexdigest()
    # All are compared, so that the time taken does not tell which is in use.
    matches = [hmac.compare_digest(given, known) for known in settings.api_tokens_sha256]
    if scheme.lower() != "bearer" or not any(matches):
        raise Problem(401, "The bearer token is missing or is none of API_TOKENS_SHA256")


def _not_allowed(handlers: dict[str, Handler]) -> HttpResponse:
    answer = Problem(405, "Not this method").response()
    answer["Allow"] = ", ".join(handlers)
    return answer


# ── tickets ──────────────────────────────────────────────────────────────────────────────────────────────────────


def list_tickets(request: HttpRequest, settings: Settings) -> HttpResponse:
    """Tickets changed since a moment, oldest change first."""
    since = _moment(request.GET.get("updated_since", ""))
    rows = tickets.changed(settings, since, _cursor(request.GET.get("cursor")), PAGE)
    page = rows[:PAGE]
    answer: dict[str, Any] = {
        "tickets": [{"id": str(row.pk), "updated_at": tickets.moment(row.modified)} for row in page]
    }
    if len(rows) > PAGE:
        answer["next_cursor"] = f"{tickets.moment(page[-1].modified)}~{page[-1].pk}"
    return JsonResponse(answer)


def get_ticket(_: HttpRequest, settings: Settings, ticket: str) -> HttpResponse:
    """A ticket with its messages."""
    return JsonResponse(tickets.as_json(tickets.find(ticket, settings), settings))


def get_attachment(_: HttpRequest, settings: Settings, attachment: str) -> HttpResponseBase:
    """A stranger's file: saved, never shown."""
    file = tickets.attachment(attachment, settings)
    try:
        content = file.file.open("rb")
    except OSError:
        raise Problem(404, "The file of this attachment is gone") from None
    answer = FileResponse(content, as_attachment=True, filename=file.filename, content_type="application/octet-stream")
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


# ── notes, tags, fields ──────────────────────────────────────────────────────────────────────────────────────────


def find_notes(request: HttpRequest, settings: Settings, ticket: str) -> HttpResponse:
    """The notes of a key."""
    found = notes.find(tickets.find(ticket, settings), request.GET.get("key"))
    return JsonResponse([notes.as_json(note) for note in found], safe=False)


def add_note(request: HttpRequest, settings: Settings, ticket: str) -> HttpResponse:
    """A note, once for each key; answered with what is in the database."""
    body, found = _body(request), tickets.find(ticket, settings)
    key, visibility, body_html = body.get("key"), body.get("visibility"), body.get("body_html")
    subject = body.get("subject", "")
    if not all(_is_text(text) for text in (key, body_html, subject)) or not 0 < len(key) <= 200:
        raise Problem(422, "A note has a key of 1 to 200 characters, a body_html, and perhaps a subject")
    if visibility not in ("internal", "public"):
        raise Problem(422, "Say visibility, internal or public")
    note, is_new = notes.add(
        found, settings, key=key, public=visibility == "public", subject=subject, body_html=body_html
    )
    return JsonResponse(notes.as_json(note), status=201 if is_new else 200)


def change_tags(request: HttpRequest, settings: Settings, ticket: str) -> HttpResponse:
    """Adding a tag twice or removing an absent one is no error."""
    body, found = _body(request), tickets.find(ticket, settings)
    add, remove = body.get("add", []), body.get("remove", [])
    for tags in (add, remove):
        if not isinstance(tags, list) or not all(_is_tag(tag) for tag in tags):
            raise Problem(422, "Tags are texts without blanks and commas")
    fields.change_tags(found, add, remove)
    return HttpResponse(status=204)


def change_fields(request: HttpRequest, settings: Settings, ticket: str) -> HttpResponse:
    """Null clears a field."""
    body, found = _body(request), tickets.find(ticket, settings)
    if not all(value is None or _is_text(value) for value in body.values()):
        raise Problem(422, "A field's value is a text or null")
    fields.change_fields(found, body)
    return HttpResponse(status=204)


def get_set_up(_: HttpRequest, settings: Settings) -> HttpResponse:
    """What this side of the set-up looks like, without a secret."""
    return JsonResponse(set_up.looked(settings))


# ── what comes in ────────────────────────────────────────────────────────────────────────────────────────────────


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Problem(400, "The body must be one JSON object in UTF-8")
    return body


def _is_text(value: object) -> bool:
    """What every database can keep: no lone surrogate, no NUL."""
    return isinstance(value, str) and not re.search("[\0\ud800-\udfff]", value)


def _is_tag(value: object) -> bool:
    return _is_text(value) and value.replace(",", " ").split() == [value]


def _moment(text: str) -> datetime:
    try:
        at = parse_datetime(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Problem(400, "Moments are written as RFC 3339 has it, and percent-encoded")
    return at


def _cursor(text: str | None) -> tuple[datetime, int] | None:
    if text is None:
        return None
    at, _, number = text.partition("~")
    if not tickets.NUMBER.fullmatch(number):
        raise Problem(400, "Give back next_cursor as it was")
    return _moment(at), int(number)
