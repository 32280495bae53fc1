"""Who is on Microsoft's list of blocked senders, and being asked to take somebody off it.

The list is short and read as a whole: a filtered reading is reported to fail at times, and the key of an entry may be
the user principal name or any of the addresses. The names of its columns are from public code that reads it, and not
documented.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from plugin.errors import Denied, PermanentError
from plugin.log import log
from plugin.mail_tenants.exchange_online.invoke_command import InvokeCommand
from plugin.mail_tenants.listed import blocked_address, newest_of_each
from plugin.model import Answer, BlockedAddress, UnblockAnswer

GET, REMOVE = "Get-BlockedSenderAddress", "Remove-BlockedSenderAddress"
BLOCKED_AT = ("CreatedDatetime", "LastBlockedDateTime")  # builds differ; the odd case of the first is theirs
MORE = re.compile(r"truncat|more results|only the first|result ?size", re.IGNORECASE)
UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # JSON can carry these, a database column cannot
MOST_WARNINGS = 100  # that are remembered
NOT_LISTED = "ManagementObjectNotFoundException"
UNBLOCK_LIMIT = re.compile(
    r"(?=.*\b(?:unblock|unblocked|unblocking|removed|released)\b)"
    r"(?=.*\b(?:limit|maximum|too many times)\b)(?=.*\bsupport\b)",
    re.IGNORECASE | re.DOTALL,
)
"""Microsoft's page on the cmdlet says that there is a limit to unblocking, past it an error, and then only support can.
The text of the error is not known: only one that says all of this counts, any other is shown as it is."""


class BlockedSenders:
    """The list. Every call may raise `RemoteError`."""

    def __init__(self, exchange: InvokeCommand) -> None:
        self._exchange = exchange
        self._warned: set[str] = set()

    def of(self, addresses: Collection[str]) -> tuple[BlockedAddress, ...]:
        """The entries for any of the addresses, whatever the case of their letters.

        `PermanentError` where nothing is found, but the list may not be all of it or has an entry that cannot be read:
        that is never "not listed".
        """
        doing = "reading the list of blocked senders"
        told = self._exchange.read(doing, GET)
        self._log(told.warnings)
        wanted = {address.lower() for address in addresses}
        entries = [row["SenderAddress"] for row in told.rows if _is_readable(row)]
        found = newest_of_each(_entry(row) for row in told.rows if _is_readable(row) and _key(row) in wanted)
        if not found and len(entries) < len(told.rows):
            raise PermanentError(self._exchange.name, doing, "it has an entry whose address cannot be read")
        if not found and any(MORE.search(warning) for warning in told.warnings):
            raise PermanentError(self._exchange.name, doing, "Exchange warns that it is not all of the list")
        return found

    def _log(self, warnings: Collection[str]) -> None:
        """Each once: Exchange may repeat one with every reading."""
        for warning in set(warnings) - self._warned:
            log("tenant.warning", tenant=self._exchange.name, said=warning[:200])
        if len(self._warned) < MOST_WARNINGS:
            self._warned.update(warnings)

    def remove(self, address: str) -> UnblockAnswer:
        """Ask once to take one entry off the list, by its key to the letter.

        ======================================================  ======================================
        2xx with nothing, or JSON without an error              `Answer.REQUESTED`
        an error whose type says that there is no such entry    `Answer.NOT_BLOCKED`
        an error that surely speaks of the unblock limit        `Answer.LIMIT`
        any other error of the cmdlet, 3xx, 4xx                 `Answer.REFUSED`
        401 twice, 403                                          raises `Denied`: not done
        429                                                     raises `Throttled`: not done
        no connection                                           raises `Unreachable`: not done
        408, 5xx, busy, a time-out, 2xx that is no JSON         raises `OutcomeUnknown`: perhaps done
        ======================================================  ======================================
        """
        try:
            self._exchange.write(f"unblocking {address!r:.80}", REMOVE, SenderAddress=address)
        except PermanentError as error:
            if isinstance(error, Denied):
                raise
            return UnblockAnswer(answer=_meaning(error, address), detail=error.message)
        return UnblockAnswer(answer=Answer.REQUESTED)

    def may_remove(self) -> None:
        """`Denied` where the application may not unblock; asks without an address, which can do nothing."""
        try:
            self._exchange.write("looking whether it may unblock", REMOVE)
        except PermanentError as error:
            if isinstance(error, Denied):
                raise


def _meaning(error: PermanentError, address: str) -> Answer:
    if NOT_LISTED in error.problem:
        return Answer.NOT_BLOCKED
    words = error.message.lower().replace(address.lower(), "")  # an address may be made of any words
    return Answer.LIMIT if UNBLOCK_LIMIT.search(words) else Answer.REFUSED


def _is_readable(row: Mapping[str, Any]) -> bool:
    address = row.get("SenderAddress")
    return isinstance(address, str) and bool(address.strip()) and not UNSTORABLE.search(address)


def _key(row: Mapping[str, Any]) -> str:
    return str(row["SenderAddress"]).strip().lower()


def _entry(row: Mapping[str, Any]) -> BlockedAddress:
    reason = row.get("Reason")
    readable = UNSTORABLE.sub("\ufffd", reason) if isinstance(reason, str) else ""
    began = next((row[name] for name in BLOCKED_AT if row.get(name)), None)
    return blocked_address(row["SenderAddress"], readable, began)
