"""`m365-unblock install django_helpdesk`, as an administrator sees it; with a real django-helpdesk in tests/real."""

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from plugin.cli import main
from webhooks.django_helpdesk.install import APP

WEBHOOK_SECRET = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
OLD_WEBHOOK_SECRET = "whsec_QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
LAUNCH_SECRET = "a-launch-secret-of-thirty-two-bytes-or-a-few-more"
TOKEN = "a-made-up-token-for-a-django-helpdesk"
SETTINGS = f"""
[server]
public_url = "https://unblock.example.edu"
[organisation]
domains = ["example.edu"]
[sources.helpdesk]
system = "django_helpdesk"
api_url = "https://helpdesk.example.edu/m365-unblock/api"
api_token = "{TOKEN}"
webhook_secrets = ["{WEBHOOK_SECRET}", "{OLD_WEBHOOK_SECRET}"]
launch_secrets = ["{LAUNCH_SECRET}"]
queues = ["support"]
[mail_tenants.campus]
system = "account_admin"
url = "https://accounts.example.edu"
token_file = "secrets/not-there-yet"
"""
Install = Callable[..., Result]


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


@pytest.fixture
def install(tmp_path: Path, into: Path) -> Iterator[Install]:
    """Install with settings."""
    before = os.umask(0o022)  # the command changes it for its process

    def run(*words: str, settings: str = SETTINGS) -> Result:
        (tmp_path / "m365-unblock.toml").write_text(settings, encoding="utf-8")
        config = ["--config", str(tmp_path / "m365-unblock.toml")]
        result = CliRunner().invoke(main, ["install", "django_helpdesk", *config, "--into", str(into), *words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        for secret in (WEBHOOK_SECRET, OLD_WEBHOOK_SECRET, LAUNCH_SECRET, TOKEN):
            assert secret not in result.output
        return result

    yield run
    os.umask(before)


def test_app_and_settings_are_written_and_the_next_steps_told(install: Install, into: Path) -> None:
    result = install()
    assert result.exit_code == 0
    folder, settings = into / "helpdesk-m365-unblock", into / "m365_unblock.json"
    there = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name != "INSTALLED"}
    ours = {path.relative_to(APP) for path in APP.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert there == ours
    assert json.loads(settings.read_text("utf-8")) == {
        "SOURCE": "helpdesk",
        "URL": "https://unblock.example.edu",
        "API_URL": "https://helpdesk.example.edu/m365-unblock/api",
        "API_TOKENS_SHA256": [hashlib.sha256(TOKEN.encode()).hexdigest()],
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "LAUNCH_SECRET": LAUNCH_SECRET,
        "QUEUES": ["support"],
    }
    assert settings.stat().st_mode & 0o777 == 0o640
    for told in (f"pip install {folder}", f'Path("{settings}")', 'path("m365-unblock/api/", include'):
        assert told in result.output


def test_second_run_changes_nothing_and_a_dry_one_writes_nothing(install: Install, into: Path) -> None:
    assert "this was a dry run" in install("--dry-run").output
    assert list(into.iterdir()) == []
    install()
    before = {path: path.stat().st_mtime_ns for path in into.rglob("*")}
    assert "Everything is as it should be already." in install().output
    assert {path: path.stat().st_mtime_ns for path in into.rglob("*")} == before


def test_new_secret_changes_the_settings_alone(install: Install, into: Path) -> None:
    install()
    result = install(settings=SETTINGS.replace(f'"{WEBHOOK_SECRET}", ', ""))
    assert "changed    m365_unblock.json" in result.output
    assert len(re.findall(r"\bchanged ", result.output)) == 1
    assert json.loads((into / "m365_unblock.json").read_text())["WEBHOOK_SECRET"] == OLD_WEBHOOK_SECRET


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ((f'launch_secrets = ["{LAUNCH_SECRET}"]', ""), "the panel would open for nobody"),
        (('public_url = "https', 'public_url = "http'), "takes https only"),
        ((f'launch_secrets = ["{LAUNCH_SECRET}"]', f'launch_secrets = ["{WEBHOOK_SECRET}"]'), "secrets of their own"),
        ((f'"{WEBHOOK_SECRET}", ', '"whsec_QUFBQUFBQUFBQUFBQUFB", '), "make a new one"),
        ((f'"{TOKEN}"', '"too-short"'), "api_token"),
        (('system = "django_helpdesk"', 'system = "generic"'), "no source with system"),
    ],
)
def test_settings_that_would_not_work_are_told_before_anything_is_written(
    install: Install, into: Path, change: tuple[str, str], told: str
) -> None:
    result = install(settings=SETTINGS.replace(*change))
    assert result.exit_code != 0
    assert told in result.output
    assert list(into.iterdir()) == []


def test_app_has_the_version_of_the_program() -> None:
    apps = tomllib.loads((APP / "pyproject.toml").read_text("utf-8"))["project"]
    ours = tomllib.loads((APP.parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    module = (APP / "helpdesk_m365_unblock" / "__init__.py").read_text("utf-8")
    assert f'__version__ = "{ours["version"]}"' in module
    assert apps["version"] == ours["version"]
