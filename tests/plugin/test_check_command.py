"""`m365-unblock check`: what it looks at, and how it tells."""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import responses
from click.testing import CliRunner, Result

from plugin.checking import tell
from plugin.cli import main
from plugin.ports import Advice, Check

Checked = Callable[..., Result]


@pytest.fixture
def check(world: Any, tmp_path: Path) -> Iterator[Checked]:
    """Check the demo's world, with something in its settings replaced."""
    world.parts.outbox.seen("worker-1", datetime.now(UTC))
    before = os.umask(0o022)  # the command changes it for its process
    config = tmp_path / "world-0" / "m365-unblock.toml"

    def run(*change: str, color: bool = False, charset: str = "utf-8") -> Result:
        if change:
            config.write_text(config.read_text().replace(*change))
        result = CliRunner(charset=charset).invoke(main, ["check", "--config", str(config)], color=color)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    yield run
    os.umask(before)


def failed(result: Result) -> list[str]:
    return [line.removeprefix("✗ failed  ") for line in result.stdout.splitlines() if line.startswith("✗ failed  ")]


def remedy(result: Result, what: str) -> str:
    """What is told under a check."""
    lines = result.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if what in line)
    assert lines[at + 1].startswith(" " * 10), lines[at : at + 2]
    return lines[at + 1].strip()


def test_where_nothing_is_missing_every_part_is_told_and_the_answer_is_0(check: Checked, tmp_path: Path) -> None:
    result = check()
    assert result.exit_code == 0, result.output
    *parts, sum_ = result.stdout.split("\n\n")
    assert [part.splitlines()[0] for part in parts] == [
        "m365-unblock",
        "desk: Any system with the Desk API",
        "campus: An account-administration site",
    ]
    assert f"✓ ok      the settings file {tmp_path}/world-0/m365-unblock.toml is in order" in parts[0]
    assert "✓ ok      the web process answers at http://127.0.0.1:" in parts[0]
    assert re.fullmatch(r"(\d+) checks: \1 ok, 0 failed, 0 noted\.\n", sum_)
    assert "\x1b" not in result.output


def test_colour_is_for_terminals_and_words_stay_beside_it(check: Checked) -> None:
    assert "\x1b[32m✓ ok    \x1b[0m" in check(color=True).output


def test_terminal_without_the_marks_gets_the_words(check: Checked) -> None:
    assert "? ok      the settings file" in check(charset="latin-1").output


def test_tenant_that_is_down_fails_with_what_to_do_and_the_answer_is_1(check: Checked, world: Any) -> None:
    world.tenant_server.close()
    result = check()
    assert result.exit_code == 1
    [what] = failed(result)
    assert what == "the account-administration site answers and takes the token"
    assert "the connection was refused" in remedy(result, what)
    assert "look at url and token in [mail_tenants.campus]" in remedy(result, what)
    assert "1 failed" in result.stdout.splitlines()[-1]


def test_tenants_wrong_token_is_told_without_the_token(check: Checked) -> None:
    result = check('token = "a-token-for-the-tests"\n[links]', 'token = "another-token-for-them"\n[links]')
    assert "answered 401" in remedy(result, failed(result)[0])
    assert "another-token" not in result.output


def test_another_web_server_is_not_taken_for_the_tenant(check: Checked, world: Any) -> None:
    with responses.RequestsMock() as elsewhere:
        elsewhere.add_passthru("http://127.0.0.1")
        elsewhere.get(re.compile("http://elsewhere.example/.*"), status=404, body="<h1>Not Found</h1>")
        result = check(f"http://127.0.0.1:{world.tenant_server.port}", "http://elsewhere.example")
    assert len(failed(result)) == 1
    assert "answered 404, but not as the site would" in remedy(result, failed(result)[0])


def test_desk_that_is_down_fails(check: Checked, world: Any) -> None:
    world.close()
    result = check()
    assert result.exit_code == 1
    assert "the Desk API answers" in failed(result)


RT = """[sources.rt]
system = "request_tracker"
url = "http://rt.example"
token = "1-14-a-token-for-the-tests"
webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
[organisation]"""


def test_every_source_is_looked_at_under_its_own_name(check: Checked) -> None:
    with responses.RequestsMock() as rt:
        rt.add_passthru("http://127.0.0.1")
        rt.get("http://rt.example/REST/2.0/m365-unblock", status=404, json={"message": "Not Found"})
        result = check("[organisation]", RT)
    titles = [part.splitlines()[0] for part in result.stdout.split("\n\n")]
    assert {"rt: Request Tracker", "desk: Any system with the Desk API"} < set(titles)
    assert failed(result) == ["the extension is installed in RT"]
    assert "m365-unblock install request_tracker" in remedy(result, failed(result)[0])


def test_worker_that_has_not_been_seen_is_only_noted_with_since_when(check: Checked, world: Any) -> None:
    seen_at = datetime.now(UTC) - timedelta(minutes=2)
    world.parts.outbox.seen("worker-1", seen_at)
    result = check()
    assert result.exit_code == 0
    assert "! note    a worker has been seen within a minute" in result.stdout
    told = remedy(result, "a worker has been seen")
    assert f"none since {seen_at.isoformat(timespec='seconds')}" in told
    assert "is `m365-unblock serve` or `m365-unblock worker` running?" in told


def test_where_no_worker_ever_was_that_is_said(check: Checked, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "world-0" / "var" / "cases.sqlite") as cases:
        cases.execute("DELETE FROM workers")
    cases.close()
    assert "none ever was" in remedy(check(), "a worker has been seen")


def test_web_process_that_is_not_running_is_only_noted(check: Checked, world: Any) -> None:
    world.servers[-1].close()
    result = check()
    assert result.exit_code == 0
    assert "! note    the web process answers" in result.stdout
    assert "is `m365-unblock serve` running?" in remedy(result, "the web process answers")
    assert result.stdout.endswith("0 failed, 1 noted.\n")


def test_something_else_in_place_of_the_web_process_is_noted(check: Checked, world: Any) -> None:
    desk = world.parts.settings.sources["desk"]["api_url"].removesuffix("/api")
    result = check(f'public_url = "{world.parts.settings.public_url}"', f'public_url = "{desk}"')
    assert "! note    the web process answers" in result.stdout


def test_databases_that_are_not_there_are_told_and_not_made(check: Checked, tmp_path: Path) -> None:
    result = check("[organisation]", '[store]\ncases_url = "sqlite:///elsewhere/cases.sqlite"\n[organisation]')
    assert failed(result) == ["the cases database takes changes and is in its newest form"]
    assert "m365-unblock db upgrade --config" in remedy(result, "the cases database")
    assert not (tmp_path / "world-0" / "elsewhere").exists()


def test_database_in_an_older_form_is_told_and_left_so(check: Checked, tmp_path: Path) -> None:
    place = tmp_path / "world-0" / "var" / "cases.sqlite"
    with sqlite3.connect(place) as database:
        database.execute("UPDATE cases_revision SET version_num = '0000'")
    database.close()
    result = check()
    assert "m365-unblock db upgrade" in remedy(result, "the cases database")
    with sqlite3.connect(place) as database:
        assert database.execute("SELECT version_num FROM cases_revision").fetchall() == [("0000",)]
    database.close()


@pytest.mark.parametrize("name", ["deliveries", "cases", "engine"])
def test_file_that_is_no_database_is_told(check: Checked, tmp_path: Path, name: str) -> None:
    (tmp_path / "world-0" / "var" / "no-database").write_text("nonsense " * 1000)
    result = check("[organisation]", f'[store]\n{name}_url = "sqlite:///var/no-database"\n[organisation]')
    assert result.exit_code == 1
    assert "file is not a database" in remedy(result, failed(result)[0])


def test_engines_database_is_looked_at_where_the_worker_has_made_it(check: Checked, tmp_path: Path) -> None:
    assert "is made when the worker first starts" in check().stdout
    sqlite3.connect(tmp_path / "world-0" / "var" / "engine.sqlite").close()
    assert "✓ ok      the engine's database can be read" in check().stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [(("[links]", "[lnks]"), "did you mean 'links'?"), (('system = "generic"', 'system = "genric"'), "'generic'?")],
)
def test_wrong_settings_are_told_as_everywhere(check: Checked, change: tuple[str, str], said: str) -> None:
    result = check(*change)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_missing_settings_are_told_as_everywhere(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "none.toml")])
    assert result.exit_code == 2
    assert "cannot read the settings file" in result.stderr


def test_names_from_other_systems_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    rogue = Check(what="the queue \x1b]0;owned\x07 x\r\n", ok=False, remedy="first\nsecond \x1b[2J")
    assert not tell([("rt", [rogue])])
    told = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\r"} & set(told)
    assert "\n          first\n          second  [2J\n" in told


def test_advice_does_not_make_a_set_up_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell([("rt", [Advice(what="a", ok=False, remedy="b"), Check(what="c", ok=True)])])
    assert capsys.readouterr().out.endswith("\n2 checks: 1 ok, 0 failed, 1 noted.\n")
