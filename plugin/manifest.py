"""plugin.json, read once: what the plugin promises to ticket systems. The program works from it, so it cannot drift."""

import json
from functools import cache
from pathlib import Path
from typing import Any

PLACES = (Path(__file__).parent / "plugin.json", Path(__file__).parent.parent / "plugin.json")


@cache
def manifest() -> dict[str, Any]:
    """The manifest as a dictionary; its own schema is checked by the tests."""
    place = next(path for path in PLACES if path.is_file())
    document: dict[str, Any] = json.loads(place.read_text("utf-8"))
    return document
