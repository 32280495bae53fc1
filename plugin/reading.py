"""A ticket as triage reads it: its messages, with the attachments that look like mail reports fetched."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from plugin.errors import PermanentError, TransientError
from plugin.log import log
from plugin.model import AttachedFile, Attachment, Message, Said, Ticket, TicketText, Visibility
from plugin.ports import TicketSystem
from plugin.triage import still_fails, wanted

MOST_FILES = 10
"""So many attachments of one ticket are fetched, the newest messages' first."""


def text_of(system: TicketSystem, ticket: Ticket) -> TicketText:
    """Fetch what is worth reading; an attachment that cannot be had is left out, a system that is down is an error."""
    left = MOST_FILES
    said: list[Said] = []
    for message in reversed(ticket.messages):
        if message.visibility is Visibility.INTERNAL:
            continue  # agents' notes, ours included, are not what the customer says
        picked = [attachment for attachment in message.attachments if wanted(attachment)][:left]
        left -= len(picked)
        said.append(_said(system, ticket, message, picked))
    return TicketText(
        subject=ticket.subject,
        said=tuple(reversed(said)),
        requester=ticket.requester.email,
        opened_by_agent=ticket.requester.is_agent,
    )


def complains_since(system: TicketSystem, ticket: Ticket, moment: datetime, domains: Sequence[str]) -> bool:
    """Whether a customer's message after a moment says that mail still fails; one without a time cannot be placed."""
    since = tuple(
        message
        for message in ticket.messages
        if not message.author.is_agent and message.created_at is not None and message.created_at > moment
    )
    said = text_of(system, replace(ticket, messages=since)).said if since else ()
    return any(still_fails(message, domains) for message in said)


def _said(system: TicketSystem, ticket: Ticket, message: Message, picked: list[Attachment]) -> Said:
    files = [_fetched(system, ticket, attachment) for attachment in picked]
    return Said(
        text=message.text,
        content_type=message.content_type,
        by_agent=message.author.is_agent,
        files=tuple(file for file in files if file is not None),
    )


def _fetched(system: TicketSystem, ticket: Ticket, attachment: Attachment) -> AttachedFile | None:
    try:
        content = system.fetch(attachment) if attachment.content is None else attachment.content
    except TransientError:
        raise
    except PermanentError as error:
        log("attachment.left_out", logging.WARNING, source=ticket.source, ticket=ticket.id, error=str(error))
        return None
    return AttachedFile(filename=attachment.filename, content_type=attachment.content_type, content=content)
