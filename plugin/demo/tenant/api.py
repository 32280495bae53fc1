"""The account admin API, as `openapi.yaml` beside this file has it.

What the contract leaves to HTTP is answered as HTTP has it: 400, 415 or 422 for a request that is malformed.
"""

import json
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Any

from flask import Blueprint, Response, jsonify, request
from jsonschema import Draft202012Validator
from werkzeug.exceptions import HTTPException

from plugin.demo.bodies import Problem, read_json
from plugin.demo.doors import bearer_is_right
from plugin.demo.tenant.world import Account, Listed, Result, Tenant

_UNBLOCK = Draft202012Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["address", "requested_by", "ticket"],
        "properties": {name: {"type": "string"} for name in ("address", "requested_by", "ticket")},
    }
)
_KEY_LENGTH = 200


class Answers:
    """What was answered under each Idempotency-Key, so that one key asks Microsoft once."""

    def __init__(self) -> None:
        self._given: dict[str, tuple[str, Response | Problem]] = {}
        self._lock = Lock()

    def once(self, key: str | None, asked_for: str, ask: Callable[[], Response | Problem]) -> Response | Problem:
        """The answer given before under this key, or a new one; the same key for something else is refused."""
        if key is None:
            return ask()
        with self._lock:
            if key not in self._given:
                self._given[key] = (asked_for, ask())
            before, answer = self._given[key]
        return answer if before == asked_for else _problem(409, "idempotency-key-reused", "This key asked for another")


def blueprint(tenant: Tenant, token: str) -> Blueprint:
    """The two calls of the contract, behind the bearer token."""
    api = Blueprint("api", __name__, url_prefix="/v1")
    answers = Answers()

    @api.before_request
    def check_bearer() -> None:
        if not bearer_is_right(request, token):
            raise _problem(401, "unauthorized", "The bearer token is missing or wrong")

    @api.get("/accounts/<name>")
    def get_account(name: str) -> Response:
        return jsonify(account_as_json(_known(tenant, name)))

    @api.post("/accounts/<name>/office365/unblock")
    def unblock_address(name: str) -> Response:
        account = _known(tenant, name)
        body = read_json(request, _UNBLOCK)
        key = _idempotency_key()
        asked_for = json.dumps([account.netid, body], sort_keys=True)
        answer = answers.once(key, asked_for, lambda: _unblock(tenant, account.netid, body))
        if isinstance(answer, Problem):
            raise answer
        return Response(answer.get_data(), answer.status_code, content_type=answer.content_type)

    return api


def as_problem(error: Problem | HTTPException) -> Response:
    """Whatever went wrong under /v1, as a problem document."""
    if isinstance(error, Problem):
        return error.response()
    answer = _problem(error.code or 500, "http", error.name).response()
    answer.headers.extend([header for header in error.get_headers() if header[0] == "Allow"])
    return answer


def account_as_json(account: Account) -> dict[str, Any]:
    """The contract's Account."""
    sign_in = {
        "state": account.sign_in,
        "reason": account.sign_in_reason,
        "since": account.sign_in_since and _moment(account.sign_in_since),
    }
    return {
        "netid": account.netid,
        "display_name": account.display_name,
        "primary_address": account.addresses[0],
        "addresses": account.addresses,
        "office365": {
            "sending_status": account.sending_status,
            "blocked_addresses": [_listed_as_json(entry) for entry in account.listed],
        },
        "sign_in": {name: value for name, value in sign_in.items() if value is not None},
    }


def _listed_as_json(entry: Listed) -> dict[str, str]:
    said = {"address": entry.address, "reason": entry.reason}
    return said | ({"blocked_at": _moment(entry.blocked_at)} if entry.blocked_at else {})


def _unblock(tenant: Tenant, netid: str, body: dict[str, str]) -> Response | Problem:
    result = tenant.unblock(netid, body["address"], requested_by=body["requested_by"], ticket=body["ticket"])
    if result is Result.LIMIT:
        detail = "Microsoft refuses to unblock this account again: only Microsoft Support can"
        return _problem(409, result.value, "Unblock limit reached", detail)
    answer = jsonify(address=body["address"], result=result.value)
    answer.status_code = 202 if result is Result.REQUESTED else 200
    return answer


def _known(tenant: Tenant, name: str) -> Account:
    try:
        return tenant.account(name)
    except KeyError:
        raise _problem(404, "no-such-account", "No account has this NetID or address") from None


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and len(key) > _KEY_LENGTH:
        raise _problem(400, "idempotency-key", f"Idempotency-Key is longer than {_KEY_LENGTH} characters")
    return key


def _problem(status: int, kind: str, title: str, detail: str = "") -> Problem:
    return Problem(status, title, detail or title, kind=f"urn:account-admin:{kind}")


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
