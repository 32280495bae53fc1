"""What `install zammad` puts into Zammad, and what `check` sees of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plugin.manifest import manifest
from plugin.ports import TicketSystem
from tests.stand_ins.office import Office
from tests.webhooks.zammad.conftest import SECRET, ZammadSite
from webhooks.zammad.install import command

CHANGES = ("POST", "PUT", "PATCH", "DELETE")


def changes(site: ZammadSite, since: int = 0) -> list[tuple[str, str]]:
    return [(method, path) for method, path, _ in site.zammad.calls[since:] if method in CHANGES]


def run(office: Office, *more: str) -> Any:
    token = office.config.parent / "admin-token"
    token.write_text(office.site.running.admin.token)
    return CliRunner().invoke(command, ["--config", str(office.config), "--admin-token-file", str(token), *more])


def test_everything_is_there_afterwards_and_a_second_run_changes_nothing(office: Office) -> None:
    site = office.site
    site.install(office.config)
    zammad = site.zammad
    assert set(zammad.tag_items) == set(manifest()["tags"])
    assert {row["display"] for row in zammad.attributes.values()} == set(manifest()["fields"])
    for attribute in zammad.attributes.values():
        assert attribute["screens"] == {
            "create_middle": {},
            "edit": {"ticket.agent": {"shown": True, "required": False}},
        }, "customers must not see it"
        assert not attribute["to_migrate"]
    [template] = zammad.templates.values()
    assert len(template["item_ids"]) > 5
    [hook] = zammad.webhooks.values()
    assert (hook["endpoint"], hook["signature_token"]) == (f"{office.url}/webhooks/desk", SECRET)
    assert SECRET not in hook["note"]
    assert [row["perform"] for row in zammad.triggers.values()] == [
        {"notification.webhook": {"webhook_id": hook["id"]}}
    ] * 2

    done = len(zammad.calls)
    said = site.install(office.config)
    assert changes(site, done) == []
    assert "Everything is as it should be already." in said


def test_what_is_not_as_it_should_be_is_mended_and_nothing_else(office: Office) -> None:
    site = office.site
    site.install(office.config)
    [hook] = site.zammad.webhooks.values()
    hook["active"] = False
    next(iter(site.zammad.triggers.values()))["active"] = False
    site.zammad.webhooks[9] = {"id": 9, "name": "of somebody else", "endpoint": "https://x.example", "active": True}
    done = len(site.zammad.calls)
    site.install(office.config)
    assert [method for method, _ in changes(site, done)] == ["PUT", "PUT"]
    assert hook["active"]
    assert site.zammad.webhooks[9]["endpoint"] == "https://x.example"


def test_new_secret_is_seen_although_zammad_never_tells_the_old_one(office: Office) -> None:
    office.site.install(office.config)
    text = office.config.read_text()
    office.config.write_text(text.replace(f'"{SECRET}"', f'"another secret that is long enough", "{SECRET}"'))
    office.site.install(office.config)
    [hook] = office.site.zammad.webhooks.values()
    assert hook["signature_token"] == "another secret that is long enough"


def test_dry_run_says_all_of_it_and_does_nothing(office: Office) -> None:
    done = run(office, "--dry-run")
    assert done.exit_code == 0
    assert "written    webhook m365-unblock desk" in done.output
    assert "Nothing was done: this was a dry run." in done.output
    assert changes(office.site) == []
    assert SECRET not in done.output


def test_token_of_an_administrator_who_may_not_is_told_which_permission_is_missing(office: Office) -> None:
    admin = office.site.running.admin
    admin.permissions -= {"admin.webhook"}
    done = run(office)
    assert done.exit_code != 0
    assert "the token needs the permission admin.webhook" in str(done.exception)


def test_attribute_of_another_type_under_our_name_is_left_alone(office: Office) -> None:
    office.site.zammad.add_attribute(
        {
            "object": "Ticket",
            "name": "unblock_case_state",
            "data_type": "select",
            "data_option": {"maxlength": 255},
            "display": "x",
        }
    )
    done = run(office)
    assert "unblock_case_state of another type: rename or delete it" in str(done.exception)


def test_address_that_would_be_redirected_is_refused(office: Office) -> None:
    office.config.write_text(office.config.read_text().replace(office.url, "http://unblock.example.edu"))
    done = run(office)
    assert "give the https address" in str(done.exception)
    assert changes(office.site) == []


def test_needs_no_token_of_our_own_user_yet(office: Office) -> None:
    lines = [
        line for line in office.config.read_text().splitlines() if not line.startswith('token = "b') or "campus" in line
    ]
    ours = office.site.running.ours.token
    office.config.write_text("\n".join(line for line in lines if ours not in line))
    done = run(office)
    assert done.exit_code == 0, done.output
    assert "Profile > Token Access" in done.output


@pytest.mark.parametrize("content", ["", "two words", "ümlaut"])
def test_file_without_a_token_is_told(office: Office, tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    done = CliRunner().invoke(command, ["--config", str(office.config), "--admin-token-file", str(token)])
    assert "holds no access token" in str(done.exception)


# ── check ────────────────────────────────────────────────────────────────────────────────────────────────────────


def faults(source: TicketSystem) -> list[str]:
    return [f"{check.what}: {check.remedy}" for check in source.check() if not check.ok]


def test_check_finds_nothing_wrong_after_the_installation(office: Office) -> None:
    office.site.install(office.config)
    office.site.file("bbadger@example.edu", "any", "ticket", None)
    assert faults(office.source) == []


def test_check_finds_what_is_missing(make_office: Callable[..., Office]) -> None:
    office = make_office(groups=["Service Desk", "Facilities"])
    office.site.file("bbadger@example.edu", "any", "ticket", None)
    found = "\n".join(faults(office.source))
    assert "m365-blocked" in found
    assert "unblock_case_state" in found
    assert "full access to group Facilities" in found
    office.site.running.ours.permissions = frozenset({"ticket.customer"})
    assert "give it the role Agent" in "\n".join(faults(office.source))
    office.site.running.ours.login = office.site.running.ours.email = "another@example.edu"
    assert "it belongs to another@example.edu" in "\n".join(faults(office.source))
    office.site.running.ours.token = "gone"
    [told] = faults(office.source)
    assert "Zammad does not know the token" in told


def test_check_says_that_fields_are_kept_from_customers(make_office: Callable[..., Office]) -> None:
    office = make_office(customers_can_sign_in=True)
    assert any("kept from customers" in check.what for check in office.source.check())
    assert not office.source.abilities.fields
