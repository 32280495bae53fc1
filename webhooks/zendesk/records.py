"""Users, tickets, comments and ticket fields of Zendesk, as far as they matter here. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from plugin.model import Attachment, Message, Person, Visibility

STAFF = frozenset({"agent", "admin"})


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A user of Zendesk. `role` is end-user, agent or admin; `role_type` says which kind of agent."""

    id: int
    name: str
    email: str
    role: str
    role_type: int | None
    custom_role_id: int | None
    ticket_restriction: str | None
    is_active: bool

    @property
    def is_staff(self) -> bool:
        """Whether the user works in this Zendesk."""
        return self.role in STAFF


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketRow:
    """A ticket without its comments. `values` are those of its custom fields; `updated_at` is kept as it came."""

    id: str
    subject: str
    status: str
    requester_id: int
    tags: frozenset[str]
    values: Mapping[int, Any] = field(repr=False)
    updated_at: str
    group_id: int | None
    group: str  # its name
    assignee_id: int | None
    organization_id: int | None
    cc_ids: tuple[int, ...]
    follower_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """A comment with what is needed to know whose it is."""

    id: int
    audit_id: int | None
    author_id: int
    text: str
    content_type: str
    is_public: bool
    created_at: datetime
    channel: str
    is_trusted: bool  # Zendesk has no doubt that the author wrote it
    merged_into: str | None
    attachments: tuple[Attachment, ...]

    def as_message(self, author: User | None) -> Message:
        """As the program knows messages; an author who is gone is nobody."""
        person = Person()
        if author is not None:
            person = Person(email=author.email, name=author.name, is_agent=author.is_staff and self.is_trusted)
        return Message(
            id=str(self.id),
            author=person,
            text=self.text,
            content_type=self.content_type,
            visibility=Visibility.PUBLIC if self.is_public else Visibility.INTERNAL,
            created_at=self.created_at,
            attachments=self.attachments,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketField:
    """A ticket field as it is set up."""

    id: int
    title: str
    type: str
    is_active: bool
    is_for_customers: bool  # end users can see it
