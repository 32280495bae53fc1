"""plugin.json, read once: what the plugin promises to ticket systems. The program works from it, so it cannot drift."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from plugin.errors import SettingsError

PLACE = Path(__file__).parent / "plugin.json"


@cache
def manifest() -> dict[str, Any]:
    """The manifest as a dictionary; its own schema is checked by the tests."""
    return read(PLACE)


def read(place: Path) -> dict[str, Any]:
    """A manifest from its file; `SettingsError` where the installation is broken."""
    try:
        document: dict[str, Any] = json.loads(place.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{place} belongs to the program and cannot be read ({error}): install it again") from error
    return document
