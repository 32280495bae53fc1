"""`m365-unblock install zammad`: webhook, triggers, tags, attributes and checklist template, by Zammad's API.

Whatever is as it should be is left alone, so that a second run changes nothing. Only what bears our names is touched.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from plugin import checklist as checklists
from plugin.checklist import AskedWhen, Checklist
from plugin.errors import PluginError
from plugin.manifest import manifest
from plugin.options import CONFIG
from plugin.settings import is_confidential
from plugin.settings_document import Source, read_source
from webhooks import installing
from webhooks.ticket_systems import connect
from webhooks.zammad import set_up
from webhooks.zammad.attributes import PROMISED, definition
from webhooks.zammad.rest import Rest

AFTERWARDS = """
What is left to do:
  1. In Zammad, as {own_user}: Profile > Token Access > Create, with the permission ticket.agent alone.
     Put the token into {token}, readable for the plugin's user only.
  2. m365-unblock check --config {config}
  3. Write a ticket in a group of the help desk, and look at m365-unblock events list.
"""


@click.command(name="zammad", short_help="Zammad: webhook, triggers, tags, attributes, checklist template.")
@CONFIG
@click.option("--source", help="The source's name in the settings; may be left out where there is only one Zammad.")
@click.option(
    "--admin-token-file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with the access token of an administrator, with the permissions admin.webhook, admin.trigger, "
    "admin.tag, admin.object and admin.checklists. It is needed for this command only: revoke it afterwards.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def command(path: Path, source: str | None, admin_token_file: Path, dry_run: bool) -> None:
    """Put into Zammad what the plugin needs there.

    The settings need no token of our own user yet: it is made in a step that is listed at the end. Run it again after
    every change of name, secrets, checklist or public_url: what is as it should be is left alone.
    """
    found = read_source(path, os.environ, system="zammad", name=source, later=("token",))
    _refuse_redirects(found)
    # What would be refused at every start is refused now; nothing is sent.
    connect(found.name, {**found.settings, "ca_file": None, "token": "made in Zammad"})
    token = installing.admin_token(admin_token_file, called="access token", shown_by="Zammad")
    ca_file = installing.ca_file(path, found.settings.get("ca_file"))
    rest = Rest("Zammad", found.settings["url"], token, ca_file=ca_file)
    installing.tell_outcome(Installation(rest, found, is_dry=dry_run).changes(), is_dry=dry_run)
    if not dry_run:
        later = found.later["token"] or path.parent / "secrets" / f"{found.name}-token"
        click.echo(AFTERWARDS.format(own_user=found.settings["own_user"], token=later, config=path.resolve()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A thing in Zammad as it is to be; those of its members in `compare` decide whether it is."""

    what: str
    path: str  # of all things of its kind, below /api/v1
    body: Mapping[str, Any]
    compare: Sequence[str] = ()

    @property
    def name(self) -> str:
        """By which it is found again."""
        return str(self.body["name"])


class Installation:
    """One run; every step says what it did, and yields whether that was anything."""

    def __init__(self, rest: Rest, source: Source, *, is_dry: bool) -> None:
        self._rest = rest
        self._source = source
        self._is_dry = is_dry

    def changes(self) -> Iterator[bool]:
        """All steps in order: what is needed by the next comes first."""
        settings = self._source.settings
        yield from self._tags()
        if not settings.get("customers_can_sign_in", True):
            yield from self._attributes()
        if settings.get("checklist", True):
            yield self._template(checklists.load(self._source.checklist or checklists.default_path()))
        yield from self._webhook()

    def _tags(self) -> Iterator[bool]:
        there = self._there("tag_list")
        for tag in manifest()["tags"]:
            yield self._put(Wanted(what="tag", path="tag_list", body={"name": tag}), there.get(tag))

    def _attributes(self) -> Iterator[bool]:
        there, is_waiting = self._there("object_manager_attributes"), False
        for field in PROMISED:
            wanted = Wanted(
                what="attribute", path="object_manager_attributes", body=definition(field), compare=COMPARED
            )
            row = there.get(wanted.name)
            if row is not None and row.get("data_type") != wanted.body["data_type"]:
                raise PluginError(f"Zammad has an attribute {wanted.name} of another type: rename or delete it")
            is_put = self._put(wanted, row)
            is_waiting = is_waiting or is_put or bool(row and row.get("to_migrate"))
            yield is_put
        if is_waiting:
            self._migrate()
        yield is_waiting

    def _migrate(self) -> None:
        """New attributes are columns of Zammad's database, which it makes when told so."""
        click.echo("  Zammad's database is brought up to date; its pages may be slow for a minute")
        if not self._is_dry:
            path = "object_manager_attributes_execute_migrations"
            self._rest.send("make the attributes", "POST", path, body={}, needs="admin.object")

    def _template(self, checklist: Checklist) -> bool:
        name = set_up.template_name(checklist.title, checklist.id, checklist.version)
        items = [item.text for item in checklist.items if item.asked_when is AskedWhen.ALWAYS]
        row = self._there("checklist_templates").get(name)
        body = {"name": name, "active": True, "items": items}
        is_put = self._put(
            Wanted(what="checklist template", path="checklist_templates", body=body, compare=("active",)), row
        )
        number = self._number("checklist_templates", name)
        if number and self._source.settings.get("checklist_template") != number:
            click.echo(f"  put it into [sources.{self._source.name}]:  checklist_template = {number}")
        return is_put

    def _webhook(self) -> Iterator[bool]:
        source = self._source
        body = set_up.webhook(source.name, source.public_url, source.settings["webhook_secrets"][0])
        compare = [name for name in body if name != "signature_token"]
        webhook = Wanted(what="webhook", path="webhooks", body=body, compare=compare)
        yield self._put(webhook, self._there("webhooks").get(webhook.name))
        there = self._there("triggers")
        for trigger in set_up.triggers(source.name, self._number("webhooks", webhook.name)):
            wanted = Wanted(what="trigger", path="triggers", body=trigger, compare=[*trigger])
            yield self._put(wanted, there.get(wanted.name))

    def _there(self, path: str) -> dict[str, dict[str, Any]]:
        """All things of a kind, by name; of attributes those of tickets."""
        found = self._rest.get(f"list {path}", path, needs=NEEDS[path])
        if not isinstance(found, list):
            raise PluginError(f"Zammad did not list its {path}: is the address in the settings that of Zammad?")
        rows = [row for row in found if isinstance(row, dict) and row.get("object", "Ticket") == "Ticket"]
        return {row["name"]: row for row in rows if "name" in row}

    def _number(self, path: str, name: str) -> int:
        """The number of a thing; 0 in a dry run where it is not there."""
        row = self._there(path).get(name)
        return int(row["id"]) if row else 0

    def _put(self, wanted: Wanted, row: Mapping[str, Any] | None) -> bool:
        """Make it, change it or leave it; whether there was anything to do."""
        is_other = row is not None and set_up.differs(row, {name: wanted.body[name] for name in wanted.compare})
        done = "written" if row is None else "changed" if is_other else "unchanged"
        click.echo(f"  {done:<10} {wanted.what} {wanted.name}")
        if done != "unchanged" and not self._is_dry:
            method, where = ("POST", ()) if row is None else ("PUT", (str(row["id"]),))
            doing = f"{wanted.what} {wanted.name}"
            self._rest.send(doing, method, wanted.path, *where, body=wanted.body, needs=NEEDS[wanted.path])
        return done != "unchanged"


COMPARED = ("display", "active", "screens")
"""What of an attribute is compared: its size may have been chosen otherwise, and Zammad fills in the rest."""

NEEDS = {
    "tag_list": "admin.tag",
    "object_manager_attributes": "admin.object",
    "checklist_templates": "admin.checklists",
    "webhooks": "admin.webhook",
    "triggers": "admin.trigger",
}
"""The permission that each kind of thing takes."""


def _refuse_redirects(found: Source) -> None:
    """Zammad follows a redirect as GET, without the body: the address must be the final one."""
    if not is_confidential(found.public_url):
        raise PluginError(
            f"[server] public_url is {found.public_url}: give the https address. Zammad would follow a redirect, "
            "but without what it has to tell"
        )
