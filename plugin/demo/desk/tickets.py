"""The desk's tickets, in memory and under one lock; a change replaces the ticket.

Every change is told to `announce`, whoever caused it, the plugin's own writes included.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import count
from threading import RLock
from typing import Any

from plugin.demo.desk.records import FIELDS, File, Happening, Mail, Message, Person, Ticket
from plugin.demo.doors import MakeSecret

FIRST_NUMBER = 1001


class NoSuchTicket(Exception):
    """No ticket, or no file, has this id."""


class NoSuchField(Exception):
    """The desk does not have these fields; nothing was changed."""


class Desk:
    """All tickets, files and sent mail. Every call is safe from any thread; unknown ids raise `NoSuchTicket`."""

    def __init__(
        self, *, clock: Callable[[], datetime], new_secret: MakeSecret, announce: Callable[[Happening], Any]
    ) -> None:
        self.outbox: list[Mail] = []
        self._clock, self._new_secret, self._announce = clock, new_secret, announce
        self._tickets: dict[str, Ticket] = {}
        self._merged: dict[str, str] = {}
        self._files: dict[str, File] = {}
        self._numbers = count(FIRST_NUMBER)
        self._message_numbers = count(1)
        self._lock = RLock()

    def tickets(self) -> list[Ticket]:
        """All tickets, newest first."""
        with self._lock:
            return sorted(self._tickets.values(), key=_number, reverse=True)

    def ticket(self, ticket_id: str) -> Ticket:
        """The ticket as it is now; the one that it was merged into answers in its place."""
        with self._lock:
            while ticket_id in self._merged:
                ticket_id = self._merged[ticket_id]
            if ticket_id not in self._tickets:
                raise NoSuchTicket(ticket_id)
            return self._tickets[ticket_id]

    def changed(self, since: datetime) -> list[Ticket]:
        """Tickets changed at or after a moment, oldest change first."""
        with self._lock:
            found = [ticket for ticket in self._tickets.values() if ticket.updated_at >= since]
        return sorted(found, key=lambda ticket: (ticket.updated_at, _number(ticket)))

    def keep_file(self, filename: str, content_type: str, content: bytes) -> File:
        """Take an upload in, to be put on a message."""
        file = File(id=self._new_secret(), filename=filename, content_type=content_type, content=content)
        with self._lock:
            self._files[file.id] = file
        return file

    def file(self, file_id: str) -> File:
        """An attachment by its id."""
        with self._lock:
            if file_id not in self._files:
                raise NoSuchTicket(file_id)
            return self._files[file_id]

    def open_ticket(self, requester: Person, subject: str, text: str, *, files: Iterable[File] = ()) -> Ticket:
        """File a ticket in somebody's name; anyone can do that in anyone's name, as in life."""
        with self._lock:
            now = self._clock()
            message = self._message(requester, text, "public", files=tuple(files))
            ticket = Ticket(
                id=str(next(self._numbers)),
                subject=subject,
                requester=requester,
                customer_key=self._new_secret(),
                created_at=now,
                updated_at=now,
                messages=(message,),
            )
            return self._keep(ticket, "ticket.created", requester, message)

    def reply(
        self, ticket_id: str, author: Person, text: str, visibility: str, *, files: Iterable[File] = ()
    ) -> Message:
        """Add what a person wrote; a public message of an agent is mailed to the requester."""
        with self._lock:
            return self._add(self.ticket(ticket_id), self._message(author, text, visibility, files=tuple(files)))

    def delete_ticket(self, ticket_id: str) -> None:
        """Take a ticket away, as desks do with spam; no event is sent."""
        with self._lock:
            del self._tickets[self.ticket(ticket_id).id]

    def merge(self, ticket_id: str, into_id: str, agent: Person) -> None:
        """Make two tickets about one thing into one; the other's messages come along."""
        with self._lock:
            ticket, into = self._tickets.pop(self.ticket(ticket_id).id), self.ticket(into_id)
            self._merged[ticket.id] = into.id
            messages = sorted((*ticket.messages, *into.messages), key=lambda message: int(message.id))
            self._keep(replace(into, messages=tuple(messages)), "ticket.updated", agent)

    def add_note(
        self, ticket_id: str, author: Person, *, key: str, visibility: str, subject: str, body_html: str
    ) -> tuple[Message, bool]:
        """Add a note by its key; False where a note with the key was there already, which then is the answer."""
        with self._lock:
            ticket = self.ticket(ticket_id)
            for message in ticket.messages:
                if message.key == key:
                    return message, False
            note = self._message(author, body_html, visibility, html=True, key=key, subject=subject)
            return self._add(ticket, note), True

    def change_tags(self, ticket_id: str, actor: Person, *, add: Iterable[str], remove: Iterable[str]) -> None:
        """Add, then remove; what changes nothing is not a change."""
        with self._lock:
            ticket = self.ticket(ticket_id)
            tags = tuple(sorted({*ticket.tags, *add} - set(remove)))
            if tags != ticket.tags:
                self._keep(replace(ticket, tags=tags), "ticket.updated", actor)

    def change_fields(self, ticket_id: str, actor: Person, changes: Mapping[str, str | None]) -> None:
        """Set fields, None clears; raises `NoSuchField` for a name that is not one of `FIELDS`."""
        with self._lock:
            ticket = self.ticket(ticket_id)
            if strange := sorted(set(changes) - set(FIELDS)):
                raise NoSuchField(", ".join(strange))
            fields = {**ticket.fields, **changes}
            if fields != ticket.fields:
                self._keep(replace(ticket, fields=fields), "ticket.updated", actor)

    def _message(
        self,
        author: Person,
        text: str,
        visibility: str,
        *,
        html: bool = False,
        files: tuple[File, ...] = (),
        key: str | None = None,
        subject: str = "",
    ) -> Message:
        return Message(
            id=str(next(self._message_numbers)),
            author=author,
            text=text,
            content_type="text/html" if html else "text/plain",
            visibility=visibility,
            created_at=self._clock(),
            files=files,
            key=key,
            subject=subject,
            mailed=author.is_agent and visibility == "public",
        )

    def _add(self, ticket: Ticket, message: Message) -> Message:
        changed = replace(ticket, messages=(*ticket.messages, message))
        if message.mailed:
            self._mail(changed, message)
        kind = "ticket.replied" if message.visibility == "public" else "ticket.updated"
        self._keep(changed, kind, message.author, message)
        return message

    def _mail(self, ticket: Ticket, message: Message) -> None:
        mail = Mail(
            ticket=ticket.id,
            to=ticket.requester.email,
            subject=message.subject or f"Re: [#{ticket.id}] {ticket.subject}",
            body=message.text,
            content_type=message.content_type,
            sent_at=message.created_at,
        )
        self.outbox.append(mail)

    def _keep(self, ticket: Ticket, kind: str, actor: Person, message: Message | None = None) -> Ticket:
        now = self._clock()
        kept = replace(ticket, updated_at=now)
        self._tickets[kept.id] = kept
        self._announce(Happening(kind=kind, ticket=kept, actor=actor, at=now, message=message))
        return kept


def _number(ticket: Ticket) -> int:
    return int(ticket.id)
