"""Tickets as the Desk API has them (docs/desk.openapi.yaml of m365-unblock)."""

import re
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from helpdesk.decorators import is_helpdesk_staff
from helpdesk.models import FollowUp, FollowUpAttachment, Ticket

from helpdesk_m365_unblock.conf import Settings
from helpdesk_m365_unblock.fields import tags_of, values_of
from helpdesk_m365_unblock.problems import Problem

NUMBER = re.compile(r"[0-9]{1,9}")
MERGES = 20  # a ticket merged into one that was merged, and so on
SENDER = re.compile(r"[^\s<>]+@[^\s<>]+$")
"""The end of the title that django-helpdesk gives to a mail's follow-up, the only place where it keeps the sender."""


def visible(settings: Settings) -> "QuerySet[Ticket]":
    """The tickets that the plugin may see."""
    tickets = Ticket.objects.select_related("queue", "merged_to")
    return tickets.filter(queue__slug__in=settings.queues) if settings.queues else tickets


def find(number: str, settings: Settings) -> Ticket:
    """The ticket, or the one that it was merged into."""
    for _ in range(MERGES):
        ticket = visible(settings).filter(pk=int(number)).first() if NUMBER.fullmatch(number) else None
        if ticket is None:
            raise Problem(404, "No ticket has this id in the queues that m365-unblock may see")
        if ticket.merged_to_id is None:
            return ticket
        number = str(ticket.merged_to_id)
    raise Problem(404, "This ticket was merged round in a circle")


def as_json(ticket: Ticket, settings: Settings) -> dict[str, Any]:
    """The ticket with its messages, oldest first."""
    return {
        "id": str(ticket.pk),
        "subject": ticket.title,
        "status": ticket.get_status_display(),
        "queue": ticket.queue.slug,
        "url": ticket.staff_url,
        "requester": _requester(ticket),
        "tags": tags_of(ticket),
        "fields": values_of(ticket),
        "messages": _messages(ticket, settings),
    }


def moment(at: datetime) -> str:
    """In UTC, as RFC 3339 has it."""
    return at.astimezone(UTC).isoformat()


def attachment(number: str, settings: Settings) -> FollowUpAttachment:
    """A file on a ticket that the plugin may see."""
    files = FollowUpAttachment.objects.filter(followup__ticket__in=visible(settings))
    found = files.filter(pk=int(number)).first() if NUMBER.fullmatch(number) else None
    if found is None:
        raise Problem(404, "No attachment has this id")
    return found


def _requester(ticket: Ticket) -> dict[str, Any]:
    email = ticket.submitter_email or ""
    user = get_user_model().objects.filter(email__iexact=email, is_active=True).first() if email else None
    is_agent = bool(user and is_helpdesk_staff(user))
    return {"email": email, "name": user.get_full_name() if user else "", "is_agent": is_agent}


def _messages(ticket: Ticket, settings: Settings) -> list[dict[str, Any]]:
    rows = ticket.followup_set.select_related("user").prefetch_related("followupattachment_set").order_by("date", "pk")
    said = [row for row in rows if row.comment or row.followupattachment_set.all()]
    opening = (ticket.description or "").strip()
    # Every road that django-helpdesk opens a ticket by keeps the description as a follow-up too; a site's own may not.
    if opening and not any(row.public and (row.comment or "").strip().startswith(opening) for row in said):
        return [_opening(ticket, opening), *(_message(row, ticket, settings) for row in said)]
    return [_message(row, ticket, settings) for row in said]


def _opening(ticket: Ticket, text: str) -> dict[str, Any]:
    return {
        "id": f"ticket-{ticket.pk}",
        "author": {"email": ticket.submitter_email or "", "is_agent": False},
        "text": text,
        "visibility": "public",
        "created_at": moment(ticket.created),
    }


def _message(row: FollowUp, ticket: Ticket, settings: Settings) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "author": _author(row, ticket),
        "text": row.comment or "",
        "content_type": "text/plain",
        "visibility": "public" if row.public else "internal",
        "created_at": moment(row.date),
        "attachments": [_file(file, settings) for file in row.followupattachment_set.all()],
    }


def _author(row: FollowUp, ticket: Ticket) -> dict[str, Any]:
    """Whoever wrote without signing in is no agent, whatever address stands over the mail."""
    if row.user:
        name = row.user.get_full_name() or row.user.get_username()
        return {"email": row.user.email or "", "name": name, "is_agent": bool(is_helpdesk_staff(row.user))}
    sender = SENDER.search(row.title or "") if row.message_id else None
    return {"email": sender[0] if sender else ticket.submitter_email or "", "is_agent": False}


def _file(file: FollowUpAttachment, settings: Settings) -> dict[str, Any]:
    return {
        "filename": file.filename,
        "content_type": file.mime_type,
        "size": file.size,
        "url": f"{settings.api_url}/attachments/{file.pk}",
    }


def changed(settings: Settings, since: datetime, after: tuple[datetime, int] | None, size: int) -> list[Ticket]:
    """Tickets changed since a moment, oldest change first: those after a place in the list, one more than `size`."""
    rows = visible(settings).filter(modified__gte=since).order_by("modified", "pk")
    if after is not None:
        rows = rows.filter(Q(modified__gt=after[0]) | Q(modified=after[0], pk__gt=after[1]))
    return list(rows[: size + 1])
