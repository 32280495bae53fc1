"""Who is signed in, as a browser's cookies tell it: signed by us, good for a limited time. Pure.

Two cookies: one for a sign-in under way, for minutes, and one for a session. The audiences are their own, so that none
is taken for the other, nor for a panel token.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Any

from plugin import signed
from plugin.model import Agent

SESSION = "m365-unblock/case-session"
UNDER_WAY = "m365-unblock/sign-in"
SIGN_IN_WITHIN = timedelta(minutes=10)
OURS = re.compile(r"/cases(?:/(?!-|sign|signed)[\w-]+){0,3}(?:\?[\w.~%+&=:@-]*)?")
"""Where a sign-in may lead: the pages behind it, and no other place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """An agent who is signed in."""

    id: str
    agent: Agent
    began_at: datetime
    good_until: datetime  # unless something is done before


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """A sign-in under way in one browser."""

    state: str
    nonce: str
    verifier: str  # of PKCE (RFC 7636)
    going_to: str
    good_until: datetime


def secret_from(panel_secret: bytes) -> bytes:
    """The secret of these cookies: made from the panel's, and of no use to the panel."""
    return hmac.digest(panel_secret, SESSION.encode(), hashlib.sha256)


def own_place(asked: str | None) -> str:
    """A place of ours to go to after the sign-in; the list for everything else."""
    return asked if asked and OURS.fullmatch(asked) else "/cases"


class Cookies:
    """Makes and reads what the cookies hold."""

    def __init__(self, secret: bytes, *, session_for: timedelta, idle_for: timedelta) -> None:
        self._secret = secret
        self._session_for = session_for
        self._idle_for = idle_for

    # ── a sign-in under way ──────────────────────────────────────────────────────────────────────────────────────

    def attempt(self, going_to: str, now: datetime) -> Attempt:
        """A new one, with values nobody can guess."""
        state, nonce, verifier = token_urlsafe(32), token_urlsafe(32), token_urlsafe(48)
        until = now + SIGN_IN_WITHIN
        return Attempt(state=state, nonce=nonce, verifier=verifier, going_to=own_place(going_to), good_until=until)

    def told(self, attempt: Attempt) -> str:
        """The attempt as a cookie."""
        claims = {"state": attempt.state, "nonce": attempt.nonce, "verifier": attempt.verifier}
        return self._sign(UNDER_WAY, attempt.good_until, claims | {"going_to": attempt.going_to})

    def read_attempt(self, cookie: str | None, now: datetime) -> Attempt | None:
        """The attempt in a cookie; None if there is none, or it is over."""
        claims = self._read(UNDER_WAY, cookie, now)
        if claims is None:
            return None
        parts = {name: claims[name] for name in ("state", "nonce", "verifier", "going_to")}
        return Attempt(**parts, good_until=_moment(claims["exp"]))

    # ── a session ────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, agent: Agent, now: datetime) -> Session:
        """A session under a name of its own, whatever the browser sent."""
        return self._good(Session(id=token_urlsafe(32), agent=agent, began_at=now, good_until=now), now)

    def renew(self, session: Session, now: datetime) -> str:
        """The session as a cookie that is good from now."""
        good = self._good(session, now)
        claims = {"id": good.id, "agent": good.agent.as_json(), "began": good.began_at.timestamp()}
        return self._sign(SESSION, good.good_until, claims)

    def read(self, cookie: str | None, now: datetime) -> Session | None:
        """The session in a cookie; None if there is none, or it is over."""
        claims = self._read(SESSION, cookie, now)
        if claims is None:
            return None
        return Session(
            id=claims["id"],
            agent=Agent.from_json(claims["agent"]),
            began_at=_moment(claims["began"]),
            good_until=_moment(claims["exp"]),
        )

    def ends_at(self, session: Session) -> datetime:
        """When the session is over, whatever is done."""
        return session.began_at + self._session_for

    def form_key(self, session: Session) -> str:
        """What each form of a session carries, so that no other site can send one."""
        return hmac.new(self._secret, f"form {session.id}".encode(), hashlib.sha256).hexdigest()

    def is_form_key(self, session: Session, given: str) -> bool:
        """Whether a form is from a page of this session."""
        return hmac.compare_digest(self.form_key(session).encode(), given.encode("utf-8", "replace"))

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _good(self, session: Session, now: datetime) -> Session:
        until = min(now + self._idle_for, self.ends_at(session))
        return Session(id=session.id, agent=session.agent, began_at=session.began_at, good_until=until)

    def _sign(self, audience: str, until: datetime, claims: Mapping[str, Any]) -> str:
        return signed.sign({"aud": audience, "exp": until.timestamp(), **claims}, self._secret)

    def _read(self, audience: str, cookie: str | None, now: datetime) -> Mapping[str, Any] | None:
        keys = [(self._secret, signed.HS256)]
        try:
            # What is signed was made by `_sign`, so its claims have the form they were given there.
            claims = signed.claims_in(cookie or "", keys, required=["aud", "exp"], audience=audience)
        except signed.NotValid:
            return None
        return claims if now.timestamp() < claims["exp"] else None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
