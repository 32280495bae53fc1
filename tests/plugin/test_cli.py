"""What the command says to whoever runs it; with real processes in tests/journeys."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from plugin.cli import main
from tests.smallest import SETTINGS

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run a command on settings with something added."""
    before = os.umask(0o022)  # the command changes it for its process

    def run(*words: str, settings: str = SETTINGS) -> Result:
        (tmp_path / "m365-unblock.toml").write_text(settings)
        result = CliRunner().invoke(main, [*words, "--config", str(tmp_path / "m365-unblock.toml")])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    yield run
    os.umask(before)


def test_upgrade_makes_the_databases_for_our_own_user_only_and_may_be_run_twice(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        result = run("db", "upgrade")
        assert (result.exit_code, result.output) == (0, "The databases are up to date.\n")
    for path in (tmp_path / "var", *(tmp_path / "var").iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("command", ["serve", "web", "worker"])
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[checklist]\nfile = "none.json"', "none.json: cannot be read"),
        ('[notes]\ntemplates = "notes"', "status-blocked.html, line 2"),
        ("[servr]", "did you mean 'server'?"),
        ('[sources.other]\nsystem = "genric"', "did you mean 'generic'?"),
        ('[store]\ncases_url = "sqlite:///file/cases.sqlite"', "cannot make the folder"),
    ],
)
def test_what_is_wrong_in_the_settings_is_said_before_anything_is_started(
    run: Run, tmp_path: Path, command: str, more: str, said: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "status-blocked.html").write_text("Blocked\n{{ facts.nonsense }}\n")
    result = run(command, settings=SETTINGS + more)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.startswith("m365-unblock: ")


def test_what_makes_the_databases_is_not_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "m365-unblock.toml").write_text(SETTINGS)
    upgrade = (
        "from plugin.cli import main; main(['db', 'upgrade', '--config', 'm365-unblock.toml'], standalone_mode=False)"
    )
    program = f"import sys; {upgrade}; print('sqlalchemy' in sys.modules, 'alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "The databases are up to date.\nTrue False\n"
    assert (tmp_path / "var" / "cases.sqlite").is_file()


def test_a_database_that_cannot_be_opened_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    result = run("db", "upgrade", settings=SETTINGS + '[store]\ncases_url = "sqlite:///folder"')
    assert result.exit_code == 1
    assert "the cases database could not be brought to its newest form" in result.stderr


def test_an_account_nobody_can_read_is_said(run: Run) -> None:
    result = run("status", "bbadger")
    assert result.exit_code == 1
    assert "campus: reading the account 'bbadger': could not connect" in result.stderr


def test_an_account_is_read_and_told_in_words(run: Run, make_world: Callable[..., object], tmp_path: Path) -> None:
    world = make_world()
    settings = SETTINGS.replace(
        'url = "http://127.0.0.1:9"\n', f'url = "http://127.0.0.1:{world.tenant_server.port}"\n'
    )  # type: ignore[attr-defined]
    result = run("status", "bbadger", settings=settings)
    assert result.exit_code == 0
    assert "(bbadger), bucky.badger@example.edu" in result.output
    assert "Sending Blocked" in result.output
