"""Exchange Online's cmdlets by InvokeCommand, which Microsoft's own PowerShell module uses but documents nowhere.

All that is known of it is in this file, from public code that calls it and from what others measured;
docs/exchange-online.md says which of it is unverified. So requests are the most ordinary ones, answers are read
leniently, and whatever is not understood is an error and never an empty list.

    POST {exchange}/adminapi/beta/{tenant}/InvokeCommand    {"CmdletInput": {"CmdletName": …, "Parameters": {…}}}

An answer has rows in ``value`` and perhaps ``@odata.nextLink``, to which the same body is sent for more. Rows carry
annotations (``Name@odata.type``), which are left out. A cmdlet that failed is told of in ``error``: the words for
people are the last part, by ``|``, of ``error.details[].message``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import uuid4

from plugin.errors import (
    Denied,
    Moved,
    OutcomeUnknown,
    PermanentError,
    RemoteError,
    Throttled,
    TransientError,
    Unreachable,
)
from plugin.http import NO_RIGHTS, Reply
from plugin.mail_tenants.exchange_online.hosts import Hosts
from plugin.mail_tenants.exchange_online.redaction import redacted
from plugin.mail_tenants.exchange_online.sign_in import DOING as SIGNING_IN
from plugin.refusals import Said, json_object

SYSTEM_MAILBOX = "APP:SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}@"  # + tenant: which of its servers answers
MOST_PAGES, MOST_HOPS = 1000, 3
TRANSIENT = "transient"
"""Kind of a refusal that says to come back later, whatever its status."""
BUSY = "You have reached the maximum number of concurrent requests"
TRANSIENT_TYPES = re.compile(
    r"CmdletProxyNotAvailableFailure|ServerBusyException|TransientException|BackendCommunicationException"
    r"|TimeoutException"
)
TYPE = re.compile(r"[A-Za-z_][\w.+`]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """What a cmdlet that reads gave out, all pages of it, and what it warned of."""

    rows: tuple[Mapping[str, Any], ...]
    warnings: tuple[str, ...]


class InvokeCommand:
    """Runs cmdlets as the application. Every call may raise `RemoteError`."""

    def __init__(self, hosts: Hosts, tenant_id: str, *, anchor: str = "") -> None:
        self._hosts = hosts
        self._address = hosts.home.remote.url("adminapi", "beta", tenant_id, "InvokeCommand")
        self._anchor = anchor or f"{SYSTEM_MAILBOX}{tenant_id}"
        self._connection = str(uuid4())

    @property
    def name(self) -> str:
        """The tenant's name in the settings."""
        return self._hosts.home.remote.system

    def read(self, doing: str, cmdlet: str, **parameters: Any) -> Rows:
        """Everything that a cmdlet gives out; a failure of any page is an error, never a shorter list."""
        rows: list[Mapping[str, Any]] = []
        warnings: list[str] = []
        seen = [self._address]
        while len(seen) <= MOST_PAGES:
            reply = self._read_page(doing, seen[-1], cmdlet, parameters)
            page = _page(reply)
            rows += page.rows
            warnings += page.warnings
            link = _next_link(reply)
            if not link:
                return Rows(rows=tuple(rows), warnings=tuple(dict.fromkeys(warnings)))
            url = self._hosts.allowed(doing, link, seen_at=seen[-1])
            if url in seen:
                raise PermanentError(self.name, doing, "the next page is one that was read already")
            seen.append(url)
        raise PermanentError(self.name, doing, f"more than {MOST_PAGES} pages")

    def write(self, doing: str, cmdlet: str, **parameters: Any) -> None:
        """Have a cmdlet do something, once: nothing is sent again but what was answered 401 or sent on.

        Surely not done: `Denied`, `Unreachable`, `Throttled` (429). Perhaps done: `OutcomeUnknown`. The cmdlet said no:
        any other `PermanentError`, whose `problem` is the type of the error where one was named.
        """
        try:
            reply = self._post(doing, self._address, cmdlet, parameters)
        except RemoteError as error:
            self._fail_to_write(doing, error, cmdlet)
        if not reply.body.strip(b"\0 \r\n\t"):
            return
        document = json_object(reply.body)
        if not document:
            raise OutcomeUnknown(self.name, doing, f"answered {reply.status}, but not with JSON", status=reply.status)
        if "error" in document:
            said = read_refusal(reply.headers, reply.body)
            raise PermanentError(self.name, doing, said.title or "an error", status=reply.status, problem=said.kind)

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_page(self, doing: str, url: str, cmdlet: str, parameters: Mapping[str, Any]) -> Reply:
        try:
            return self._post(doing, url, cmdlet, parameters)
        except Denied as error:
            raise self._denied(error, cmdlet) from error
        except PermanentError as error:
            if error.problem != TRANSIENT:
                raise
            raise Throttled(self.name, doing, error.message, status=error.status) from error

    def _fail_to_write(self, doing: str, error: RemoteError, cmdlet: str) -> NoReturn:
        """Without a token nothing was sent; busy promises no such thing; a cmdlet's error is an answer, even a 500."""
        status, problem = error.status, error.problem
        match error:
            case TransientError() if error.doing == SIGNING_IN:
                raise Unreachable(self.name, doing, f"{SIGNING_IN}: {error.message}") from error
            case Denied():
                raise self._denied(error, cmdlet) from error
            case Throttled() if status != 429:
                raise OutcomeUnknown(self.name, doing, error.message, status=status) from error
            case OutcomeUnknown() if status and problem not in ("", TRANSIENT):
                raise PermanentError(self.name, doing, error.message, status=status, problem=problem) from error
            case PermanentError() if problem == TRANSIENT:
                raise OutcomeUnknown(self.name, doing, error.message, status=status) from error
        raise error

    def _denied(self, error: Denied, cmdlet: str) -> Denied:
        """What one may not run is hidden from one: 403, and no word why."""
        if error.doing == SIGNING_IN:
            return error
        message = (
            f"{error.message.removesuffix(NO_RIGHTS)}; the application lacks the role for {cmdlet}: put it into an"
            " Exchange role group that may run it, and wait until a new token has it (docs/exchange-online.md)"
        )
        return Denied(self.name, error.doing, message, status=error.status, problem=error.problem)

    def _post(self, doing: str, url: str, cmdlet: str, parameters: Mapping[str, Any]) -> Reply:
        body = {"CmdletInput": {"CmdletName": cmdlet, "Parameters": dict(parameters)}}
        for _ in range(MOST_HOPS):
            try:
                return self._hosts.at(url).call(doing, "POST", url, json=body, headers=self._headers(cmdlet))
            except Moved as moved:
                url = self._hosts.allowed(doing, moved.location, seen_at=url)
        raise PermanentError(self.name, doing, f"sent on {MOST_HOPS} times: not followed further")

    def _headers(self, cmdlet: str) -> dict[str, str]:
        return {
            "X-AnchorMailbox": self._anchor,
            "X-CmdletName": cmdlet,
            "X-ClientApplication": "m365-unblock",
            "X-ResponseFormat": "json",
            "X-SerializationLevel": "Partial",
            "Accept": "application/json",
            "Prefer": "odata.maxpagesize=1000",
            "connection-id": self._connection,
            "client-request-id": str(uuid4()),
        }


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _page(reply: Reply) -> Rows:
    document = json_object(reply.body)
    rows = document.get("value")
    if not isinstance(rows, list):
        said = read_refusal(reply.headers, reply.body)
        message = f"answered {reply.status}, but {said.title or 'not with a list in JSON'}"
        if said.kind == TRANSIENT:
            raise Throttled(reply.system, reply.doing, message, status=reply.status)
        raise PermanentError(reply.system, reply.doing, message, status=reply.status, problem=said.kind)
    told = document.get("@adminapi.warnings")
    warnings = [*(told if isinstance(told, list) else []), reply.headers.get("X-Warnings")]
    return Rows(
        rows=tuple(_without_annotations(row) if isinstance(row, dict) else {} for row in rows),
        warnings=tuple(redacted(word) for word in warnings if _text(word)),
    )


def _next_link(reply: Reply) -> str:
    document = json_object(reply.body)
    link = document.get("@odata.nextLink") or document.get("odata.nextLink") or ""
    if not isinstance(link, str):
        raise PermanentError(reply.system, reply.doing, "the address of the next page is none", status=reply.status)
    return link


def _without_annotations(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if "@" not in key}


def read_refusal(headers: Mapping[str, str], body: bytes) -> Said:
    """How Exchange says no; its kind is `TRANSIENT`, or the type of the error as far as one is named."""
    document = json_object(body)
    text = body.decode("utf-8", "replace").replace("\0", "").strip()
    error = document.get("error")
    words, kind = _of_error(_mapping(error) or {"message": error})
    if not text.startswith(("{", "[", "<")):
        words = text  # some errors are no JSON
    kind = kind or _text(headers.get("X-ExceptionType"))
    is_transient = BUSY in text or TRANSIENT_TYPES.search(f"{text} {kind}")
    return Said(title=redacted(words), kind=TRANSIENT if is_transient else kind)


def _of_error(error: Mapping[str, Any]) -> tuple[str, str]:
    """Words for people and the type, each from the most telling place that has it."""
    details = error.get("details")
    inner = _mapping(error.get("innererror"))
    inmost = _mapping(inner.get("internalexception"))
    told = [
        *(_parts(_mapping(each).get("message")) for each in (details if isinstance(details, list) else ())),
        (_text(inmost.get("message")), _text(inmost.get("type"))),
        (_text(error.get("message")), _text(inner.get("type"))),
    ]
    return next((words for words, _ in told if words), ""), next((kind for _, kind in told if kind), "")


def _parts(message: object) -> tuple[str, str]:
    """``Ex6F9304|Microsoft.Exchange.…Exception|The words``, or words alone."""
    *before, words = [part.strip() for part in _text(message).split("|")]
    return words, next((part for part in before if "." in part and TYPE.fullmatch(part)), "")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
