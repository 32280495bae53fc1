"""What our settings say of a django-helpdesk, and what our app in it says (GET set-up). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from marshmallow import EXCLUDE, Schema, fields

from plugin.http import Reply
from webhooks.answers import load


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What our own settings say."""

    source: str
    api_url: str
    queues: tuple[str, ...]
    webhook_secrets: tuple[str, ...]
    launch_secrets: tuple[str, ...]
    panel_origins: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where these settings stand."""
        return f"[sources.{self.source}]"

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any]) -> Self:
        """The settings of the source `name`."""
        return cls(
            source=name,
            api_url=settings["api_url"],
            queues=tuple(settings.get("queues", ())),
            webhook_secrets=tuple(settings["webhook_secrets"]),
            launch_secrets=tuple(settings.get("launch_secrets", ())),
            panel_origins=tuple(settings.get("panel_origins", ())),
        )


class Found(Schema):
    """An object in the app's answer; what it says besides is for later versions."""

    class Meta:
        unknown = EXCLUDE


class Looked(Found):
    what = fields.String(required=True)
    ok = fields.Boolean(required=True)
    remedy = fields.String(load_default="")


class Told(Found):
    version = fields.String(required=True)
    django_helpdesk = fields.String(required=True)
    source = fields.String(required=True)
    url = fields.String(required=True)
    webhook_url = fields.String(required=True)
    queues = fields.List(fields.String(), required=True)
    fingerprints = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    checks = fields.List(fields.Nested(Looked), required=True)


SetUp = Mapping[str, Any]
_told = Told()


def read(reply: Reply) -> SetUp:
    """The app's answer; `PermanentError` if it is none."""
    found: SetUp = load(_told, reply, reply.json(), described="our app in django-helpdesk tells it")
    return found
