"""The accounts, Microsoft's list of blocked addresses, and Security's switch. State lives in memory.

Unblocking takes a while to show, as in life: an address stays listed for `settle_seconds` after it was asked for.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import RLock
from typing import Any, Protocol

Clock = Callable[[], datetime]

COMPROMISED = "Compromised Account"
UNBLOCKS_LEFT = 5  # Microsoft's own number is not published (Remove-BlockedSenderAddress says only that there is one)


class Result(StrEnum):
    """What became of an unblock that was asked for."""

    REQUESTED = "requested"
    NOT_BLOCKED = "not_blocked"
    LIMIT = "unblock-limit"


@dataclass(kw_only=True, slots=True)
class Listed:
    """An address on Microsoft's list of restricted entities."""

    address: str
    reason: str = ""
    blocked_at: datetime | None = None
    gone_at: datetime | None = None  # set once an unblock was asked for


@dataclass(kw_only=True, slots=True)
class Account:
    """One NetID. `stated` overrides the sending status that follows from the list, for accounts that contradict it."""

    netid: str
    display_name: str
    addresses: list[str]
    listed: list[Listed] = field(default_factory=list)
    stated: str | None = None
    sign_in: str = "enabled"
    sign_in_reason: str | None = None
    sign_in_since: datetime | None = None
    unblocks_left: int = UNBLOCKS_LEFT

    @property
    def sending_status(self) -> str:
        """Over all addresses, in the words of the contract."""
        return self.stated or ("Blocked" if self.listed else "Not Blocked")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One unblock that reached Microsoft's door, and what came of it."""

    at: datetime
    netid: str
    address: str
    requested_by: str
    ticket: str
    result: Result


class Mailboxes(Protocol):
    """Another system's mailboxes, which help desks reach from here."""

    def secure(self, netid: str) -> None:
        """A new password, signed out everywhere, no forwarding and no rules."""

    def enable(self, netid: str) -> None:
        """Hear that the sign-in works again."""


class Tenant:
    """The simulated mail tenant; every call is safe from any thread. Unknown accounts raise `KeyError`."""

    def __init__(
        self,
        accounts: Mapping[str, Any] | None,
        *,
        clock: Clock,
        settle_seconds: float,
        mailboxes: Mailboxes | None = None,
    ) -> None:
        self.clock = clock
        self.mailboxes = mailboxes
        self.asked: list[Asked] = []
        self._settle = timedelta(seconds=settle_seconds)
        self._lock = RLock()
        entries = accounts if accounts is not None else default_accounts()
        self._accounts = {netid: _account(netid, entry, clock()) for netid, entry in entries.items()}

    def accounts(self) -> list[Account]:
        """All of them, as of now."""
        with self._lock:
            return [self._settled(account) for account in self._accounts.values()]

    def account(self, name: str) -> Account:
        """The account with this NetID or with this address among its addresses, whatever the case of the letters."""
        with self._lock:
            return self._settled(self._find(name.lower()))

    def unblock(self, name: str, address: str, *, requested_by: str, ticket: str) -> Result:
        """Ask Microsoft to unblock one address, which must be given exactly as it is listed."""
        with self._lock:
            account = self.account(name)
            entry = next((entry for entry in account.listed if entry.address == address), None)
            result = self._ask(account, entry)
            asked = Asked(
                at=self.clock(),
                netid=account.netid,
                address=address,
                requested_by=requested_by,
                ticket=ticket,
                result=result,
            )
            self.asked.append(asked)
            return result

    def block(self, name: str, address: str, *, reason: str = "") -> None:
        """What Microsoft does by itself: list an address, now."""
        with self._lock:
            self.account(name).listed.append(Listed(address=address, reason=reason, blocked_at=self.clock()))

    def delete_account(self, name: str) -> None:
        """What happens when somebody leaves."""
        with self._lock:
            del self._accounts[self.account(name).netid]

    def enable_sign_in(self, name: str) -> bool:
        """Security's switch, as the help desk may use it: only where the reason is a compromise. False: refused."""
        with self._lock:
            account = self.account(name)
            if account.sign_in != "disabled" or account.sign_in_reason != COMPROMISED:
                return False
            account.sign_in, account.sign_in_reason, account.sign_in_since = "enabled", None, self.clock()
            if self.mailboxes is not None:
                self.mailboxes.enable(account.netid)
            return True

    def _find(self, name: str) -> Account:
        for account in self._accounts.values():
            if name in (account.netid.lower(), *(address.lower() for address in account.addresses)):
                return account
        raise KeyError(name)

    def _settled(self, account: Account) -> Account:
        now = self.clock()
        account.listed = [entry for entry in account.listed if entry.gone_at is None or entry.gone_at > now]
        return account

    def _ask(self, account: Account, entry: Listed | None) -> Result:
        if entry is None:
            return Result.NOT_BLOCKED
        if account.unblocks_left < 1:
            return Result.LIMIT
        account.unblocks_left -= 1
        entry.gone_at = entry.gone_at or self.clock() + self._settle
        return Result.REQUESTED


def default_accounts() -> dict[str, Any]:
    """The small world of the demo; times in it are minutes before the start."""
    world: dict[str, Any] = json.loads(Path(__file__).with_name("world.json").read_text("utf-8"))
    return world


def _account(netid: str, entry: Mapping[str, Any], start: datetime) -> Account:
    sign_in = entry.get("sign_in", {"state": "enabled"})
    listed = entry.get("blocked", [])
    return Account(
        netid=netid,
        display_name=entry["display_name"],
        addresses=list(entry["addresses"]),
        listed=[
            Listed(address=each["address"], reason=each.get("reason", ""), blocked_at=_before(start, each))
            for each in listed
        ],
        stated=entry.get("sending_status"),
        sign_in=sign_in["state"],
        sign_in_reason=sign_in.get("reason"),
        sign_in_since=_before(start, sign_in),
        unblocks_left=entry.get("unblocks_left", UNBLOCKS_LEFT),
    )


def _before(start: datetime, entry: Mapping[str, Any]) -> datetime | None:
    minutes = entry.get("minutes_ago")
    return None if minutes is None else start - timedelta(minutes=minutes)
