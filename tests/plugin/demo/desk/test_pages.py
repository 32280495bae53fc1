"""What agents see and do."""

import html
import re

import jwt
import pytest


def panel_of(page):
    found = re.search(r'<iframe title="Microsoft 365 sending block" src="([^"]+)"', page)
    assert found is not None
    return html.unescape(found[1])


def claims_of(page, config, clock):
    token = panel_of(page).split("#token=")[1]
    claims = jwt.decode(
        token,
        config.panel_secret,
        algorithms=["HS256"],
        audience="m365-unblock/panel",
        issuer="desk",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["iat"] == int(clock.now.timestamp())
    return claims


@pytest.mark.parametrize("path", ["/tickets", "/tickets/1001", "/tickets/1001/conversation", "/deliveries"])
def test_without_signing_in_no_page_tells_anything(app, ticket, path):
    answer = app.test_client().get(path)
    assert answer.status_code == 401
    assert "bounces" not in answer.text


def test_a_sign_in_link_works_once_and_an_unknown_one_never(app, signed_in):
    signed_in("ada")
    assert app.test_client().get("/sign-in?key=key-of-ada").status_code == 401
    assert app.test_client().get("/sign-in?key=guess").status_code == 401
    assert app.test_client().get("/sign-in").status_code == 401


def test_following_a_used_link_again_does_not_sign_out(signed_in):
    browser = signed_in("ada")
    assert browser.get("/sign-in?key=key-of-ada").status_code == 303
    assert browser.get("/tickets").status_code == 200


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(app):
    cookie = app.test_client().get("/sign-in?key=key-of-ada").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_signing_out_ends_the_session(signed_in, form_token):
    browser = signed_in("ada")
    browser.post("/sign-out", data={"form_token": form_token(browser, "/tickets")})
    assert browser.get("/tickets").status_code == 401


@pytest.mark.parametrize(("login", "role"), [("ada", "agent"), ("vic", "viewer"), ("sue", "supervisor")])
def test_the_panel_is_told_who_is_looking_and_in_which_role(signed_in, config, clock, ticket, login, role):
    claims = claims_of(signed_in(login).get(f"/tickets/{ticket}").text, config, clock)
    assert (claims["sub"], claims["role"], claims["ticket"]) == (login, role, ticket)
    assert claims["email"] == f"{login}@example.edu"
    assert claims["exp"] - claims["iat"] <= 300


def test_the_panel_stands_at_its_address_with_a_new_token_each_time(signed_in, config, clock, ticket):
    browser = signed_in("ada")
    pages = [browser.get(f"/tickets/{ticket}").text for _ in range(2)]
    assert panel_of(pages[0]).startswith(f"http://127.0.0.1:8800/panel/desk/{ticket}#token=")
    assert len({claims_of(page, config, clock)["jti"] for page in pages}) == 2


def test_only_the_panel_may_be_framed_and_nothing_comes_from_elsewhere(signed_in, ticket):
    answer = signed_in("ada").get(f"/tickets/{ticket}")
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-src http://127.0.0.1:8800;" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(re.findall(r'(?:src|href|action)="(https?://[^"/]+)', answer.text)) == {"http://127.0.0.1:8800"}


def test_internal_notes_are_marked_and_mailed_ones_say_so(signed_in, note, ticket):
    note("status", subject="Status")
    page = signed_in("ada").get(f"/tickets/{ticket}").text
    assert '<span class="badge">internal</span>' in page
    assert "mailed to the requester" not in page
    note("reply", visibility="public")
    assert "mailed to the requester" in signed_in("sue").get(f"/tickets/{ticket}").text


def test_notes_show_their_markup_but_no_scripts(signed_in, note, ticket):
    note("status", body_html='<p>All <b>two</b></p><script>steal()</script><p onclick="x()">end</p>')
    page = signed_in("ada").get(f"/tickets/{ticket}").text
    assert "<p>All <b>two</b></p><p>end</p>" in page
    assert "steal()" not in page


def test_a_reply_goes_to_the_requester_and_a_note_stays_inside(signed_in, form_token, desk, ticket, events):
    browser = signed_in("ada")
    token = form_token(browser, f"/tickets/{ticket}")
    for visibility in ("public", "internal"):
        form = {"form_token": token, "text": f"said {visibility}", "visibility": visibility}
        assert browser.post(f"/tickets/{ticket}/messages", data=form).status_code == 303
    assert [mail.body for mail in desk.outbox] == ["said public"]
    assert desk.outbox[0].subject == f"Re: [#{ticket}] My mail bounces"
    assert [message.visibility for message in desk.ticket(ticket).messages] == ["public", "public", "internal"]
    assert [event["data"]["actor"]["email"] for event in events()[1:]] == ["ada@example.edu", "ada@example.edu"]


def test_a_form_of_another_site_does_nothing(signed_in, desk, ticket):
    form = {"form_token": "guess", "text": "x", "visibility": "public"}
    assert signed_in("ada").post(f"/tickets/{ticket}/messages", data=form).status_code == 403
    assert len(desk.ticket(ticket).messages) == 1


def test_viewers_read_and_do_not_write(signed_in, form_token, desk, ticket):
    browser = signed_in("vic")
    assert "<textarea" not in browser.get(f"/tickets/{ticket}").text
    form = {"form_token": form_token(browser, f"/tickets/{ticket}"), "text": "x", "visibility": "public"}
    assert browser.post(f"/tickets/{ticket}/messages", data=form).status_code == 403
    assert len(desk.ticket(ticket).messages) == 1


@pytest.mark.parametrize(("change", "status"), [({"text": " "}, 422), ({"visibility": "loud"}, 400)])
def test_a_message_that_is_not_right_is_not_added(signed_in, form_token, desk, ticket, change, status):
    browser = signed_in("ada")
    form = {"form_token": form_token(browser, f"/tickets/{ticket}"), "text": "x", "visibility": "public"} | change
    assert browser.post(f"/tickets/{ticket}/messages", data=form).status_code == status
    assert len(desk.ticket(ticket).messages) == 1


def test_the_part_that_is_kept_up_to_date_holds_the_conversation_and_no_panel(signed_in, note, ticket):
    note("status", body_html="<p>Blocked since noon</p>")
    part = signed_in("ada").get(f"/tickets/{ticket}/conversation").text
    assert "Blocked since noon" in part
    assert "iframe" not in part


def test_tags_and_fields_are_beside_the_ticket(signed_in, api, ticket):
    api("PATCH", f"/tickets/{ticket}/tags", json={"add": ["m365-blocked"]})
    api("PATCH", f"/tickets/{ticket}/fields", json={"Sending Status": "Blocked"})
    page = signed_in("ada").get(f"/tickets/{ticket}").text
    assert "m365-blocked" in page
    assert "Sending Status" in page


def test_every_webhook_is_shown_with_what_became_of_it(app, signed_in, ticket, events):
    events()
    page = signed_in("ada").get("/deliveries").text
    (delivery,) = app.extensions["sender"].log
    assert delivery.webhook_id in page
    assert "delivered" in page
    assert "202" in page


def test_a_ticket_that_is_not_there_has_a_page_that_says_so(signed_in):
    answer = signed_in("ada").get("/tickets/9")
    assert answer.status_code == 404
    assert "There is no such ticket here." in answer.text
