"""Microsoft 365 as mail tenant: the person from Graph, the blocks from Exchange Online, each Unknown where it fails.

An account's id here is its NetID, or the user principal name where it has none. Entra says only that a sign-in is
disabled, never why: the reason stays unread, and the procedure asks for Security's word (rule 2). A site whose identity
system knows it names that one in ``sign_in_from``.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from plugin.errors import RemoteError
from plugin.mail_tenants.exchange_online import connectors
from plugin.mail_tenants.exchange_online.account_checks import AccountLooks
from plugin.mail_tenants.exchange_online.blocked_senders import BlockedSenders
from plugin.mail_tenants.exchange_online.checks import SetUp
from plugin.mail_tenants.exchange_online.graph import Graph, Person
from plugin.mail_tenants.exchange_online.invoke_command import InvokeCommand
from plugin.model import (
    AccountCheck,
    AccountStatus,
    Agent,
    BlockedAddress,
    Looked,
    Sending,
    SignIn,
    SignInState,
    UnblockAnswer,
)
from plugin.ports import Check


class ExchangeOnline:
    """`plugin.ports.MailTenant` and `plugin.ports.AccountChecks` over Exchange Online and Microsoft Graph."""

    def __init__(
        self,
        graph: Graph,
        senders: BlockedSenders,
        looks: AccountLooks,
        exchange: InvokeCommand,
        set_up: SetUp,
        clock: Callable[[], datetime],
    ) -> None:
        self._graph = graph
        self._senders = senders
        self._looks = looks
        self._exchange = exchange
        self._set_up = set_up
        self._clock = clock

    @property
    def name(self) -> str:
        """The tenant's name in the settings."""
        return self._graph.name

    def status(self, account: str) -> AccountStatus:
        """The account behind a NetID or any of its addresses, as of now.

        `NotFound` if there is none; any `RemoteError` where the person cannot be read. A list that cannot be read is no
        error: sending is Unknown then, with what failed.
        """
        person = self._graph.person(account)
        blocked, failures = self._blocked(person)
        sending = Sending.BLOCKED if blocked else Sending.UNKNOWN if failures else Sending.NOT_BLOCKED
        if person.sign_in is SignIn.UNKNOWN:
            failures.append(f"{self.name}: Entra does not say whether the sign-in is enabled")
        return AccountStatus(
            tenant=self.name,
            netid=person.netid,
            display_name=person.display_name,
            primary_address=person.addresses[0],
            addresses=person.addresses,
            sending=sending,
            blocked=blocked,
            sign_in=SignInState(state=person.sign_in),
            checked_at=self._clock(),
            failure="; ".join(failures),
        )

    def unblock(
        self,
        status: AccountStatus,  # noqa: ARG002 - the listed key says it all
        blocked: BlockedAddress,
        *,
        agent: Agent,  # noqa: ARG002 - Exchange takes nobody's word for who asks
        ticket: str,  # noqa: ARG002
        key: str,  # noqa: ARG002 - nor a key for the asking
    ) -> UnblockAnswer:
        """Ask once for one listed address; `BlockedSenders.remove` has the table of what comes of it."""
        return self._senders.remove(blocked.address)

    def can_look(self, status: AccountStatus) -> bool:  # noqa: ARG002 - at every one of its own
        """It can."""
        return True

    def look(self, status: AccountStatus, checks: Sequence[AccountCheck], since: datetime | None) -> Iterator[Looked]:
        """Look at these things of an account, one after the other."""
        return self._looks.look(status.netid, checks, since)

    def blocked_connectors(self) -> tuple[str, ...]:
        """The organisation's inbound connectors that Microsoft has blocked."""
        return connectors.blocked_connectors(self._exchange)

    def check(self) -> Iterator[Check]:
        """Certificate, tokens, permissions and roles, each looked at where it counts."""
        return self._set_up.checks()

    def _blocked(self, person: Person) -> tuple[tuple[BlockedAddress, ...], list[str]]:
        try:
            return self._senders.of(person.addresses), []
        except RemoteError as error:
            return (), [str(error)]
