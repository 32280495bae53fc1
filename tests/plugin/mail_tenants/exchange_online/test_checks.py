"""`m365-unblock check` over the demo of Microsoft 365, misconfigured in every way that sites do."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes

from plugin.demo.exchange import certificates
from plugin.demo.exchange.application import EXCHANGE, GRAPH
from plugin.mail_tenants import connect
from plugin.ports import Advice, Check
from tests.plugin.mail_tenants.exchange_online.conftest import SECRET, Demo


def checks(demo: Demo, **settings: object) -> list[Check]:
    return list(connect("campus", {**demo.settings, **settings}, lambda: datetime.now(UTC)).check())


def failed(found: list[Check]) -> dict[str, str]:
    return {check.what: check.remedy for check in found if not check.ok}


def test_complete_set_up_has_nothing_to_mend_and_nothing_was_changed(demo: Demo) -> None:
    found = checks(demo)
    assert failed(found) == {}
    assert [check.what.split(" (")[0] for check in found if not isinstance(check, Advice)] == [
        "the application signs in for Graph",
        "the token has Graph's permission User.Read.All",
        "Graph answers",
        "the application signs in for Exchange Online",
        "the token has Exchange's permission Exchange.ManageAsApp",
        "Exchange lists blocked senders",
        "the application may unblock",
    ]
    assert demo.world.asked == []


def without(permission: str) -> Callable[[Demo], None]:
    def change(demo: Demo) -> None:
        held = demo.application.permissions
        for resource in (EXCHANGE, GRAPH):
            held[resource] = held[resource] - {permission}

    return change


def without_cmdlet(name: str) -> Callable[[Demo], None]:
    def change(demo: Demo) -> None:
        demo.application.cmdlets = demo.application.cmdlets - {name}

    return change


def clock_off(demo: Demo) -> None:
    demo.application.wall = lambda: time.time() + 3600


MISCONFIGURED: dict[str, tuple[Callable[[Demo], object], str, str]] = {
    "no consent for Exchange": (
        without("Exchange.ManageAsApp"),
        "the token has Exchange's permission Exchange.ManageAsApp",
        "add the application permission Exchange.ManageAsApp of Office 365 Exchange Online",
    ),
    "no consent for Graph": (
        lambda demo: [without(name)(demo) for name in ("User.Read.All", "Directory.Read.All")],
        "the token has Graph's permission User.Read.All",
        "add the application permission User.Read.All of Microsoft Graph",
    ),
    "no role to read": (
        without_cmdlet("Get-BlockedSenderAddress"),
        "Exchange lists blocked senders (Get-BlockedSenderAddress)",
        "the application lacks the role for Get-BlockedSenderAddress: put it into an Exchange role group",
    ),
    "a role that reads only": (
        without_cmdlet("Remove-BlockedSenderAddress"),
        "the application may unblock (Remove-BlockedSenderAddress)",
        "the application lacks the role for Remove-BlockedSenderAddress: put it into an Exchange role group",
    ),
    "a certificate nobody uploaded": (
        lambda demo: demo.application.certificates.clear(),
        "the application signs in for Exchange Online",
        "the certificate is not the application's: upload it",
    ),
    "a wrong clock": (clock_off, "the application signs in for Graph", "the clock of this machine is wrong"),
}


@pytest.mark.parametrize(("change", "what", "remedy"), MISCONFIGURED.values(), ids=MISCONFIGURED.keys())
def test_what_is_missing_is_told_exactly(demo: Demo, change: Callable[[Demo], object], what: str, remedy: str) -> None:
    change(demo)
    assert remedy in failed(checks(demo))[what]


def test_a_role_group_is_missing_alone_and_nothing_else_is_blamed(demo: Demo) -> None:
    demo.application.cmdlets = frozenset()
    assert [what.rsplit(" ", 1)[1] for what in failed(checks(demo))] == [
        "(Get-BlockedSenderAddress)",
        "(Remove-BlockedSenderAddress)",
    ]


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"tenant_id": "00000000-2fa1-11d2-883f-0016d3cca427"}, "tenant_id is not the directory (tenant) ID"),
        ({"client_id": "00000000-ee8a-3ca4-894e-db77e160355e"}, "client_id is no application of this tenant"),
        ({"certificate": None, "client_secret": "not-the-secret-of-it"}, "client_secret is wrong"),
        ({"login_url": "https://127.0.0.1:9"}, "could not connect to 127.0.0.1:9"),
        ({"graph_scope": "https://mars.example/.default"}, "look at cloud and the scopes"),
    ],
)
def test_wrong_settings_are_told_apart(demo: Demo, settings: dict[str, object], remedy: str) -> None:
    assert remedy in failed(checks(demo, **settings))["the application signs in for Graph"]


def test_client_secret_is_as_good_as_a_certificate(demo: Demo) -> None:
    assert failed(checks(demo, certificate=None, client_secret=SECRET)) == {}


def test_permissions_for_checklists_are_advice_only(demo: Demo) -> None:
    without("UserAuthenticationMethod.Read.All")(demo)
    (check,) = [check for check in checks(demo) if not check.ok]
    assert isinstance(check, Advice)
    assert "UserAuthenticationMethod.Read.All" in check.what


def test_a_right_given_just_now_counts_at_once(demo: Demo) -> None:
    without("Exchange.ManageAsApp")(demo)
    tenant = connect("campus", demo.settings, lambda: datetime.now(UTC))
    assert failed(list(tenant.check()))
    demo.application.permissions[EXCHANGE] = frozenset({"Exchange.ManageAsApp"})
    assert failed(list(tenant.check())) == {}


@pytest.mark.parametrize(
    ("off", "is_advice", "words"),
    [
        (timedelta(days=70), True, "it expires soon"),
        (timedelta(days=100), False, "it has expired"),
        (timedelta(days=-5), False, "it is not valid yet"),
    ],
)
def test_age_of_the_certificate_is_looked_at(demo: Demo, off: timedelta, is_advice: bool, words: str) -> None:
    first = next(iter(connect("campus", demo.settings, lambda: datetime.now(UTC) + off).check()))
    assert (first.ok, isinstance(first, Advice)) == (False, is_advice)
    assert words in first.remedy
    thumbprint = demo.application.certificates[0].fingerprint(hashes.SHA1()).hex().upper()
    assert thumbprint in first.what


def test_no_secret_is_among_what_is_told(demo: Demo) -> None:
    other = certificates.for_application()[0]
    said = str(checks(demo) + checks(demo, certificate=other) + checks(demo, certificate=None, client_secret=SECRET))
    secrets = [
        *demo.application.issued,
        SECRET,
        other.splitlines()[3],
        str(demo.settings["certificate"]).splitlines()[3],
    ]
    assert len(secrets) > 5
    assert not any(secret in said for secret in secrets)
