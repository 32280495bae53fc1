"""The desk's own pages, /cases: the list of cases, pictures, and each case with all that the panel offers.

They stand outside any frame, so people sign in with OpenID Connect and cookies carry that; they need no script. What
an agent may do and what it means is `plugin.desk`'s business, as in the panel, whose templates show the case.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, tzinfo
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Blueprint, Response
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException

from plugin.case_pages.actions import Actions
from plugin.case_pages.pages import Pages, Words
from plugin.case_pages.session import Cookies, secret_from
from plugin.case_pages.sign_in import Door
from plugin.case_pages.views import Views
from plugin.desk import Desk
from plugin.errors import RemoteError
from plugin.ports import Check, TicketSystem
from plugin.settings import SignIn
from plugin.store.case_list import CaseList
from plugin.store.cases import CaseStore
from plugin.store.sign_ins import SignIns

if TYPE_CHECKING:
    from plugin.case_pages.provider import Provider

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def blueprint(
    *,
    sign_in: SignIn,
    desk: Desk,
    store: CaseStore,
    cases: CaseList,
    sign_ins: SignIns,
    sources: Mapping[str, TicketSystem],
    panel_secret: bytes,
    public_url: str,
    links: Mapping[str, str],
    zone: tzinfo,
    clock: Callable[[], datetime],
) -> Blueprint:
    """The pages' addresses under ``/cases``, for who signs in as `sign_in` says.

    `panel_secret` is what the secret of the cookies is made from; `public_url` is where people's browsers reach us.
    """
    blue = Blueprint("case_pages", __name__, url_prefix="/cases", template_folder="templates")
    pages = Pages(links=links, zone=zone, clock=clock)
    door = Door(
        provider=cache(lambda: _provider(sign_in, f"{public_url}/cases/signed-in", clock)),
        cookies=Cookies(secret_from(panel_secret), session_for=sign_in.session_for, idle_for=sign_in.idle_for),
        sign_ins=sign_ins,
        pages=pages,
        is_secure=urlsplit(public_url).scheme == "https",
        public_url=public_url,
        clock=clock,
    )
    views = Views(
        door=door, desk=desk, store=store, cases=cases, pages=pages, sources=tuple(sources), zone=zone, clock=clock
    )
    door.add_to(blue)
    views.add_to(blue)
    Actions(door=door, desk=desk, views=views, pages=pages, sources=sources).add_to(blue)
    _finish(blue, pages)
    return blue


def check(sign_in: SignIn, clock: Callable[[], datetime]) -> Iterator[Check]:
    """What the sign-in needs to work; as `plugin.ports.TicketSystem.check`."""
    what = f"{sign_in.issuer} tells of itself as [sign_in] expects, and its keys can be read"
    try:
        _provider(sign_in, "", clock).look()
    except RemoteError as error:
        yield Check(what=what, ok=False, remedy=str(error))
    else:
        yield Check(what=what, ok=True)


def closed(*, links: Mapping[str, str], zone: tzinfo, clock: Callable[[], datetime]) -> Blueprint:
    """The same addresses where nobody can sign in: a page that says which setting is missing, and nothing of cases."""
    blue = Blueprint("case_pages", __name__, url_prefix="/cases", template_folder="templates")
    pages = Pages(links=links, zone=zone, clock=clock)

    def tell(rest: str = "") -> Response:  # noqa: ARG001 - whatever was asked for
        text = _(
            "These pages are for people who are signed in, and no sign-in is set up. Tell your administrator: the "
            "settings have no section [sign_in] (issuer, client_id, client_secret and groups; docs/sign-in.md)."
        )
        return Response(pages.told(Words(title=_("Not set up"), text=text)), 503)

    for address in ("", "/", "/<path:rest>"):
        blue.add_url_rule(address, "closed", tell, methods=["GET", "POST"])

    _finish(blue, pages)
    return blue


def _provider(sign_in: SignIn, redirect_uri: str, clock: Callable[[], datetime]) -> "Provider":
    from plugin.case_pages.provider import Provider  # Authlib takes 2 MB, cryptography 7, for who signs in

    return Provider(sign_in, redirect_uri=redirect_uri, clock=clock)


def _finish(blue: Blueprint, pages: Pages) -> None:
    blue.add_url_rule("/-/<path:name>", "asset", pages.asset)

    def told(error: HTTPException) -> Response:
        title = {404: _("Not found"), 405: _("Not possible")}.get(error.code or 500, error.name)
        return Response(pages.told(Words(title=title, text=error.description or "")), error.code)

    def finish(response: Response) -> Response:
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    blue.register_error_handler(HTTPException, told)
    blue.after_request(finish)
