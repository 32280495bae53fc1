"""Mail tenant *exchange_online*: Microsoft 365 itself, no site of one's own in between (docs/exchange-online.md)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from plugin.errors import SettingsError
from plugin.http import Remote, Traffic
from plugin.mail_tenants.exchange_online import certificate, graph, invoke_command, sign_in
from plugin.mail_tenants.exchange_online.account_checks import AccountLooks
from plugin.mail_tenants.exchange_online.blocked_senders import BlockedSenders
from plugin.mail_tenants.exchange_online.checks import SetUp
from plugin.mail_tenants.exchange_online.clouds import cloud_of
from plugin.mail_tenants.exchange_online.graph import Graph
from plugin.mail_tenants.exchange_online.hosts import Hosts
from plugin.mail_tenants.exchange_online.invoke_command import InvokeCommand
from plugin.mail_tenants.exchange_online.sign_in import SignedIn, Tokens
from plugin.mail_tenants.exchange_online.tenant import ExchangeOnline
from plugin.refusals import ReadRefusal


def connect(
    name: str, settings: Mapping[str, Any], clock: Callable[[], datetime], traffic: Traffic | None = None
) -> ExchangeOnline:
    """The tenant `name` by its settings; `SettingsError` where they cannot be used. Nothing is sent yet."""
    cloud = cloud_of(name, settings)
    credential = _credential(name, settings)
    hidden = (credential,) if isinstance(credential, str) else ()

    def remote(url: str, read_refusal: ReadRefusal) -> Remote:
        return Remote(
            name,
            url,
            None,
            ca_file=settings.get("ca_file"),
            traffic=traffic,
            read_refusal=read_refusal,
            hidden=hidden,
        )

    def exchange_at(url: str) -> SignedIn:
        return SignedIn(remote(url, invoke_command.read_refusal), tokens, cloud.exchange_scope)

    login = remote(cloud.login_url, sign_in.read_refusal)
    tokens = Tokens(login, settings["tenant_id"], settings["client_id"], credential)
    people = Graph(SignedIn(remote(cloud.graph_url, graph.read_refusal), tokens, cloud.graph_scope))
    exchange = InvokeCommand(
        Hosts(cloud.exchange_url, exchange_at, cloud.exchange_hosts),
        settings["tenant_id"],
        anchor=settings.get("anchor_mailbox", ""),
    )
    set_up = SetUp(
        tokens=tokens,
        scopes=(cloud.exchange_scope, cloud.graph_scope),
        certificate=None if isinstance(credential, str) else credential,
        graph=people,
        exchange=exchange,
        clock=clock,
    )
    looks = AccountLooks(people, exchange, clock)
    return ExchangeOnline(people, BlockedSenders(exchange), looks, exchange, set_up, clock)


def _credential(name: str, settings: Mapping[str, Any]) -> certificate.Certificate | str:
    place = f"[mail_tenants.{name}]"
    pem, secret = settings.get("certificate"), settings.get("client_secret")
    if (pem is None) == (secret is None):
        raise SettingsError(f"{place}: set certificate_file, or client_secret_file instead, and not both")
    return certificate.read(f"{place} certificate", pem) if pem is not None else str(secret)
