"""Who may come in: bearer tokens for programs, one-time sign-in links and form tokens for people.

The demo desk and the demo tenant both enforce them as the systems would that they stand for.
"""

import hmac
from collections.abc import Callable, Mapping
from hashlib import sha256
from secrets import token_urlsafe
from threading import Lock

from flask import Flask, Request, Response, abort, request, session

MakeSecret = Callable[[], str]


def random_secret() -> str:
    """Sixteen random bytes as text, for keys and ids nobody shall guess."""
    return token_urlsafe(16)


def same(given: str, expected: str) -> bool:
    """Compare two secrets without telling by the time it takes where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


def bearer_is_right(asked: Request, token: str) -> bool:
    """Whether the request carries this token (RFC 6750)."""
    given = asked.authorization
    return given is not None and given.type == "bearer" and same(given.token or "", token)


class SignInLinks:
    """Keys that each open the door once, for the person they were made for."""

    def __init__(self, people_by_key: Mapping[str, str]) -> None:
        self._people = dict(people_by_key)
        self._lock = Lock()

    def add(self, key: str, person: str) -> None:
        """Make another link, for a second browser."""
        with self._lock:
            self._people[key] = person

    def use(self, key: str) -> str | None:
        """The person whom the key lets in, once; None for a key that is unknown or used."""
        with self._lock:
            return self._people.pop(key, None)


def keep_session_cookie(app: Flask, *, name: str, secret: str) -> None:
    """Sessions in a signed cookie of its own name: cookies ignore the port, and both stand-ins may share a host."""
    app.config.update(SESSION_COOKIE_NAME=name, SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Lax")
    app.secret_key = hmac.new(secret.encode(), b"session cookie", sha256).digest()


def sign_in(person: str, new_secret: MakeSecret) -> None:
    """Begin a session with a form token of its own."""
    session.clear()
    session.update(person=person, form_token=new_secret())


def require_form_token() -> None:
    """Refuse a form that was not served to this session (cross-site request forgery)."""
    if not same(request.form.get("form_token", ""), session.get("form_token") or abort(403)):
        abort(403, "This form is not from your session. Load the page again and repeat what you did.")


def harden(response: Response, *, frames: str = "'none'") -> Response:
    """Headers for every page: nothing from elsewhere, nothing kept, no address handed on (it may hold a key)."""
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self';"
        f" form-action 'self'; frame-src {frames}; frame-ancestors 'none'; base-uri 'none'"
    )
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers.setdefault("Cache-Control", "no-store")
    return response
