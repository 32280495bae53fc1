"""`m365-unblock check` for Exchange Online: what the set-up needs, each thing tried where it counts, with its remedy.

Nothing is changed: whether the application may unblock is seen by asking to unblock nobody, which Exchange refuses in
one way to whoever may, and in another to whoever may not.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from plugin.errors import RemoteError
from plugin.mail_tenants.exchange_online.blocked_senders import GET, REMOVE, BlockedSenders
from plugin.mail_tenants.exchange_online.certificate import Certificate
from plugin.mail_tenants.exchange_online.graph import Graph
from plugin.mail_tenants.exchange_online.invoke_command import InvokeCommand
from plugin.mail_tenants.exchange_online.sign_in import Tokens, roles_in
from plugin.ports import Advice, Check

SOON = timedelta(days=30)
MANAGE = "Exchange.ManageAsApp"
READ_PEOPLE = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
FOR_CHECKLISTS = ("UserAuthenticationMethod.Read.All", "Directory.Read.All")
CONSENT = "under API permissions of the application, then have an administrator grant consent (docs/exchange-online.md)"


class SetUp:
    """The checks of one tenant."""

    def __init__(
        self,
        *,
        tokens: Tokens,
        scopes: tuple[str, str],
        certificate: Certificate | None,
        graph: Graph,
        exchange: InvokeCommand,
        clock: Callable[[], datetime],
    ) -> None:
        """`scopes` are Exchange's and Graph's."""
        self._tokens = tokens
        self._exchange_scope, self._graph_scope = scopes
        self._certificate = certificate
        self._graph = graph
        self._exchange = exchange
        self._senders = BlockedSenders(exchange)
        self._clock = clock

    def checks(self) -> Iterator[Check]:
        """All of them; what cannot be looked at because something before it failed is left out."""
        if self._certificate is not None:
            yield _certificate(self._certificate, self._clock())
        yield from self._checks_of_graph()
        yield from self._checks_of_exchange()

    def _checks_of_graph(self) -> Iterator[Check]:
        roles, signed_in = self._roles("Graph", self._graph_scope)
        yield signed_in
        if not signed_in.ok:
            return
        remedy = f"add the application permission {READ_PEOPLE[0]} of Microsoft Graph {CONSENT}"
        yield Check(
            what=f"the token has Graph's permission {READ_PEOPLE[0]}", ok=_any(roles, READ_PEOPLE), remedy=remedy
        )
        yield _tried("Graph answers", self._graph.try_out)
        for permission in FOR_CHECKLISTS:
            yield Advice(
                what=f"the token has Graph's permission {permission}, for checklist items that check themselves",
                ok=permission in roles,
                remedy=f"if you want those, add {permission} {CONSENT}",
            )

    def _checks_of_exchange(self) -> Iterator[Check]:
        roles, signed_in = self._roles("Exchange Online", self._exchange_scope)
        yield signed_in
        if not signed_in.ok:
            return
        remedy = f"add the application permission {MANAGE} of Office 365 Exchange Online {CONSENT}"
        yield Check(what=f"the token has Exchange's permission {MANAGE}", ok=MANAGE in roles, remedy=remedy)
        yield _tried(
            f"Exchange lists blocked senders ({GET})",
            lambda: self._exchange.read("reading the list of blocked senders", GET),
        )
        yield _tried(f"the application may unblock ({REMOVE})", self._senders.may_remove)

    def _roles(self, service: str, scope: str) -> tuple[frozenset[str], Check]:
        """With a new token, since one from before has the rights of before."""
        what = f"the application signs in for {service}"
        try:
            self._tokens.forget()
            return roles_in(self._tokens.token(scope)), Check(what=what, ok=True)
        except RemoteError as error:
            return frozenset(), Check(what=what, ok=False, remedy=str(error))


def _any(roles: frozenset[str], wanted: tuple[str, ...]) -> bool:
    return any(role in roles for role in wanted)


def _certificate(certificate: Certificate, now: datetime) -> Check:
    what = f"the certificate {certificate.thumbprint} is valid until {certificate.valid_until:%d %b %Y}"
    if now < certificate.valid_from:
        remedy = "it is not valid yet: look at the clock of this machine, or at the certificate"
        return Check(what=what, ok=False, remedy=remedy)
    renew = "make a new one, upload it to the application beside the old one, then put it into the settings"
    if now >= certificate.valid_until:
        return Check(what=what, ok=False, remedy=f"it has expired: {renew}")
    return Advice(what=what, ok=certificate.valid_until - now > SOON, remedy=f"it expires soon: {renew}")


def _tried(what: str, attempt: Callable[[], object]) -> Check:
    try:
        attempt()
    except RemoteError as error:
        return Check(what=what, ok=False, remedy=str(error))
    return Check(what=what, ok=True)
