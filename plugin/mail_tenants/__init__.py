"""The mail tenants: who knows the accounts and asks Microsoft. A new one is a module here, declared in plugin.json."""

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any

from plugin.errors import SettingsError
from plugin.http import Traffic
from plugin.mail_tenants.several import Several
from plugin.mail_tenants.side_by_side import SideBySide
from plugin.manifest import manifest
from plugin.ports import MailTenant


def connect(
    name: str, settings: Mapping[str, Any], clock: Callable[[], datetime], traffic: Traffic | None = None
) -> MailTenant:
    """The mail tenant that the settings call `name`, by its ``system``.

    `clock` tells the moment of each reading, as aware UTC; `traffic` hears of every request. Nothing is sent yet.
    `SettingsError` for a system that plugin.json does not list.
    """
    known = [entry["id"] for entry in manifest()["mail_tenants"]]
    system = settings["system"]
    if system not in known:
        raise SettingsError(f"mail_tenants.{name}.system: {system!r} is not one of {', '.join(known)}")
    # Imported only when it is configured, so that no site needs what another site's tenant needs.
    tenant: MailTenant = import_module(f"{__name__}.{system}").connect(name, settings, clock, traffic)
    return tenant


def joined(tenants: Mapping[str, MailTenant], settings: Mapping[str, Mapping[str, Any]]) -> MailTenant:
    """All connected tenants as the one that the procedure asks.

    One that another names in ``sign_in_from`` serves beside that one, for sign-ins only; all others are tenants of
    their own. `SettingsError` where ``sign_in_from`` names none that can serve so.
    """
    sides = {name: chosen["sign_in_from"] for name, chosen in settings.items() if "sign_in_from" in chosen}
    for name, side in sides.items():
        if side not in tenants:
            raise SettingsError(
                f"[mail_tenants.{name}] sign_in_from: there is no mail tenant {side!r}; there are {', '.join(tenants)}"
            )
        if side in sides:
            raise SettingsError(f"[mail_tenants.{name}] sign_in_from: {side!r} must be one without sign_in_from")
    whole = [
        SideBySide(tenant, tenants[sides[name]]) if name in sides else tenant
        for name, tenant in tenants.items()
        if name not in sides.values()
    ]
    return whole[0] if len(whole) == 1 else Several(whole)
