"""A small Microsoft 365: its users, and the list of senders that it has blocked. State lives in memory.

Unblocking takes a while to show, as in life: an entry stays listed for `settle_seconds` after it was asked for. The
form of a user is that of the demo account-admin site's world.json, with more to it; what an identity system knows and
Entra does not, such as why a sign-in is disabled, is left out here.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import NAMESPACE_URL, uuid5

Clock = Callable[[], datetime]
UNBLOCKS_LEFT = 5  # Microsoft's own number is not published


class Result(StrEnum):
    """What becomes of asking to take an entry off the list."""

    DONE = "done"
    NOT_LISTED = "not listed"
    LIMIT = "limit"  # unblocked too often: only Microsoft Support can
    REFUSED = "refused"  # for a reason that nobody has described
    THROTTLED = "throttled"  # the first time; the next is taken
    FAILED = "failed"  # on Microsoft's side


@dataclass(kw_only=True, slots=True)
class Listed:
    """An entry of the list."""

    address: str
    reason: str = ""
    created_at: datetime | None = None
    gone_at: datetime | None = None  # set once it was asked for


@dataclass(kw_only=True, slots=True)
class User:
    """Somebody of the tenant, with mailbox."""

    netid: str
    display_name: str
    upn: str
    addresses: list[str]  # the primary first
    is_enabled: bool | None = True
    password_changed_at: datetime | None = None
    sessions_valid_from: datetime | None = None
    user_type: str = "Member"
    forwards_to: str | None = None
    rules: list[dict[str, Any]] = field(default_factory=list)
    methods: list[dict[str, Any]] = field(default_factory=list)
    apps: list[dict[str, str]] = field(default_factory=list)
    unblocks_left: int = UNBLOCKS_LEFT
    on_unblock: str = ""  # a `Result` that comes instead, or "slow"

    @property
    def id(self) -> str:
        """Entra's own id, the same in every run."""
        return str(uuid5(NAMESPACE_URL, f"user:{self.netid}"))

    def is_called(self, address: str) -> bool:
        """Whether this is one of theirs, whatever the case of the letters."""
        return address.lower() in {known.lower() for known in (self.upn, *self.addresses)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One removal that reached the cmdlet, and what came of it."""

    at: datetime
    address: str
    result: Result


class World:
    """The tenant; every call is safe from any thread."""

    def __init__(self, users: Mapping[str, Any] | None, *, clock: Clock, settle_seconds: float) -> None:
        self.clock = clock
        self.asked: list[Asked] = []
        self._settle = timedelta(seconds=settle_seconds)
        self._lock = RLock()
        whole = json.loads(Path(__file__).with_name("world.json").read_text("utf-8"))
        now = clock()
        chosen = whole["users"] if users is None else users
        self._users = {netid: _user(netid, entry, now) for netid, entry in chosen.items()}
        entries = [entry for user in chosen.values() for entry in user.get("blocked", [])]
        self.connectors: list[dict[str, Any]] = list(whole["connectors"])
        self._listed = [_listed(entry, now) for entry in (*entries, *whole["others"])]

    def users(self) -> list[User]:
        """Everybody."""
        return list(self._users.values())

    def user(self, address: str) -> User:
        """The one with this address; `KeyError` for nobody."""
        for user in self.users():
            if user.is_called(address):
                return user
        raise KeyError(address)

    def listed(self) -> list[Listed]:
        """The list of now."""
        with self._lock:
            now = self.clock()
            self._listed = [entry for entry in self._listed if entry.gone_at is None or entry.gone_at > now]
            return list(self._listed)

    def block(self, address: str, *, reason: str = "") -> None:
        """What Microsoft does by itself: list an address, now."""
        with self._lock:
            self._listed.append(Listed(address=address, reason=reason, created_at=self.clock()))

    def secure(self, netid: str) -> None:
        """What customer and help desk do together: new password, signed out everywhere, no forwarding, no rules."""
        with self._lock:
            user = self._users[netid]
            user.password_changed_at = user.sessions_valid_from = self.clock()
            user.forwards_to, user.rules = None, []

    def enable(self, netid: str) -> None:
        """The sign-in works again, as the identity system says."""
        with self._lock:
            self._users[netid].is_enabled = True

    def remove(self, address: str) -> Result:
        """Ask for an entry to be taken off; it must be named exactly as it is listed."""
        with self._lock:
            entry = next((entry for entry in self.listed() if entry.address == address), None)
            result = self._remove(entry)
            self.asked.append(Asked(at=self.clock(), address=address, result=result))
            return result

    def _remove(self, entry: Listed | None) -> Result:
        if entry is None:
            return Result.NOT_LISTED
        if not self._knows(entry.address):
            entry.gone_at = self.clock() + self._settle
            return Result.DONE
        user = self.user(entry.address)
        if user.on_unblock == Result.THROTTLED:
            user.on_unblock = ""
            return Result.THROTTLED
        if user.on_unblock in (Result.REFUSED, Result.FAILED):
            return Result(user.on_unblock)
        if user.unblocks_left < 1:
            return Result.LIMIT
        user.unblocks_left -= 1
        entry.gone_at = entry.gone_at or self.clock() + self._settle
        return Result.DONE

    def _knows(self, address: str) -> bool:
        return any(user.is_called(address) for user in self.users())


def _user(netid: str, entry: Mapping[str, Any], start: datetime) -> User:
    addresses = list(entry["addresses"])
    own = [address for address in addresses if address.split("@")[0] == netid]
    state = entry.get("sign_in", {"state": "enabled"})["state"]
    return User(
        netid=netid,
        display_name=entry["display_name"],
        upn=entry.get("upn", own[0] if own else addresses[0]),
        addresses=addresses,
        is_enabled={"enabled": True, "disabled": False}.get(state),
        password_changed_at=_ago(start, entry.get("password_changed_minutes_ago", 60 * 24 * 200)),
        sessions_valid_from=_ago(start, entry.get("sessions_minutes_ago", 60 * 24 * 200)),
        user_type=entry.get("user_type", "Member"),
        forwards_to=entry.get("forwards_to"),
        rules=list(entry.get("rules", [])),
        methods=list(entry.get("methods", [])),
        apps=list(entry.get("apps", [])),
        unblocks_left=entry.get("unblocks_left", UNBLOCKS_LEFT),
        on_unblock=entry.get("on_unblock", ""),
    )


def _listed(entry: Mapping[str, Any], start: datetime) -> Listed:
    return Listed(
        address=entry["address"], reason=entry.get("reason", ""), created_at=_ago(start, entry.get("minutes_ago"))
    )


def _ago(start: datetime, minutes: float | None) -> datetime | None:
    return None if minutes is None else start - timedelta(minutes=minutes)
