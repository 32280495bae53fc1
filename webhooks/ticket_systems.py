"""The only registry of ticket systems: what plugin.json declares, and the folder of the same name here."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from plugin.errors import SettingsError
from plugin.http import Traffic
from plugin.manifest import manifest
from plugin.ports import Abilities, TicketSystem


def declared() -> dict[str, Abilities]:
    """The ticket systems in plugin.json, with what each can do."""
    return {entry["id"]: Abilities(**entry["abilities"]) for entry in manifest()["ticket_systems"]}


def connect(name: str, settings: Mapping[str, Any], traffic: Traffic | None = None) -> TicketSystem:
    """The source called `name`, from its settings; `SettingsError` if they will not do. Nothing is sent yet.

    `traffic` hears of every request that it makes.
    """
    systems, system = declared(), str(settings.get("system", ""))
    if system not in systems:
        raise SettingsError(f"[sources.{name}] system: there is no {system!r}; {_known(system, list(systems))}")
    adapter = import_module(f"webhooks.{system}.adapter")
    source: TicketSystem = adapter.connect(name, settings, systems[system], traffic)
    return source


def installable() -> list[str]:
    """The ticket systems that bring an ``install.py``."""
    return [system for system in declared() if (Path(__file__).parent / system / "install.py").is_file()]


def installer(system: str) -> click.Command:
    """What `m365-unblock install <system>` does, for one of `installable`."""
    command: click.Command = import_module(f"webhooks.{system}.install").command
    return command


def _known(system: str, systems: list[str]) -> str:
    close = get_close_matches(system, systems, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(systems)}"
