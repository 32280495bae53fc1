"""Where Microsoft's services answer, in each of its clouds.

Worldwide is what everybody has. The hosts of the others are Microsoft's own for the documented Admin API and for Graph;
whether InvokeCommand answers on them too nobody has told, so every address can be set (docs/exchange-online.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plugin.errors import SettingsError


@dataclass(frozen=True, kw_only=True, slots=True)
class Cloud:
    """The addresses of a cloud, what tokens are asked for there, and whom a redirect may name."""

    login_url: str
    exchange_url: str
    graph_url: str
    exchange_scope: str
    graph_scope: str
    exchange_hosts: tuple[str, ...]  # these and what is under them are Microsoft's, and may be handed the token


def _cloud(login: str, exchange: str, graph: str, *hosts: str) -> Cloud:
    return Cloud(
        login_url=f"https://{login}",
        exchange_url=f"https://{exchange}",
        graph_url=f"https://{graph}",
        exchange_scope=f"https://{exchange}/.default",
        graph_scope=f"https://{graph}/.default",
        exchange_hosts=hosts,
    )


CLOUDS: Mapping[str, Cloud] = {
    "worldwide": _cloud(
        "login.microsoftonline.com", "outlook.office365.com", "graph.microsoft.com", "office365.com", "outlook.com"
    ),
    "gcc-high": _cloud("login.microsoftonline.us", "outlook.office365.us", "graph.microsoft.us", "office365.us"),
    "dod": _cloud("login.microsoftonline.us", "outlook-dod.office365.us", "dod-graph.microsoft.us", "office365.us"),
    "china": _cloud(
        "login.chinacloudapi.cn", "outlook.office365.cn", "microsoftgraph.chinacloudapi.cn", "office365.cn"
    ),
}


def cloud_of(name: str, settings: Mapping[str, Any]) -> Cloud:
    """The cloud that the settings of a tenant name, with what they set otherwise; `SettingsError` for an unknown one.

    An address of one's own does not change what tokens are asked for: a proxy stands before the same service.
    """
    chosen = settings.get("cloud", "worldwide")
    if chosen not in CLOUDS:
        raise SettingsError(f"[mail_tenants.{name}] cloud: {chosen!r} is not one of {', '.join(CLOUDS)}")
    cloud = CLOUDS[chosen]
    return Cloud(
        login_url=settings.get("login_url", cloud.login_url),
        exchange_url=settings.get("exchange_url", cloud.exchange_url),
        graph_url=settings.get("graph_url", cloud.graph_url),
        exchange_scope=settings.get("exchange_scope", cloud.exchange_scope),
        graph_scope=settings.get("graph_scope", cloud.graph_scope),
        exchange_hosts=tuple(settings.get("exchange_hosts", cloud.exchange_hosts)),
    )
