"""What Zammad's API answers, as values of ours: unknown members are passed over, a missing one is named. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parseaddr
from typing import Any

from marshmallow import EXCLUDE, Schema, fields

from plugin.model import Attachment, Message, Person, Visibility
from plugin.ports import ChangedTicket
from webhooks.answers import Loading

OF_AGENTS = frozenset({"Agent", "System"})


class Answer(Schema):
    """An object of the API."""

    class Meta:
        unknown = EXCLUDE


class UserSchema(Answer):
    id = fields.Integer(required=True)
    login = fields.String(allow_none=True, load_default="")
    email = fields.String(allow_none=True, load_default="")
    firstname = fields.String(allow_none=True, load_default="")
    lastname = fields.String(allow_none=True, load_default="")


class TicketSchema(Answer):
    id = fields.Integer(required=True)
    title = fields.String(allow_none=True, load_default="")
    customer_id = fields.Integer(required=True)
    state = fields.String(allow_none=True, load_default="")
    group = fields.String(allow_none=True, load_default="")
    checklist_id = fields.Integer(allow_none=True, load_default=None)


class FileSchema(Answer):
    id = fields.Integer(required=True)
    filename = fields.String(required=True)
    size = fields.Integer(allow_none=True, load_default=None)  # a number in quotes
    preferences = fields.Dict(load_default=dict)


class ArticleSchema(Answer):
    id = fields.Integer(required=True)
    type = fields.String(allow_none=True, load_default="")
    sender = fields.String(allow_none=True, load_default="")
    from_ = fields.String(allow_none=True, load_default="", data_key="from")
    body = fields.String(allow_none=True, load_default="")
    content_type = fields.String(allow_none=True, load_default="text/plain")
    internal = fields.Boolean(required=True)
    created_by_id = fields.Integer(required=True)
    created_at = fields.AwareDateTime(format="iso", required=True)
    attachments = fields.List(fields.Nested(FileSchema), load_default=list)


class ChangedSchema(Answer):
    id = fields.Integer(required=True)
    updated_at = fields.AwareDateTime(format="iso", required=True)


class ItemSchema(Answer):
    id = fields.Integer(required=True)
    text = fields.String(allow_none=True, load_default="")
    checked = fields.Boolean(allow_none=True, load_default=False)
    created_by_id = fields.Integer(required=True)


class ChecklistSchema(Answer):
    id = fields.Integer(required=True)
    created_by_id = fields.Integer(required=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketRow:
    """A ticket without its articles; `attributes` are all members as they came."""

    id: str
    title: str
    customer_id: int
    state: str
    group: str
    checklist_id: int | None
    attributes: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A user of Zammad."""

    id: int
    login: str
    email: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    """An article with what is needed to know whose it is."""

    id: int
    type: str
    sender: str
    from_: str
    body: str
    content_type: str
    internal: bool
    created_by_id: int
    created_at: datetime
    attachments: tuple[Mapping[str, Any], ...]

    @property
    def is_of_agent(self) -> bool:
        """Whether Zammad says that an agent wrote it, or Zammad itself."""
        return self.sender in OF_AGENTS

    def as_message(self, files: tuple[Attachment, ...]) -> Message:
        """As the program knows messages."""
        name, address = parseaddr(self.from_)
        return Message(
            id=str(self.id),
            author=Person(email=address if "@" in address else "", name=name, is_agent=self.is_of_agent),
            text=self.body,
            content_type=self.content_type,
            visibility=Visibility.INTERNAL if self.internal else Visibility.PUBLIC,
            created_at=self.created_at,
            attachments=files,
        )


class Reading(Loading):
    """Loads answers of the API."""

    described = "Zammad's API has it"

    def ticket(self, data: Any) -> TicketRow:
        """A ticket asked for with expand=true."""
        row = self._load(TicketSchema(), data)
        return TicketRow(
            id=str(row["id"]),
            title=row["title"] or "",
            customer_id=row["customer_id"],
            state=row["state"] or "",
            group=row["group"] or "",
            checklist_id=row["checklist_id"],
            attributes=data,
        )

    def user(self, data: Any) -> User:
        """A user."""
        row = self._load(UserSchema(), data)
        name = " ".join(part for part in (row["firstname"], row["lastname"]) if part)
        return User(id=row["id"], login=row["login"] or "", email=row["email"] or "", name=name)

    def articles(self, data: Any) -> tuple[Article, ...]:
        """The articles of a ticket, oldest first."""
        rows = self._load(ArticleSchema(many=True), data)
        return tuple(sorted((_article(row) for row in rows), key=lambda article: article.id))

    def article(self, data: Any) -> Article:
        """One article."""
        return _article(self._load(ArticleSchema(), data))

    def tags(self, data: Any) -> frozenset[str]:
        """The tags of a ticket."""
        tags = data.get("tags") if isinstance(data, dict) else None
        if not isinstance(tags, list):
            raise self._wrong("tags: Missing data for required field.")
        return frozenset(str(tag) for tag in tags)

    def changed(self, data: Any) -> tuple[ChangedTicket, ...]:
        """A page of a search."""
        rows = self._load(ChangedSchema(many=True), data)
        return tuple(ChangedTicket(id=str(row["id"]), updated_at=row["updated_at"]) for row in rows)

    def parent(self, data: Any) -> str | None:
        """The ticket that another one was merged into, among its links."""
        links = data.get("links") if isinstance(data, dict) else None
        parents = [
            link["link_object_value"]
            for link in (links if isinstance(links, list) else ())
            if isinstance(link, dict) and (link.get("link_type"), link.get("link_object")) == ("parent", "Ticket")
        ]
        return str(parents[0]) if len(parents) == 1 else None

    def checklist(self, data: Any, number: int) -> tuple[int, list[dict[str, Any]]]:
        """Who made a checklist, and its items in the order in which they were made."""
        assets = data.get("assets") if isinstance(data, dict) else None
        if not isinstance(assets, dict):
            raise self._wrong("assets: Missing data for required field.")
        found = self._load(ChecklistSchema(), (assets.get("Checklist") or {}).get(str(number)))
        items = self._load(ItemSchema(many=True), list((assets.get("ChecklistItem") or {}).values()))
        return found["created_by_id"], sorted(items, key=lambda item: item["id"])

    def item(self, data: Any) -> dict[str, Any]:
        """An item of a checklist."""
        item: dict[str, Any] = self._load(ItemSchema(), data)
        return item


def _article(row: dict[str, Any]) -> Article:
    files = tuple(row.pop("attachments"))
    given: dict[str, Any] = {
        name: value or "" if isinstance(value, str) or value is None else value for name, value in row.items()
    }
    return Article(**given | {"content_type": given["content_type"] or "text/plain"}, attachments=files)
