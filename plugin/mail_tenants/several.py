"""Several tenants of one help desk, such as a university's and its hospital's: an account is where it is known."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain

from plugin.errors import NotFound, PermanentError
from plugin.model import AccountCheck, AccountStatus, Agent, BlockedAddress, Looked, UnblockAnswer
from plugin.ports import Check, MailTenant, blocked_connectors, can_look, look


class Several:
    """`plugin.ports.MailTenant` and `plugin.ports.AccountChecks` over others, in the order of the settings."""

    def __init__(self, tenants: Sequence[MailTenant]) -> None:
        self._tenants = tuple(tenants)

    @property
    def name(self) -> str:
        """All their names."""
        return ", ".join(tenant.name for tenant in self._tenants)

    def status(self, account: str) -> AccountStatus:
        """The account in the one tenant that knows it; all are asked, and one that fails leaves it unsettled.

        `NotFound` if none knows it, `PermanentError` if several do.
        """
        known: list[AccountStatus] = []
        for tenant in self._tenants:
            try:
                known.append(tenant.status(account))
            except NotFound:
                continue
        doing = f"reading the account {account!r:.80}"
        if not known:
            raise NotFound(self.name, doing, "no tenant knows this account")
        if len(known) > 1:
            where = " and ".join(status.tenant for status in known)
            why = f"{where} know it: say which by an address, or let one of them know the sign-in only (sign_in_from)"
            raise PermanentError(self.name, doing, why)
        return known[0]

    def unblock(
        self, status: AccountStatus, blocked: BlockedAddress, *, agent: Agent, ticket: str, key: str
    ) -> UnblockAnswer:
        """Ask the tenant that the account was read from."""
        return self._of(status).unblock(status, blocked, agent=agent, ticket=ticket, key=key)

    def check(self) -> Iterator[Check]:
        """Those of all."""
        return chain.from_iterable(tenant.check() for tenant in self._tenants)

    def blocked_connectors(self) -> tuple[str, ...]:
        """Those of all that can tell."""
        return tuple(chain.from_iterable(blocked_connectors(tenant) for tenant in self._tenants))

    def can_look(self, status: AccountStatus) -> bool:
        """Whether the tenant can that the account was read from."""
        return any(tenant.name == status.tenant and can_look(tenant, status) for tenant in self._tenants)

    def look(self, status: AccountStatus, checks: Sequence[AccountCheck], since: datetime | None) -> Iterator[Looked]:
        """As the tenant can that the account was read from."""
        return look(self._of(status), status, checks, since)

    def _of(self, status: AccountStatus) -> MailTenant:
        for tenant in self._tenants:
            if tenant.name == status.tenant:
                return tenant
        raise PermanentError(status.tenant, f"finding the tenant of {status.netid!r:.80}", "it is not in the settings")
