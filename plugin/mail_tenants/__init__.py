"""The mail tenants: who knows the accounts and asks Microsoft. A new one is a file here and an entry in plugin.json."""

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any

from plugin.errors import SettingsError
from plugin.http import Traffic
from plugin.manifest import manifest
from plugin.ports import MailTenant


def connect(
    name: str, settings: Mapping[str, Any], clock: Callable[[], datetime], traffic: Traffic | None = None
) -> MailTenant:
    """The mail tenant that the settings call `name`, by its ``system``.

    `clock` tells the moment of each reading, as aware UTC; `traffic` hears of every request. Nothing is sent yet.
    `SettingsError` for a system that
    plugin.json does not list.
    """
    known = [entry["id"] for entry in manifest()["mail_tenants"]]
    system = settings["system"]
    if system not in known:
        raise SettingsError(f"mail_tenants.{name}.system: {system!r} is not one of {', '.join(known)}")
    # Imported only when it is configured, so that no site needs what another site's tenant needs.
    tenant: MailTenant = import_module(f"{__name__}.{system}").connect(name, settings, clock, traffic)
    return tenant
