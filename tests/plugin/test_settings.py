"""What a site writes in its settings file is taken as meant, or refused with the place, the remedy and no secret."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from plugin.app import Parts
from plugin.checklist import default_path
from plugin.demo.exchange import certificates
from plugin.errors import SettingsError
from plugin.settings import Settings, duration, load

GOOD = """
[organisation]
domains = ["example.edu"]
[sources.main-desk]
system = "generic"
api_url = "https://desk.example.edu/api"
api_token = "desk-token-0123456789"
webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
[mail_tenants.campus]
system = "account_admin"
url = "https://accounts.example.edu"
token = "tenant-token-0123456789"
"""
DESK = "M365_UNBLOCK__SOURCES__MAIN_DESK__"

IDS = 'tenant_id = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"\nclient_id = "6fa459ea-ee8a-3ca4-894e-db77e160355e"\n'
LONG = "SECRET-0123456789-0123456789"
Read = Callable[..., Settings]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str = GOOD, environment: Mapping[str, str] | None = None) -> Settings:
        file = tmp_path / "m365-unblock.toml"
        file.write_text(text, "utf-8")
        return load(file, environment or {})

    return read


@pytest.fixture
def refusal(read: Read) -> Callable[..., str]:
    """What is said to settings that are refused."""

    def refusal(text: str = GOOD, environment: Mapping[str, str] | None = None) -> str:
        with pytest.raises(SettingsError) as caught:
            Parts(read(text, environment)).check()
        return str(caught.value)

    return refusal


def without(line: str) -> str:
    """The good settings without the lines that begin like this."""
    return "\n".join(kept for kept in GOOD.splitlines() if not kept.startswith(line))


def changed(line: str, instead: str) -> str:
    """The good settings with another line instead of the one that begins like this."""
    return "\n".join(instead if kept.startswith(line) else kept for kept in GOOD.splitlines())


def exchange(lines: str) -> str:
    """The good settings with Exchange Online beside what they have."""
    return f'{GOOD}[mail_tenants.exo]\nsystem = "exchange_online"\n{lines}\n'


# ── what is taken ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_left_out_has_its_default(read: Read) -> None:
    settings = read()
    assert (settings.listen, settings.public_url, settings.threads) == (
        ("127.0.0.1", 8800),
        "http://127.0.0.1:8800",
        32,
    )
    assert settings.procedure.follow_up_after == timedelta(hours=24)
    assert settings.procedure.compromise_reasons == ("Compromised Account",)
    assert settings.procedure.unblock_while_sign_in_disabled is False
    assert (settings.zone.key, settings.links, settings.panel_secret) == ("UTC", {}, None)
    assert settings.sources["main-desk"]["panel_origins"] == []
    assert (settings.checklist_file, settings.templates) == (None, None)
    assert (settings.worker_listen, settings.metrics_token, settings.metrics_folder.name) == (None, None, "metrics")


def test_defaults_of_one_reading_do_not_show_in_the_next(read: Read) -> None:
    read().sources["main-desk"]["panel_origins"].append("https://evil.example")
    assert read().sources["main-desk"]["panel_origins"] == []


def test_good_settings_make_every_part(read: Read) -> None:
    Parts(read()).check()


def test_processes_of_one_command_go_by_what_it_has_read(read: Read, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_bytes(default_path().read_bytes())
    settings = read(GOOD + '[checklist]\nfile = "own.json"\n')
    command = Parts(settings)
    command.check()
    own.write_text("half of it", "utf-8")
    child = Parts(settings, is_worker=True, parent=command)
    child.check()
    assert (child.casework.checklist, child.texts) == (command.casework.checklist, command.texts)
    with pytest.raises(SettingsError, match=r"own\.json"):
        Parts(settings).check()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("90s", timedelta(seconds=90)),
        ("0.5s", timedelta(milliseconds=500)),
        ("5m", timedelta(minutes=5)),
        ("24h", timedelta(hours=24)),
        ("2d", timedelta(days=2)),
    ],
)
def test_durations_are_read_in_their_unit(read: Read, text: str, meant: timedelta) -> None:
    assert read(GOOD + f'[procedure]\nfollow_up_after = "{text}"').procedure.follow_up_after == meant
    assert duration(text) == meant


@pytest.mark.parametrize("text", ["24", "24 h", "1w", "-1h", "h", "1h30m", "99999d", "٣h", "1e3s"])
def test_what_is_no_duration_is_refused_with_the_form(refusal: Callable[..., str], text: str) -> None:
    said = refusal(GOOD + f'[procedure]\nfollow_up_after = "{text}"')
    assert "[procedure] follow_up_after: not of the right form" in said
    assert "Such as 90s, 5m, 24h or 2d" in said


@pytest.mark.parametrize("key", ["recheck_first_after", "recheck_pause_at_most", "retry_first_after"])
@pytest.mark.parametrize("text", ["0s", "0.0m", "00h"])
def test_a_pause_of_nothing_is_refused_since_the_worker_would_never_rest(
    refusal: Callable[..., str], key: str, text: str
) -> None:
    assert f"[procedure] {key}: not of the right form" in refusal(GOOD + f'[procedure]\n{key} = "{text}"')


def test_a_pause_may_be_a_part_of_a_second_and_the_scan_may_be_switched_off(read: Read) -> None:
    chosen = read(GOOD + '[procedure]\nretry_first_after = "0.05s"\nscan_every = "0s"').procedure
    assert (chosen.retry_first_after, chosen.scan_every) == (timedelta(milliseconds=50), timedelta(0))


def test_nothing_is_kept_for_no_time_at_all(read: Read, refusal: Callable[..., str]) -> None:
    kept = read(GOOD + '[retention]\ntasks = "20s"').retention
    assert (kept.deliveries, kept.tasks, kept.cases) == (timedelta(days=30), timedelta(seconds=20), timedelta(days=400))
    assert "[retention] deliveries: not of the right form" in refusal(GOOD + '[retention]\ndeliveries = "0d"')


def test_paths_are_those_beside_the_settings_file_from_wherever_it_is_read(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = (
        '[checklist]\nfile = "own.json"\n[notes]\ntemplates = "notes"\n[store]\ncases_url = "sqlite:////srv/c.sqlite"'
    )
    text = GOOD.replace("system =", 'ca_file = "ca.pem"\nsystem =') + more
    for name in ("own.json", "ca.pem"):
        (tmp_path / name).touch()
    read(text)
    monkeypatch.chdir(tmp_path)
    settings = load(Path("m365-unblock.toml"), {})
    assert (settings.checklist_file, settings.templates) == (tmp_path / "own.json", tmp_path / "notes")
    assert settings.deliveries_url == f"sqlite:///{tmp_path}/var/deliveries.sqlite"
    assert settings.cases_url == "sqlite:////srv/c.sqlite"
    assert settings.sources["main-desk"]["ca_file"] == str(tmp_path / "ca.pem")
    assert settings.mail_tenants["campus"]["ca_file"] == str(tmp_path / "ca.pem")


def test_the_password_of_a_database_arrives_whole(read: Read) -> None:
    settings = read(GOOD + '[store]\ncases_url = "postgresql://m365:p%40ss@db.example.edu/cases"')
    assert settings.cases_url == "postgresql://m365:p%40ss@db.example.edu/cases"


# ── the environment ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_environment_wins_over_the_file(read: Read) -> None:
    settings = read(
        environment={
            "M365_UNBLOCK__SERVER__THREADS": "3",
            "M365_UNBLOCK__SERVER__LISTEN": "0.0.0.0:9000",
            "M365_UNBLOCK__ORGANISATION__DOMAINS": '["a.example", "b.example"]',
            "M365_UNBLOCK__PROCEDURE__UNBLOCK_WHILE_SIGN_IN_DISABLED": "true",
            "M365_UNBLOCK__PROCEDURE__FOLLOW_UP_AFTER": "2h",
            "M365_UNBLOCK__LINKS__MASS_EMAIL": "https://mail.example.edu",
            DESK + "API_TOKEN": "another-token-0123456789",
            DESK + "QUEUES": '["Help"]',
            "M365_UNBLOCK__MAIL_TENANTS__CAMPUS__TOKEN": "12345678901234567890",
            "M365_UNBLOCK_CONFIG": "elsewhere.toml",
            "PATH": "/bin",
        }
    )
    assert (settings.threads, settings.listen) == (3, ("0.0.0.0", 9000))
    assert settings.domains == ("a.example", "b.example")
    assert settings.procedure.unblock_while_sign_in_disabled is True
    assert settings.procedure.follow_up_after == timedelta(hours=2)
    assert settings.links == {"mass_email": "https://mail.example.edu"}
    assert list(settings.sources) == ["main-desk"]
    assert settings.sources["main-desk"]["api_token"] == "another-token-0123456789"
    assert settings.sources["main-desk"]["queues"] == ["Help"]
    assert settings.mail_tenants["campus"]["token"] == "12345678901234567890"


def test_a_whole_source_may_come_from_the_environment(read: Read) -> None:
    place = "M365_UNBLOCK__SOURCES__RT__"
    settings = read(
        environment={
            place + "API_URL": "https://rt.example.edu",
            place + "API_TOKEN": "rt-token-0123456789",
            place + "LAUNCH_SECRETS": json.dumps(["x" * 32]),
            place + "SYSTEM": "generic",
            place + "WEBHOOK_SECRETS": '["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]',
        }
    )
    assert settings.sources["rt"]["launch_secrets"] == ["x" * 32]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("M365_UNBLOCK__SERVER__THREADS", "many", "M365_UNBLOCK__SERVER__THREADS: expected JSON"),
        (
            "M365_UNBLOCK__SERVER__THREADS",
            '"8"',
            "M365_UNBLOCK__SERVER__THREADS: [server] threads: expected a whole number",
        ),
        (
            "M365_UNBLOCK__SERVER__THREADZ",
            "8",
            "M365_UNBLOCK__SERVER__THREADZ: [server] threadz: there is no such setting; did you mean 'threads'",
        ),
        (
            "M365_UNBLOCK__SEVER__THREADS",
            "8",
            "M365_UNBLOCK__SEVER__THREADS: [sever]: there is no such setting; did you mean 'server'",
        ),
        ("M365_UNBLOCK__SERVER__LISTEN__PORT", "8", "'listen' is a value, not a section"),
        (DESK + "WEBHOOK_SECRETS", "whsec_hunter2hunter2", "expected JSON"),
        (
            DESK + "WEBHOOK_SECRETS",
            '"whsec_hunter2hunter2"',
            DESK + "WEBHOOK_SECRETS: [sources.main-desk] webhook_secrets: expected a list",
        ),
    ],
)
def test_a_wrong_value_in_the_environment_is_refused(
    refusal: Callable[..., str], name: str, value: str, said: str
) -> None:
    text = GOOD + '[server]\nlisten = "127.0.0.1:1"'
    heard = refusal(text, {name: value})
    assert said in heard
    assert "hunter2" not in heard


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "[sever]\n", "m365-unblock.toml: [sever]: there is no such setting; did you mean 'server'?"),
        (GOOD + "[server]\nthread = 4", "[server] thread: there is no such setting; did you mean 'threads'?"),
        (GOOD + "[server]\nqqq = 4", "[server] qqq: there is no such setting; known are listen, public_url, threads"),
        (
            changed("api_token", 'api_tokn = "x"'),
            "[sources.main-desk] api_tokn: there is no such setting; did you mean 'api_token'?",
        ),
        (
            changed("token", 'token_fil = "x"'),
            "[mail_tenants.campus] token_fil: there is no such setting; did you mean 'token_file'?",
        ),
        (without("api_url"), "[sources.main-desk]: 'api_url' is missing"),
        (without("domains"), "[organisation]: 'domains' is missing"),
        (without("system"), "[sources.main-desk]: 'system' is missing"),
        (changed("domains", "domains = []"), "[organisation] domains: must have at least 1 entry"),
        (changed("domains", 'domains = "example.edu"'), "[organisation] domains: expected a list"),
        (changed("domains", 'domains = ["Example"]'), "[organisation] domains, entry 1: not of the right form"),
        (GOOD + "[server]\nthreads = 0", "[server] threads: must be at least 1"),
        (GOOD + "[server]\nthreads = 1.5", "[server] threads: expected a whole number"),
        (GOOD + "[server]\nthreads = 65", "[server] threads: must be at most 64"),
        (GOOD + '[server]\nlisten = "127.0.0.1:99999"', "[server] listen: the port must be at most 65535"),
        (
            GOOD + '[server]\nworker_listen = "127.0.0.1:99999"',
            "[server] worker_listen: the port must be at most 65535",
        ),
        (
            GOOD + '[server]\nworker_listen = "8801"',
            "[server] worker_listen: not of the right form, such as 0.0.0.0:8801",
        ),
        (
            GOOD + '[server]\npublic_url = "https://x.example/"',
            "[server] public_url: not of the right form, such as http://127.0.0.1:8800",
        ),
        (
            GOOD + "[links]\nmass_email = 'javascript:alert(1)'",
            "[links] mass_email: not of the right form (An address that begins with https://",
        ),
        (
            changed("[sources", "[sources.Desk]"),
            "[sources]: 'Desk' cannot be a name here: a letter first, then small letters",
        ),
        (changed("[sources", "[[sources]]"), "sources: expected a section"),
        (changed("domains", 'domains = ["a.example"]\ntime_zone = "Mars/Base"'), "no such zone 'Mars/Base'"),
        (changed("domains", 'domains = ["a.example"]\ntime_zone = "../UTC"'), "no such zone '../UTC'"),
        (changed("domains", 'domains = ["a.example"]\ntime_zone = ""'), "no such zone ''"),
        (GOOD + '[store]\ncases_url = "nonsense"', "[store] cases_url: no proper database address"),
        (GOOD + '[store]\ncases_url = "mysql://h/x"', "[store] cases_url: use a sqlite: or postgresql: address"),
        (GOOD + '[store]\ncases_url = "postgresql+psycopg2://h/x"', "[store] cases_url: use a sqlite: or postgresql:"),
        (GOOD + '[store]\ncases_url = "sqlite://"', "[store] cases_url: name a file"),
        (GOOD + '[store]\ncases_url = "sqlite:///:memory:"', "[store] cases_url: name a file"),
        (GOOD.replace('"generic"', '"genric"'), "did you mean 'generic'?"),
        (GOOD.replace('"account_admin"', '"exchange"'), "mail_tenants.campus.system: 'exchange' is not one of"),
        (
            exchange('tenant_id = "example.onmicrosoft.com"'),
            "[mail_tenants.exo] tenant_id: not of the right form, such",
        ),
        (exchange(IDS), "[mail_tenants.exo]: set certificate_file, or client_secret_file instead, and not both"),
        (exchange(IDS + f'certificate = "x"\nclient_secret = "{LONG}"'), "and not both"),
        (exchange(IDS + 'certificate = "x"'), "[mail_tenants.exo] certificate: no private key in it can be read"),
        (exchange(IDS + 'certificate_file = "none.pem"'), "[mail_tenants.exo] certificate_file: cannot read"),
        (exchange(IDS + 'cloud = "mars"'), "[mail_tenants.exo] cloud: not of the right form, such as worldwide ("),
        (
            exchange(IDS + 'graph_url = "http://graph.example"'),
            "graph_url: not of the right form, such as https://graph",
        ),
        (exchange(IDS + 'exchange_scope = "x"'), "exchange_scope: not of the right form, such as https://outlook"),
        (exchange(IDS + 'exchange_hosts = ["*"]'), "exchange_hosts, entry 1: not of the right form, such as office365"),
        (exchange(IDS + 'secret = "x"'), "there is no such setting; did you mean"),
        (
            exchange(IDS + f'client_secret = "{LONG}"\nsign_in_from = "elsewhere"'),
            "[mail_tenants.exo] sign_in_from: there is no mail tenant 'elsewhere'; there are campus, exo",
        ),
        (GOOD + "[organisation]", "is not proper TOML"),
        (GOOD + "x = ", "is not proper TOML"),
    ],
)
def test_wrong_settings_are_refused_with_the_place(refusal: Callable[..., str], text: str, said: str) -> None:
    assert said in refusal(text)


@pytest.mark.parametrize(
    ("line", "also"), [("api_token", "(or api_token_file)"), ("webhook_secrets", "(or webhook_secrets_file)")]
)
def test_a_missing_secret_is_told_with_both_ways_to_give_it(refusal: Callable[..., str], line: str, also: str) -> None:
    assert f"[sources.main-desk]: {line!r} is missing {also}" in refusal(without(line))


def test_files_of_secrets_are_among_the_settings_that_are_known(refusal: Callable[..., str]) -> None:
    said = refusal(changed("api_token", 'qqq = "x"'))
    assert "api_token, api_token_file, " in said
    assert "webhook_secrets, webhook_secrets_file, " in said
    assert "own_user_file" not in said


@pytest.mark.parametrize(
    "text",
    [
        changed("domains", 'domains = ["Example"]'),
        changed("[sources", "[sources.Desk]"),
        changed("api_url", 'api_url = "x"'),
        changed("api_token", 'api_token = "a token with spaces in it"'),
        GOOD + '[procedure]\nfollow_up_after = "soon"\nretry_first_after = "0s"\n[links]\nmass_email = "x"',
        GOOD + '[server]\nlisten = "x"\npublic_url = "x"',
    ],
)
def test_no_regular_expression_is_shown_to_people(refusal: Callable[..., str], text: str) -> None:
    said = refusal(text)
    assert not re.search(r"[\^$*+?\\{}|]|\[[a-z]-z", said.replace("https?", ""))


def test_several_faults_are_said_at_once_each_on_its_line(refusal: Callable[..., str]) -> None:
    said = refusal(without("api_url").replace('domains = ["example.edu"]', "domains = []"))
    assert len(said.splitlines()) == 2


def test_a_missing_settings_file_is_refused_with_the_way_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: No such file.*--config"):
        load(tmp_path / "none.toml", {})


def test_a_settings_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m365-unblock.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load(file, {})


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────

PRIVATE = "-----BEGIN PRIVATE KEY-----\\nSECRET\\n-----END PRIVATE KEY-----\\n"
SECRET = re.compile("SECRET|8675309")


@pytest.mark.parametrize(
    "text",
    [
        changed("api_token", "api_token = 8675309867530986753"),
        changed("api_token", 'api_token = "SECRET"'),
        changed("api_token", 'api_token = ["SECRET-0123456789-0123456789"]'),
        changed("api_token", 'api_token = "SECRET 0123456789 0123456789"'),
        changed("api_token", 'api_token = "SECRET-ünicode-0123456789"'),
        changed("token", 'token = "SECRET"'),
        changed("token", "token = 8675309"),
        changed("webhook_secrets", 'webhook_secrets = ["SECRET"]'),
        changed("webhook_secrets", 'webhook_secrets = ["whsec_SECRET-that-is-no-base64!"]'),
        changed("webhook_secrets", 'webhook_secrets = ["whsec_U0VDUkVUU0VDUkVUU0VD"]'.replace("U0VDUkVU", "SECRET")),
        changed("webhook_secrets", "webhook_secrets = [8675309]"),
        changed("webhook_secrets", 'webhook_secrets = "SECRET"'),
        changed("api_token", 'api_token = "desk-token-0123456789"\nlaunch_secrets = ["SECRET"]'),
        changed("api_token", f'api_token = "desk-token-0123456789"\nlaunch_secrets = ["{PRIVATE}"]'),
        changed("api_token", f'api_token = "desk-token-0123456789"\nlaunch_public_keys = ["{PRIVATE}"]'),
        changed("api_token", f'api_token = "desk-token-0123456789"\nlaunch_public_keys = "{PRIVATE}"'),
        changed("api_url", 'api_url = "https://user:SECRET@desk.example.edu"'),
        changed("api_url", 'api_url = "htps://user:SECRET@desk.example.edu"'),
        changed("api_url", 'api_url = "https://desk.example.edu?token=SECRET"'),
        changed("url", 'url = "https://user:SECRET@desk.example.edu"'),
        GOOD + '[mail_tenants.second]\nsystem = "account_admin"\nurl = "x"\ntoken = "SECRET-0123456789"',
        f'{GOOD}[mail_tenants.b]\nsystem = "exchange_online"\n{IDS}client_secret = "SECRET"',
        f'{GOOD}[mail_tenants.b]\nsystem = "exchange_online"\n{IDS}certificate = "SECRET"',
        f'{GOOD}[mail_tenants.b]\nsystem = "exchange_online"\n{IDS}certificate = "{LONG}"\nclient_secret = "{LONG}"',
        GOOD + '[panel]\nsecret = "SECRET"',
        GOOD + "[panel]\nsecret = 8675309",
        'panel = "SECRET"\n' + GOOD,
        'sources = "SECRET"\n[organisation]\ndomains = ["a.example"]\n[mail_tenants]',
        GOOD + '[store]\ncases_url = "mysql://user:SECRET@db.example.edu/x"',
        GOOD + '[store]\ncases_url = "postgresql://user:SECRET@db.example.edu:port/x"',
        GOOD + '[store]\ncases_url = "user:SECRET@db.example.edu"',
        GOOD + '[server]\nlisten = "SECRET"',
    ],
)
def test_a_secret_is_never_repeated_in_what_is_said(refusal: Callable[..., str], text: str) -> None:
    assert SECRET.search(text)
    assert not SECRET.search(refusal(text))


def test_secrets_may_come_from_files_of_their_own(read: Read, tmp_path: Path) -> None:
    first, second = "whsec_" + "QUFB" * 10, "whsec_" + "QkJC" * 10
    (tmp_path / "token").write_text("file-token-0123456789\n")
    (tmp_path / "hooks").write_text(f"{first}\n\n  {second}  \n")
    text = changed("webhook_secrets", 'webhook_secrets_file = "hooks"')
    text = text.replace('api_token = "desk-token-0123456789"', f'api_token_file = "{tmp_path}/token"')
    chosen = read(text).sources["main-desk"]
    assert (chosen["api_token"], chosen["webhook_secrets"]) == ("file-token-0123456789", [first, second])
    assert "api_token_file" not in chosen


def test_a_secret_file_may_be_named_in_the_environment(read: Read, tmp_path: Path) -> None:
    (tmp_path / "panel").write_text("p" * 32)
    assert read(environment={"M365_UNBLOCK__PANEL__SECRET_FILE": "panel"}).panel_secret == "p" * 32


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('api_token_file = "none"', r"toml: \[sources\.main-desk\] api_token_file: cannot read .*/none: No such file"),
        ("api_token_file = 7", r"\[sources\.main-desk\] api_token_file: cannot read"),
        ('api_token_file = "."', r"api_token_file: cannot read .*: Is a directory"),
        ('api_token_file = "bytes"', r"api_token_file: .*bytes is not UTF-8"),
        ('api_token_file = "short"', r"\[sources\.main-desk\] api_token: must have at least 16"),
        ('api_token = "desk-token-0123456789"\napi_token_file = "good"', r"api_token is set as well"),
        ('own_user_file = "good"\napi_token_file = "good"', r"own_user_file: there is no such setting"),
    ],
)
def test_a_secret_file_that_will_not_do_is_refused_with_its_place(
    refusal: Callable[..., str], tmp_path: Path, line: str, said: str
) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff" * 20)
    (tmp_path / "short").write_text("SECRET")
    (tmp_path / "good").write_text("SECRET-0123456789")
    heard = refusal(changed("api_token", line))
    assert re.search(said, heard)
    assert "SECRET" not in heard


# ── what the settings name ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            '[checklist]\nfile = "none.json"',
            "m365-unblock.toml: [checklist] file: {folder}/none.json: cannot be read: No such file",
        ),
        ('[checklist]\nfile = "broken.json"', "broken.json"),
        ('[notes]\ntemplates = "none"', "[notes] templates: there is no directory"),
        ('[notes]\ntemplates = "broken"', "status-blocked.html, line 2"),
    ],
)
def test_a_broken_checklist_or_template_is_said_before_anything_runs(
    refusal: Callable[..., str], tmp_path: Path, more: str, said: str
) -> None:
    (tmp_path / "broken.json").write_text('{"id": 1}')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "status-blocked.html").write_text("Blocked\n{% if %}\n")
    assert said.format(folder=tmp_path) in refusal(GOOD + more)


def test_tenants_that_serve_side_by_side_are_one_and_others_are_several(read: Read) -> None:
    beside = exchange(f'{IDS}client_secret = "{LONG}"\nsign_in_from = "campus"')
    assert Parts(read(beside)).tenant.name == "exo"
    assert Parts(read(exchange(f'{IDS}client_secret = "{LONG}"'))).tenant.name == "campus, exo"
    assert read(beside).mail_tenants["exo"]["cloud"] == "worldwide"


def test_certificate_comes_from_its_file(read: Read, tmp_path: Path) -> None:
    (tmp_path / "application.pem").write_text(certificates.for_application()[0])
    assert Parts(read(exchange(f'{IDS}certificate_file = "application.pem"'))).tenant.name == "campus, exo"


@pytest.mark.parametrize(
    ("name", "said"),
    [("none.pem", "ca_file: {folder}/none.pem: cannot be read: No such file"), ("empty.pem", "holds no certificate")],
)
@pytest.mark.parametrize("system", ["generic", "account_admin"])
def test_certificates_that_cannot_be_used_are_said_before_anything_runs(
    refusal: Callable[..., str], tmp_path: Path, system: str, name: str, said: str
) -> None:
    (tmp_path / "empty.pem").write_text("nothing in here\n")
    heard = refusal(GOOD.replace(f'system = "{system}"', f'system = "{system}"\nca_file = "{name}"'))
    assert "ca_file" in heard
    assert name in heard
    assert said.format(folder=tmp_path) in heard
