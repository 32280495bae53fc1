"""The setting M365_UNBLOCK, as ``m365-unblock install django_helpdesk`` writes it into a JSON file."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

INSTALL = "run m365-unblock install django_helpdesk again, and read its file into M365_UNBLOCK"
TEXTS = ("SOURCE", "URL", "API_URL", "WEBHOOK_SECRET", "LAUNCH_SECRET")
KNOWN = {*TEXTS, "API_TOKENS_SHA256", "QUEUES", "USER", "WEBHOOK_URL", "CA_FILE"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """M365_UNBLOCK, found good."""

    source: str  # the plugin's name for this helpdesk
    url: str  # where browsers reach the plugin, without a slash at its end
    webhook_url: str  # where this host reaches it
    api_url: str  # where the plugin reaches our API
    webhook_secret: str  # whsec_…
    launch_secret: str
    api_tokens_sha256: Sequence[str]  # in hex; several while one is being replaced
    queues: frozenset[str]  # slugs; empty: all
    user: str  # login of our service user
    ca_file: str | None

    def is_ours(self, queue: Any) -> bool:
        """Whether tickets of this queue are told to the plugin, and shown to it."""
        return not self.queues or queue.slug in self.queues


def load() -> Settings:
    """The setting as it is; `ImproperlyConfigured` if it will not do."""
    given = getattr(settings, "M365_UNBLOCK", None)
    wrong = next(faults(given), None)
    if wrong is not None:
        raise ImproperlyConfigured(wrong)
    url = given["URL"].rstrip("/")
    return Settings(
        source=given["SOURCE"],
        url=url,
        webhook_url=given.get("WEBHOOK_URL") or f"{url}/webhooks/{quote(given['SOURCE'], safe='')}",
        api_url=given["API_URL"].rstrip("/"),
        webhook_secret=given["WEBHOOK_SECRET"],
        launch_secret=given["LAUNCH_SECRET"],
        api_tokens_sha256=tuple(given["API_TOKENS_SHA256"]),
        queues=frozenset(given.get("QUEUES") or ()),
        user=given.get("USER") or "m365-unblock",
        ca_file=given.get("CA_FILE"),
    )


def key_of(webhook_secret: str) -> bytes:
    """The key in a Standard Webhooks secret; `ValueError` if there is none."""
    prefix, marker, encoded = webhook_secret.partition("whsec_")
    if prefix or not marker:
        raise ValueError("no whsec_")
    return base64.b64decode(encoded, validate=True)


def faults(given: Any) -> Iterator[str]:
    """What is wrong with M365_UNBLOCK, each with the remedy; never a secret."""
    if not isinstance(given, Mapping):
        yield f"M365_UNBLOCK is not set: {INSTALL}"
        return
    missing = [name for name in TEXTS if not isinstance(given.get(name), str) or not given[name]]
    if missing:
        yield f"M365_UNBLOCK lacks {', '.join(missing)}: {INSTALL}"
        return
    unknown = sorted(set(given) - KNOWN)
    if unknown:
        yield f"M365_UNBLOCK has {', '.join(unknown)}, which nobody knows; known are {', '.join(sorted(KNOWN))}"
    yield from _addresses(given)
    yield from _secrets(given)
    queues = given.get("QUEUES") or []
    if isinstance(queues, str) or not all(isinstance(queue, str) for queue in queues):
        yield "M365_UNBLOCK QUEUES: give a list of the queues' slugs, or leave it out for all"


def _addresses(given: Mapping[str, Any]) -> Iterator[str]:
    for name in ("URL", "API_URL", "WEBHOOK_URL"):
        parts = urlsplit(given.get(name) or "")
        if given.get(name) and (parts.scheme not in ("http", "https") or not parts.netloc):
            yield f"M365_UNBLOCK {name}: give an address that begins with https://"
    panel = urlsplit(given["URL"])
    if panel.scheme == "http" and panel.hostname not in LOOPBACK:
        yield "M365_UNBLOCK URL: https only, since launch tokens go there"


def _secrets(given: Mapping[str, Any]) -> Iterator[str]:
    try:
        is_long = len(key_of(given["WEBHOOK_SECRET"])) >= 24
    except (binascii.Error, ValueError):
        is_long = False
    if not is_long:
        yield "M365_UNBLOCK WEBHOOK_SECRET: give whsec_ and base64 of 24 bytes or more, as the plugin has it"
    if len(given["LAUNCH_SECRET"].encode()) < 32:
        yield "M365_UNBLOCK LAUNCH_SECRET: give 32 bytes or more, as the plugin has it"
    if given["LAUNCH_SECRET"] == given["WEBHOOK_SECRET"]:
        yield "M365_UNBLOCK LAUNCH_SECRET: give it a secret of its own, not the webhook's"
    tokens = given.get("API_TOKENS_SHA256")
    good = isinstance(tokens, list | tuple) and all(re.fullmatch("[0-9a-f]{64}", str(token)) for token in tokens)
    if not good or not tokens:
        yield f"M365_UNBLOCK API_TOKENS_SHA256: a list of SHA-256 sums in hex of the plugin's api_token; {INSTALL}"


def check_settings(**_: Any) -> list[checks.CheckMessage]:
    """Django's system check, which ``manage.py check`` and every other command runs."""
    found: list[checks.CheckMessage] = [
        checks.Error(wrong, id="m365_unblock.E001") for wrong in faults(getattr(settings, "M365_UNBLOCK", None))
    ]
    apps = [name.partition(".apps.")[0] for name in settings.INSTALLED_APPS]
    if "helpdesk" in apps and apps.index("helpdesk") < apps.index("helpdesk_m365_unblock"):
        hint = "put helpdesk_m365_unblock before helpdesk in INSTALLED_APPS"
        found.append(checks.Error("the panel is not shown in the ticket page", hint=hint, id="m365_unblock.E002"))
    if not settings.USE_TZ:
        found.append(checks.Error("moments must have a zone", hint="set USE_TZ = True", id="m365_unblock.E003"))
    return found
