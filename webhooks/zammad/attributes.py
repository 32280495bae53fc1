"""The promised fields as attributes of Zammad's tickets: their names, and how they are set up. Pure.

No digit stands in a name: placeholders with digits once failed to parse (zammad/zammad#5265).
"""

from collections.abc import Mapping
from typing import Any

from plugin.manifest import manifest

PROMISED = tuple(manifest()["fields"])
LONG = frozenset({"Blocked Addresses"})


def attribute_of(field: str) -> str:
    """The attribute that holds a promised field, such as ``unblock_sending_status``."""
    return "unblock_" + field.lower().replace(" ", "_")


def definition(field: str) -> dict[str, Any]:
    """What POST /object_manager_attributes takes; shown to agents when they work on a ticket, to nobody else."""
    data_option = {"type": "text", "maxlength": 255, "null": True, "default": "", "options": {}, "relation": ""}
    if field in LONG:
        data_option |= {"maxlength": 5000, "rows": 2}
    return {
        "object": "Ticket",
        "name": attribute_of(field),
        "display": field,
        "active": True,
        "data_type": "textarea" if field in LONG else "input",
        "data_option": data_option,
        "screens": {"create_middle": {}, "edit": {"ticket.agent": {"shown": True, "required": False}}},
        "position": 1550,
    }


def shown_fields(ticket: Mapping[str, Any]) -> dict[str, str | None]:
    """The promised fields of a ticket as Zammad has it; those without an attribute are left out."""
    named = {field: attribute_of(field) for field in PROMISED}
    return {field: ticket[name] or None for field, name in named.items() if name in ticket}
