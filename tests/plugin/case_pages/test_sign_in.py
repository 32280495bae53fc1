"""Signing in and out: who gets in, what a provider may not do, and what becomes of a session."""

import logging
import re
from base64 import urlsafe_b64encode
from datetime import timedelta
from json import dumps
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from joserfc.jwk import RSAKey

from plugin.case_pages.session import own_place
from tests.plugin.case_pages.conftest import House
from tests.plugin.case_pages.provider import CLIENT, SECRET

COOKIE = "__Host-m365-unblock"


def test_somebody_signs_in_and_comes_to_where_they_were_going(house: House) -> None:
    case = house.case()
    browser = house.browser()
    asked = browser.get(f"/cases/{case.id}")
    assert (asked.status_code, asked.headers["Location"]) == (303, f"/cases/sign-in?next=/cases/{case.id}")

    answer = browser.sign_in(f"/cases/{case.id}")

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/cases/{case.id}")
    assert browser.get(f"/cases/{case.id}").status_code == 200
    assert "Ada Lovelace agent" in browser.text()
    assert "Bucky Badger" in browser.text()


def test_nothing_of_a_case_is_told_to_who_is_not_signed_in(house: House) -> None:
    case = house.case()
    browser = house.browser()
    for path in ("/cases", "/cases/figures", f"/cases/{case.id}", f"/cases/{case.id}/unblock", "/cases/nothing"):
        answer = browser.get(path)
        assert answer.status_code == 303
        assert "badger" not in answer.text.lower()


def test_the_browser_is_sent_to_the_provider_with_state_nonce_and_pkce(house: House) -> None:
    browser = house.browser()
    addresses = [urlsplit(browser.to_provider()) for _ in range(2)]
    first, second = (parse_qs(address.query) for address in addresses)
    assert first["code_challenge_method"] == ["S256"]
    assert first["scope"] == ["openid profile email"]
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]
    assert SECRET not in addresses[0].geturl()


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["desk-viewers"], "viewer"),
        (["desk-agents", "desk-viewers"], "agent"),
        (["desk-agents", "desk-leads", "desk-viewers"], "supervisor"),
        ("desk-agents", "agent"),
    ],
)
def test_groups_give_the_role_and_the_highest_counts(house: House, groups: Any, role: str) -> None:
    house.provider.person["groups"] = groups
    browser = house.browser()
    browser.sign_in()
    browser.get("/cases")
    assert f"Ada Lovelace {role}" in browser.text()


@pytest.mark.parametrize("groups", [["staff"], [], None, 7, {"desk-agents": True}, [["desk-agents"]], "desk"])
def test_who_is_in_no_group_gets_no_page_and_is_told_so(house: House, groups: Any) -> None:
    house.provider.person["groups"] = groups
    browser = house.browser()

    answer = browser.sign_in()

    assert answer.status_code == 403
    assert "You signed in as ada, who is in none of the groups" in browser.text()
    assert browser.cookie() is None
    assert browser.get("/cases").status_code == 303


def test_so_many_groups_that_the_provider_lists_none_are_told_as_such(house: House) -> None:
    del house.provider.person["groups"]
    house.provider.person["_claim_names"] = {"groups": "src1"}
    browser = house.browser()
    assert browser.sign_in().status_code == 403
    assert "so many groups" in browser.text()


# ── what a provider, or somebody in its place, may not do ────────────────────────────────────────────────────────

WRONG_CLAIMS = [
    {"nonce": "another"},
    {"iss": "https://elsewhere.example.edu"},
    {"aud": "another-client"},
    {"aud": ["another-client"]},
    {"aud": [CLIENT, "another-client"]},  # without azp
    {"aud": [CLIENT, "another-client"], "azp": "another-client"},
    {"aud": CLIENT, "azp": "another-client"},
    {"aud": "another-client", "azp": CLIENT},
    {"aud": ["another-client", "one-more"], "azp": CLIENT},
    {"nonce": ""},
    {"nonce": None},
    {"exp": 1},
    {"exp": True},
    {"iat": 4_000_000_000},
    {"nbf": 4_000_000_000},
    {"at_hash": "of another access token"},
    {"sub": ""},
]


@pytest.mark.parametrize("claims", WRONG_CLAIMS, ids=str)
def test_an_id_token_with_a_wrong_claim_opens_nothing(house: House, claims: dict[str, Any]) -> None:
    house.provider.wrong = claims
    browser = house.browser()

    answer = browser.sign_in()

    assert answer.status_code == 403, answer.headers
    assert browser.cookie() is None


@pytest.mark.parametrize("claim", ["nonce", "iss", "aud", "exp", "iat", "sub"])
def test_an_id_token_without_a_claim_opens_nothing(house: House, claim: str) -> None:
    house.provider.missing = (claim,)
    browser = house.browser()
    assert browser.sign_in().status_code == 403
    assert browser.cookie() is None


def test_an_expired_id_token_says_what_may_be_wrong(house: House) -> None:
    house.provider.wrong = {"exp": int(house.clock().timestamp()) - 31}
    browser = house.browser()
    browser.sign_in()
    assert "expired. Its clock or this machine's may be wrong" in browser.text()


@pytest.mark.parametrize("seconds", [-29, 29])
def test_a_clock_within_the_leeway_is_no_fault(house: House, seconds: int) -> None:
    now = int(house.clock().timestamp())
    house.provider.wrong = {"exp": now + seconds} if seconds < 0 else {"iat": now + seconds}
    assert house.browser().sign_in().status_code == 303


def _unsigned(claims: dict[str, Any], header: dict[str, Any]) -> str:
    parts = [urlsafe_b64encode(dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, ""])


@pytest.mark.parametrize("algorithm", ["none", "None", ""])
def test_an_unsigned_id_token_opens_nothing(house: House, algorithm: str) -> None:
    browser = house.browser()
    address = browser.to_provider()
    nonce = parse_qs(urlsplit(address).query)["nonce"][0]
    now = int(house.clock().timestamp())
    claims = {"iss": house.provider.issuer, "aud": CLIENT, "exp": now + 60, "iat": now, "nonce": nonce}
    house.provider.token = _unsigned(claims | house.provider.person, {"alg": algorithm, "kid": house.provider.key.kid})
    assert browser.back(house.provider.authorize(address)).status_code == 403
    assert browser.cookie() is None


@pytest.mark.parametrize("key", ["the public key", "the client secret"])
def test_a_symmetric_signature_opens_nothing_whatever_it_was_made_with(house: House, key: str) -> None:
    public = house.provider.key.as_pem(private=False)
    house.provider.shared_secret = public if key == "the public key" else SECRET.encode()
    browser = house.browser()
    assert browser.sign_in().status_code == 403
    assert "UnsupportedAlgorithmError" in browser.text()
    assert browser.cookie() is None


def test_a_signature_by_another_key_under_the_same_name_opens_nothing(house: House) -> None:
    house.provider.signing_key = RSAKey.generate_key(2048)
    assert house.browser().sign_in().status_code == 403


def test_a_key_that_came_since_is_fetched_and_one_that_never_came_opens_nothing(house: House) -> None:
    assert house.browser().sign_in().status_code == 303
    house.provider.key = RSAKey.generate_key(2048, auto_kid=True)
    assert house.browser().sign_in().status_code == 303

    house.provider.header = {"alg": "RS256", "kid": "published nowhere"}
    browser = house.browser()
    assert browser.sign_in().status_code == 403
    assert "a key that it does not publish" in browser.text()


def test_what_the_provider_tells_of_itself_is_read_once_an_hour(house: House) -> None:
    for minutes in (0, 30, 29, 2):
        house.clock.pass_time(minutes=minutes)
        assert house.browser().sign_in().status_code == 303
    assert house.provider.asked.count("/.well-known/openid-configuration") == 2


# ── the way back ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_another_browsers_sign_in_is_not_taken(house: House) -> None:
    """Else somebody could have another person work under the wrong name."""
    theirs = house.provider.authorize(house.browser().to_provider())
    for browser in (house.browser(), house.browser()):
        browser.to_provider()
        answer = browser.back(theirs)
        assert answer.status_code == 403
        assert "another sign-in than the one begun last" in browser.text()
        assert browser.cookie() is None


def test_a_sign_in_works_once(house: House) -> None:
    browser = house.browser()
    address = browser.to_provider()
    attempt = browser.cookie(f"{COOKIE}-sign-in")
    assert attempt is not None
    assert browser.back(house.provider.authorize(address)).status_code == 303
    assert browser.cookie(f"{COOKIE}-sign-in") is None

    again = house.browser()
    again.client.set_cookie(f"{COOKIE}-sign-in", attempt, domain="m365.example.edu", secure=True)
    assert again.back(house.provider.authorize(address)).status_code == 403
    assert "used before" in again.text()
    assert again.cookie() is None


def test_a_sign_in_takes_no_longer_than_ten_minutes(house: House) -> None:
    browser = house.browser()
    address = browser.to_provider()
    house.clock.pass_time(minutes=10)
    assert browser.back(house.provider.authorize(address)).status_code == 403
    assert "longer than ten minutes" in browser.text()


def test_without_the_browsers_own_verifier_a_code_is_worth_nothing(house: House) -> None:
    """PKCE: the code of one sign-in with the state of another, as somebody who has stolen it would send it."""
    stolen = parse_qs(urlsplit(house.provider.authorize(house.browser().to_provider())).query)["code"][0]
    browser = house.browser()
    back = house.provider.authorize(browser.to_provider())
    code = parse_qs(urlsplit(back).query)["code"][0]

    assert browser.back(back.replace(code, stolen)).status_code == 403
    assert "invalid_grant" in browser.text()


@pytest.mark.parametrize("change", ["wrong", "missing"])
def test_an_answer_that_names_another_provider_or_none_is_not_taken(house: House, change: str) -> None:
    browser = house.browser()
    back = house.provider.authorize(browser.to_provider())
    named = re.sub(r"&iss=[^&]*", "&iss=https://elsewhere.example.edu" if change == "wrong" else "", back)
    assert named != back
    assert browser.back(named).status_code == 403
    assert "not from the provider that was asked" in browser.text()


def test_a_provider_that_does_not_name_itself_is_taken_too(house: House) -> None:
    house.provider.names_itself = False
    assert house.browser().sign_in().status_code == 303


def test_who_says_no_at_the_provider_is_told_so_and_may_try_again(house: House) -> None:
    browser = house.browser()
    state = parse_qs(urlsplit(browser.to_provider()).query)["state"][0]
    answer = browser.back(
        f"/cases/signed-in?error=access_denied&error_description=<b>x</b>&state={state}&iss={house.provider.issuer}"
    )
    assert answer.status_code == 403
    assert "did not sign you in (access_denied)" in browser.text()
    assert "<b>x" not in browser.page
    assert 'href="/cases/sign-in?next=/cases"' in browser.page


def test_a_stranger_who_calls_the_way_back_gets_nothing(house: House) -> None:
    for query in ("", "?code=x", "?code=x&state=y", "?error=<script>"):
        assert house.browser().back(f"/cases/signed-in{query}").status_code == 403


FOREIGN = [
    "https://elsewhere.example.edu/",
    "//elsewhere.example.edu",
    "/\\elsewhere.example.edu",
    "/cases//elsewhere.example.edu",
    "/cases/../panel/rt/1",
    "/casesx",
    "/panel/rt/4711",
    "/cases/sign-in?next=/cases",
    "/cases/sign-out",
    "/cases\r\nSet-Cookie: a=b",
    "/cases?x=\n",
    "javascript:alert(1)",
    "/cases/-/cases.css",
]


@pytest.mark.parametrize("place", FOREIGN)
def test_a_sign_in_leads_to_our_own_pages_only(house: House, place: str) -> None:
    answer = house.browser().sign_in(place)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/cases")


@pytest.mark.parametrize("place", ["/cases", "/cases?tab=all&text=b%20b", "/cases/0a1b2c", "/cases/figures"])
def test_our_own_pages_are_come_back_to(house: House, place: str) -> None:
    assert own_place(place) == place
    assert house.browser().sign_in(place).headers["Location"] == place


# ── what else may go wrong ───────────────────────────────────────────────────────────────────────────────────────


def test_a_provider_that_cannot_be_reached_is_said_with_a_way_to_try_again(house: House) -> None:
    house.provider.failure = 503
    browser = house.browser()

    answer = browser.get("/cases/sign-in")

    assert answer.status_code == 503
    assert "127.0.0.1, where people sign in, did not answer properly. Try again in a moment." in browser.text()
    assert 'href="/cases/sign-in?next=/cases"' in browser.page
    house.provider.failure = 0
    assert browser.sign_in().status_code == 303


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"issuer": "https://elsewhere.example.edu"}, "calls itself otherwise"),
        ({"token_endpoint": "http://elsewhere.example.edu/token"}, "token_endpoint is missing, or no https:// address"),
        ({"authorization_endpoint": None}, "authorization_endpoint is missing"),
        ({"jwks_uri": 7}, "jwks_uri is missing"),
    ],
)
def test_a_provider_that_does_not_fit_the_settings_is_the_administrators_business(
    house: House, told: dict[str, Any], words: str
) -> None:
    house.provider.wrong_metadata = told
    browser = house.browser()
    assert browser.get("/cases/sign-in").status_code == 502
    assert "Tell your administrator" in browser.text()
    assert words in browser.text()


def test_a_wrong_client_secret_is_the_administrators_business_and_is_not_told(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.provider.secret = "another secret"
    browser = house.browser()
    assert browser.sign_in().status_code == 502
    assert "invalid_client; check client_id and client_secret under [sign_in]" in browser.text()
    assert "another secret" not in browser.page + caplog.text
    assert SECRET not in browser.page + caplog.text


def test_the_secret_goes_in_the_body_where_the_provider_wants_it_there(house: House) -> None:
    house.provider.auth_methods = ("client_secret_post", "private_key_jwt")
    assert house.browser().sign_in().status_code == 303


def test_who_is_not_in_the_id_token_is_asked_for_at_userinfo(house: House) -> None:
    house.provider.only_in_userinfo = ("groups", "name", "preferred_username", "email")
    browser = house.signed_in("desk-leads")
    browser.get("/cases")
    assert "Ada Lovelace supervisor" in browser.text()


def test_userinfo_of_somebody_else_opens_nothing(house: House) -> None:
    house.provider.only_in_userinfo = ("groups",)
    house.provider.userinfo_sub = "another"
    browser = house.browser()
    assert browser.sign_in().status_code == 403
    assert "somebody else" in browser.text()


def test_no_token_code_or_secret_gets_into_a_log_or_a_page(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    browser = house.browser()
    back = house.provider.authorize(browser.to_provider())
    browser.back(back)
    code = parse_qs(urlsplit(back).query)["code"][0]
    session = browser.cookie()
    browser.get("/cases")
    house.provider.failure = 500
    other = house.browser()
    house.provider.failure = 0
    address = other.to_provider()
    house.provider.failure = 500
    other.back(house.provider.authorize(address))
    house.provider.wrong, house.provider.failure = {"nonce": "x"}, 0
    house.browser().sign_in()

    written = "".join(
        f"{record.getMessage()} {record.args}" for record in caplog.records if "urllib3" not in record.name
    )
    assert "sign_in.done login=ada role=agent" in written
    assert "sign_in.failed" in written
    assert "sign_in.refused" in written
    for secret in (code, session, SECRET):
        assert secret
        assert secret not in written
        assert secret not in browser.page + other.page


# ── the session ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_cookies_go_to_this_host_alone_over_https_and_to_no_script(house: House) -> None:
    browser = house.browser()
    begun = browser.get("/cases/sign-in")
    done = browser.back(house.provider.authorize(begun.headers["Location"]))
    cookies = [*begun.headers.getlist("Set-Cookie"), *done.headers.getlist("Set-Cookie")]
    assert [cookie.partition("=")[0] for cookie in cookies] == [f"{COOKIE}-sign-in", COOKIE, f"{COOKIE}-sign-in"]
    for cookie in cookies:
        attributes = {part.strip().partition("=")[0].lower(): part.strip() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly"} <= set(attributes)
        assert (attributes["path"], attributes["samesite"]) == ("Path=/", "SameSite=Lax")
        assert "domain" not in attributes
    assert "max-age" not in cookies[1].lower()  # over with the browser


def test_a_session_is_over_after_an_idle_hour(house: House) -> None:
    browser = house.signed_in()
    for _ in range(3):
        house.clock.pass_time(minutes=59)
        assert browser.get("/cases").status_code == 200
    house.clock.pass_time(minutes=60)
    assert browser.get("/cases").status_code == 303


def test_a_session_is_over_after_eight_hours_whatever_is_done(house: House) -> None:
    browser = house.signed_in()
    for _ in range(15):
        house.clock.pass_time(minutes=30)
        assert browser.get("/cases").status_code == 200
    house.clock.pass_time(minutes=30)
    assert browser.get("/cases").status_code == 303


def test_a_form_sent_after_the_end_changes_nothing_and_says_so(house: House) -> None:
    case = house.case()
    browser = house.signed_in()
    browser.get(f"/cases/{case.id}")
    house.clock.pass_time(hours=1)

    answer = browser.post(f"/cases/{case.id}/answers/password-changed", done="yes")

    assert answer.status_code == 401
    assert "nothing was saved" in browser.text()
    assert f'href="/cases/sign-in?next=/cases/{case.id}"' in browser.page
    assert house.work.store.answers(case.id) == ()


def test_signing_out_ends_the_session_for_good(house: House) -> None:
    browser = house.signed_in()
    browser.get("/cases")
    cookie = browser.cookie()
    assert cookie is not None

    answer = browser.post("/cases/sign-out")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/cases/signed-out")
    assert browser.cookie() is None
    browser.client.set_cookie(COOKIE, cookie, domain="m365.example.edu", secure=True)
    assert browser.get("/cases").status_code == 303


def test_the_way_to_sign_out_at_the_provider_is_offered_where_it_has_one(house: House) -> None:
    browser = house.browser()
    browser.get("/cases/signed-out")
    back = "https%3A%2F%2Fm365.example.edu%2Fcases%2Fsigned-out"
    address = f"{house.provider.issuer}/end?client_id={CLIENT}&amp;post_logout_redirect_uri={back}"
    assert f'href="{address}"' in browser.page

    house.provider.failure = 500
    house.clock.pass_time(hours=2)
    assert browser.get("/cases/signed-out").status_code == 200
    assert "/end" not in browser.page


def test_every_sign_in_is_a_session_of_its_own(house: House) -> None:
    """A session that somebody planted in a browser is worth nothing after its owner has signed in."""
    browser = house.browser()
    browser.client.set_cookie(COOKIE, "planted", domain="m365.example.edu", secure=True)
    browser.sign_in()
    first = browser.cookie()
    browser.sign_in()
    assert len({"planted", first, browser.cookie()}) == 3
    ids = {jwt.decode(cookie, options={"verify_signature": False})["id"] for cookie in (first, browser.cookie())}
    assert len(ids) == 2


def test_a_session_cannot_be_made_up_or_changed(house: House) -> None:
    browser = house.signed_in("desk-viewers")
    cookie = browser.cookie()
    claims = jwt.decode(cookie, options={"verify_signature": False})
    better = claims | {"agent": claims["agent"] | {"role": "supervisor"}}
    panel_token = house.open()
    forged = [
        jwt.encode(better, "x" * 32, "HS256"),
        jwt.encode(better, None, "none"),
        panel_token.token,
        browser.cookie(f"{COOKIE}-sign-in") or "",
        "",
        "x.y.z",
    ]
    for value in forged:
        other = house.browser()
        other.client.set_cookie(COOKIE, value, domain="m365.example.edu", secure=True)
        assert other.get("/cases").status_code == 303


def test_the_panel_does_not_look_at_the_session(house: House) -> None:
    case = house.case()
    browser = house.signed_in()
    answer = browser.client.get("/panel/rt/4711/view", base_url="https://m365.example.edu")
    assert answer.status_code == 401
    bearer = {"Authorization": f"Bearer {browser.cookie()}"}
    answer = browser.client.get("/panel/rt/4711/view", headers=bearer, base_url="https://m365.example.edu")
    assert answer.status_code == 401
    assert case.account not in answer.text


# ── forms ────────────────────────────────────────────────────────────────────────────────────────────────────────

POSTS = [
    "", "/sign-out", *(f"/{{case}}/{what}" for what in ("refresh", "unblock", "rely/x", "account", "others", "reply")),
    *(f"/{{case}}/{what}" for what in ("complaint", "escalation", "answers/password-changed")),
    *(f"/{{case}}/{what}" for what in ("looks", "looks/password-changed")),
]  # fmt: skip


def test_every_form_is_tried_without_its_key(house: House) -> None:
    rules = {rule.rule for rule in house.client.application.url_map.iter_rules() if "POST" in (rule.methods or ())}
    ours = {rule for rule in rules if rule.startswith("/cases")}
    assert len(ours) == len(POSTS)


@pytest.mark.parametrize("key", ["", "x", "ü", "of another session"])
@pytest.mark.parametrize("path", POSTS)
def test_a_form_from_elsewhere_does_nothing(house: House, path: str, key: str) -> None:
    case = house.case()
    if key == "of another session":
        other = house.signed_in()
        other.get("/cases")
        key = re.findall(r'name="form-key" value="([^"]*)"', other.page)[0]
    browser = house.signed_in()

    answer = browser.post(f"/cases{path.format(case=case.id)}", key=key, done="yes", account="bbadger")

    assert answer.status_code == 403
    assert "nothing was saved" in browser.text()
    assert house.now_of(case) == case
    assert house.work.store.journal(case.id) == ()
    assert browser.get("/cases").status_code == 200


def test_every_page_says_what_browsers_may_do_with_it(house: House) -> None:
    case = house.case()
    browser = house.signed_in()
    answers = [
        browser.get(path)
        for path in ("/cases", "/cases/figures", f"/cases/{case.id}", "/cases/none", "/cases/signed-out")
    ]
    answers.append(house.browser().get("/cases"))
    for answer in answers:
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
        assert policy == {
            "default-src": "'none'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "<script" not in answer.text
        assert " style=" not in answer.text
        assert " on" not in re.sub(r">[^<]*<", "><", answer.text)


def test_a_style_sheet_is_for_everybody_and_may_be_kept(house: House) -> None:
    answer = house.browser().get("/cases/-/cases.css")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert house.browser().get("/cases/-/../pages.py").status_code in (303, 404)


def test_the_longest_session_fits_into_a_cookie(house: House) -> None:
    long = {"preferred_username": "ü" * 500, "name": "\N{GRINNING FACE}" * 500, "email": "é" * 500}
    browser = house.signed_in(**long)
    assert browser.get("/cases").status_code == 200
    assert len(browser.cookie() or "") < 4000


def test_time_passes_for_the_session_by_the_clock_that_is_handed_in(house: House) -> None:
    browser = house.signed_in()
    house.clock.now -= timedelta(hours=3)  # set back by an administrator: still not good for longer than it was
    assert browser.get("/cases").status_code == 200
