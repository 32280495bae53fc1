"""The pages as the program puts them together: with a sign-in, without one, and where a note's link leads."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from plugin import case_pages
from plugin.app import Parts, create_app, migrate
from plugin.errors import SettingsError
from plugin.model import Case, CaseState, Role
from plugin.settings import SignIn, load
from tests.plugin.case_pages.conftest import changed
from tests.plugin.case_pages.provider import Provider

NOW = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
PLAIN = """
[server]
public_url = "{public_url}"
[organisation]
domains = ["example.edu"]
[sources.rt]
system = "request_tracker"
url = "https://rt.example.edu"
token = "1-39-a-made-up-token"
webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
[sources.desk]
system = "zammad"
url = "https://zammad.example.edu"
token = "a-made-up-token-of-zammad"
webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
own_user = "m365-unblock@example.edu"
[mail_tenants.campus]
system = "account_admin"
url = "https://accounts.example.edu"
token = "a-made-up-token-of-a-tenant"
"""
SIGN_IN = """
[sign_in]
issuer = "https://login.example.edu/realms/campus"
client_id = "m365-unblock"
client_secret = "a made-up secret"
agents = ["desk-agents"]
"""
Read = Callable[..., Parts]


@pytest.fixture
def parts(tmp_path: Path) -> Read:
    def parts(more: str = "", public_url: str = "https://m365.example.edu") -> Parts:
        file = tmp_path / "m365-unblock.toml"
        file.write_text(PLAIN.format(public_url=public_url) + more, "utf-8")
        made = Parts(load(file, {}))
        migrate(made.settings)
        return made

    return parts


def a_case(source: str) -> Case:
    return Case(
        id="0a1b", source=source, ticket="4711", account="bbadger", state=CaseState.READY, round=1,
        opened_by="triage", created_at=NOW, updated_at=NOW, version=1,
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/cases", "/cases/", "/cases/0a1b", "/cases/sign-in", "/cases/signed-in?code=x"])
def test_without_a_sign_in_the_pages_say_which_setting_is_missing(parts: Read, path: str) -> None:
    client = create_app(parts()).test_client()
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 503
        assert "have no section [sign_in]" in answer.text
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "Set-Cookie" not in answer.headers
    assert client.get("/cases/-/cases.css").status_code == 200


def test_with_a_sign_in_they_ask_for_it(parts: Read) -> None:
    client = create_app(parts(SIGN_IN)).test_client()
    assert client.get("/cases").headers["Location"] == "/cases/sign-in?next=/cases"
    assert client.get("/cases/").headers["Location"] == "/cases"


@pytest.mark.parametrize(
    ("more", "source", "address"),
    [
        (SIGN_IN, "desk", "https://m365.example.edu/cases/0a1b"),
        ("", "desk", "https://m365.example.edu/panel/desk/4711"),
        (SIGN_IN, "rt", ""),
        ("", "rt", ""),
    ],
)
def test_a_notes_link_leads_to_the_case_where_the_ticket_system_has_no_frame(
    parts: Read, more: str, source: str, address: str
) -> None:
    assert parts(more).panel_address(a_case(source)) == address


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_are_taken_as_meant(parts: Read) -> None:
    more = 'viewers = ["a"]\nscopes = ["profile", "groups"]\nca_file = "ours.pem"\nleeway = "0s"\nsession_for = "1h"\n'
    Path(parts().settings.cases_url.removeprefix("sqlite:///")).parent.parent.joinpath("ours.pem").write_text("")
    chosen = parts(SIGN_IN + more).settings.sign_in
    assert chosen is not None
    assert chosen.scopes == ("openid", "profile", "groups")
    assert chosen.groups == {Role.VIEWER: {"a"}, Role.AGENT: {"desk-agents"}, Role.SUPERVISOR: frozenset()}
    assert (chosen.leeway.total_seconds(), chosen.session_for.total_seconds(), chosen.idle_for.total_seconds()) == (
        0, 3600, 3600,
    )  # fmt: skip
    assert (chosen.login_claim, chosen.groups_claim) == ("", "groups")
    assert chosen.ca_file is not None
    assert Path(chosen.ca_file).is_absolute()
    assert "a made-up secret" not in repr(chosen)


@pytest.mark.parametrize(
    ("line", "instead", "words"),
    [
        ("issuer", 'issuer = "http://login.example.edu"', "[sign_in] issuer: must begin with https://"),
        ("issuer", 'issuer = "login.example.edu"', "[sign_in] issuer: not of the right form"),
        ("issuer", "", "'issuer' is missing"),
        ("client_secret", "", "'client_secret' is missing (or client_secret_file)"),
        ("client_secret", 'client_secret = "short"', "must have at least 8 characters"),
        ("agents", "", "nobody could get in; name groups in viewers, agents or supervisors"),
        ("agents", 'agent = ["x"]', "did you mean 'agents'?"),
        ("agents", 'agents = ["x"]\nca_file = "nowhere.pem"', "nowhere.pem: cannot be read"),
        ("agents", 'agents = ["x"]\nidle_for = "0s"', "not of the right form"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_in_words(parts: Read, line: str, instead: str, words: str) -> None:
    text = "\n".join(instead if each.startswith(line) else each for each in SIGN_IN.splitlines())
    with pytest.raises(SettingsError) as told:
        parts(text)
    assert words in str(told.value)
    assert "made-up secret" not in str(told.value)


@pytest.mark.parametrize(("url", "is_taken"), [("http://m365.example.edu", False), ("http://localhost:8800", True)])
def test_people_sign_in_over_https_or_on_their_own_machine(parts: Read, url: str, is_taken: bool) -> None:
    if not is_taken:
        with pytest.raises(SettingsError, match="people sign in over https:// only"):
            parts(SIGN_IN, url)
        return
    client = create_app(parts(SIGN_IN.replace("https://login", "http://127.0.0.1:1/login"), url)).test_client()
    assert client.get("/cases/sign-in").status_code == 503


def test_on_their_own_machine_the_cookie_has_no_prefix_and_goes_over_http(
    parts: Read, provider: Provider, settings: SignIn
) -> None:
    more = SIGN_IN.replace("https://login.example.edu/realms/campus", provider.issuer)
    client = create_app(parts(more, "http://localhost:8800")).test_client()
    cookie = client.get("/cases/sign-in").headers["Set-Cookie"]
    assert cookie.startswith("m365-unblock-sign-in=")
    assert "Secure" not in cookie
    assert "HttpOnly" in cookie


def test_check_looks_at_the_provider(provider: Provider, settings: SignIn, clock: Any) -> None:
    (good,) = case_pages.check(settings, clock)
    assert (good.ok, good.remedy) == (True, "")
    (bad,) = case_pages.check(changed(settings, issuer="http://127.0.0.1:1"), clock)
    assert not bad.ok
    assert "could not connect: the connection was refused" in bad.remedy
    provider.wrong_metadata = {"issuer": "https://elsewhere.example.edu"}
    (other,) = case_pages.check(settings, clock)
    assert "must be its own name to the letter" in other.remedy


def test_the_check_command_has_a_section_for_it(parts: Read) -> None:
    made = parts(SIGN_IN)
    assert "sign-in to the desk's pages" in [title for title, _checks in made.checks(Path("x"))]
    assert "sign-in to the desk's pages" not in [title for title, _checks in parts().checks(Path("x"))]
