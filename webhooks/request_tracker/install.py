"""`m365-unblock install request_tracker`: the extension and its settings, put where RT finds them.

RT's own files and the administrator's are never edited. The settings file holds secrets: only root and the group of
RT's web server may read it, and nothing of it is printed.
"""

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from plugin.errors import PluginError, SettingsError
from plugin.options import CONFIG
from plugin.settings import LOOPBACK, is_confidential
from plugin.settings_document import Source, read_source
from webhooks.places import Placed, files_of, group_named, place
from webhooks.ticket_systems import connect

EXTENSION = Path(__file__).parent / "extension"
FOLDER = "RT-Extension-M365Unblock"
SETTINGS_FILE = "60-m365-unblock.pm"
OURS = "# Written by: m365-unblock install request_tracker"
PLUGINS = Path("/usr/local/share/request-tracker5/plugins")  # Debian's RT 5, as the next two
SITE_CONFIG = Path("/etc/request-tracker5/RT_SiteConfig.d")
MASON_CACHE = Path("/var/cache/request-tracker5/mason_data/obj")
PLAIN = re.compile(r"[!-~]+")

SETTINGS = """{ours}
# Run it again to change this file: it replaces it. Settings of your own go into a file of your own, see the guide.
# It holds secrets: for root and the group of RT's web server only.
use utf8;

Plugin('RT::Extension::M365Unblock') unless grep {{ $_ eq 'RT::Extension::M365Unblock' }} @RT::Plugins;

Set(%M365Unblock,
{lines}
);

1;
"""

NO_PANEL = """\
[sources.{name}] launch_secrets: none is set, so RT could open the panel for nobody. Make one with
  (umask 077; openssl rand -hex 32 > secrets/{name}-launch-secrets)
and name it:  launch_secrets_file = "secrets/{name}-launch-secrets\""""


@click.command(name="request_tracker", short_help="Request Tracker 5: extension and settings lines.")
@CONFIG
@click.option("--source", help="The source's name in the settings; may be left out where there is only one RT.")
@click.option(
    "--plugins",
    default=PLUGINS,
    show_default=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="RT's folder for plugins.",
)
@click.option(
    "--site-config",
    default=SITE_CONFIG,
    show_default=True,
    type=click.Path(path_type=Path),
    help=f"RT's folder for settings, where we write {SETTINGS_FILE}; or a file to be made, "
    "which you then read in RT_SiteConfig.pm yourself.",
)
@click.option(
    "--group",
    help="The group of RT's web server, which must read the settings. If left out: that of the file as it is, "
    "or of another file there that only a group may read.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def command(path: Path, source: str | None, plugins: Path, site_config: Path, group: str | None, dry_run: bool) -> None:
    """Put our extension into RT's plugins and its settings into RT's site configuration.

    The settings need no token yet: it is made in one of the steps that are listed at the end. Only files of our own are
    written. Run it again after every upgrade and every change of the settings: what is as it should be is left alone.
    """
    found = read_source(path, os.environ, system="request_tracker", name=source, later=("token",))
    try:
        folder, target = plugins.resolve() / FOLDER, _settings_file(site_config.resolve())
        extension = files_of(EXTENSION, folder)
        settings = Placed(path=target, content=settings_text(found).encode(), mode=0o640, group=_group(target, group))
        place(folder, extension, settings, is_dry=dry_run)
    except PermissionError as error:
        places = ["--plugins", plugins.resolve(), "--site-config", site_config.resolve()]
        again = ["--config", path.resolve(), "--source", found.name, *places, *(["--group", group] if group else [])]
        raise PluginError(
            f"{error.filename}: {error.strerror}; run\n  " + _sudo(_program(), "install", "request_tracker", *again)
        ) from error
    except OSError as error:
        raise PluginError(f"{error.filename}: {error.strerror}") from error
    if not dry_run:
        _tell_afterwards(found, path.resolve(), folder, settings)


def settings_text(source: Source) -> str:
    """The settings lines, as Perl; `SettingsError` for what the plugin or RT would not work with."""
    launch_secrets = source.settings.get("launch_secrets", ())
    if not launch_secrets:
        raise SettingsError(NO_PANEL.format(name=source.name))
    if not PLAIN.fullmatch(launch_secrets[0]):
        raise SettingsError(f"[sources.{source.name}] launch_secrets, entry 1: RT takes ASCII without spaces only")
    if not is_confidential(source.public_url):
        raise SettingsError("[server] public_url: RT takes https only, since launch tokens go there")
    # What would be refused at every start is refused now. The token comes later, and nothing is sent.
    connect(source.name, {**source.settings, "ca_file": None, "token": "made by RT"})
    values: Mapping[str, str | Sequence[str]] = {
        "Source": source.name,
        "URL": source.public_url,
        "WebhookSecret": source.settings["webhook_secrets"][0],
        "LaunchSecret": launch_secrets[0],
        "User": source.settings["own_user"],
        "Queues": source.settings.get("queues", ()),
    }
    lines = "\n".join(f"    {name:<13} => {perl(value)}," for name, value in values.items())
    return SETTINGS.format(ours=OURS, lines=lines)


def perl(value: str | Sequence[str]) -> str:
    """A text or a list of texts as Perl; in single quotes, only the quote itself and the backslash mean anything."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "[" + ", ".join(perl(each) for each in value) + "]"


def _settings_file(site_config: Path) -> Path:
    """The file that is ours to write; a file of somebody else's is refused."""
    path = site_config / SETTINGS_FILE if site_config.is_dir() else site_config
    if not path.parent.is_dir() or path.suffix != ".pm":
        raise click.BadParameter(
            f"{site_config} is no folder, and no file to be made (….pm)", param_hint="--site-config"
        )
    if path.exists() and not path.read_text("utf-8", errors="replace").startswith(OURS):
        raise PluginError(
            f"{path} was not written by this command, so it is left alone: move it away, or name another place with "
            "--site-config, such as RT_SiteConfig.d or a file that is not there yet"
        )
    return path


def _group(target: Path, named: str | None) -> int | None:
    """Who may read the settings besides root; None where nothing tells."""
    if named is not None:
        return group_named(named)
    if target.exists():
        return target.stat().st_gid
    states = [file.stat() for file in sorted(target.parent.glob("*.pm")) if file.is_file()]
    return next((state.st_gid for state in states if state.st_mode & 0o044 == 0o040), None)


def _tell_afterwards(found: Source, config: Path, folder: Path, settings: Placed) -> None:
    token = found.later["token"] or config.parent / "secrets" / f"{found.name}-token"
    click.echo(
        (Path(__file__).parent / "afterwards.txt")
        .read_text("utf-8")
        .format(
            insert=_sudo(
                "rt-setup-database-5",
                "--action",
                "insert",
                "--skip-create",
                "--datafile",
                folder / "etc" / "initialdata",
            ),
            clear_cache=_sudo("find", MASON_CACHE, "-mindepth", "1", "-delete"),
            make_token=_sudo(folder / "sbin" / "rt-m365-unblock-token", "--file", token),
            give_token=_sudo("chown", f"--reference={config}", token),
            check=shlex.join([str(_program()), "check", "--config", str(config)]),
        )
    )
    if found.later["token"] is None:
        click.echo(f'Name the token in [sources.{found.name}]:  token_file = "{token}"')
    if settings.group is None or settings.path.stat().st_gid == 0:
        click.echo(
            f"RT passes over {settings.path} unless its web server can read it: say --group www-data (Debian's), "
            "or set the file's group where you copy it to."
        )
    if settings.path.name != SETTINGS_FILE:
        click.echo(f"RT reads {settings.path} only if RT_SiteConfig.pm says so:  do '{settings.path}' or die $@ || $!;")
    if urlsplit(found.public_url).hostname in LOOPBACK:
        click.echo(
            f"[server] public_url is {found.public_url}, which only browsers on this machine reach: set it to the "
            "plugin's address as agents see it, and install again."
        )


def _program() -> Path:
    return Path(sys.argv[0]).resolve()


def _sudo(*words: object) -> str:
    return shlex.join(["sudo", *map(str, words)])
