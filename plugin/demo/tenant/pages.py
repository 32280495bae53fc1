"""The pages a help desk knows: search an account, read its Office 365 status, unblock an address."""

from collections.abc import Callable

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from plugin.demo.doors import MakeSecret, SignInLinks, require_form_token, sign_in
from plugin.demo.tenant.world import COMPROMISED, Account, Mailboxes, Result, Tenant

_SAID = {
    Result.REQUESTED: "Microsoft was asked to unblock {}. It stays listed until that is done; load this page again.",
    Result.NOT_BLOCKED: "{} was not blocked; nothing was done.",
    Result.LIMIT: "Microsoft refuses to unblock this account again: only Microsoft Support can. {} stays blocked.",
}


def blueprint(tenant: Tenant, links: SignInLinks, new_secret: MakeSecret) -> Blueprint:
    """Pages behind a one-time sign-in link, with the same unblock as the API."""
    pages = Blueprint("pages", __name__)

    @pages.before_request
    def let_in() -> Response | None:
        if (key := request.args.get("key")) is not None:
            return _enter(links, key, new_secret)
        return None if "person" in session else abort(401, "Open the sign-in link you were given; it works once.")

    @pages.get("/")
    def search() -> str | Response:
        wanted = request.args.get("q", "").strip()
        if wanted:
            try:
                return redirect(url_for("pages.account", netid=tenant.account(wanted).netid))
            except KeyError:
                flash(f"No account has the NetID or address {wanted!r}.")
        return render_template("tenant/search.html", accounts=tenant.accounts(), asked=tenant.asked, wanted=wanted)

    @pages.get("/accounts/<netid>")
    def account(netid: str) -> str:
        asked = [each for each in tenant.asked if each.netid == netid]
        return render_template(
            "tenant/account.html",
            account=_known(tenant, netid),
            asked=asked,
            compromised=COMPROMISED,
            has_mailbox=tenant.mailboxes is not None,
        )

    @pages.post("/accounts/<netid>/unblock")
    def unblock(netid: str) -> Response:
        require_form_token()
        found, address = _known(tenant, netid), request.form.get("address", "")
        result = tenant.unblock(found.netid, address, requested_by=session["person"], ticket="")
        flash(_SAID[result].format(address))
        return redirect(url_for("pages.account", netid=netid), 303)

    @pages.post("/accounts/<netid>/enable-sign-in")
    def enable_sign_in(netid: str) -> Response:
        require_form_token()
        done = tenant.enable_sign_in(_known(tenant, netid).netid)
        flash("The sign-in is enabled." if done else "Only Security can enable this sign-in.")
        return redirect(url_for("pages.account", netid=netid), 303)

    if tenant.mailboxes is not None:
        pages.add_url_rule("/accounts/<netid>/secure", "secure", _securing(tenant, tenant.mailboxes), methods=["POST"])
    return pages


def _securing(tenant: Tenant, mailboxes: Mailboxes) -> Callable[[str], Response]:
    """The handler that secures a mailbox."""

    def secure(netid: str) -> Response:
        require_form_token()
        mailboxes.secure(_known(tenant, netid).netid)
        flash("There is a new password; everybody is signed out; forwarding and inbox rules are gone.")
        return redirect(url_for("pages.account", netid=netid), 303)

    return secure


def _enter(links: SignInLinks, key: str, new_secret: MakeSecret) -> Response:
    person = links.use(key)
    if person is not None:
        sign_in(person, new_secret)
    elif "person" not in session:
        abort(401, "This sign-in link is unknown or was used before. Ask for a new one.")
    return redirect(url_for("pages.search"), 303)


def _known(tenant: Tenant, netid: str) -> Account:
    try:
        return tenant.account(netid)
    except KeyError:
        abort(404, "No account has this NetID.")
