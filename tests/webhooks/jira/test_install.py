"""What `install jira` puts into Jira, and what `check` sees of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plugin.manifest import manifest
from plugin.ports import Advice, TicketSystem
from tests.stand_ins.office import Office
from tests.webhooks.jira.conftest import SECRET, JiraSite
from webhooks.jira.fields import PROMISED, definition
from webhooks.jira.install import command

CHANGES = ("POST", "PUT", "DELETE")


def changes(site: JiraSite, since: int = 0) -> list[tuple[str, str]]:
    return [(method, path) for method, path, _ in site.jira.calls[since:] if method in CHANGES]


def run(office: Office, *more: str) -> Any:
    token, admin = office.config.parent / "admin-token", office.site.running.admin
    token.write_text(admin.token)
    given = ["--config", str(office.config), "--admin-email", admin.email, "--admin-token-file", str(token)]
    return CliRunner().invoke(command, [*given, *more])


def test_everything_is_there_afterwards_and_a_second_run_changes_nothing(office: Office) -> None:
    site = office.site
    said = site.install(office.config)
    jira = site.jira
    ours = {number: row for number, row in jira.fields.items() if row["name"] in PROMISED}
    assert sorted(row["name"] for row in ours.values()) == sorted(manifest()["fields"])
    assert all("never on a request form" in row["description"] for row in ours.values())
    assert all(set(ours) | {"labels"} <= set(screen) for screen in jira.screens.values())
    [hook] = jira.webhooks.values()
    assert (hook["url"], hook["secret"]) == (f"{office.url}/webhooks/desk", SECRET)
    assert SECRET not in hook["name"]
    assert sorted(hook["events"]) == ["comment_created", "jira:issue_created", "jira:issue_updated"]
    assert hook["filters"] == {"issue-related-events-section": 'project in ("SUP")'}
    assert f'own_account = "{site.running.ours.account}"' in said

    done = len(jira.calls)
    said = site.install(office.config)
    assert changes(site, done) == []
    assert "Everything is as it should be already." in said


def test_what_is_not_as_it_should_be_is_mended_and_nothing_else(office: Office) -> None:
    site = office.site
    site.install(office.config)
    [(number, hook)] = site.jira.webhooks.items()
    hook |= {"enabled": False, "filters": {}}
    site.jira.webhooks[9] = {"name": "of somebody else", "url": "https://x.example", "events": [], "enabled": False}
    site.jira.screens[2].remove("labels")
    done = len(site.jira.calls)
    site.install(office.config)
    assert changes(site, done) == [
        ("POST", "/rest/api/3/screens/2/tabs/200/fields"),
        ("PUT", f"/rest/webhooks/1.0/webhook/{number}"),
    ]
    assert hook["enabled"]
    assert site.jira.webhooks[9]["url"] == "https://x.example"


def test_webhook_that_was_switched_off_is_switched_on(office: Office) -> None:
    office.site.install(office.config)
    [hook] = office.site.jira.webhooks.values()
    hook["enabled"] = False
    office.site.install(office.config)
    assert hook["enabled"]


def test_new_secret_is_seen_although_jira_never_tells_the_old_one(office: Office) -> None:
    office.site.install(office.config)
    text = office.config.read_text()
    office.config.write_text(text.replace(f'"{SECRET}"', f'"another secret that is long enough", "{SECRET}"'))
    office.site.install(office.config)
    [hook] = office.site.jira.webhooks.values()
    assert hook["secret"] == "another secret that is long enough"


def test_webhook_follows_the_projects(office: Office) -> None:
    office.site.install(office.config)
    office.config.write_text(office.config.read_text().replace('["SUP"]', '["SUP", "FAC"]'))
    office.site.install(office.config)
    [hook] = office.site.jira.webhooks.values()
    assert hook["filters"] == {"issue-related-events-section": 'project in ("SUP", "FAC")'}


def test_dry_run_says_all_of_it_and_does_nothing(office: Office) -> None:
    done = run(office, "--dry-run")
    assert done.exit_code == 0
    assert "written    webhook m365-unblock desk" in done.output
    assert "written    field Case State" in done.output
    assert "written    Case State on screen 1 of SUP" in done.output
    assert "Nothing was done: this was a dry run." in done.output
    assert changes(office.site) == []
    assert SECRET not in done.output


def test_administrator_who_is_none_is_told_what_is_missing(office: Office) -> None:
    office.site.running.admin.is_admin = False
    office.site.running.admin.projects = frozenset({"SUP"})
    done = run(office)
    assert done.exit_code != 0
    assert "the token's user needs the global permission Administer Jira" in str(done.exception)


def test_project_that_is_team_managed_is_told_with_what_to_do(office: Office) -> None:
    office.site.jira.projects["SUP"]["simplified"] = True
    done = run(office)
    assert "project SUP is team-managed" in str(done.exception)
    assert "fields = false" in str(done.exception)


def test_several_fields_of_a_promised_name_are_told_before_anything_is_made(office: Office) -> None:
    for _ in range(2):
        office.site.jira.add_field(definition("Case State"))
    done = run(office)
    assert "several fields called Case State" in str(done.exception)
    assert changes(office.site) == []


def test_field_that_customers_would_see_is_told(office: Office) -> None:
    office.site.jira.forms["SUP"].append({"fieldId": "labels", "name": "Labels"})
    said = office.site.install(office.config)
    assert "ATTENTION  customers of SUP would see Labels on “Get IT help”" in said


def test_our_user_whom_jira_does_not_know_is_told(office: Office) -> None:
    office.site.running.ours.email = "somebody@example.edu"
    done = run(office)
    assert "Jira knows no users with the address" in str(done.exception)


def test_customer_of_the_same_address_is_not_our_user(office: Office) -> None:
    office.site.jira.add_user("Unblock", office.site.running.ours.email.upper())
    assert f'own_account = "{office.site.running.ours.account}"' in office.site.install(office.config)


def test_address_without_https_is_refused(office: Office) -> None:
    office.config.write_text(office.config.read_text().replace(office.url, "http://unblock.example.edu"))
    done = run(office)
    assert "give the https address" in str(done.exception)
    assert changes(office.site) == []


def test_needs_neither_token_nor_account_of_our_own_user_yet(office: Office) -> None:
    ours = office.site.running.ours
    lines = office.config.read_text().splitlines()
    office.config.write_text("\n".join(line for line in lines if ours.token not in line and ours.account not in line))
    done = run(office)
    assert done.exit_code == 0, done.output
    assert "Create API token" in done.output
    assert f'own_account = "{ours.account}"' in done.output


@pytest.mark.parametrize("content", ["", "two words", "ümlaut"])
def test_file_without_a_token_is_told(office: Office, tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    given = ["--config", str(office.config), "--admin-email", "a@example.edu", "--admin-token-file", str(token)]
    assert "holds no API token" in str(CliRunner().invoke(command, given).exception)


# ── check ────────────────────────────────────────────────────────────────────────────────────────────────────────


def faults(source: TicketSystem) -> list[str]:
    return [f"{check.what}: {check.remedy}" for check in source.check() if not check.ok]


def test_check_finds_nothing_wrong_after_the_installation(office: Office) -> None:
    office.site.install(office.config)
    assert faults(office.source) == []
    office.site.file("bbadger@example.edu", "any", "ticket", None)
    assert faults(office.source) == []


def test_check_finds_what_is_missing(make_office: Callable[..., Office]) -> None:
    office = make_office(projects=["SUP", "FAC"], own_account="712020:another")
    site, ours = office.site, office.site.running.ours
    site.file("bbadger@example.edu", "any", "ticket", None)
    found = "\n".join(faults(office.source))
    assert f'set own_account = "{ours.account}" in [sources.desk]' in found
    assert "Sending Status, Blocked Addresses" in found
    ours.permissions -= {"SERVICEDESK_AGENT"}
    assert "SERVICEDESK_AGENT missing: give our user the role Service Desk Team" in "\n".join(faults(office.source))
    site.jira.screens[1].remove("labels")
    assert "labels missing on the project's edit screen" in "\n".join(faults(office.source))
    ours.projects = frozenset({"SUP"})
    assert "correct projects in the settings" in "\n".join(faults(office.source))
    ours.token = "gone"
    [told] = faults(office.source)
    assert "does not take the e-mail address and token together" in told


def test_check_tells_which_field_customers_would_read(office: Office) -> None:
    office.site.install(office.config)
    [field] = [number for number, row in office.site.jira.fields.items() if row["name"] == "Sending Status"]
    office.site.jira.forms["SUP"] += [
        {"fieldId": field, "name": "Sending Status"},
        {"fieldId": "labels", "name": "Labels", "visible": False},
    ]
    [told] = faults(office.source)
    assert "take Sending Status on “Get IT help” off the request form" in told


def test_check_gives_advice_where_addresses_are_hidden(office: Office) -> None:
    office.site.install(office.config)
    office.site.file("bbadger@example.edu", "any", "ticket", None)
    office.site.jira.user_of("bbadger@example.edu").hides_email = True
    [told] = [check for check in office.source.check() if not check.ok]
    assert isinstance(told, Advice)
    assert "Jira hides it" in told.remedy


def test_check_without_fields_asks_for_none(make_office: Callable[..., Office]) -> None:
    office = make_office(fields=False)
    assert not office.source.abilities.fields
    assert faults(office.source) == []
