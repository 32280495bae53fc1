"""Who gets in: the shell, the exchange of the launch token, the bearer of every request, and what browsers are told."""

import gzip
import logging
import re
from datetime import timedelta
from typing import Any

import jwt
import pytest

from plugin.model import CaseState, Role


def test_the_shell_holds_nothing_of_the_ticket(office: Any) -> None:
    office.case()

    page = office.client.get("/panel/rt/4711")

    assert page.status_code == 200
    assert "badger" not in page.text.lower()
    assert "<noscript>" in page.text
    assert "cookies" in page.text


def test_an_unknown_source_gets_a_page_that_says_so(office: Any) -> None:
    page = office.client.get("/panel/nowhere/4711")

    assert page.status_code == 404
    assert "no ticket system “nowhere” in the settings" in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("source", "framers"),
    [("rt", "https://desk.example.edu https://rt.example.edu"), ("other", "'none'")],
)
def test_only_the_origins_of_the_source_may_frame_the_panel(office: Any, source: str, framers: str) -> None:
    headers = office.client.get(f"/panel/{source}/4711").headers

    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": framers,
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


def test_token_that_is_posted_waits_in_a_page_whose_script_finds_out_the_ticket(office: Any) -> None:
    page = office.client.post("/panel/posting", data={"token": 'a"b<c>'})

    assert page.status_code == 200
    assert 'data-token="a&#34;b&lt;c&gt;"' in page.text
    assert 'data-panel="/panel/posting"' in page.text
    [script] = re.findall(r'src="(/panel/-/opening/posting.js[^"]*)"', page.text)
    assert page.text.index("https://desk.example.edu/theirs.js") < page.text.index(script)
    assert office.client.get(script).data == b"// ours"
    assert "script-src 'self' https://desk.example.edu/theirs.js;" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("source", "status"), [("rt", 405), ("nowhere", 404)])
def test_nothing_is_opened_by_a_post_where_the_system_does_not_do_so(office: Any, source: str, status: int) -> None:
    assert office.client.post(f"/panel/{source}", data={"token": "x"}).status_code == status
    assert "theirs.js" not in office.client.get("/panel/posting/4711").headers["Content-Security-Policy"]


def test_no_answer_ever_sets_a_cookie(office: Any) -> None:
    case = office.case()
    panel = office.open()

    answers = [
        office.client.get("/panel/rt/4711"),
        office.exchange(office.launch()),
        panel.look(),
        panel.act(case, "answers", "password-changed", done="yes"),
        panel.act(case, "unblock"),
        office.client.get(panel.path("view")),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 409, 401]
    assert not [answer for answer in answers if "Set-Cookie" in answer.headers]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


def test_the_page_fetches_only_our_own_files_and_little_of_them(office: Any) -> None:
    page = office.client.get("/panel/rt/4711").text
    addresses = re.findall(r'(?:<link rel="stylesheet" href|<script defer src)="([^"]+)"', page)

    files = [office.client.get(address, headers={"Accept-Encoding": "gzip"}) for address in addresses]

    assert len(files) == 7
    assert all(address.startswith("/panel/-/") for address in addresses)
    assert all(file.headers["Content-Encoding"] == "gzip" for file in files)
    assert all("immutable" in file.headers["Cache-Control"] for file in files)
    assert sum(len(file.data) for file in files) + len(page) < 60_000
    plain = office.client.get(addresses[0])
    assert plain.data == gzip.decompress(files[0].data)


def test_a_view_comes_compressed_to_a_browser_that_takes_that(office: Any) -> None:
    office.case()
    panel = office.open()
    plain = panel.look()

    packed = office.client.get(panel.path("view"), headers=panel.bearer | {"Accept-Encoding": "gzip"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 3
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert "Content-Encoding" not in plain.headers


def test_nothing_but_the_listed_files_is_handed_out(office: Any) -> None:
    for name in ("vendor/pico/LICENSE.md", "../views.py", "%2e%2e/views.py", "nothing.js"):
        assert office.client.get(f"/panel/-/{name}").status_code == 404


# ── the launch token ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_launch_token_opens_the_panel_once(office: Any) -> None:
    token = office.launch()

    first, second = office.exchange(token), office.exchange(token)

    assert first.status_code == 200
    assert list(first.json) == ["token"]
    assert second.status_code == 403
    assert second.content_type == "application/problem+json"
    assert "used before" in second.json["detail"]


def test_the_same_token_id_from_another_ticket_system_is_another_token(office: Any) -> None:
    assert office.exchange(office.launch(jti="x")).status_code == 200
    assert office.exchange(office.launch(jti="x", source="other"), source="other").status_code == 200


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"ticket": "4712"}, "another ticket"),
        ({"iss": "other"}, "not valid"),
        ({"aud": "m365-unblock/panel-session"}, "not valid"),
        ({"role": "root"}, "role"),
    ],
)
def test_a_foreign_launch_token_is_refused_in_words(office: Any, claims: dict[str, str], words: str) -> None:
    answer = office.exchange(office.launch(**claims))

    assert answer.status_code == 403
    assert words in answer.json["detail"]


def test_an_old_launch_token_is_refused(office: Any) -> None:
    token = office.launch()
    office.clock.pass_time(minutes=3)

    assert "too long ago" in office.exchange(token).json["detail"]


def test_a_launch_token_from_a_clock_far_ahead_is_refused(office: Any) -> None:
    token = office.launch()
    office.clock.now -= timedelta(minutes=10)

    assert "clock is ahead" in office.exchange(token).json["detail"]


def test_a_refused_launch_token_is_not_used_up(office: Any) -> None:
    token = office.launch()

    assert office.exchange(token, ticket="4712").status_code == 403
    assert office.exchange(token).status_code == 200


@pytest.mark.parametrize("body", [None, [], "token", {}, {"token": 7}, {"token": ""}, {"token": "x", "role": "agent"}])
def test_an_unreadable_exchange_is_refused(office: Any, body: object) -> None:
    answer = office.client.post("/panel/rt/4711/session", json=body)

    assert answer.status_code == 422
    assert "token" in answer.json["detail"]


def test_a_browser_gets_the_first_view_with_its_panel_token(office: Any) -> None:
    case = office.case()
    launch, asked = office.launch(), {"Accept": "text/html"}

    first, second = (
        office.client.post("/panel/rt/4711/session", json={"token": launch}, headers=asked) for _ in range(2)
    )

    assert f'<article id="case-{case.id}"' in first.text
    bearer = {
        "Authorization": f"Bearer {first.headers['X-Panel-Token']}",
        "X-Panel-Seen": first.headers["X-Panel-Seen"],
    }
    assert office.client.get("/panel/rt/4711/view", headers=bearer).status_code == 204
    assert second.status_code == 403
    assert "used before" in second.json["detail"]
    assert "X-Panel-Token" not in second.headers


def test_an_exchange_that_is_no_json_is_refused(office: Any) -> None:
    assert office.client.post("/panel/rt/4711/session", data="{").status_code == 422
    assert office.client.post("/panel/nowhere/4711/session", json={"token": "x"}).status_code == 404


# ── the bearer ───────────────────────────────────────────────────────────────────────────────────────────────────

POSTS = ["cases", *(f"cases/{{case}}/{what}" for what in ("refresh", "unblock", "rely/x", "account", "reply"))]
POSTS += ["cases/{case}/complaint", "cases/{case}/escalation"]
POSTS.append("cases/{case}/answers/password-changed")


@pytest.mark.parametrize("path", ["view", "look-up", *POSTS])
@pytest.mark.parametrize("header", [None, "Basic YWRhOng=", "Bearer", "Bearer x.y.z"])
def test_without_a_good_bearer_nothing_is_told_or_done(office: Any, path: str, header: str | None) -> None:
    case = office.case()
    send = office.client.get if path in ("view", "look-up") else office.client.post

    answer = send(f"/panel/rt/4711/{path.format(case=case.id)}", headers={"Authorization": header} if header else {})

    assert answer.status_code == 401
    assert "ticket" in answer.json["detail"]
    assert "X-Panel-Token" not in answer.headers
    assert office.now_of(case) == case


@pytest.mark.parametrize(("source", "ticket"), [("rt", "4712"), ("other", "4711")])
def test_a_panel_token_opens_no_other_ticket(office: Any, source: str, ticket: str) -> None:
    office.case(ticket="4712")
    panel = office.open()

    answer = office.client.get(f"/panel/{source}/{ticket}/view", headers=panel.bearer)

    assert answer.status_code == 403
    assert "another ticket" in answer.json["detail"]


def test_a_case_of_another_ticket_cannot_be_touched(office: Any) -> None:
    elsewhere = office.case(ticket="4712")

    answer = office.open().act(elsewhere, "answers", "password-changed", done="yes")

    assert answer.status_code == 409
    assert office.work.store.answers(elsewhere.id) == ()


def test_a_launch_token_is_no_bearer_and_a_panel_token_no_launch_token(office: Any) -> None:
    panel = office.open()

    assert (
        office.client.get(panel.path("view"), headers={"Authorization": f"Bearer {office.launch()}"}).status_code == 401
    )
    assert office.exchange(panel.token).status_code == 403


def test_the_session_slides_for_sixty_minutes_and_then_asks_for_a_reload(office: Any) -> None:
    panel = office.open()
    for _ in range(5):
        office.clock.pass_time(minutes=11)
        assert panel.look().status_code == 200

    office.clock.pass_time(minutes=5)

    answer = panel.look()
    assert answer.status_code == 401
    assert "Reload the ticket" in answer.json["detail"]


def test_a_panel_left_alone_for_fifteen_minutes_is_closed(office: Any) -> None:
    panel = office.open()
    office.clock.pass_time(minutes=15)

    assert panel.look().status_code == 401


# ── a viewer ─────────────────────────────────────────────────────────────────────────────────────────────────────

ACTS = {
    "cases": {"account": "other"},
    "cases/{case}/refresh": {},
    "cases/{case}/unblock": {},
    "cases/{case}/rely/x": {},
    "cases/{case}/account": {"account": "bbadger"},
    "cases/{case}/reply": {"kind": "customer", "text": "All well."},
    "cases/{case}/answers/password-changed": {"done": "yes"},
    "cases/{case}/looks": {},
    "cases/{case}/looks/password-changed": {},
    "cases/{case}/complaint": {},
    "cases/{case}/escalation": {},
}


def test_every_post_is_tried_as_a_viewer(office: Any) -> None:
    rules = [rule for rule in office.client.application.url_map.iter_rules() if "POST" in (rule.methods or ())]

    assert len(rules) == len(ACTS) + 2  # and the exchange, and the page of a system that posts its token


@pytest.mark.parametrize("path", ACTS)
@pytest.mark.parametrize("state", [CaseState.READY, CaseState.UNBLOCKED, CaseState.NEEDS_PERSON, CaseState.OVERDUE])
def test_a_viewer_can_do_nothing(office: Any, path: str, state: CaseState) -> None:
    case = office.case(state)

    answer = office.open("viewer").press(*path.format(case=case.id).split("/"), **ACTS[path])

    assert answer.status_code == 409
    assert "viewer" in answer.text
    assert office.now_of(case) == case
    assert office.work.store.answers(case.id) == ()
    assert office.work.store.journal(case.id) == ()
    assert office.work.store.waiting_tasks(10) == ()
    assert len(office.work.store.cases_of_ticket("rt", "4711")) == 1


def test_a_viewer_sees_everything_with_all_controls_closed(office: Any) -> None:
    office.case()

    html = office.open("viewer").look().text

    assert "you see everything here and can change nothing" in office.text_of(html)
    assert "Password changed since the block" in html
    controls = re.findall(r"<(?:button|input|textarea)\b[^>]*>", html)
    assert len(controls) > 20
    assert [
        it for it in controls if "disabled" not in it and 'type="hidden"' not in it and 'id="times"' not in it
    ] == []


def test_the_role_is_the_tokens_and_nothing_else(office: Any) -> None:
    panel = office.open("viewer")
    claims = jwt.decode(panel.token, options={"verify_signature": False})

    assert Role(claims["agent"]["role"]) is Role.VIEWER
    forged = jwt.encode(claims | {"agent": claims["agent"] | {"role": "agent"}}, "x" * 32, "HS256")
    assert office.client.get(panel.path("view"), headers={"Authorization": f"Bearer {forged}"}).status_code == 401


def test_a_refused_launch_is_logged_with_why_and_without_the_token(
    office: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    used, foreign = office.launch(), office.launch(ticket="9")
    for token, ticket in ((used, "4711"), (used, "4711"), (foreign, "4711"), ("nonsense", "4711")):
        office.exchange(token, ticket)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("launch.refused")]
    assert [line.split(" why=")[0] for line in lines] == ["launch.refused source=rt"] * 3
    for words, line in zip(("used", "another ticket", "not valid here"), lines, strict=True):
        assert words in line
    written = str([vars(record) for record in caplog.records])
    assert not any(part in written for token in (used, foreign) for part in token.split("."))
