"""Tickets as the outside sees them: the Desk API's JSON and the body of a ticket event."""

import json
from datetime import datetime
from typing import Any

from plugin.demo.desk.records import File, Happening, Message, Person, Ticket


def moment(at: datetime) -> str:
    """RFC 3339, in UTC."""
    return at.isoformat().replace("+00:00", "Z")


def person_as_json(person: Person) -> dict[str, Any]:
    """The contracts' person."""
    return {"email": person.email, "name": person.name, "is_agent": person.is_agent}


def ticket_url(ticket: Ticket, base_url: str) -> str:
    """The agents' view of a ticket."""
    return f"{base_url}/tickets/{ticket.id}"


def ticket_as_json(ticket: Ticket, base_url: str) -> dict[str, Any]:
    """The Desk API's Ticket."""
    return {
        "id": ticket.id,
        "subject": ticket.subject,
        "status": ticket.status,
        "queue": ticket.queue,
        "url": ticket_url(ticket, base_url),
        "requester": person_as_json(ticket.requester),
        "tags": list(ticket.tags),
        "fields": dict(ticket.fields),
        "messages": [_message_as_json(message, base_url) for message in ticket.messages],
    }


def note_as_json(message: Message) -> dict[str, str]:
    """The Desk API's Note."""
    return {
        "key": message.key or "",
        "visibility": message.visibility,
        "subject": message.subject,
        "body_html": message.text,
        "created_at": moment(message.created_at),
    }


def event_body(happening: Happening, base_url: str) -> bytes:
    """A ticket event. Only a public message goes with it; the rest is there to be read by the API."""
    ticket = happening.ticket
    data: dict[str, Any] = {
        "ticket": {
            "id": ticket.id,
            "subject": ticket.subject,
            "queue": ticket.queue,
            "status": ticket.status,
            "url": ticket_url(ticket, base_url),
            "tags": list(ticket.tags),
        },
        "requester": person_as_json(ticket.requester),
        "actor": person_as_json(happening.actor),
    }
    if happening.message is not None and happening.message.visibility == "public":
        message = _message_as_json(happening.message, base_url)
        data["message"] = {name: message[name] for name in ("id", "text", "content_type", "attachments")}
    event = {"type": happening.kind, "timestamp": moment(happening.at), "data": data}
    return json.dumps(event, ensure_ascii=False).encode()


def _message_as_json(message: Message, base_url: str) -> dict[str, Any]:
    return {
        "id": message.id,
        "author": person_as_json(message.author),
        "text": message.text,
        "content_type": message.content_type,
        "visibility": message.visibility,
        "created_at": moment(message.created_at),
        "attachments": [_file_as_json(file, base_url) for file in message.files],
    }


def _file_as_json(file: File, base_url: str) -> dict[str, Any]:
    return {
        "filename": file.filename,
        "content_type": file.content_type,
        "size": len(file.content),
        "url": f"{base_url}/api/attachments/{file.id}",
    }
