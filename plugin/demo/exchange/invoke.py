"""InvokeCommand, as public code that calls it and measurements of others tell of it; strict where they agree.

A page holds few rows, so that whoever does not follow ``@odata.nextLink`` is found out; the same body must be sent
there.
"""

import json
import re
import time
from collections.abc import Callable
from secrets import token_hex
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, request
from jsonschema import Draft202012Validator

from plugin.demo.exchange.application import EXCHANGE, Application
from plugin.demo.exchange.cmdlets import CMDLETS, SLOW_SECONDS, Busy, CmdletError, Rows, run
from plugin.demo.exchange.world import World

PAGE = 2  # rows, whatever is asked for
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
SYSTEM_MAILBOX = "SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}"
BODY = Draft202012Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["CmdletInput"],
        "properties": {
            "CmdletInput": {
                "type": "object",
                "additionalProperties": False,
                "required": ["CmdletName"],
                "properties": {"CmdletName": {"type": "string"}, "Parameters": {"type": "object"}},
            }
        },
    }
)
TRACE = "   at Microsoft.Exchange.Management.Task.Execute()\r\n   at BN8PR12MB1234.namprd12.prod.outlook.com"


class _Bad(Exception):
    """A request that is malformed."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


class _Pages:
    """What is left to be read under each next link, and the body it belongs to."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[bytes, Rows]] = {}

    def keep(self, body: bytes, rows: Rows) -> str:
        token = token_hex(12)
        self._left[token] = (body, rows)
        return token

    def take(self, token: str, body: bytes) -> Rows:
        before, rows = self._left.get(token, (b"", []))
        if before != body:
            raise _Bad(400, "The skip token belongs to another request.")
        return rows


def blueprint(
    application: Application, world: World, base_url: str, sleep: Callable[[float], None] = time.sleep
) -> Blueprint:
    """``POST /adminapi/beta/{tenant}/InvokeCommand``."""
    invoke = Blueprint("invoke", __name__, url_prefix="/adminapi")
    pages, seen = _Pages(), set[str]()

    @invoke.post("/v1.0/<tenant>/InvokeCommand")
    def old(tenant: str) -> Response:  # noqa: ARG001 - Flask's signature
        return Response(status=405)

    @invoke.post("/beta/<tenant>/InvokeCommand")
    def command(tenant: str) -> Response:
        if (refused := _refused(application, tenant)) is not None:
            return refused
        _check_headers(tenant, seen)
        body = request.get_data()
        asked = _read(body)
        name, parameters = asked["CmdletName"], asked.get("Parameters", {})
        if name not in CMDLETS or name not in application.cmdlets:
            return _hidden()
        if _is_slow(world, name, parameters):
            sleep(SLOW_SECONDS)
        token = request.args.get("$skiptoken")
        rows = run(world, name, parameters) if token is None else pages.take(token, body)
        page, left = rows[:PAGE], rows[PAGE:]
        link = f"{base_url}{request.path}?$skiptoken={pages.keep(body, left)}" if left else None
        return _answer(tenant, base_url, page, link)

    @invoke.errorhandler(_Bad)
    def malformed(bad: _Bad) -> Response:
        return _json({"error": {"code": "BadRequest", "message": bad.words}}, bad.status)

    @invoke.errorhandler(CmdletError)
    def failed(error: CmdletError) -> Response:
        inmost = {"message": error.words, "type": error.kind, "stacktrace": TRACE}
        inner = {"message": "Error executing cmdlet", "type": "", "stacktrace": TRACE, "internalexception": inmost}
        told = f"Ex6F9304|{error.kind}|{error.words}" if error.kind else ""
        details = [{"code": "Client", "target": "", "message": told}] if told else []
        document = {"code": error.code, "message": "Error executing cmdlet", "details": details, "innererror": inner}
        return _json({"error": document}, error.status)

    @invoke.errorhandler(Busy)
    def busy(_: Busy) -> Response:
        words = "You have reached the maximum number of concurrent requests per tenant. Please wait and try again"
        return Response(words, 429, {"Retry-After": "2"}, content_type="text/plain")

    return invoke


def _refused(application: Application, tenant: str) -> Response | None:
    given = request.authorization
    token = (given.token or "") if given is not None and given.type == "bearer" else ""
    claims = application.claims(token, EXCHANGE)
    if claims is None or claims["tid"].lower() != tenant.lower():
        return Response(status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    if "Exchange.ManageAsApp" not in claims["roles"]:
        words = f"The role assigned to application {claims['appid']} isn't supported in this scenario."
        return Response(words, 401, content_type="text/plain")
    return None


def _hidden() -> Response:
    """RBAC hides what one may not run: one NUL byte that calls itself gzip."""
    return Response(b"\0", 403, {"Content-Encoding": "gzip"}, content_type="application/json")


def _check_headers(tenant: str, seen: set[str]) -> None:
    if request.mimetype != "application/json":
        raise _Bad(415, "The body must be application/json.")
    anchor = request.headers.get("X-AnchorMailbox", "").lower()
    if anchor not in (f"{kind}:{SYSTEM_MAILBOX}@{tenant}".lower() for kind in ("APP", "UPN")):
        raise _Bad(400, "X-AnchorMailbox must name the system mailbox of the tenant.")
    request_id, connection = request.headers.get("client-request-id", ""), request.headers.get("connection-id", "")
    if not GUID.fullmatch(request_id) or not GUID.fullmatch(connection):
        raise _Bad(400, "client-request-id and connection-id must be GUIDs.")
    if request_id in seen:
        raise _Bad(400, "client-request-id was used before.")
    seen.add(request_id)


def _read(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise _Bad(400, "The body is not JSON.") from None
    if not BODY.is_valid(document):
        raise _Bad(400, "The body is not a CmdletInput.")
    asked: dict[str, Any] = document["CmdletInput"]
    return asked


def _is_slow(world: World, name: str, parameters: dict[str, Any]) -> bool:
    address = str(parameters.get("SenderAddress", ""))
    slow = [user for user in world.users() if user.on_unblock == "slow"]
    return name.startswith("Remove-") and any(user.is_called(address) for user in slow)


def _answer(tenant: str, base_url: str, rows: Rows, link: str | None) -> Response:
    context = f"{base_url}/adminapi/beta/{tenant}/$metadata#Collection(Exchange.GenericHashTable)"
    document = {
        "@odata.context": context,
        "adminapi.warnings@odata.type": "#Collection(String)",
        "@adminapi.warnings": [],
        "value": rows,
    }
    return _json(document | ({"@odata.nextLink": link} if link else {}), 200)


def _json(document: dict[str, Any], status: int) -> Response:
    headers = {"Request-Id": str(uuid4()), "Rate-Limit-Limit": "30000", "Rate-Limit-Remaining": "29999"}
    return Response(json.dumps(document), status, headers, content_type="application/json;odata.metadata=minimal")
