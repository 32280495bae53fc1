"""`m365-unblock install request_tracker`, as an administrator sees it; with a real RT in tests/real."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from plugin.cli import main
from webhooks.request_tracker.install import EXTENSION, perl

ROOT = Path(__file__).parents[3]
WEBHOOK_SECRET = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
OLD_WEBHOOK_SECRET = "whsec_QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
LAUNCH_SECRET = "a-launch-secret-of-thirty-two-bytes-or-a-few-more"
SETTINGS = f"""
[server]
public_url = "https://unblock.example.edu"
[organisation]
domains = ["example.edu"]
[sources.rt]
system = "request_tracker"
url = "https://rt.example.edu"
token_file = "secrets/rt-token"
webhook_secrets = ["{WEBHOOK_SECRET}", "{OLD_WEBHOOK_SECRET}"]
launch_secrets = ["{LAUNCH_SECRET}"]
own_user = "unblocker"
queues = ["Support", "O'Brien's \\\\ Büro"]
[mail_tenants.campus]
system = "account_admin"
url = "https://accounts.example.edu"
token_file = "secrets/not-there-yet"
"""
PLUGIN = "RT-Extension-M365Unblock"
Install = Callable[..., Result]


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    return tmp_path / "plugins"


@pytest.fixture
def site_config(tmp_path: Path) -> Path:
    (tmp_path / "RT_SiteConfig.d").mkdir()
    return tmp_path / "RT_SiteConfig.d"


@pytest.fixture
def install(tmp_path: Path, plugins: Path, site_config: Path) -> Iterator[Install]:
    """Install with settings, into the two folders unless told otherwise."""
    before = os.umask(0o022)  # the command changes it for its process

    def run(*words: str, settings: str = SETTINGS, into: Path = site_config) -> Result:
        (tmp_path / "m365-unblock.toml").write_text(settings, encoding="utf-8")
        places = ["--plugins", str(plugins), "--site-config", str(into)]
        config = ["--config", str(tmp_path / "m365-unblock.toml")]
        result = CliRunner().invoke(main, ["install", "request_tracker", *config, *places, *words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        for secret in (WEBHOOK_SECRET, OLD_WEBHOOK_SECRET, LAUNCH_SECRET):
            assert secret not in result.output
        return result

    yield run
    os.umask(before)


def files_below(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def picture_of(*folders: Path) -> dict[Path, tuple[int, ...] | bytes]:
    """Everything there, with what changes when somebody so much as writes the same again."""
    paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    return {path: (path.stat().st_ino, path.stat().st_mode, path.stat().st_mtime_ns) for path in paths}


# ── the extension ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_extension_is_put_into_its_folder_byte_for_byte(install: Install, plugins: Path) -> None:
    assert install().exit_code == 0
    there, shipped = files_below(plugins / PLUGIN), files_below(EXTENSION)
    assert set(there) == set(shipped) | {"INSTALLED"}
    assert all(there[name].read_bytes() == shipped[name].read_bytes() for name in shipped)


def test_everybody_may_read_the_extension_and_run_its_scripts_whatever_the_umask(
    install: Install, plugins: Path
) -> None:
    os.umask(0o077)
    install()
    for path in (plugins / PLUGIN, *(plugins / PLUGIN).rglob("*")):
        is_script = path.is_file() and path.read_bytes().startswith(b"#!")
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() or is_script else 0o644), path
    assert any(path.stat().st_mode & 0o100 for path in (plugins / PLUGIN / "sbin").iterdir())


def test_installing_twice_changes_nothing_the_second_time(install: Install, plugins: Path, site_config: Path) -> None:
    first = install()
    assert "unchanged" not in first.stdout
    before = picture_of(plugins, site_config)
    second = install()
    assert second.exit_code == 0
    assert "Everything is as it should be already." in second.stdout
    assert "written" not in second.stdout
    assert picture_of(plugins, site_config) == before


def test_what_was_changed_in_the_extension_is_put_right_and_nothing_else(install: Install, plugins: Path) -> None:
    install()
    touched = plugins / PLUGIN / "etc" / "initialdata"
    good = touched.read_bytes()
    touched.write_text("1;")
    result = install()
    assert touched.read_bytes() == good
    assert [line.split() for line in result.stdout.splitlines() if "changed  " in line and "unchanged" not in line] == [
        ["changed", "etc/initialdata"]
    ]


def test_files_of_a_former_version_go_and_those_of_others_stay(install: Install, plugins: Path) -> None:
    install()
    folder = plugins / PLUGIN
    (folder / "lib" / "Old").mkdir()
    for path in (folder / "lib" / "Old" / "Gone.pm", folder / "local-notes.txt", plugins / "innocent.pm"):
        path.write_text("1;")
    installed = folder / "INSTALLED"
    installed.write_text(installed.read_text() + "lib/Old/Gone.pm\nnever-there.pm\n../innocent.pm\n/etc/hostname\n")
    result = install()
    assert "removed    lib/Old/Gone.pm" in result.stdout
    assert not (folder / "lib" / "Old").exists()
    assert (folder / "lib").is_dir()
    assert (folder / "local-notes.txt").exists()
    assert (plugins / "innocent.pm").exists()
    assert "removed" not in install().stdout


def test_a_link_in_place_of_our_folder_is_not_followed(install: Install, plugins: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (plugins / PLUGIN).symlink_to(tmp_path / "elsewhere")
    result = install()
    assert result.exit_code == 1
    assert "is a symbolic link and was left alone" in result.stderr
    assert not list((tmp_path / "elsewhere").iterdir())


# ── the settings ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_settings_are_rts_settings_of_this_source(install: Install, site_config: Path) -> None:
    install()
    text = (site_config / "60-m365-unblock.pm").read_text("utf-8")
    assert "use utf8;" in text
    assert values_in(text) == {
        "Source": "rt",
        "URL": "https://unblock.example.edu",
        "WebhookSecret": WEBHOOK_SECRET,
        "LaunchSecret": LAUNCH_SECRET,
        "User": "unblocker",
        "Queues": ["Support", "O'Brien's \\ Büro"],
    }


def values_in(text: str) -> dict[str, str | list[str]]:
    """What Perl would read, by its rules for single quotes (perlop)."""
    quoted = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)

    def read(rest: str) -> list[str]:
        return [re.sub(r"\\([\\'])", r"\1", found) for found in quoted.findall(rest)]

    lines = re.findall(r"^    (\w+) +=> (.*),$", text, re.MULTILINE)
    return {name: read(rest) if rest.startswith("[") else read(rest)[0] for name, rest in lines}


@given(st.lists(st.text(alphabet=st.sampled_from("ab'\\,[]$@%{}\"\n ü€")), max_size=3))
def test_whatever_a_name_holds_perl_reads_that_name(names: list[str]) -> None:
    said = values_in(f"    Queues => {perl(names)},")["Queues"] if "\n" not in "".join(names) else names
    assert said == names


@pytest.mark.real
def test_perl_itself_reads_what_was_set(install: Install, site_config: Path) -> None:
    install()
    program = r"""
        package RT; our @Plugins; use JSON::PP;
        sub Plugin { push @Plugins, @_ }
        sub Set(\%@) { my ($opt, @values) = @_; print JSON::PP->new->utf8->canonical->encode({@values}) }
        do $ARGV[0] for 1, 2; die $@ if $@; print scalar @Plugins;
    """
    file = site_config / "60-m365-unblock.pm"
    said = subprocess.run(["perl", "-e", program, str(file)], capture_output=True, check=True).stdout.decode()
    once = json.dumps(values_in(file.read_text("utf-8")), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert said == once + once + "1"  # read twice, the plugin is there once


def test_only_the_owner_and_the_group_of_other_secret_files_may_read_the_settings(
    install: Install, site_config: Path
) -> None:
    group = 12345 if os.geteuid() == 0 else os.getgid()
    (site_config / "50-database.pm").write_text("1;")
    os.chown(site_config / "50-database.pm", -1, group)
    (site_config / "50-database.pm").chmod(0o640)
    (site_config / "40-timezone.pm").write_text("1;")
    result = install()
    state = (site_config / "60-m365-unblock.pm").stat()
    assert (state.st_mode & 0o777, state.st_gid) == (0o640, group)
    assert "RT passes over" not in result.stdout


def test_where_nothing_shows_the_web_servers_group_it_is_said(install: Install, site_config: Path) -> None:
    assert "RT passes over" in install().stdout
    assert (site_config / "60-m365-unblock.pm").stat().st_mode & 0o007 == 0


def test_a_group_given_by_hand_is_kept(install: Install, site_config: Path) -> None:
    install()
    ours, group = site_config / "60-m365-unblock.pm", 12345 if os.geteuid() == 0 else os.getgid()
    os.chown(ours, -1, group)
    assert "Everything is as it should be already." in install().stdout
    install(settings=SETTINGS.replace("unblocker", "m365-unblock"))
    assert ours.stat().st_gid == group


def test_a_group_that_is_not_there_is_said(install: Install) -> None:
    result = install("--group", "no-such-group")
    assert result.exit_code == 2
    assert "there is no group 'no-such-group' here" in result.stderr


def test_a_changed_setting_changes_that_file_only(install: Install, site_config: Path, plugins: Path) -> None:
    install()
    before = picture_of(plugins)
    result = install(settings=SETTINGS.replace(f'["{WEBHOOK_SECRET}", ', "["))
    assert "  changed    60-m365-unblock.pm" in result.stdout
    assert values_in((site_config / "60-m365-unblock.pm").read_text())["WebhookSecret"] == OLD_WEBHOOK_SECRET
    assert picture_of(plugins) == before
    assert [path.name for path in site_config.iterdir()] == ["60-m365-unblock.pm"]


def test_a_file_of_the_administrators_is_never_touched(install: Install, site_config: Path, plugins: Path) -> None:
    theirs = site_config / "RT_SiteConfig.pm"
    theirs.write_text("Set($rtname, 'rt');\n1;\n")
    before = picture_of(site_config)
    result = install(into=theirs)
    assert result.exit_code == 1
    assert "was not written by this command, so it is left alone" in result.stderr
    assert picture_of(site_config) == before
    assert not list(plugins.iterdir())


def test_a_file_of_its_own_is_written_and_how_to_read_it_is_said(install: Install, tmp_path: Path) -> None:
    own = tmp_path / "own.pm"
    for _ in range(2):
        result = install(into=own)
        assert result.exit_code == 0
    assert f"do '{own}' or die" in result.stdout
    assert values_in(own.read_text("utf-8"))["Source"] == "rt"


def test_a_place_that_is_not_there_is_said(install: Install, tmp_path: Path) -> None:
    result = install(into=tmp_path / "nowhere" / "RT_SiteConfig.d")
    assert result.exit_code == 2
    assert "is no folder, and no file to be made" in result.stderr


def test_a_dry_run_says_all_and_does_nothing(install: Install, plugins: Path, site_config: Path) -> None:
    result = install("--dry-run")
    assert result.exit_code == 0
    assert "written    60-m365-unblock.pm" in result.stdout
    assert "Nothing was done" in result.stdout
    assert not list(plugins.iterdir())
    assert not list(site_config.iterdir())


# ── which source, and what is still missing ──────────────────────────────────────────────────────────────────────


SECOND = SETTINGS[SETTINGS.index("[sources.rt]") : SETTINGS.index("[mail_tenants")].replace("sources.rt", "sources.it")


def test_of_several_rts_one_is_named(install: Install, site_config: Path) -> None:
    result = install(settings=SETTINGS + SECOND)
    assert result.exit_code == 2
    assert "--source rt or --source it" in result.stderr
    install("--source", "it", settings=SETTINGS + SECOND)
    assert values_in((site_config / "60-m365-unblock.pm").read_text("utf-8"))["Source"] == "it"


@pytest.mark.parametrize(
    ("words", "change", "said"),
    [
        (["--source", "desk"], ("", ""), "no source 'desk' with system = \"request_tracker\"; there are rt"),
        ([], ("request_tracker", "generic"), 'there is no source with system = "request_tracker"'),
        ([], ("launch_secrets = ", "# "), "openssl rand -hex 32"),
        ([], (LAUNCH_SECRET, LAUNCH_SECRET + " ü"), "launch_secrets, entry 1: RT takes ASCII without spaces only"),
        ([], (LAUNCH_SECRET, WEBHOOK_SECRET), "give them secrets of their own"),
        ([], (WEBHOOK_SECRET, "whsec_" + "ü" * 30), "webhook_secrets, entry 1"),
        ([], ("https://unblock", "http://unblock"), "[server] public_url: RT takes https only"),
        ([], ("webhook_secrets", "webhook_secret"), "did you mean 'webhook_secrets'?"),
        ([], ("https://unblock", "unblock"), "public_url: "),
        ([], ("webhook_secrets = ", "webhook_secrets_file = 'none' #"), "webhook_secrets_file: cannot read"),
    ],
)
def test_what_is_wrong_with_the_source_is_said_before_anything_is_written(
    install: Install, plugins: Path, words: list[str], change: tuple[str, str], said: str
) -> None:
    result = install(*words, settings=SETTINGS.replace(*change))
    assert result.exit_code == 2
    assert said in result.stderr
    assert not list(plugins.iterdir())


def test_the_next_steps_name_this_sites_own_places(install: Install, plugins: Path, tmp_path: Path) -> None:
    told = install().stdout
    data = plugins / PLUGIN / "etc" / "initialdata"
    assert f"sudo rt-setup-database-5 --action insert --skip-create --datafile {data}" in told
    assert f"rt-m365-unblock-token --file {tmp_path / 'secrets' / 'rt-token'}" in told
    assert f"check --config {tmp_path / 'm365-unblock.toml'}" in told
    assert "Name the token" not in told
    assert (
        f'token_file = "{tmp_path}/secrets/rt-token"' in install(settings=SETTINGS.replace("token_file", "#", 1)).stdout
    )


def test_an_address_that_only_this_machine_reaches_is_pointed_out(install: Install) -> None:
    assert "only browsers on this machine" not in install().stdout
    assert "only browsers on this machine" in install(settings=SETTINGS.replace("public_url", "#")).stdout


def test_without_the_right_to_write_nothing_is_done_and_the_command_to_run_is_told(
    install: Install, plugins: Path, site_config: Path, tmp_path: Path
) -> None:
    (tmp_path / "m365-unblock.toml").write_text(SETTINGS, encoding="utf-8")
    site_config.chmod(0o555)
    # Root may write anywhere, unless that is taken from it.
    less = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
    words = ["--config", "m365-unblock.toml", "--plugins", str(plugins), "--site-config", str(site_config)]
    result = subprocess.run(
        [*less, sys.executable, "-m", "plugin.cli", "install", "request_tracker", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert f"{site_config}: Permission denied; run\n  sudo " in result.stderr
    assert f"--config {tmp_path}/m365-unblock.toml --source rt --plugins {plugins}" in result.stderr
    assert not list(plugins.iterdir())


# ── the command, and the package ─────────────────────────────────────────────────────────────────────────────────


def test_install_lists_the_ticket_systems_that_can_be_installed() -> None:
    listed = CliRunner().invoke(main, ["install", "--help"]).output
    assert re.search(r"^  request_tracker +Request Tracker 5", listed, re.MULTILINE)
    assert "generic" not in listed


def test_a_ticket_system_that_cannot_be_installed_is_said() -> None:
    for name in ("generic", "nonsense", "../plugin"):
        result = CliRunner().invoke(main, ["install", name])
        assert result.exit_code == 2
        assert "No such command" in result.output


def test_a_built_package_holds_the_whole_extension_and_both_licences(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "plugin.json"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("plugin", "webhooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    made = subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(tmp_path / made.stdout.split()[-1]) as wheel:
        names = set(wheel.namelist())
        [metadata] = [wheel.read(name).decode() for name in names if name.endswith("/METADATA")]
    assert {f"webhooks/request_tracker/extension/{name}" for name in files_below(EXTENSION)} <= names
    assert "webhooks/request_tracker/afterwards.txt" in names
    assert "License-Expression: MIT AND GPL-2.0-only" in metadata
    assert "License-File: webhooks/request_tracker/extension/LICENSE" in metadata
