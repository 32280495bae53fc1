"""`m365-unblock install jira`: custom fields, their places on the projects' screens, and the webhook, by Jira's API.

Whatever is as it should be is left alone, so that a second run changes nothing. Only what bears our names is touched.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from plugin.errors import NotFound, PluginError
from plugin.options import CONFIG
from plugin.settings import is_confidential
from plugin.settings_document import Source, read_source
from webhooks import installing
from webhooks.jira import answers, screens, set_up
from webhooks.jira.fields import PROMISED, Known, definition, known
from webhooks.jira.rest import PLATFORM, Rest
from webhooks.jira.service_desk import shown_to_customers
from webhooks.ticket_systems import connect

WEBHOOKS = ("rest", "webhooks", "1.0", "webhook")
NEEDS = "the global permission Administer Jira"

AFTERWARDS = """
What is left to do:
  1. Sign in at id.atlassian.com as {email}: Security > API tokens > Create API token (one without scopes).
     Put it into {token}, readable for the plugin's user only. It runs out on the day that is shown there.
  2. m365-unblock check --config {config}
  3. Write a request in the portal, and look at m365-unblock events list.
"""


@click.command(name="jira", short_help="Jira: custom fields, their places on screens, webhook.")
@CONFIG
@click.option("--source", help="The source's name in the settings; may be left out where there is only one Jira.")
@click.option("--admin-email", required=True, help="The mail address of a Jira administrator's Atlassian account.")
@click.option(
    "--admin-token-file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with an API token of that administrator, without scopes. It is needed for this command only: revoke "
    "it afterwards.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def command(path: Path, source: str | None, admin_email: str, admin_token_file: Path, dry_run: bool) -> None:
    """Put into Jira what the plugin needs there.

    The settings need neither token nor own_account of our own user yet: own_account is told here, and the token is made
    in a step that is listed at the end. Run it again after every change of name, secrets, projects or public_url: what
    is as it should be is left alone.
    """
    found = read_source(path, os.environ, system="jira", name=source, later=("token", "own_account"))
    _refuse_redirects(found)
    # What would be refused at every start is refused now; nothing is sent.
    placeholders = {"ca_file": None, "token": "made at Atlassian", "own_account": "told by Jira"}
    connect(found.name, {**found.settings, **placeholders})
    ca_file = installing.ca_file(path, found.settings.get("ca_file"))
    rest = Rest(
        "Jira",
        found.settings["url"],
        admin_email,
        installing.admin_token(admin_token_file, called="API token", shown_by="Atlassian"),
        ca_file=ca_file,
    )
    installing.tell_outcome(Installation(rest, found, is_dry=dry_run).changes(), is_dry=dry_run)
    if not dry_run:
        later = found.later["token"] or path.parent / "secrets" / f"{found.name}-token"
        click.echo(AFTERWARDS.format(email=found.settings["email"], token=later, config=path.resolve()))


class Installation:
    """One run; every step says what it did, and yields whether that was anything."""

    def __init__(self, rest: Rest, source: Source, *, is_dry: bool) -> None:
        self._rest = rest
        self._source = source
        self._is_dry = is_dry

    def changes(self) -> Iterator[bool]:
        """All steps in order: what is needed by the next comes first."""
        self._tell_account()
        if self._source.settings.get("fields", True):
            yield from self._fields()
            for project in self._source.settings["projects"]:
                yield from self._screens(project)
        self._look_at_forms()
        yield self._webhook()

    def _tell_account(self) -> None:
        """Jira's deliveries name people by an id that no page of it shows."""
        email = self._source.settings["email"]
        reply = self._rest.get("look up our own user", *PLATFORM, "user", "search", params={"query": email})
        found = [
            row
            for row in reply.json()
            if row.get("accountType") == "atlassian" and str(row.get("emailAddress") or email).lower() == email.lower()
        ]
        if len(found) != 1:
            raise PluginError(f"Jira knows {len(found) or 'no'} users with the address {email}: invite our user first")
        click.echo(f'  put it into [sources.{self._source.name}]:  own_account = "{found[0]["accountId"]}"')

    def _fields(self) -> Iterator[bool]:
        there = self._known()
        if there.doubled:
            raise PluginError(f"Jira has several fields called {', '.join(sorted(there.doubled))}: rename others'")
        for name in PROMISED:
            is_new = name not in there.ours
            self._say("written" if is_new else "unchanged", f"field {name}")
            if is_new and not self._is_dry:
                self._rest.send(f"make field {name}", "POST", *PLATFORM, "field", body=definition(name), needs=NEEDS)
            yield is_new

    def _screens(self, project: str) -> Iterator[bool]:
        ours = self._known().ours
        fields = {field: name for name, field in ours.items()}
        unmade = [name for name in PROMISED if name not in ours]
        if unmade and not self._is_dry:
            raise PluginError(f"Jira does not list {', '.join(unmade)} yet: run this again in a minute")
        for screen in screens.screens_of(self._rest, project):
            for name in unmade:
                self._say("written", f"{name} on screen {screen} of {project}")
            tab, missing = screens.missing_on(self._rest, screen, {**fields, "labels": "labels"})
            for field in missing:
                self._say("written", f"{fields.get(field, field)} on screen {screen} of {project}")
                if not self._is_dry:
                    screens.put_on(self._rest, screen, tab, field)
                yield True

    def _look_at_forms(self) -> None:
        """Said aloud and changed by nobody but a person: what a customer fills in there is the site's own matter."""
        ours = frozenset({"labels", *self._known().ours.values()})
        for project in self._source.settings["projects"]:
            try:
                shown = shown_to_customers(self._rest, project, ours)
            except NotFound as error:
                click.echo(f"  ATTENTION  nobody could look at the request forms of {project}: {error}")
                continue
            if shown:
                click.echo(f"  ATTENTION  customers of {project} would see {', '.join(shown)}: take it off the form")

    def _webhook(self) -> bool:
        source = self._source
        settings = source.settings
        wanted = set_up.webhook(source.name, source.public_url, settings["webhook_secrets"][0], settings["projects"])
        there = self._rest.get("list the webhooks", *WEBHOOKS, needs=NEEDS).json()
        if not isinstance(there, list):
            raise PluginError("Jira did not list its webhooks: is the address in the settings that of Jira?")
        ours = next((row for row in there if set_up.is_ours(row, source.name, wanted)), None)
        is_other = ours is not None and set_up.differs(ours, wanted)
        done = "written" if ours is None else "changed" if is_other else "unchanged"
        self._say(done, f"webhook m365-unblock {source.name}")
        if done != "unchanged" and not self._is_dry:
            where = () if ours is None else (_number(ours),)
            body = wanted if ours is None else wanted | {"enabled": True}
            self._rest.send("webhook", "PUT" if where else "POST", *WEBHOOKS, *where, body=body, needs=NEEDS)
        return done != "unchanged"

    def _known(self) -> Known:
        return known(answers.fields_of(self._rest.get("list the fields", *PLATFORM, "field", needs=NEEDS)))

    def _say(self, done: str, what: str) -> None:
        click.echo(f"  {done:<10} {what}")


def _number(webhook: Mapping[str, Any]) -> str:
    """Jira tells a webhook's id by its address only."""
    return urlsplit(str(webhook["self"])).path.rstrip("/").rpartition("/")[2]


def _refuse_redirects(found: Source) -> None:
    """Jira delivers to https only, and a redirect loses what it has to tell."""
    if not is_confidential(found.public_url):
        raise PluginError(f"[server] public_url is {found.public_url}: give the https address, Jira sends to no other")
