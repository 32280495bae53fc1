"""The promised fields as custom fields of Jira: found by their names, written and read by their ids."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from plugin.manifest import manifest
from webhooks.jira import answers
from webhooks.jira.rest import PLATFORM, Rest

PROMISED = tuple(manifest()["fields"])
LONG = frozenset({"Blocked Addresses"})
TYPES = "com.atlassian.jira.plugin.system.customfieldtypes"
ORGANISATIONS = "com.atlassian.servicedesk:sd-customer-organizations"
PARTICIPANTS = "com.atlassian.servicedesk:sd-request-participants"
ASKED_AGAIN_AFTER = 600.0  # seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """The ids of fields on one site; what is not there, or more than once, is left out."""

    ours: Mapping[str, str]  # by their promised names
    doubled: frozenset[str]  # promised names that several fields bear
    organisations: str | None
    participants: str | None


class Catalogue:
    """Which fields a site has; asked for again now and then, so that a new one is seen without a restart."""

    def __init__(self, rest: Rest, *, clock: Callable[[], float] = monotonic) -> None:
        self._rest = rest
        self._clock = clock
        self._known: Known | None = None
        self._asked_at = 0.0

    def known(self) -> Known:
        """What the site has."""
        if self._known is None or self._clock() - self._asked_at > ASKED_AGAIN_AFTER:
            reply = self._rest.get("look up the custom fields", *PLATFORM, "field")
            self._known, self._asked_at = known(answers.fields_of(reply)), self._clock()
        return self._known


def known(rows: tuple[answers.FieldRow, ...]) -> Known:
    """What is needed of a site's fields. One that belongs to a single team-managed project is not meant."""
    everywhere = [row for row in rows if not row.is_scoped]
    named = {name: [row.id for row in everywhere if (row.name, row.type) == (name, type_of(name))] for name in PROMISED}
    return Known(
        ours={name: ids[0] for name, ids in named.items() if len(ids) == 1},
        doubled=frozenset(name for name, ids in named.items() if len(ids) > 1),
        organisations=next((row.id for row in everywhere if row.type == ORGANISATIONS), None),
        participants=next((row.id for row in everywhere if row.type == PARTICIPANTS), None),
    )


def type_of(name: str) -> str:
    """One line of up to 255 characters, or a text."""
    return f"{TYPES}:{'textarea' if name in LONG else 'textfield'}"


def definition(name: str) -> dict[str, str]:
    """What POST /rest/api/3/field takes."""
    return {
        "name": name,
        "description": f"For agents only; never on a request form. {manifest()['fields'][name]}"[:255],
        "type": type_of(name),
        "searcherKey": f"{TYPES}:textsearcher",
    }


def as_jira(name: str, value: str | None) -> Any:
    """A value as Jira takes it; a text is a document (ADF), in which nothing is markup."""
    if not value:
        return None
    if name not in LONG:
        return value
    return {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": value}]}],
    }


def as_text(value: Any) -> str | None:
    """A value as Jira holds it."""
    return (value if isinstance(value, str) else _words(value)).strip() or None


def _words(node: Any) -> str:
    if not isinstance(node, dict):
        return ""
    if isinstance(node.get("text"), str):
        return str(node["text"])
    inner = node.get("content")
    return "".join(map(_words, inner)) if isinstance(inner, list) else ""
