"""What Zendesk's API answers, as values of ours: unknown members are passed over, a missing one is named. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, fields

from plugin.model import Attachment
from plugin.ports import ChangedTicket
from webhooks.answers import Loading
from webhooks.zendesk.records import Comment, TicketField, TicketRow, User


class Answer(Schema):
    """An object of the API."""

    class Meta:
        unknown = EXCLUDE


def _ids() -> Any:
    return fields.List(fields.Integer(), allow_none=True, load_default=list)


class UserSchema(Answer):
    id = fields.Integer(required=True)
    name = fields.String(allow_none=True, load_default="")
    email = fields.String(allow_none=True, load_default="")
    role = fields.String(required=True)
    role_type = fields.Integer(allow_none=True, load_default=None)
    custom_role_id = fields.Integer(allow_none=True, load_default=None)
    ticket_restriction = fields.String(allow_none=True, load_default=None)
    active = fields.Boolean(allow_none=True, load_default=True)
    suspended = fields.Boolean(allow_none=True, load_default=False)


class TicketSchema(Answer):
    id = fields.Integer(required=True)
    subject = fields.String(allow_none=True, load_default="")
    status = fields.String(required=True)
    requester_id = fields.Integer(required=True)
    tags = fields.List(fields.String(), required=True)
    custom_fields = fields.List(fields.Dict(), load_default=list)
    updated_at = fields.String(required=True)
    group_id = fields.Integer(allow_none=True, load_default=None)
    assignee_id = fields.Integer(allow_none=True, load_default=None)
    organization_id = fields.Integer(allow_none=True, load_default=None)
    email_cc_ids = _ids()
    follower_ids = _ids()
    collaborator_ids = _ids()


class FileSchema(Answer):
    file_name = fields.String(required=True)
    content_url = fields.String(required=True)
    content_type = fields.String(allow_none=True, load_default="")
    size = fields.Integer(allow_none=True, load_default=None)
    deleted = fields.Boolean(allow_none=True, load_default=False)


class CommentSchema(Answer):
    id = fields.Integer(required=True)
    audit_id = fields.Integer(allow_none=True, load_default=None)
    author_id = fields.Integer(required=True)
    body = fields.String(allow_none=True, load_default="")
    html_body = fields.String(allow_none=True, load_default="")
    public = fields.Boolean(required=True)
    created_at = fields.AwareDateTime(format="iso", required=True)
    via = fields.Dict(allow_none=True, load_default=dict)
    metadata = fields.Dict(allow_none=True, load_default=dict)
    attachments = fields.List(fields.Nested(FileSchema), load_default=list)


class ChangedSchema(Answer):
    id = fields.Integer(required=True)
    updated_at = fields.AwareDateTime(format="iso", required=True)
    group_id = fields.Integer(allow_none=True, load_default=None)


class FieldSchema(Answer):
    id = fields.Integer(required=True)
    title = fields.String(required=True)
    type = fields.String(required=True)
    active = fields.Boolean(required=True)
    visible_in_portal = fields.Boolean(required=True)


class Reading(Loading):
    """Loads answers of the API."""

    described = "Zendesk's API has it"

    def ticket(self, data: Any) -> TicketRow:
        """The ticket in an answer, with the name of its group where groups came along."""
        row = self._load(TicketSchema(), self._member(data, "ticket"))
        ccs = {*(row["email_cc_ids"] or ()), *(row["collaborator_ids"] or ())} - {*(row["follower_ids"] or ())}
        return TicketRow(
            id=str(row["id"]),
            subject=row["subject"] or "",
            status=row["status"],
            requester_id=row["requester_id"],
            tags=frozenset(row["tags"]),
            values={given["id"]: given.get("value") for given in row["custom_fields"] if "id" in given},
            updated_at=row["updated_at"],
            group_id=row["group_id"],
            group=_name_of(row["group_id"], data.get("groups")),
            assignee_id=row["assignee_id"],
            organization_id=row["organization_id"],
            cc_ids=tuple(sorted(ccs | {*(row["email_cc_ids"] or ())})),
            follower_ids=tuple(row["follower_ids"] or ()),
        )

    def user(self, data: Any) -> User:
        """The user in an answer."""
        return _user(self._load(UserSchema(), self._member(data, "user")))

    def users(self, data: Any) -> dict[int, User]:
        """All users in an answer, by id."""
        rows = self._load(UserSchema(many=True), self._member(data, "users"))
        return {row["id"]: _user(row) for row in rows}

    def comments(self, data: Any) -> tuple[Comment, ...]:
        """The comments in an answer, in its order."""
        return tuple(_comment(row) for row in self._load(CommentSchema(many=True), self._member(data, "comments")))

    def audit(self, data: Any) -> int:
        """The number of the audit that an update was kept as."""
        number = self._member(data, "audit").get("id") if isinstance(self._member(data, "audit"), dict) else None
        if not isinstance(number, int):
            raise self._wrong("audit/id: Missing data for required field.")
        return number

    def changed(self, data: Any, groups: frozenset[int]) -> Iterator[ChangedTicket]:
        """A page of the list of tickets; `groups` empty for all."""
        for row in self._load(ChangedSchema(many=True), self._member(data, "tickets")):
            if not groups or row["group_id"] in groups:
                yield ChangedTicket(id=str(row["id"]), updated_at=row["updated_at"])

    def fields(self, data: Any) -> tuple[TicketField, ...]:
        """The ticket fields of this Zendesk."""
        rows = self._load(FieldSchema(many=True), self._member(data, "ticket_fields"))
        return tuple(
            TicketField(
                id=row["id"], title=row["title"], type=row["type"], is_active=row["active"],
                is_for_customers=row["visible_in_portal"],
            )
            for row in rows
        )  # fmt: skip

    def groups(self, data: Any) -> frozenset[int]:
        """The groups of the memberships in an answer."""
        rows = self._member(data, "group_memberships")
        found = [row.get("group_id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else [None]
        if not all(isinstance(group, int) for group in found):
            raise self._wrong("group_memberships: Not as documented.")
        return frozenset(group for group in found if isinstance(group, int))

    def is_shared(self, data: Any) -> bool:
        """Whether the users of an organization see each other's tickets."""
        organization = self._member(data, "organization")
        return bool(isinstance(organization, dict) and organization.get("shared_tickets"))

    def rows(self, data: Any, kind: str) -> list[dict[str, Any]]:
        """A list of objects as they came, such as webhooks."""
        rows = self._member(data, kind)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._wrong(f"{kind}: Not a list of objects.")
        return rows

    def _member(self, data: Any, name: str) -> Any:
        if not isinstance(data, dict) or name not in data:
            raise self._wrong(f"{name}: Missing data for required field.")
        return data[name]


def _name_of(group: int | None, groups: Any) -> str:
    named = [row for row in groups if isinstance(row, dict)] if isinstance(groups, list) else []
    return next((str(row.get("name") or "") for row in named if row.get("id") == group), "")


def _user(row: Mapping[str, Any]) -> User:
    return User(
        id=row["id"],
        name=row["name"] or "",
        email=row["email"] or "",
        role=row["role"],
        role_type=row["role_type"],
        custom_role_id=row["custom_role_id"],
        ticket_restriction=row["ticket_restriction"],
        is_active=row["active"] is not False and not row["suspended"],
    )


def _comment(row: Mapping[str, Any]) -> Comment:
    via, system = row["via"] or {}, row["metadata"] or {}
    return Comment(
        id=row["id"],
        audit_id=row["audit_id"],
        author_id=row["author_id"],
        text=row["html_body"] or row["body"] or "",
        content_type="text/html" if row["html_body"] else "text/plain",
        is_public=row["public"],
        created_at=row["created_at"],
        channel=str(via.get("channel") or ""),
        is_trusted=system.get("trusted") is not False,
        merged_into=_merged_into(via.get("source")),
        attachments=tuple(_file(file) for file in row["attachments"] if not file["deleted"]),
    )


def _merged_into(source: Any) -> str | None:
    """The ticket that this one was merged into, where the comment is Zendesk's own word of it."""
    if not isinstance(source, dict) or source.get("rel") != "merge" or not isinstance(source.get("from"), dict):
        return None
    number = source["from"].get("ticket_id")
    return str(number) if isinstance(number, int) else None


def _file(row: Mapping[str, Any]) -> Attachment:
    return Attachment(
        filename=row["file_name"], content_type=row["content_type"] or "", size=row["size"], url=row["content_url"]
    )
