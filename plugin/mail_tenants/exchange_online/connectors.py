"""Inbound connectors that Microsoft has blocked because spam came in through them (5.7.711).

`Get-BlockedConnector` is documented, what it gives out is not: whatever names a connector is told.
"""

from collections.abc import Mapping
from typing import Any

from plugin.mail_tenants.exchange_online.invoke_command import InvokeCommand

GET = "Get-BlockedConnector"
NAMES = ("Name", "ConnectorName", "ConnectorId", "Identity", "Id")
LONGEST = 200  # characters of what names one


def blocked_connectors(exchange: InvokeCommand) -> tuple[str, ...]:
    """Each in words, as Exchange names it; `RemoteError` where they cannot be read."""
    return tuple(_named(row) for row in exchange.read("reading the blocked connectors", GET).rows)


def _named(row: Mapping[str, Any]) -> str:
    names = dict.fromkeys(str(row[name]) for name in NAMES if isinstance(row.get(name), str) and row[name].strip())
    told = " / ".join(names) or "one that Exchange does not name"
    return "".join(char if char.isprintable() else " " for char in told)[:LONGEST]
