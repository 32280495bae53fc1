"""JSON in and out of the stand-ins' APIs: bodies are held to a schema, errors are problem documents (RFC 9457)."""

import json
from typing import Any

from flask import Request, Response
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match


class Problem(Exception):
    """An error answer of an API."""

    def __init__(self, status: int, title: str, detail: str, *, kind: str = "about:blank") -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.kind = kind

    def response(self) -> Response:
        """The answer to send."""
        document = {"type": self.kind, "title": self.title, "status": self.status, "detail": self.detail}
        answer = Response(json.dumps(document), self.status, content_type="application/problem+json")
        if self.status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer


def read_json(asked: Request, validator: Draft202012Validator) -> Any:
    """The request's JSON body, held to the schema; raises `Problem` 415, 400 or 422."""
    if asked.mimetype != "application/json":
        raise Problem(415, "Not JSON", "Send the body as application/json.")
    try:
        body = json.loads(asked.get_data())
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()  # finds lone surrogates, NaN and Infinity
    except (ValueError, RecursionError) as error:
        raise Problem(400, "Unreadable body", "The body is not JSON in UTF-8.") from error
    if wrong := best_match(validator.iter_errors(body)):
        raise Problem(422, "Body not as the contract says", f"{wrong.json_path}: {wrong.message[:300]}")
    return body
