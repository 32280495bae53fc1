"""The account-administration pages a help desk works with."""

import pytest


def test_without_signing_in_no_page_tells_anything(app):
    client = app.test_client()
    for path in ("/", "/accounts/bbadger", "/?q=bbadger"):
        answer = client.get(path)
        assert answer.status_code == 401
        assert "Bucky" not in answer.text


def test_the_sign_in_link_works_once(app, browser):
    assert browser.get("/").status_code == 200
    assert app.test_client().get("/?key=page-key").status_code == 401


def test_another_link_can_be_made(app, browser):
    app.extensions["sign_in_links"].add("second", "Help desk")
    assert app.test_client().get("/?key=second").status_code == 303


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(app):
    cookie = app.test_client().get("/?key=page-key").headers["Set-Cookie"]
    assert cookie.startswith("tenant_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize("wanted", ["bbadger", "Bucky.Badger@example.edu", "bbadger@cs.example.edu"])
def test_searching_a_netid_or_address_leads_to_the_account(browser, wanted):
    answer = browser.get("/", query_string={"q": wanted})
    assert answer.headers["Location"] == "/accounts/bbadger"


def test_searching_nobody_says_so_and_escapes_what_was_typed(browser):
    page = browser.get("/", query_string={"q": "<script>"}).text
    assert "No account has the NetID or address" in page
    assert "<script>" not in page


def test_the_account_page_has_the_words_of_the_procedure(browser):
    page = browser.get("/accounts/bbadger").text
    for words in ("Office 365", "Sending Status", "Blocked Address(es)", "bbadger@cs.example.edu", ">Unblock<"):
        assert words in page


def test_unblocking_on_the_page_is_the_same_as_by_the_api(browser, form_token, tenant, clock):
    form = {"address": "bucky.badger@example.edu", "form_token": form_token}
    page = browser.post("/accounts/bbadger/unblock", data=form, follow_redirects=True).text
    assert "Microsoft was asked to unblock bucky.badger@example.edu" in page
    (asked,) = tenant.asked
    assert asked.requested_by == "Help desk"
    clock.move(seconds=20)
    assert [entry.address for entry in tenant.account("bbadger").listed] == ["bbadger@cs.example.edu"]


@pytest.mark.parametrize("token", [None, "", "wrong"])
@pytest.mark.parametrize("form", ["unblock", "enable-sign-in"])
def test_a_form_of_another_site_does_nothing(browser, tenant, token, form):
    data = {"address": "philip.shed@example.edu"} | ({} if token is None else {"form_token": token})
    assert browser.post(f"/accounts/phished/{form}", data=data).status_code == 403
    assert tenant.asked == []
    assert tenant.account("phished").sign_in == "disabled"


def test_a_refused_unblock_says_who_can_help(browser, form_token):
    form = {"address": "liam.tupper@example.edu", "form_token": form_token}
    page = browser.post("/accounts/limitup/unblock", data=form, follow_redirects=True).text
    assert "only Microsoft Support can" in page


def test_the_help_desk_enables_a_sign_in_that_was_disabled_for_a_compromise(browser, form_token, read, clock):
    assert "Enable NetID" in browser.get("/accounts/phished").text
    browser.post("/accounts/phished/enable-sign-in", data={"form_token": form_token})
    assert read("phished")["sign_in"] == {"state": "enabled", "since": "2026-03-02T09:00:00Z"}


def test_the_help_desk_cannot_enable_any_other_sign_in(browser, form_token, read):
    assert "Enable NetID" not in browser.get("/accounts/hrhold").text
    browser.post("/accounts/hrhold/enable-sign-in", data={"form_token": form_token})
    assert read("hrhold")["sign_in"]["state"] == "disabled"


def test_every_unblock_that_was_asked_for_is_shown(browser, unblock):
    unblock("bbadger", "bbadger@cs.example.edu", ticket="desk:1042")
    assert "desk:1042" in browser.get("/").text
    assert "desk:1042" in browser.get("/accounts/bbadger").text


def test_pages_load_nothing_from_elsewhere_and_are_not_kept(browser):
    answer = browser.get("/accounts/bbadger")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_an_unknown_account_has_a_page_that_says_so(browser):
    answer = browser.get("/accounts/nobody")
    assert answer.status_code == 404
    assert "No account has this NetID" in answer.text
