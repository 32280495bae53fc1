"""The records of Jira's APIs, read leniently: unknown members are passed over, a missing required one is named. Pure.

Jira says 10001 and "10001" for the same id.
"""

from typing import Any

from marshmallow import EXCLUDE, Schema, fields


class Id(fields.String):
    """An id, as text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return super()._deserialize(str(value) if is_number else value, attr, data, **kwargs)


class Answer(Schema):
    """An object of the API."""

    class Meta:
        unknown = EXCLUDE


class User(Answer):
    account_id = fields.String(required=True, data_key="accountId")
    account_type = fields.String(allow_none=True, load_default="", data_key="accountType")
    email_address = fields.String(allow_none=True, load_default="", data_key="emailAddress")
    display_name = fields.String(allow_none=True, load_default="", data_key="displayName")


class Named(Answer):
    name = fields.String(allow_none=True, load_default="")


class Project(Answer):
    key = fields.String(required=True)


class File(Answer):
    id = Id(required=True)
    filename = fields.String(required=True)
    mime_type = fields.String(allow_none=True, load_default="", data_key="mimeType")
    size = fields.Integer(allow_none=True, load_default=None)
    created = fields.AwareDateTime(format="iso", required=True)
    author = fields.Nested(User, allow_none=True, load_default=None)


class Values(Answer):
    summary = fields.String(allow_none=True, load_default="")
    project = fields.Nested(Project, required=True)
    status = fields.Nested(Named, allow_none=True, load_default=None)
    created = fields.AwareDateTime(format="iso", required=True)
    reporter = fields.Nested(User, allow_none=True, load_default=None)
    creator = fields.Nested(User, allow_none=True, load_default=None)
    labels = fields.List(fields.String(), load_default=list)
    attachment = fields.List(fields.Nested(File), load_default=list)


class Rendered(Answer):
    description = fields.String(allow_none=True, load_default="")


class Issue(Answer):
    key = fields.String(required=True)
    fields_ = fields.Dict(required=True, data_key="fields")
    rendered = fields.Nested(Rendered, allow_none=True, load_default=None, data_key="renderedFields")


class Comment(Answer):
    id = Id(required=True)
    author = fields.Nested(User, allow_none=True, load_default=None)
    rendered_body = fields.String(allow_none=True, load_default="", data_key="renderedBody")
    created = fields.AwareDateTime(format="iso", required=True)
    jsd_public = fields.Boolean(allow_none=True, load_default=True, data_key="jsdPublic")
    visibility = fields.Dict(allow_none=True, load_default=None)


class Comments(Answer):
    comments = fields.List(fields.Nested(Comment), required=True)
    total = fields.Integer(required=True)


class Posted(Answer):
    id = Id(required=True)
    public = fields.Boolean(required=True)


class FieldType(Answer):
    custom = fields.String(allow_none=True, load_default="")


class Field(Answer):
    id = Id(required=True)
    name = fields.String(allow_none=True, load_default="")
    scope = fields.Dict(allow_none=True, load_default=None)
    schema = fields.Nested(FieldType, allow_none=True, load_default=None)


class ChangedValues(Answer):
    updated = fields.AwareDateTime(format="iso", required=True)


class Changed(Answer):
    key = fields.String(required=True)
    fields_ = fields.Nested(ChangedValues, required=True, data_key="fields")


class Found(Answer):
    issues = fields.List(fields.Nested(Changed), required=True)
    next_page_token = fields.String(allow_none=True, load_default=None, data_key="nextPageToken")


class Page(Answer):
    values = fields.List(fields.Dict(), required=True)
    is_last_page = fields.Boolean(load_default=True, data_key="isLastPage")


class FormField(Answer):
    field_id = fields.String(required=True, data_key="fieldId")
    name = fields.String(allow_none=True, load_default="")
    visible = fields.Boolean(load_default=True)


class Form(Answer):
    request_type_fields = fields.List(fields.Nested(FormField), required=True, data_key="requestTypeFields")


class Permission(Answer):
    have_permission = fields.Boolean(required=True, data_key="havePermission")


class Permissions(Answer):
    permissions = fields.Dict(values=fields.Nested(Permission), required=True)


class Edit(Answer):
    fields_ = fields.Dict(required=True, data_key="fields")
