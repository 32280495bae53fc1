"""The set-up: `install` and `check` against a real RT, and who may see what."""

import re
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.real

COUNTS = """\
use RT; RT::LoadConfig(); RT::Init();
for my $table (qw(CustomFields ObjectCustomFields Scrips ObjectScrips ScripConditions ScripActions Groups GroupMembers
    Users Principals ACL)) {
    print "$table=", RT->DatabaseHandle->dbh->selectrow_array("SELECT count(*) FROM $table"), " ";
}
"""


SELF_SERVICE = """\
use RT; RT::LoadConfig(); RT::Init();
my $user = RT::User->new(RT->SystemUser); $user->LoadByEmail('CUSTOMER');
my ($ok, $why) = $user->SetPassword($ENV{PASSWORD}); die $why unless $ok;
my $queue = RT::Queue->new(RT->SystemUser); $queue->Load('Support');
my $role = RT::Group->new(RT->SystemUser); $role->LoadRoleGroup(Object => RT->System, Name => 'Requestor');
$role->PrincipalObj->GrantRight(Right => $_, Object => $queue) for qw(ShowTicket ReplyToTicket);
"""
"""A customer who looks at his own tickets, as many sites let them."""


def failed(told: str) -> list[str]:
    """The checks that are not ok, each with its remedy."""
    return re.findall(r"^✗.*(?:\n +.*)*", told, re.MULTILINE)


def test_check_finds_nothing_missing_after_the_set_up(site: Any) -> None:
    checked = site.plugin.command("check")
    assert (failed(checked.stdout), checked.returncode) == ([], 0), checked.stdout + checked.stderr


def test_installing_again_changes_nothing(site: Any) -> None:
    def counts() -> dict[str, str]:
        return dict(re.findall(r"(\w+)=(\d+)", site.rt.perl(COUNTS)))

    before = counts()
    assert int(before["Scrips"]) > 0
    assert "Everything is as it should be already." in site.install()
    assert counts() == before


@pytest.mark.parametrize(
    ("what", "undo", "told"),
    [
        ("$scrip->SetDisabled(1)", "$scrip->SetDisabled(0)", "scrip"),
        (
            "$service->PrincipalObj->RevokeRight(Right => 'CommentOnTicket', Object => $queue)",
            "$service->PrincipalObj->GrantRight(Right => 'CommentOnTicket', Object => $queue)",
            "CommentOnTicket",
        ),
        ("$agents->SetDisabled(1)", "$agents->SetDisabled(0)", "M365 Unblock Agents"),
        ("$field->RemoveFromObject($queue)", "$field->AddToObject($queue)", "Case State"),
        (
            "$everyone->PrincipalObj->GrantRight(Right => 'SeeCustomField', Object => $queue)",
            "$everyone->PrincipalObj->RevokeRight(Right => 'SeeCustomField', Object => $queue)",
            "taff",
        ),
    ],
    ids=["scrip disabled", "right taken", "group disabled", "field not applied", "everyone sees fields"],
)
def test_check_tells_what_is_missing(site: Any, what: str, undo: str, told: str) -> None:
    found = """\
        use RT; RT::LoadConfig(); RT::Init();
        my $queue = RT::Queue->new(RT->SystemUser); $queue->Load('Support');
        my $scrip = RT::Scrip->new(RT->SystemUser); $scrip->LoadByCols(Description => 'M365 Unblock: tell the plugin');
        my $service = RT::User->new(RT->SystemUser); $service->Load('m365-unblock');
        my $agents = RT::Group->new(RT->SystemUser); $agents->LoadUserDefinedGroup('M365 Unblock Agents');
        my $field = RT::CustomField->new(RT->SystemUser); $field->Load('Case State');
        my $everyone = RT::Group->new(RT->SystemUser); $everyone->LoadSystemInternalGroup('Everyone');
    """
    done = "my ($ok, $why) = {}; die $why unless $ok;"
    site.rt.perl(found + done.format(what))
    try:
        checked = site.plugin.command("check")
        assert checked.returncode == 1
        assert any(told in line for line in failed(checked.stdout)), checked.stdout
    finally:
        site.rt.perl(found + done.format(undo))
    assert site.plugin.command("check").returncode == 0


def test_customer_sees_neither_fields_nor_panel_nor_notes(site: Any) -> None:
    rt, customer = site.rt, "tor.n@example.edu"
    rt.mail_in(site.report(customer, "what can I see"))
    ticket = rt.ticket("what can I see")
    rt.until_state(ticket, "Checklist open")
    rt.perl(SELF_SERVICE.replace("CUSTOMER", customer))
    with requests.Session() as browser:
        browser.headers["Referer"] = f"{rt.url}/"
        browser.get(f"{rt.url}/", timeout=30)
        signing_in = {"user": customer, "pass": "for this run only"}
        browser.post(f"{rt.url}/NoAuth/Login.html", data=signing_in, timeout=30)
        pages = [
            browser.get(f"{rt.url}{path}?id={ticket}", timeout=30).text
            for path in ("/SelfService/Display.html", "/Ticket/Display.html", "/SelfService/Helpers/TicketHistory")
        ]
    assert "what can I see" in pages[0]
    for page in pages:
        assert "Case State" not in page
        assert "tor@cs.example.edu" not in page
        assert "Blocked" not in page
        assert "/panel/rt/" not in page


def test_secrets_are_not_shown_on_rts_configuration_page(site: Any) -> None:
    with requests.Session() as browser:
        browser.headers["Referer"] = f"{site.rt.url}/"
        browser.get(f"{site.rt.url}/", timeout=30)
        signing_in = {"user": "root", "pass": "for this run only"}
        browser.post(f"{site.rt.url}/NoAuth/Login.html", data=signing_in, timeout=30)
        page = browser.get(f"{site.rt.url}/Admin/Tools/Configuration.html", timeout=30).text
    assert "M365Unblock" in page
    settings = site.plugin.config.read_text("utf-8")
    secrets = re.findall(r'_secrets = \["([^"]+)"\]', settings)
    assert len(secrets) == 2
    for secret in secrets:
        assert secret not in page
        assert secret not in site.rt.log()
        assert secret not in site.plugin.log()
