"""The promised fields as ticket fields of Zendesk: found by their titles, or by the numbers in the settings."""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from plugin.manifest import manifest
from webhooks.zendesk.answers import Reading
from webhooks.zendesk.records import TicketField, TicketRow
from webhooks.zendesk.rest import Rest

PROMISED = tuple(manifest()["fields"])
LONG = frozenset({"Blocked Addresses"})
TEXT = frozenset({"text", "textarea"})
REMEMBERED = 300.0  # seconds


class TicketFields:
    """The ticket fields of one Zendesk, asked for now and then: somebody may show one to end users at any time."""

    def __init__(self, rest: Rest, numbers: Mapping[str, int], clock: Callable[[], float] = monotonic) -> None:
        """`numbers` are those of fields that bear another title there, by their promised names."""
        self._rest = rest
        self._numbers = dict(numbers)
        self._clock = clock
        self._known: dict[str, TicketField] = {}
        self._asked_at = -REMEMBERED

    def found(self, *, anew: bool = False) -> dict[str, TicketField]:
        """The promised fields that are there, by their promised names; as they are now, if asked for `anew`."""
        if anew or self._clock() - self._asked_at >= REMEMBERED:
            doing = "look for our ticket fields"
            there = Reading(self._rest.system, doing).fields(self._rest.get(doing, "ticket_fields"))
            self._known = {name: row for name in PROMISED if (row := self._one(name, there)) is not None}
            self._asked_at = self._clock()
        return self._known

    def _one(self, name: str, there: tuple[TicketField, ...]) -> TicketField | None:
        number = self._numbers.get(name)
        fitting = [row for row in there if (row.id == number if number else row.title == name and row.is_active)]
        return fitting[0] if len(fitting) == 1 else None


def fault(name: str, row: TicketField | None) -> str:
    """Why a field cannot be written; empty where it can."""
    if row is None:
        return f"there is no one active ticket field “{name}”: run m365-unblock install zendesk"
    if row.is_for_customers:
        return f"end users can see the ticket field “{name}” ({row.id}), so it is not written: run m365-unblock install"
    if row.type not in TEXT or not row.is_active:
        return (
            f"the ticket field “{name}” ({row.id}) is no active text field: rename it, run m365-unblock install zendesk"
        )
    return ""


def definition(name: str) -> dict[str, Any]:
    """What POST /ticket_fields takes; for agents only."""
    return {
        "type": "textarea" if name in LONG else "text",
        "title": name,
        "active": True,
        "required": False,
        "visible_in_portal": False,
        "editable_in_portal": False,
        "required_in_portal": False,
        "agent_description": f"{manifest()['fields'][name]}. Written by m365-unblock.",
    }


def shown_fields(row: TicketRow, there: Mapping[str, TicketField]) -> dict[str, str | None]:
    """The promised fields of a ticket."""
    return {name: row.values[field.id] or None for name, field in there.items() if field.id in row.values}
