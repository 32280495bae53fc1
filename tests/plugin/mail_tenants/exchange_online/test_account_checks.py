"""What is looked at in an account for a checklist's items, over the demo of Microsoft 365."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Response, request

from plugin.demo.exchange.application import EXCHANGE, GRAPH
from plugin.model import AccountCheck, Looked, Verdict
from plugin.ports import AccountChecks
from tests.plugin.mail_tenants.exchange_online.conftest import NOW, Demo

BLOCKED_AT = NOW - timedelta(minutes=190)


def look(demo: Demo, check: AccountCheck, account: str = "bbadger", since: datetime | None = BLOCKED_AT) -> Looked:
    tenant = demo.tenant()
    (looked,) = tenant.look(tenant.status(account), [check], since)
    assert (looked.check, looked.looked_at) == (check, NOW)
    return looked


def test_tenant_is_one_that_can_look(demo: Demo) -> None:
    assert isinstance(demo.tenant(), AccountChecks)


@pytest.mark.parametrize(
    ("check", "field", "what"),
    [
        (AccountCheck.PASSWORD_CHANGED, "password_changed_at", "The password was last changed on"),
        (AccountCheck.SESSIONS_ENDED, "sessions_valid_from", "Sessions were last signed out on"),
    ],
)
def test_moment_counts_only_after_the_block(demo: Demo, check: AccountCheck, field: str, what: str) -> None:
    demo.world.user("bbadger@example.edu").password_changed_at = None
    for minutes, verdict, words in (
        (189, Verdict.VERIFIED, "after the block"),
        (190, Verdict.NOT_SO, "before the block"),
        (9999, Verdict.NOT_SO, "before the block of 23 Nov 2026 at 16:50 UTC"),
    ):
        setattr(demo.world.user("bbadger@example.edu"), field, NOW - timedelta(minutes=minutes))
        looked = look(demo, check)
        assert (looked.verdict, what in looked.finding, words in looked.finding) == (verdict, True, True)
    assert look(demo, check, since=None).verdict is Verdict.NOT_LOOKED
    setattr(demo.world.user("bbadger@example.edu"), field, None)
    assert look(demo, check).verdict is Verdict.NOT_LOOKED


def test_sessions_ended_before_the_password_was_changed_may_have_begun_again(demo: Demo) -> None:
    user = demo.world.user("bbadger@example.edu")
    user.password_changed_at = NOW - timedelta(minutes=40)
    for minutes, verdict in ((39, Verdict.VERIFIED), (41, Verdict.VERIFIED), (42, Verdict.NOT_SO)):
        user.sessions_valid_from = NOW - timedelta(minutes=minutes)
        assert look(demo, AccountCheck.SESSIONS_ENDED).verdict is verdict
    assert "before the password change of 23 Nov 2026 at" in look(demo, AccountCheck.SESSIONS_ENDED).finding


@pytest.mark.parametrize(
    ("enabled", "verdict"), [(True, Verdict.VERIFIED), (False, Verdict.NOT_SO), (None, Verdict.NOT_LOOKED)]
)
def test_sign_in_is_as_entra_says(demo: Demo, enabled: bool | None, verdict: Verdict) -> None:
    demo.world.user("bbadger@example.edu").is_enabled = enabled
    assert look(demo, AccountCheck.SIGN_IN_ENABLED).verdict is verdict


def test_forwarding_is_found_with_where_it_goes(demo: Demo) -> None:
    assert look(demo, AccountCheck.NO_FORWARDING).verdict is Verdict.VERIFIED
    found = look(demo, AccountCheck.NO_FORWARDING, "phished")
    assert (found.verdict, found.items) == (Verdict.NOT_SO, ("ForwardingSmtpAddress: smtp:drop@mailbox.example",))


RULES: dict[str, tuple[dict[str, Any], str]] = {
    "forwards": ({"ForwardTo": ["drop@x.example"]}, "ForwardTo drop@x.example"),
    "redirects": ({"RedirectTo": "drop@x.example"}, "RedirectTo drop@x.example"),
    "as attachment": ({"ForwardAsAttachmentTo": [{"Address": "d@x.example"}]}, "ForwardAsAttachmentTo"),
    "deletes": ({"DeleteMessage": True}, "DeleteMessage"),
    "deletes softly": ({"SoftDeleteMessage": True}, "SoftDeleteMessage"),
    "hides in RSS": ({"MoveToFolder": "RSS Subscriptions"}, "MoveToFolder RSS Subscriptions"),
    "hides in Notes": ({"MoveToFolder": "Notes"}, "MoveToFolder Notes"),
    "hidden": ({"hidden": True, "DeleteMessage": True}, "DeleteMessage"),
    "named like a system rule": ({"Name": "Junk E-Mail Rule 2", "DeleteMessage": True}, "DeleteMessage"),
    "with no word on being enabled": ({"Enabled": None, "DeleteMessage": True}, "DeleteMessage"),
}


@pytest.mark.parametrize(("rule", "told"), RULES.values(), ids=RULES.keys())
def test_suspicious_rule_is_found(demo: Demo, rule: dict[str, Any], told: str) -> None:
    demo.world.user("bbadger@example.edu").rules.append({"Name": ".", **rule})
    found = look(demo, AccountCheck.NO_SUSPICIOUS_RULES)
    assert found.verdict is Verdict.NOT_SO
    assert len(found.items) == 1
    assert told in found.items[0]


@pytest.mark.parametrize(
    "rule",
    [
        {"Name": "Invoices", "MoveToFolder": "Invoices"},
        {"Name": "Off", "Enabled": False, "ForwardTo": ["x@x.example"]},
        {"Name": "Junk E-Mail Rule", "MoveToFolder": "Junk Email"},
        {"Name": "Microsoft.Exchange.OOF.KeepMe.1", "DeleteMessage": True},
        {"Name": "Delegate Rule -812637", "ForwardTo": ["boss@example.edu"]},
        {"Name": "Empty", "ForwardTo": [], "RedirectTo": None, "DeleteMessage": False, "MoveToFolder": ""},
    ],
)
def test_ordinary_rules_and_the_systems_own_are_left_alone(demo: Demo, rule: dict[str, Any]) -> None:
    demo.world.user("bbadger@example.edu").rules.append(rule)
    assert look(demo, AccountCheck.NO_SUSPICIOUS_RULES).verdict is Verdict.VERIFIED


def test_strangers_names_of_rules_are_one_line(demo: Demo) -> None:
    demo.world.user("bbadger@example.edu").rules.append({"Name": "a", "MoveToFolder": "rss\x1b[31m\n" + "x" * 999})
    (item,) = look(demo, AccountCheck.NO_SUSPICIOUS_RULES).items
    assert item.isprintable()
    assert len(item) < 260


def test_methods_and_apps_are_listed_for_people_to_judge(demo: Demo) -> None:
    methods = look(demo, AccountCheck.MFA_METHODS)
    assert (methods.verdict, methods.items) == (Verdict.LISTED, ("password", "phone: +1 6085550143"))
    apps = look(demo, AccountCheck.APP_CONSENTS)
    assert (apps.verdict, apps.items) == (Verdict.LISTED, ("Calendar Helper: Calendars.Read offline_access",))


FAULTS = [
    (AccountCheck.NO_FORWARDING, "InvokeCommand", '{"value": []}', 200),
    (AccountCheck.NO_FORWARDING, "InvokeCommand", '{"value": [{}]}', 200),
    (AccountCheck.NO_FORWARDING, "InvokeCommand", '{"value": [{"ForwardingAddress": null}, {}]}', 200),
    (AccountCheck.NO_FORWARDING, "InvokeCommand", "", 500),
    (AccountCheck.NO_SUSPICIOUS_RULES, "InvokeCommand", '{"value": [{"Name": "a"}, {}]}', 200),
    (AccountCheck.NO_SUSPICIOUS_RULES, "InvokeCommand", '{"value": ["a"]}', 200),
    (AccountCheck.NO_SUSPICIOUS_RULES, "InvokeCommand", "<html>", 200),
    (AccountCheck.MFA_METHODS, "/methods", '{"value": 7}', 200),
    (AccountCheck.MFA_METHODS, "/methods", '{"value": [], "@odata.nextLink": "https://x"}', 200),
    (AccountCheck.APP_CONSENTS, "/appRoleAssignments", "", 503),
    (AccountCheck.SIGN_IN_ENABLED, "/users", "", 500),
]


@pytest.mark.parametrize(("check", "path", "body", "status"), FAULTS)
def test_look_that_fails_is_never_verified(demo: Demo, check: AccountCheck, path: str, body: str, status: int) -> None:
    tenant = demo.tenant()
    known = tenant.status("bbadger")
    demo.faults.plan(path, Response(body, status), times=9)
    (looked,) = tenant.look(known, [check], BLOCKED_AT)
    assert looked.verdict is Verdict.NOT_LOOKED
    assert looked.finding.startswith("campus: ")


@pytest.mark.parametrize("check", list(AccountCheck))
def test_every_look_without_its_right_says_which_is_missing(demo: Demo, check: AccountCheck) -> None:
    tenant = demo.tenant()
    known = tenant.status("bbadger")
    demo.application.permissions[GRAPH] = frozenset({"User.Read.All"})
    demo.application.permissions[EXCHANGE] = frozenset()
    demo.application.revoke_tokens()
    (looked,) = tenant.look(known, [check], BLOCKED_AT)
    missing = {
        AccountCheck.NO_FORWARDING: "the role for Get-Mailbox",
        AccountCheck.NO_SUSPICIOUS_RULES: "the role for Get-InboxRule",
        AccountCheck.MFA_METHODS: "UserAuthenticationMethod.Read.All",
        AccountCheck.APP_CONSENTS: "Directory.Read.All",
    }
    if check in missing:
        assert looked.verdict is Verdict.NOT_LOOKED
        assert missing[check] in looked.finding
    else:
        assert looked.verdict in (Verdict.VERIFIED, Verdict.NOT_SO)


def test_person_is_read_once_for_all_looks(demo: Demo) -> None:
    tenant = demo.tenant()
    status = tenant.status("bbadger")
    read: list[str] = []
    demo.app.before_request_funcs.setdefault(None, []).append(lambda: read.append(request.path))
    checks = [AccountCheck.PASSWORD_CHANGED, AccountCheck.SESSIONS_ENDED, AccountCheck.SIGN_IN_ENABLED]
    assert {looked.verdict for looked in tenant.look(status, checks, BLOCKED_AT)} == {Verdict.VERIFIED}
    assert len([path for path in read if path.endswith("/users")]) == 1
