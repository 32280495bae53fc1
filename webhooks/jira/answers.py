"""What Jira's APIs answer, as values of ours: unknown members are passed over, a missing one is named. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from plugin.http import Reply
from plugin.model import Person
from plugin.ports import ChangedTicket
from webhooks.answers import load
from webhooks.jira import records

DESCRIBED = "Jira's API has it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Somebody:
    """A user of Jira, or a customer of its service projects. The address may be hidden from us."""

    account: str
    type: str  # atlassian, customer, app; empty where it is not told
    email: str
    name: str

    def as_person(self, *, is_agent: bool) -> Person:
        """As the program knows people."""
        return Person(email=self.email, name=self.name, is_agent=is_agent)


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """An attachment of an issue."""

    id: str
    filename: str
    type: str
    size: int | None
    created: datetime
    author: Somebody | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """A comment of an issue; `is_public` where the requester reads it."""

    id: str
    author: Somebody | None
    html: str
    created: datetime
    is_public: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """An issue without its comments; `values` are all fields as they came."""

    key: str
    summary: str
    project: str
    status: str
    created: datetime
    reporter: Somebody | None
    creator: Somebody | None
    labels: frozenset[str]
    files: tuple[File, ...]
    description_html: str
    values: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldRow:
    """A field of the site."""

    id: str
    name: str
    type: str
    is_scoped: bool  # it belongs to one project alone


def issue(reply: Reply) -> Issue:
    """An issue asked for with its rendered fields."""
    row = load(records.Issue(), reply, reply.json(), described=DESCRIBED)
    values = load(records.Values(), reply, row["fields_"], described=DESCRIBED)
    return Issue(
        key=row["key"],
        summary=values["summary"] or "",
        project=values["project"]["key"],
        status=(values["status"] or {}).get("name") or "",
        created=values["created"],
        reporter=somebody(values["reporter"]),
        creator=somebody(values["creator"]),
        labels=frozenset(values["labels"]),
        files=tuple(_file(file) for file in values["attachment"]),
        description_html=(row["rendered"] or {}).get("description") or "",
        values=row["fields_"],
    )


def comments(reply: Reply) -> tuple[tuple[Comment, ...], int]:
    """A page of comments, and how many there are in all."""
    page = load(records.Comments(), reply, reply.json(), described=DESCRIBED)
    return tuple(_comment(row) for row in page["comments"]), page["total"]


def posted(reply: Reply) -> tuple[str, bool]:
    """The id of a comment as the service desk answers it, and whether it is public."""
    row = load(records.Posted(), reply, reply.json(), described=DESCRIBED)
    return row["id"], row["public"]


def fields_of(reply: Reply) -> tuple[FieldRow, ...]:
    """All fields of a site."""
    rows = load(records.Field(many=True), reply, reply.json(), described=DESCRIBED)
    return tuple(
        FieldRow(
            id=row["id"],
            name=row["name"] or "",
            type=(row["schema"] or {}).get("custom") or "",
            is_scoped=row["scope"] is not None,
        )
        for row in rows
    )


def changed(reply: Reply) -> tuple[tuple[ChangedTicket, ...], str | None]:
    """A page of a search, and the token of the next page."""
    page = load(records.Found(), reply, reply.json(), described=DESCRIBED)
    rows = tuple(ChangedTicket(id=row["key"], updated_at=row["fields_"]["updated"]) for row in page["issues"])
    return rows, page["next_page_token"]


def page(reply: Reply) -> tuple[list[dict[str, Any]], bool]:
    """A page of the service desk's lists, and whether it is the last one."""
    row = load(records.Page(), reply, reply.json(), described=DESCRIBED)
    return row["values"], row["is_last_page"]


def form(reply: Reply) -> list[dict[str, Any]]:
    """The fields on the form of a request type."""
    rows: list[dict[str, Any]] = load(records.Form(), reply, reply.json(), described=DESCRIBED)["request_type_fields"]
    return rows


def lacking(reply: Reply) -> list[str]:
    """Which of the permissions that were asked about our user has not."""
    rows = load(records.Permissions(), reply, reply.json(), described=DESCRIBED)["permissions"]
    return sorted(name for name, row in rows.items() if not row["have_permission"])


def editable(reply: Reply) -> frozenset[str]:
    """The ids of the fields that our user may change on an issue."""
    return frozenset(load(records.Edit(), reply, reply.json(), described=DESCRIBED)["fields_"])


def user(reply: Reply) -> Somebody:
    """A user alone."""
    return _somebody(load(records.User(), reply, reply.json(), described=DESCRIBED))


def somebody(row: Mapping[str, Any] | None) -> Somebody | None:
    """A user inside another answer; nobody where there is none, as for an account that was deleted."""
    return None if row is None else _somebody(row)


def _somebody(row: Mapping[str, Any]) -> Somebody:
    return Somebody(
        account=row["account_id"],
        type=row["account_type"] or "",
        email=row["email_address"] or "",
        name=row["display_name"] or "",
    )


def _file(row: Mapping[str, Any]) -> File:
    return File(
        id=row["id"],
        filename=row["filename"],
        type=row["mime_type"] or "",
        size=row["size"],
        created=row["created"],
        author=somebody(row["author"]),
    )


def _comment(row: Mapping[str, Any]) -> Comment:
    return Comment(
        id=row["id"],
        author=somebody(row["author"]),
        html=row["rendered_body"] or "",
        created=row["created"],
        is_public=row["jsd_public"] is not False and row["visibility"] is None,
    )
