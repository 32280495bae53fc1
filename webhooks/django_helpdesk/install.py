"""`m365-unblock install django_helpdesk`: our Django app as a folder that pip installs, and its settings as JSON.

The settings hold secrets: only their owner and the group of Django's processes may read them, and nothing of them is
printed. The site's own settings.py and urls.py are never edited; what they need is told.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from plugin.errors import PluginError, SettingsError
from plugin.options import CONFIG
from plugin.settings import is_confidential
from plugin.settings_document import Source, read_source
from webhooks.places import Placed, files_of, group_named, place
from webhooks.ticket_systems import connect

APP = Path(__file__).parent / "app"
FOLDER, SETTINGS_FILE = "helpdesk-m365-unblock", "m365_unblock.json"


@click.command(name="django_helpdesk", short_help="django-helpdesk: our Django app and its settings.")
@CONFIG
@click.option("--source", help="The source's name in the settings; may be left out where there is only one.")
@click.option(
    "--into",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help=f"A folder for both: {FOLDER}/ and {SETTINGS_FILE}.",
)
@click.option("--group", help="The group that Django runs in, which must read the settings.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def command(path: Path, source: str | None, into: Path, group: str | None, dry_run: bool) -> None:
    """Write our Django app and its settings into a folder, to be installed by pip where django-helpdesk runs.

    Run it again after every upgrade and every change of the settings: what is as it should be is left alone.
    """
    found = read_source(path, os.environ, system="django_helpdesk", name=source)
    folder, target = into.resolve() / FOLDER, into.resolve() / SETTINGS_FILE
    content = json.dumps(django_settings(found), indent=2, ensure_ascii=True) + "\n"
    settings = Placed(path=target, content=content.encode(), mode=0o640, group=_group(target, group))
    try:
        place(folder, files_of(APP, folder), settings, is_dry=dry_run)
    except OSError as error:
        raise PluginError(f"{error.filename}: {error.strerror}") from error
    if not dry_run:
        steps = Path(__file__).with_name("afterwards.txt").read_text("utf-8")
        click.echo(steps.format(app=folder, settings=target, path=_path_of(found), config=path.resolve()))


def django_settings(source: Source) -> dict[str, Any]:
    """M365_UNBLOCK; `SettingsError` for what the plugin or the app would not work with."""
    settings = source.settings
    if not settings.get("launch_secrets"):
        raise SettingsError(
            f"[sources.{source.name}] launch_secrets: none is set, so the panel would open for nobody. Make one with\n"
            f"  (umask 077; openssl rand -hex 32 > secrets/{source.name}-launch-secrets)\n"
            f'and name it:  launch_secrets_file = "secrets/{source.name}-launch-secrets"'
        )
    if not is_confidential(source.public_url):
        raise SettingsError("[server] public_url: the app takes https only, since launch tokens go there")
    # What would be refused at every start is refused now; nothing is sent.
    connect(source.name, {**settings, "ca_file": None})
    return {
        "SOURCE": source.name,
        "URL": source.public_url,
        "API_URL": settings["api_url"],
        "API_TOKENS_SHA256": [hashlib.sha256(settings["api_token"].encode()).hexdigest()],
        "WEBHOOK_SECRET": settings["webhook_secrets"][0],
        "LAUNCH_SECRET": settings["launch_secrets"][0],
        "QUEUES": list(settings.get("queues", ())),
    }


def _group(target: Path, named: str | None) -> int | None:
    if named is not None:
        return group_named(named)
    return target.stat().st_gid if target.exists() else None


def _path_of(source: Source) -> str:
    """The API's path, as urls.py has it."""
    return f"{urlsplit(source.settings['api_url']).path.strip('/')}/"
