"""The addresses of signing in and out, and the door that every other page of the desk's is behind."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from flask import Blueprint, Response, g, request, url_for
from flask_babel import gettext as _

from plugin.case_pages.pages import Pages, Words
from plugin.case_pages.session import SIGN_IN_WITHIN, Attempt, Cookies, Session, own_place
from plugin.errors import NotAllowed, PermanentError, PluginError, RemoteError
from plugin.log import log
from plugin.store.sign_ins import SignIns

if TYPE_CHECKING:
    from plugin.case_pages.provider import Provider

FORM_KEY = "form-key"
"""The field of every form that says it is from a page of this session."""


def see_other(address: str) -> Response:
    """To another page of ours, or to the provider."""
    return Response(status=303, headers={"Location": address})


class NotSignedIn(PluginError):
    """Nobody is signed in in this browser, or no longer."""


class Forged(PluginError):
    """A form that is not from a page of this session."""


class Door:
    """Signing in, staying signed in, signing out.

    `is_secure`: people reach us over https. Else this is their own machine, and not every browser takes a ``__Host-``
    cookie over http.
    """

    def __init__(
        self,
        *,
        provider: Callable[[], "Provider"],
        cookies: Cookies,
        sign_ins: SignIns,
        pages: Pages,
        is_secure: bool,
        public_url: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._provider = provider
        self._cookies = cookies
        self._sign_ins = sign_ins
        self._pages = pages
        self._is_secure = is_secure
        self._public_url = public_url
        self._clock = clock
        prefix = "__Host-" if is_secure else ""
        self._session_cookie, self._attempt_cookie = f"{prefix}m365-unblock", f"{prefix}m365-unblock-sign-in"

    def add_to(self, blue: Blueprint) -> None:
        """Give every handler its address."""
        blue.add_url_rule("/sign-in", "sign_in", self.sign_in)
        blue.add_url_rule("/signed-in", "signed_in", self.signed_in)
        blue.add_url_rule("/sign-out", "sign_out", self.sign_out, methods=["POST"])
        blue.add_url_rule("/signed-out", "signed_out", self.signed_out)
        blue.after_request(self._renew)
        blue.register_error_handler(NotSignedIn, self._to_sign_in)
        blue.register_error_handler(Forged, self._forged)
        blue.register_error_handler(RemoteError, self._not_reached)

    # ── who is there ─────────────────────────────────────────────────────────────────────────────────────────────

    def session(self) -> Session:
        """Who is signed in; `NotSignedIn` where nobody is, `Forged` for a form that is not from a page of theirs."""
        session = self._cookies.read(request.cookies.get(self._session_cookie), self._clock())
        if session is None or self._sign_ins.is_ended(session.id):
            raise NotSignedIn
        if request.method == "POST" and not self._cookies.is_form_key(session, request.form.get(FORM_KEY, "")):
            raise Forged
        g.case_session, g.form_key = session, self._cookies.form_key(session)
        return session

    # ── in and out ───────────────────────────────────────────────────────────────────────────────────────────────

    def sign_in(self) -> Response:
        """To the provider, and from there back to where somebody was going."""
        attempt = self._cookies.attempt(own_place(request.args.get("next")), self._clock())
        answer = see_other(self._provider().address_for(attempt, anew="anew" in request.args))
        self._set(answer, self._attempt_cookie, self._cookies.told(attempt), SIGN_IN_WITHIN.seconds)
        return answer

    def signed_in(self) -> Response:
        """Back from the provider."""
        try:
            attempt = self._attempt()
            agent = self._provider().agent_for(request.args.to_dict(), attempt)
        except NotAllowed as error:
            log("sign_in.refused", logging.WARNING, why=error)
            return self._without_attempt(self._told(403, _("Not signed in"), str(error), again=True))
        now = self._clock()
        session = self._cookies.begin(agent, now)
        log("sign_in.done", login=agent.login, role=agent.role)
        answer = see_other(attempt.going_to)
        self._set(answer, self._session_cookie, self._cookies.renew(session, now))
        return self._without_attempt(answer)

    def sign_out(self) -> Response:
        """Out of our pages, for good: an old cookie opens nothing any more."""
        session = self.session()
        self._sign_ins.end(session.id, self._cookies.ends_at(session), self._clock())
        g.pop("case_session")
        answer = see_other(url_for("case_pages.signed_out"))
        answer.delete_cookie(self._session_cookie, secure=self._is_secure, httponly=True, samesite="Lax")
        return answer

    def signed_out(self) -> Response:
        """Signed out here, and the way to sign out at the provider."""
        try:
            address = self._provider().sign_out_address(f"{self._public_url}{url_for('case_pages.signed_out')}")
        except RemoteError:
            address = None  # signing out here has worked all the same
        return Response(self._pages.signed_out(self._provider().host, address))

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _attempt(self) -> Attempt:
        now = self._clock()
        attempt = self._cookies.read_attempt(request.cookies.get(self._attempt_cookie), now)
        if attempt is None:
            raise NotAllowed(_("This sign-in took longer than ten minutes, or was begun in another browser."))
        if request.args.get("state") != attempt.state:
            raise NotAllowed(_("This is the end of another sign-in than the one begun last in this browser."))
        if not self._sign_ins.use_state(attempt.state, attempt.good_until, now):
            raise NotAllowed(_("This sign-in was used before."))
        return attempt

    def _set(self, answer: Response, name: str, value: str, max_age: int | None = None) -> None:
        answer.set_cookie(name, value, max_age=max_age, path="/", secure=self._is_secure, httponly=True, samesite="Lax")

    def _without_attempt(self, answer: Response) -> Response:
        answer.delete_cookie(self._attempt_cookie, secure=self._is_secure, httponly=True, samesite="Lax")
        return answer

    def _renew(self, response: Response) -> Response:
        if "case_session" in g:
            self._set(response, self._session_cookie, self._cookies.renew(g.case_session, self._clock()))
        return response

    def _told(self, status: int, title: str, text: str, *, again: bool = False) -> Response:
        words = Words(title=title, text=text)
        return Response(self._pages.told(words, sign_in=own_place(None) if again else None), status)

    def _to_sign_in(self, _error: NotSignedIn) -> Response:
        place = own_place(request.full_path.rstrip("?"))
        if request.method == "GET":
            return see_other(url_for("case_pages.sign_in", next=place))
        text = _("Your time here is over, so nothing was saved. Sign in again; what was saved before stays saved.")
        case_id = (request.view_args or {}).get("case_id")
        back = own_place(url_for("case_pages.case", case_id=case_id) if case_id else None)
        words = Words(title=_("Signed out"), text=text)
        return Response(self._pages.told(words, sign_in=back), 401)

    def _forged(self, _error: Forged) -> Response:
        text = _("This form is not from a page of your present sign-in, so nothing was saved. Open the page again.")
        return self._told(403, _("Not saved"), text)

    def _not_reached(self, error: RemoteError) -> Response:
        log("sign_in.failed", logging.ERROR, error=error)
        if isinstance(error, PermanentError):
            text = _("The sign-in is not set up rightly. Tell your administrator: %(error)s.", error=error)
            return self._told(502, _("Not signed in"), text, again=True)
        text = _(
            "%(host)s, where people sign in, did not answer properly. Try again in a moment.",
            host=self._provider().host,
        )
        return self._told(503, _("Not signed in"), text, again=True)
