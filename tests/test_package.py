"""What a site installs is complete: the built package works away from this checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETTINGS = """
[organisation]
domains = ["example.edu"]
[sources.rt]
system = "request_tracker"
url = "https://rt.example.edu"
token = "1-39-a-made-up-token"
webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
launch_secrets = ["a-secret-for-launch-tokens-of-thirty-two-bytes-or-more"]
[mail_tenants.campus]
system = "account_admin"
url = "https://accounts.example.edu"
token = "a-made-up-token-of-a-tenant"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as pip puts it there."""
    folder = tmp_path_factory.mktemp("package")
    ours = shutil.ignore_patterns(".*", "build", "*.egg-info", "var", "__pycache__", "node_modules")
    shutil.copytree(ROOT, folder / "source", symlinks=True, ignore=ours)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    options = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "install", *options, "--target", folder / "site", folder / "source"], check=True, timeout=120)
    return folder / "site"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command out of the package, in a folder without any of our source."""
    (folder / "m365-unblock.toml").write_text(SETTINGS)
    starting = f"import sys; sys.path.insert(0, {str(installed)!r}); from plugin.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-P", "-c", starting, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_file_that_is_no_python_goes_along(installed: Path) -> None:
    def files(folder: Path) -> set[str]:
        found = [path for name in ("plugin", "webhooks") for path in (folder / name).rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)) for path in found if "__pycache__" not in path.parts}

    assert files(installed) == files(ROOT)


def test_databases_are_made_by_the_installed_package(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "db", "upgrade")
    assert (done.returncode, done.stdout) == (0, "The databases are up to date.\n"), done.stderr
    assert (tmp_path / "var" / "cases.sqlite").is_file()


def test_extension_is_written_by_the_installed_package(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    places = ("--plugins", str(tmp_path / "plugins"), "--site-config", str(tmp_path))
    done = run(installed, tmp_path, "install", "request_tracker", *places)
    assert done.returncode == 0, done.stderr
    sender = tmp_path / "plugins" / "RT-Extension-M365Unblock" / "sbin" / "m365-unblock-send"
    assert sender.stat().st_mode & 0o111
