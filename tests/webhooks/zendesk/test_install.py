"""What `install zendesk` puts into Zendesk, the app that it writes, and what `check` sees of it."""

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from plugin.manifest import manifest
from plugin.ports import TicketSystem
from tests.stand_ins.office import Office
from tests.stand_ins.zendesk import PUBLIC_KEY
from tests.webhooks.zendesk.conftest import SECRET, ZendeskSite
from webhooks.zendesk.set_up import app

CHANGES = ("POST", "PUT", "PATCH", "DELETE")


def changes(site: ZendeskSite, since: int = 0) -> list[tuple[str, str]]:
    return [(call.method, call.path) for call in site.zendesk.calls[since:] if call.method in CHANGES]


def secrets_of(office: Office) -> Path:
    return office.config.parent / "secrets" / "desk-webhook-secrets"


def test_everything_is_there_afterwards_and_a_second_run_changes_nothing(office: Office) -> None:
    site, package = office.site, office.config.parent / "app.zip"
    said = site.install(office.config, "--zip", str(package))
    zendesk = site.zendesk
    ours = [row for row in zendesk.ticket_fields.values() if row["title"] in manifest()["fields"]]
    assert {row["title"] for row in ours} == set(manifest()["fields"])
    assert not any(row["visible_in_portal"] or row["editable_in_portal"] for row in ours), "end users must not see them"
    [(number, hook)] = zendesk.webhooks.items()
    assert hook["endpoint"] == f"{office.url}/webhooks/desk"
    assert hook["subscriptions"] == ["conditional_ticket_events"]
    bodies = [action["value"] for trigger in zendesk.triggers.values() for action in trigger["actions"]]
    assert [value[0] for value in bodies] == [number] * 2
    assert [json.loads(value[1])["ticket_id"] for value in bodies] == ["{{ticket.id}}"] * 2
    assert secrets_of(office).read_text().split() == [SECRET]
    assert stat.S_IMODE(secrets_of(office).stat().st_mode) == 0o600
    assert SECRET not in said
    assert f'webhook_secrets_file = "{secrets_of(office)}"' in said

    done, written = len(zendesk.calls), package.read_bytes()
    said = site.install(office.config, "--zip", str(package))
    assert changes(site, done) == []
    assert package.read_bytes() == written
    assert "Everything is as it should be already." in said


def test_what_is_not_as_it_should_be_is_mended_and_nothing_else(office: Office) -> None:
    site = office.site
    site.install(office.config)
    [hook] = site.zendesk.webhooks.values()
    hook["status"] = "inactive"
    next(iter(site.zendesk.triggers.values()))["active"] = False
    shown = next(row for row in site.zendesk.ticket_fields.values() if row["title"] == "Case State")
    shown |= {"visible_in_portal": True, "agent_description": "by the site"}
    site.zendesk.webhooks["9"] = {"id": "9", "name": "of somebody else", "subscriptions": [], "status": "active"}
    done = len(site.zendesk.calls)
    site.install(office.config)
    assert [method for method, _ in changes(site, done)] == ["PUT", "PUT", "PUT"]
    assert hook["status"] == "active"
    assert (shown["visible_in_portal"], shown["agent_description"]) == (False, "by the site")


def test_new_secret_goes_on_top_of_the_old_one(office: Office) -> None:
    office.site.install(office.config)
    [number] = office.site.zendesk.webhooks
    office.site.zendesk.secrets[number] = "bm90aGVyIHNlY3JldCB0aGF0IFplbmRlc2sgbWFkZQ=="
    secrets_of(office).write_text("c2VjcmV0IG9mIHRoZSB0aW1lIGJlZm9yZSBpdA==\n")
    office.site.install(office.config)
    assert secrets_of(office).read_text().split() == [
        "bm90aGVyIHNlY3JldCB0aGF0IFplbmRlc2sgbWFkZQ==",
        "c2VjcmV0IG9mIHRoZSB0aW1lIGJlZm9yZSBpdA==",
    ]


def test_secrets_go_into_the_file_that_the_settings_name(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "secrets"
    lines = [line for line in office.config.read_text().splitlines() if not line.startswith("webhook_secrets")]
    text = "\n".join(lines).replace("[sources.desk]", f'[sources.desk]\nwebhook_secrets_file = "{file}"')
    office.config.write_text(text)
    said = office.site.install(office.config)
    assert file.read_text().split() == [SECRET]
    assert "put it into [sources.desk]:  webhook_secrets_file" not in said


def test_groups_are_conditions_of_the_triggers(make_office: Callable[..., Office]) -> None:
    office = make_office(groups=[21, 22])
    office.site.install(office.config)
    for trigger in office.site.zendesk.triggers.values():
        assert [condition["value"] for condition in trigger["conditions"]["any"]] == ["21", "22"]


def test_dry_run_says_all_of_it_and_does_nothing(office: Office) -> None:
    package = office.config.parent / "app.zip"
    said = office.site.install(office.config, "--dry-run", "--zip", str(package))
    assert "written    webhook m365-unblock desk" in said
    assert "written    ticket field Case State" in said
    assert "Nothing was done: this was a dry run." in said
    assert changes(office.site) == []
    assert not package.exists()
    assert not secrets_of(office).exists()


def test_user_who_is_no_administrator_is_told(office: Office) -> None:
    office.site.running.admin.role = "agent"
    done = office.site.run_install(office.config)
    assert "it takes an administrator" in str(done.exception)


def test_field_of_another_kind_under_our_title_is_left_alone(office: Office) -> None:
    office.site.zendesk.add_field({"type": "tagger", "title": "Case State"})
    done = office.site.run_install(office.config)
    assert "Zendesk has another ticket field “Case State”" in str(done.exception)


def test_webhook_of_the_other_kind_under_our_name_is_left_alone(office: Office) -> None:
    office.site.zendesk.webhooks["9"] = {"id": "9", "name": "m365-unblock desk", "subscriptions": ["zen:x"]}
    done = office.site.run_install(office.config)
    assert "of the other kind (subscribed to events): delete it" in str(done.exception)


def test_address_that_zendesk_would_not_open_is_refused(office: Office) -> None:
    office.config.write_text(office.config.read_text().replace(office.url, "http://unblock.example.edu"))
    done = office.site.run_install(office.config)
    assert "give the https address" in str(done.exception)
    assert changes(office.site) == []


def test_needs_neither_token_nor_secrets_nor_app_yet(office: Office) -> None:
    later = ("webhook_secrets", "app_", f'token = "{office.site.zendesk.token}')
    lines = [line for line in office.config.read_text().splitlines() if not line.startswith(later)]
    office.config.write_text("\n".join(lines))
    said = office.site.install(office.config)
    assert "Upload private app" in said


@pytest.mark.parametrize("content", ["", "two words", "ümlaut"])
def test_file_without_a_token_is_told(office: Office, content: str) -> None:
    office.site.zendesk.token = content
    done = office.site.run_install(office.config)
    assert "holds no API token" in str(done.exception)


# ── the app ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_the_settings_need_of_the_app_is_told_once_it_is_uploaded(office: Office) -> None:
    said = office.site.install(office.config)
    assert f"app_installation = {office.site.installation}" in said
    assert PUBLIC_KEY.strip() in said
    office.site.zendesk.installations.clear()
    assert "app        not uploaded yet" in office.site.install(office.config)


def test_app_is_the_same_bytes_each_time_and_has_what_zendesks_validator_wants(tmp_path: Path) -> None:
    """After zendesk/zendesk_apps_support, lib/zendesk_apps_support/validations/manifest.rb."""
    content = app("zendesk", "https://unblock.example.edu", "0.1.0")
    assert content == app("zendesk", "https://unblock.example.edu", "0.1.0")
    (tmp_path / "app.zip").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "app.zip") as package:
        assert package.testzip() is None
        assert package.namelist() == ["manifest.json", "translations/en.json"]
        described, texts = (json.loads(package.read(name)) for name in package.namelist())
    assert set(described["author"]) <= {"name", "email", "url"}
    assert (described["defaultLocale"], described["frameworkVersion"]) == ("en", "2.0")
    assert all(isinstance(described[name], bool) for name in ("private", "signedUrls", "singleInstall"))
    assert described["signedUrls"] is True
    place = described["location"]["support"]["ticket_sidebar"]
    assert place == {"url": "https://unblock.example.edu/panel/zendesk", "flexible": True}
    assert texts["app"]["name"] == described["name"]


# ── check ────────────────────────────────────────────────────────────────────────────────────────────────────────


def faults(source: TicketSystem) -> list[str]:
    return [f"{check.what}: {check.remedy}" for check in source.check() if not check.ok]


def test_check_finds_nothing_wrong_after_the_installation(office: Office) -> None:
    office.site.install(office.config)
    assert faults(office.source) == []


def test_check_finds_what_is_missing(make_office: Callable[..., Office]) -> None:
    office = make_office(panel_origins=["https://other.example.edu"], app_public_keys=[])
    found = "\n".join(faults(office.source))
    assert "there is no one active ticket field “Case State”: run m365-unblock install zendesk" in found
    assert f"put {office.site.running.url} into [sources.desk] panel_origins" in found
    assert "put app_installation and app_public_keys into [sources.desk]" in found
    assert "own_user" not in found


def test_check_finds_what_is_wrong_with_our_user(make_office: Callable[..., Office]) -> None:
    office = make_office()
    ours = office.site.running.ours
    ours.role_type, ours.ticket_restriction = 1, "groups"
    found = "\n".join(faults(office.source))
    assert "give it an agent's seat" in found
    assert "it is kept to groups: give it access to all tickets" in found
    gone = make_office()
    gone.site.zendesk.token = "gone"
    assert "Zendesk does not know this user with this token" in faults(gone.source)[0]


def test_check_finds_fields_that_end_users_can_see(office: Office) -> None:
    office.site.install(office.config)
    for row in office.site.zendesk.ticket_fields.values():
        row["visible_in_portal"] = True
    assert len([fault for fault in faults(office.source) if "end users can see" in fault]) == 5
