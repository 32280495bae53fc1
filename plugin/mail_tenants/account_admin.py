"""A mail tenant behind an account-administration site: a client of the account admin API (docs/account-admin.md).

What becomes of asking for an unblock; the type of what is raised says whether it may have been done:

    ======================================================  ======================================
    202 with ``requested`` for the address asked            `Answer.REQUESTED`
    200 with ``not_blocked`` for the address asked          `Answer.NOT_BLOCKED`
    409 with problem ``urn:account-admin:unblock-limit``    `Answer.LIMIT`
    any other 2xx, 3xx or 4xx                               `Answer.REFUSED`
    ids or a key that cannot be put into a request          `Answer.REFUSED`
    401, 403                                                raises `Denied`: not done
    429                                                     raises `Throttled`: not done
    no connection                                           raises `Unreachable`: not done
    408, 5xx, a time-out, a cut connection                  raises `OutcomeUnknown`: perhaps done
    ======================================================  ======================================

503 is among the last because a gateway may say it after the work was done. Nothing is ever sent twice from here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from plugin.errors import Denied, NotFound, OutcomeUnknown, PermanentError, RemoteError, Throttled
from plugin.http import Remote, Reply, Traffic
from plugin.mail_tenants.account_messages import ACCOUNT, MAX_ID, UNBLOCK_RESULT, load
from plugin.mail_tenants.listed import blocked_address, moment, newest_of_each
from plugin.model import AccountStatus, Agent, Answer, BlockedAddress, Sending, SignIn, SignInState, UnblockAnswer
from plugin.ports import Check

UNBLOCK_LIMIT = "urn:account-admin:unblock-limit"
NOBODY = "m365-unblock-check"  # no such account, to be asked for where nothing is to come of it
ANSWERS = {(202, "requested"): Answer.REQUESTED, (200, "not_blocked"): Answer.NOT_BLOCKED}


def connect(
    name: str, settings: Mapping[str, Any], clock: Callable[[], datetime], traffic: Traffic | None = None
) -> "AccountAdmin":
    """The tenant `name` with its settings ``url``, ``token`` and perhaps ``ca_file``."""
    remote = Remote(name, settings["url"], settings["token"], ca_file=settings.get("ca_file"), traffic=traffic)
    return AccountAdmin(remote, clock)


class AccountAdmin:
    """`plugin.ports.MailTenant` over an account-administration site."""

    def __init__(self, remote: Remote, clock: Callable[[], datetime]) -> None:
        self._remote = remote
        self._clock = clock

    @property
    def name(self) -> str:
        """The tenant's name in the settings."""
        return self._remote.system

    def status(self, account: str) -> AccountStatus:
        """The account behind a NetID or any of its addresses, as of now.

        `NotFound` if there is none; `PermanentError` for an id that cannot be one, an answer that breaks the contract
        and an answer about somebody else; the other `RemoteError`s as `Remote.call` has them.
        """
        doing = f"reading the account {account!r:.80}"
        if not account.strip() or len(account) > MAX_ID:
            raise PermanentError(self.name, doing, f"an account id has 1 to {MAX_ID} characters")
        reply = self._remote.call(doing, "GET", self._remote.url("v1", "accounts", account))
        if reply.status != 200:
            raise PermanentError(self.name, doing, f"answered {reply.status}, which tells nothing", status=reply.status)
        said = load(ACCOUNT, reply)
        known_by = {said["netid"], said["primary_address"], *said["addresses"]}
        if account.lower() not in {known.lower() for known in known_by}:
            raise PermanentError(self.name, doing, "the answer is about another account", status=reply.status)
        return _status(self.name, said, self._clock())

    def unblock(
        self, status: AccountStatus, blocked: BlockedAddress, *, agent: Agent, ticket: str, key: str
    ) -> UnblockAnswer:
        """Ask once to unblock one listed address; the table at the top of this module says what comes of it."""
        doing = f"unblocking {blocked.address!r:.80}"
        try:
            reply = self._remote.call(
                doing,
                "POST",
                self._remote.url("v1", "accounts", status.netid, "office365", "unblock"),
                json={"address": blocked.address, "requested_by": agent.email or agent.login, "ticket": ticket},
                headers={"Idempotency-Key": key},
            )
            return _answer(reply, blocked.address)
        except Throttled as error:
            if error.status == 429:
                raise
            raise OutcomeUnknown(self.name, doing, error.message, status=error.status) from error
        except Denied:
            raise
        except PermanentError as error:
            limit = error.status == 409 and error.problem == UNBLOCK_LIMIT
            return UnblockAnswer(answer=Answer.LIMIT if limit else Answer.REFUSED, detail=error.message)

    def check(self) -> Iterator[Check]:
        """Ask for an account that nobody has: the contract's 404 shows that the site is there and takes the token."""
        what = "the account-administration site answers and takes the token"
        try:
            self.status(NOBODY)
        except NotFound as error:
            # Any web server says 404 to what it does not know; the site says it with a problem document.
            is_site = error.message != f"answered {error.status}"
            yield Check(what=what, ok=is_site, remedy=f"{error}, but not as the site would; {self._where()}")
        except RemoteError as error:
            yield Check(what=what, ok=False, remedy=f"{error}; {self._where()}")
        else:
            yield Check(what=what, ok=True)

    def _where(self) -> str:
        return f"look at url and token in [mail_tenants.{self.name}]; then try `m365-unblock status <netid>`"


def _status(tenant: str, said: Mapping[str, Any], now: datetime) -> AccountStatus:
    blocked = _blocked(said["office365"]["blocked_addresses"])
    sending, failure = _sending(said["office365"]["sending_status"], blocked)
    sign_in = said["sign_in"]
    if sign_in["state"] is SignIn.UNKNOWN:
        failure = "; ".join(filter(None, [failure, "whether the sign-in is enabled is unknown there"]))
    return AccountStatus(
        tenant=tenant,
        netid=said["netid"],
        display_name=said["display_name"] or "",
        primary_address=said["primary_address"],
        addresses=tuple(said["addresses"]),
        sending=sending,
        blocked=blocked,
        sign_in=SignInState(state=sign_in["state"], reason=sign_in["reason"] or None, since=moment(sign_in["since"])),
        checked_at=now,
        failure=failure and f"{tenant}: {failure}",
    )


def _sending(stated: Sending, blocked: tuple[BlockedAddress, ...]) -> tuple[Sending, str]:
    """The list is believed before the word, and neither is believed where they leave it open."""
    match stated, bool(blocked):
        case Sending.UNKNOWN, _:
            return Sending.UNKNOWN, "the sending status is unknown there"
        case Sending.BLOCKED, False:
            return Sending.UNKNOWN, "says Blocked, but lists no blocked address"
        case _, listed:
            return Sending.BLOCKED if listed else Sending.NOT_BLOCKED, ""


def _blocked(entries: Iterable[Mapping[str, Any]]) -> tuple[BlockedAddress, ...]:
    return newest_of_each(
        blocked_address(entry["address"], entry["reason"] or "", entry["blocked_at"]) for entry in entries
    )


def _answer(reply: Reply, address: str) -> UnblockAnswer:
    said = load(UNBLOCK_RESULT, reply)
    answer = ANSWERS.get((reply.status, said["result"]))
    if answer is None:
        return UnblockAnswer(answer=Answer.REFUSED, detail=f"answered {reply.status} with {said['result']!r}")
    if said["address"].lower() != address.lower():
        return UnblockAnswer(answer=Answer.REFUSED, detail=f"answered {said['result']!r} for another address")
    return UnblockAnswer(answer=answer)
