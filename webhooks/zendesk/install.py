"""`m365-unblock install zendesk`: ticket fields, webhook and triggers by Zendesk's API, and the sidebar app as a file.

Whatever is as it should be is left alone, so that a second run changes nothing. Only what bears our names is touched.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from plugin.errors import PluginError
from plugin.manifest import manifest
from plugin.options import CONFIG
from plugin.settings import is_confidential
from plugin.settings_document import Source, read_source
from webhooks import installing
from webhooks.ticket_systems import connect
from webhooks.zendesk import set_up
from webhooks.zendesk.answers import Reading
from webhooks.zendesk.rest import Rest
from webhooks.zendesk.ticket_fields import PROMISED, TEXT, definition

LATER = ("token", "webhook_secrets", "app_installation", "app_public_keys")
MOST_PAGES = 20
STAND_IN_SECRET = "stands in until Zendesk has made one"  # noqa: S105 - nothing is signed with it

AFTERWARDS = """
What is left to do:
  1. In Admin Center > Apps and integrations > APIs: an API token. It belongs to no user; ours is {own_user}.
     Put it into {token}, readable for the plugin's user only.
  2. In Admin Center > Apps and integrations > Zendesk Support apps > Upload private app: the file of --zip; then run
     this again, and put the lines that it prints into the settings.
  3. If you have several ticket forms: add our ticket fields to those of the help desk.
  4. m365-unblock check --config {config}
"""


@click.command(name="zendesk", short_help="Zendesk: ticket fields, webhook, triggers, sidebar app.")
@CONFIG
@click.option("--source", help="The source's name in the settings; may be left out where there is only one Zendesk.")
@click.option("--admin", required=True, help="Mail address of an administrator of Zendesk.")
@click.option(
    "--admin-token-file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with an API token, used with that address. It is needed for this command only.",
)
@click.option("--zip", "package", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the app.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def command(
    path: Path, source: str | None, admin: str, admin_token_file: Path, package: Path | None, dry_run: bool
) -> None:
    """Put into Zendesk what the plugin needs there, and write the app for its sidebar.

    The settings need neither token nor secrets yet. Zendesk makes the secret that it signs with; it is put into the
    file that the settings name for webhook_secrets. Run it again after every change of name, groups or public_url.
    """
    found = read_source(path, os.environ, system="zendesk", name=source, later=LATER)
    _refuse_insecure(found)
    # What would be refused at every start is refused now; nothing is sent.
    stand_ins = {"ca_file": None, "token": "made in Zendesk", "webhook_secrets": [STAND_IN_SECRET]}
    connect(found.name, {**found.settings, **stand_ins})
    ca_file = installing.ca_file(path, found.settings.get("ca_file"))
    rest = Rest(
        "Zendesk",
        found.settings["url"],
        admin,
        installing.admin_token(admin_token_file, called="API token", shown_by="Zendesk"),
        ca_file=ca_file,
    )
    secrets = found.later["webhook_secrets"] or path.parent.resolve() / "secrets" / f"{found.name}-webhook-secrets"
    installing.tell_outcome(
        Installation(rest, found, secrets=secrets, package=package, is_dry=dry_run).changes(), is_dry=dry_run
    )
    if not dry_run:
        token = found.later["token"] or path.parent / "secrets" / f"{found.name}-token"
        click.echo(AFTERWARDS.format(own_user=found.settings["own_user"], token=token, config=path.resolve()))


class Installation:
    """One run; every step says what it did, and yields whether that was anything."""

    def __init__(self, rest: Rest, source: Source, *, secrets: Path, package: Path | None, is_dry: bool) -> None:
        self._rest = rest
        self._source = source
        self._secrets = secrets
        self._package = package
        self._is_dry = is_dry

    def changes(self) -> Iterator[bool]:
        """All steps in order: what is needed by the next comes first."""
        yield from self._fields()
        yield from self._webhook()
        if self._package is not None:
            yield self._app(self._package)
        self._tell_app()

    def _fields(self) -> Iterator[bool]:
        there = [row for row in self._rows("ticket_fields") if row.get("active")]
        numbers = self._source.settings.get("field_numbers", {})
        for name in PROMISED:
            number = numbers.get(name)
            fitting = [row for row in there if (row.get("id") == number if number else row.get("title") == name)]
            if len(fitting) > 1 or any(row.get("type") not in TEXT for row in fitting):
                raise PluginError(
                    f"Zendesk has another ticket field “{name}”, or several: rename it, or give ours another title and "
                    f"its number in [sources.{self._source.name}.field_numbers]"
                )
            if number and not fitting:
                raise PluginError(f"there is no active ticket field {number}, which field_numbers has for “{name}”")
            wanted = definition(name)
            compared = {name: wanted[name] for name in ("visible_in_portal", "editable_in_portal")}
            row = fitting[0] if fitting else None
            yield self._put("ticket_fields", f"ticket field {name}", row, wanted if row is None else compared)

    def _webhook(self) -> Iterator[bool]:
        source = self._source
        wanted = set_up.webhook(source.name, source.public_url)
        row = self._named("webhooks", "name", wanted["name"])
        if row is not None and row.get("subscriptions") != wanted["subscriptions"]:
            raise PluginError(
                f"Zendesk has a webhook {wanted['name']} of the other kind (subscribed to events): delete it"
            )
        is_put = self._put("webhooks", f"webhook {wanted['name']}", row, wanted)
        yield is_put
        row = self._named("webhooks", "name", wanted["name"])
        number = str(row["id"]) if row else ""
        if number:
            yield self._secret(number)
        for trigger in set_up.triggers(source.name, number, source.settings.get("groups", ())):
            there = self._named("triggers", "title", trigger["title"])
            yield self._put("triggers", f"trigger {trigger['title']}", there, trigger)

    def _secret(self, webhook: str) -> bool:
        """Zendesk's secret on top of the file, where it is not in it."""
        doing = "read the webhook's secret"
        found = self._rest.get(doing, "webhooks", webhook, "signing_secret", needs=ADMIN)
        secret = (found.get("signing_secret") or {}).get("secret") if isinstance(found, dict) else None
        if not isinstance(secret, str) or not secret:
            raise PluginError("Zendesk did not tell the webhook's signing secret: reveal it in Admin Center > Webhooks")
        kept = self._secrets.read_text("utf-8").split() if self._secrets.is_file() else []
        is_new = secret not in kept
        click.echo(f"  {'written' if is_new else 'unchanged':<10} signing secret in {self._secrets}")
        if is_new and not self._is_dry:
            self._secrets.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_secret(self._secrets, [secret, *kept])
        if is_new and self._source.later["webhook_secrets"] is None:
            click.echo(f'  put it into [sources.{self._source.name}]:  webhook_secrets_file = "{self._secrets}"')
        return is_new

    def _app(self, package: Path) -> bool:
        content = set_up.app(self._source.name, self._source.public_url, str(manifest()["version"]))
        is_new = not package.is_file() or package.read_bytes() != content
        click.echo(f"  {'written' if is_new else 'unchanged':<10} app {package}")
        if is_new and not self._is_dry:
            package.write_bytes(content)
        return is_new

    def _tell_app(self) -> None:
        """What the settings need of the app, once it was uploaded."""
        installed = [row for row in self._rows("installations", "apps", "installations") if _is_ours(row)]
        if len(installed) != 1:
            click.echo(f"  app        {'not uploaded yet' if not installed else 'installed several times: keep one'}")
            return
        number, app = installed[0].get("id"), str(installed[0].get("app_id"))
        key = self._rest.text("read the app's public key", "apps", app, "public_key.pem", needs=ADMIN)
        if "PUBLIC KEY" not in key:
            raise PluginError("Zendesk did not tell the app's public key (PEM): is the address in the settings right?")
        click.echo(f"  put it into [sources.{self._source.name}], if it is not there yet:")
        click.echo(f'  app_installation = {number}\n  app_public_keys = ["""\n{key.strip()}\n"""]')

    def _named(self, kind: str, member: str, name: str) -> dict[str, Any] | None:
        fitting = [row for row in self._rows(kind) if row.get(member) == name]
        if len(fitting) > 1:
            raise PluginError(f"Zendesk has several {kind} called {name}: delete all but one")
        return fitting[0] if fitting else None

    def _rows(self, kind: str, *path: str) -> list[dict[str, Any]]:
        """All things of a kind, page by page."""
        doing, rows = f"list {kind}", list[dict[str, Any]]()
        params = {"page[size]": "100"}
        for _ in range(MOST_PAGES):
            page = self._rest.get(doing, *(path or (kind,)), needs=ADMIN, params=params)
            rows += Reading(self._rest.system, doing).rows(page, kind)
            meta = page.get("meta") or {}
            if not (meta.get("has_more") and meta.get("after_cursor")):
                return rows
            params["page[after]"] = str(meta["after_cursor"])
        raise PluginError(f"Zendesk has more {kind} than can be gone through")

    def _put(self, kind: str, what: str, row: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
        """Make it, change it or leave it; whether there was anything to do."""
        is_other = row is not None and set_up.differs(row, wanted)
        done = "written" if row is None else "changed" if is_other else "unchanged"
        click.echo(f"  {done:<10} {what}")
        if done != "unchanged" and not self._is_dry:
            method, where = ("POST", ()) if row is None else ("PUT", (str(row["id"]),))
            body = {kind.removesuffix("s"): dict(wanted)}
            self._rest.send(f"write {what}", method, kind, *where, body=body, needs=ADMIN)
        return done != "unchanged"


ADMIN = "an administrator"


def _is_ours(row: Mapping[str, Any]) -> bool:
    settings = row.get("settings")
    names = (settings.get("name") or settings.get("title")) if isinstance(settings, dict) else None
    return bool(row.get("enabled", True)) and names == set_up.APP


def _write_secret(path: Path, lines: list[str]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def _refuse_insecure(found: Source) -> None:
    """Zendesk opens an app at an https address only, or on this very machine."""
    if not is_confidential(found.public_url):
        raise PluginError(f"[server] public_url is {found.public_url}: give the https address; Zendesk opens no other")
