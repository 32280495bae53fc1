"""Two tenants that serve one account side by side, each for what it knows.

The mail side knows the person and Microsoft's blocks, and its ids are the account's. The sign-in side is a local
identity system that knows whether Security disabled the sign-in, and why. Either failing leaves its own part Unknown.

    =================  ==============  ================================================================
    sign-in side       mail side       the sign-in is
    =================  ==============  ================================================================
    disabled           any             disabled, for the sign-in side's reason
    enabled            enabled         enabled
    enabled            disabled        disabled, and nobody says why
    enabled            unknown         unknown
    unknown, failing   any             unknown: the reason may be one that must not be unblocked
    =================  ==============  ================================================================
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from plugin.errors import NotFound, PermanentError, RemoteError
from plugin.model import (
    AccountCheck,
    AccountStatus,
    Agent,
    BlockedAddress,
    Looked,
    SignIn,
    SignInState,
    UnblockAnswer,
    Verdict,
)
from plugin.ports import Check, MailTenant, blocked_connectors, can_look, look


class SideBySide:
    """`plugin.ports.MailTenant` and `plugin.ports.AccountChecks` over two tenants."""

    def __init__(self, mail: MailTenant, sign_in: MailTenant) -> None:
        self._mail = mail
        self._sign_in = sign_in

    @property
    def name(self) -> str:
        """The mail side's name in the settings: the blocks are its own."""
        return self._mail.name

    def status(self, account: str) -> AccountStatus:
        """The account as both know it; raises as the mail side does."""
        known = self._mail.status(account)
        try:
            told = self._other_side(known, account)
        except RemoteError as error:
            return _with(known, SignInState(state=SignIn.UNKNOWN), str(error))
        if told.sign_in.state is SignIn.UNKNOWN:
            return _with(known, told.sign_in, f"{self._sign_in.name}: whether the sign-in is enabled is unknown there")
        if told.sign_in.state is SignIn.DISABLED or known.sign_in.state is SignIn.ENABLED:
            return _with(known, told.sign_in)
        return known  # disabled there by nobody knows whom, or unknown, as it says itself

    def unblock(
        self, status: AccountStatus, blocked: BlockedAddress, *, agent: Agent, ticket: str, key: str
    ) -> UnblockAnswer:
        """Ask the mail side."""
        return self._mail.unblock(status, blocked, agent=agent, ticket=ticket, key=key)

    def check(self) -> Iterator[Check]:
        """Each side has checks of its own; these are the mail side's."""
        return self._mail.check()

    def blocked_connectors(self) -> tuple[str, ...]:
        """Those that the mail side knows."""
        return blocked_connectors(self._mail)

    def can_look(self, status: AccountStatus) -> bool:
        """Whether the mail side can."""
        return can_look(self._mail, status)

    def look(self, status: AccountStatus, checks: Sequence[AccountCheck], since: datetime | None) -> Iterator[Looked]:
        """As the mail side can, but for the sign-in, of which both have a word to say."""
        for looked in look(self._mail, status, checks, since):
            is_half = looked.check is AccountCheck.SIGN_IN_ENABLED and looked.verdict is Verdict.VERIFIED
            yield _both_enabled(looked, self._read_again(status)) if is_half else looked

    def _read_again(self, status: AccountStatus) -> AccountStatus | RemoteError:
        try:
            return self._other_side(status, status.netid)
        except RemoteError as error:
            return error

    def _other_side(self, known: AccountStatus, account: str) -> AccountStatus:
        """What the sign-in side knows of the same person: by the name asked for, or by any other that is known."""
        names = dict.fromkeys(name.lower() for name in (account, known.netid, *known.addresses))
        for name in names:
            try:
                told = self._sign_in.status(name)
            except NotFound:
                continue
            if not {told.netid.lower(), *map(str.lower, told.addresses)} & {*names, known.netid.lower()}:
                why = "it answers about another person than the mail side"
                raise PermanentError(self._sign_in.name, f"reading the account {name!r:.80}", why)
            return told
        raise NotFound(self._sign_in.name, f"reading the account {account!r:.80}", "it does not know this person")


def _with(known: AccountStatus, sign_in: SignInState, failure: str = "") -> AccountStatus:
    return replace(known, sign_in=sign_in, failure="; ".join(filter(None, [known.failure, failure])))


def _both_enabled(looked: Looked, told: AccountStatus | RemoteError) -> Looked:
    if isinstance(told, RemoteError):
        return replace(looked, verdict=Verdict.NOT_LOOKED, finding=str(told))
    if told.sign_in.state is SignIn.ENABLED:
        return looked
    verdict = Verdict.NOT_SO if told.sign_in.state is SignIn.DISABLED else Verdict.NOT_LOOKED
    why = f": {told.sign_in.reason}" if told.sign_in.reason else ""
    return replace(looked, verdict=verdict, finding=f"At {told.tenant} the sign-in is {told.sign_in.state}{why}.")
