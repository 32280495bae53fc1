"""The set-up: `install`, `check`, Django's own checks against a real django-helpdesk, and who may see what."""

import json
import re
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.real

PASSWORD = "for this run only"


def failed(told: str) -> list[str]:
    """The checks that are not ok, each with its remedy."""
    return re.findall(r"^✗.*(?:\n +.*)*", told, re.MULTILINE)


def test_check_finds_nothing_missing_after_the_set_up(site: Any) -> None:
    checked = site.plugin.command("check")
    assert (failed(checked.stdout), checked.returncode) == ([], 0), checked.stdout + checked.stderr


def test_installing_again_changes_nothing(site: Any) -> None:
    assert "Everything is as it should be already." in site.install()
    assert "Everything is as it should be already." in site.helpdesk.manage("m365_unblock_setup")
    assert "no changes" in site.helpdesk.manage("makemigrations", "--dry-run", "helpdesk_m365_unblock").lower()


@pytest.mark.parametrize(
    ("undo", "mend", "told"),
    [
        (
            "UPDATE helpdesk_customfield SET staff_only = 0 WHERE name = 'm365_blocked_addresses'",
            "UPDATE helpdesk_customfield SET staff_only = 1",
            "names blocked addresses",
        ),
        (
            "UPDATE helpdesk_customfield SET name = 'x' WHERE name = 'm365_case_state'",
            "UPDATE helpdesk_customfield SET name = 'm365_case_state' WHERE name = 'x'",
            "Case State",
        ),
        (
            "UPDATE auth_user SET is_staff = 0 WHERE username = 'm365-unblock'",
            "UPDATE auth_user SET is_staff = 1 WHERE username = 'm365-unblock'",
            "make it staff",
        ),
        (
            "UPDATE helpdesk_queue SET slug = 'x' WHERE slug = 'support'",
            "UPDATE helpdesk_queue SET slug = 'support' WHERE slug = 'x'",
            "correct queues; there are printers, x",
        ),
        (
            "UPDATE helpdesk_emailtemplate SET template_name = 'x' WHERE template_name = 'updated_submitter'",
            "UPDATE helpdesk_emailtemplate SET template_name = 'updated_submitter' WHERE template_name = 'x'",
            "updated_submitter",
        ),
    ],
    ids=["field seen by customers", "field missing", "user not staff", "queue gone", "no mail template"],
)
def test_check_tells_what_is_missing(site: Any, undo: str, mend: str, told: str) -> None:
    site.helpdesk.write(undo)
    try:
        checked = site.plugin.command("check")
        assert checked.returncode == 1
        assert any(told in line for line in failed(checked.stdout)), checked.stdout
    finally:
        site.helpdesk.write(mend)
    assert site.plugin.command("check").returncode == 0


def test_check_tells_of_secrets_that_differ(site: Any) -> None:
    settings = site.plugin.config.read_text("utf-8")
    try:
        for name, told in (("webhook_secrets", "signs with another"), ("api_token", "knows our token")):
            changed = re.sub(rf'({name} = .*?)(....)(".*)', r"\1QUFB\3", settings, count=1)
            assert changed != settings
            site.plugin.config.write_text(changed)
            assert any(told in line for line in failed(site.plugin.command("check").stdout))
    finally:
        site.plugin.config.write_text(settings)


def test_djangos_own_check_refuses_settings_that_will_not_do(site: Any) -> None:
    project = site.helpdesk.folder / "project" / "site_settings.py"
    good = project.read_text()
    try:
        for change, told in (
            ('M365_UNBLOCK["URL"] = "http://unblock.example.edu"', "https only"),
            ('M365_UNBLOCK["WEBHOOK_SECRET"] = "x"', "WEBHOOK_SECRET"),
            ('M365_UNBLOCK["QUEUE"] = "x"', "QUEUE, which nobody knows"),
            ("del M365_UNBLOCK", "is not set"),
            ("USE_TZ = False", "must have a zone"),
            ("INSTALLED_APPS.append(INSTALLED_APPS.pop(-3))", "before helpdesk in INSTALLED_APPS"),
        ):
            project.write_text(f"{good}\n{change}\n")
            with pytest.raises(AssertionError, match=told):
                site.helpdesk.manage("check")
    finally:
        project.write_text(good)


def test_ticket_is_saved_although_our_settings_will_not_do(site: Any) -> None:
    code = """\
from django.conf import settings
settings.M365_UNBLOCK = {}
from helpdesk.models import Queue, Ticket
Ticket.objects.create(queue=Queue.objects.get(slug="support"), title="all the same", submitter_email="a@example.edu")
"""
    site.helpdesk.run(code)
    assert site.helpdesk.ticket("all the same")


def test_customer_sees_neither_fields_nor_panel_nor_notes(site: Any) -> None:
    helpdesk, customer = site.helpdesk, "tor.n@example.edu"
    ticket = site.file(customer, "what can I see")
    helpdesk.until_state(ticket, "Checklist open")
    [(key,)] = helpdesk.rows("SELECT secret_key FROM helpdesk_ticket WHERE id = ?", ticket)
    place = {"ticket": f"support-{ticket}", "email": customer, "key": key}
    page = requests.get(f"{helpdesk.url}/view/", params=place, timeout=30).text
    form = requests.get(f"{helpdesk.url}/tickets/submit/", timeout=30).text
    signed_in = "from django.contrib.auth.models import User; User.objects.create_user('tor', EMAIL, 'PASSWORD')"
    helpdesk.run(signed_in.replace("EMAIL", repr(customer)))
    listed = requests.get(f"{helpdesk.url}/api/user_tickets/", auth=("tor", PASSWORD), timeout=30).text
    assert "what can I see" in page
    assert "what can I see" in listed
    for text in (page, form, listed):
        assert "Case State" not in text
        assert "m365_" not in text
        assert "torn@cs.example.edu" not in text
        assert "Blocked" not in text
        assert "/panel/" not in text


def test_agent_without_the_queue_gets_no_panel(site: Any) -> None:
    ticket = site.helpdesk.submit("a@example.edu", "not for everybody", text="It is on fire.")
    code = """\
from django.contrib.auth.models import User
from helpdesk.models import Ticket
from helpdesk_m365_unblock.launch import panel_address
ticket = Ticket.objects.get(pk=NUMBER)
otto, ada = User.objects.create_user("otto", is_staff=True), User.objects.create_user("ada")
print(panel_address(otto, ticket), panel_address(ada, ticket))
print(panel_address(User.objects.get(username="vera"), ticket).partition("#")[0])
"""
    told = site.helpdesk.run(code.replace("NUMBER", ticket)).splitlines()
    assert told[-2:] == ["None None", f"{site.plugin.url}/panel/helpdesk/{ticket}"]


def test_secrets_are_in_no_log_and_the_token_is_not_on_the_helpdesks_side(site: Any) -> None:
    settings = site.plugin.config.read_text("utf-8")
    secrets = re.findall(r'(?:_secrets = \["|api_token = ")([^"]+)"', settings)
    assert len(secrets) == 3
    for secret in secrets:
        assert secret not in (site.helpdesk.folder / "server.log").read_text("utf-8")
        assert secret not in site.plugin.log()
    theirs = site.helpdesk.folder / "m365" / "m365_unblock.json"
    assert theirs.stat().st_mode & 0o777 == 0o640
    assert secrets[0] not in theirs.read_text()
    assert json.loads(theirs.read_text())["QUEUES"] == ["support"]
