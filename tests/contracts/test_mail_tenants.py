"""What every mail tenant promises, whichever it is, against a stand-in that speaks its wire format over real HTTP.

A new one brings its stand-in: a line in STAND_INS, no promises of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Response

from plugin.demo import exchange
from plugin.demo.exchange import certificates
from plugin.demo.serving import bind, serve
from plugin.demo.tenant import create_app
from plugin.errors import Denied, NotFound, PermanentError, Unreachable
from plugin.mail_tenants import connect
from plugin.manifest import manifest
from plugin.model import AccountStatus, Agent, Answer, BlockedAddress, Cause, Role, Sending, SignIn, UnblockAnswer
from plugin.ports import MailTenant

SETTLES = timedelta(seconds=30)  # how long an address stays listed after its release was asked for
SPAM = "OutboundSpamLast24Hours=412;OutboundMailLast24Hours=455;CIP=203.0.113.9"
ACCOUNTS = {
    "bbadger": {
        "display_name": "Bucky Badger",
        "addresses": ["bucky.badger@example.edu", "bbadger@example.edu", "bbadger@cs.example.edu"],
        "blocked": [
            {"address": "Bucky.Badger@Example.edu", "reason": SPAM, "minutes_ago": 190},
            {"address": "bbadger@cs.example.edu"},
        ],
        "sign_in": {"state": "disabled", "reason": "Compromised Account", "minutes_ago": 35},
    },
    "fine": {"display_name": "Fiona Inell", "addresses": ["fiona.inell@example.edu"]},
    "limitup": {
        "display_name": "Liam Tupper",
        "addresses": ["liam.tupper@example.edu"],
        "blocked": [{"address": "liam.tupper@example.edu", "reason": SPAM, "minutes_ago": 9}],
        "unblocks_left": 0,
    },
    "dark": {"display_name": "Una Nowen", "addresses": ["una@example.edu"], "sending_status": "Unknown"},
    "denies": {
        "display_name": "Dee Nies",
        "addresses": ["dee@example.edu"],
        "sending_status": "Not Blocked",
        "blocked": [{"address": "dee@example.edu", "minutes_ago": 9}],
    },
    "hides": {"display_name": "Hy Des", "addresses": ["hy@example.edu"], "sending_status": "Blocked"},
    "o'neil ü": {"display_name": "Odd Neil", "addresses": ["o'neil+a?b#c%2fd@example.edu"]},
}
AGENT = Agent(login="ada", name="Ada Agent", email="ada@example.edu", role=Role.AGENT, source="rt")


class Clock:
    """A moment that passes when told to."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 20, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


@dataclass(kw_only=True)
class StandIn:
    """A running stand-in: the settings that reach it, those with a secret that it does not take, what it was asked."""

    settings: Mapping[str, Any]
    wrong_settings: Mapping[str, Any]
    asked: Callable[[], list[str]]  # addresses
    close: Callable[[], None]
    fall_silent: Callable[[], None] = lambda: None  # about accounts that it knows nothing of; some do so by themselves
    knows_reasons: bool = True  # why a sign-in is disabled, and since when


def account_admin(clock: Clock, _folder: Path) -> StandIn:
    app = create_app(
        "the-right-token-for-it", clock=clock, settle_seconds=SETTLES.seconds, page_key="page", accounts=ACCOUNTS
    )
    server, world = serve(app, "127.0.0.1", 0), app.extensions["tenant"]
    settings = {"system": "account_admin", "url": f"http://127.0.0.1:{server.port}", "token": "the-right-token-for-it"}
    return StandIn(
        settings=settings,
        wrong_settings=settings | {"token": "not-the-token-for-it"},
        asked=lambda: [each.address for each in world.asked],
        close=server.close,
    )


def exchange_online(clock: Clock, folder: Path) -> StandIn:
    tls, trusted = certificates.server_side(folder)
    pem, certificate = certificates.for_application()
    tenant_id, client_id = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "6fa459ea-ee8a-3ca4-894e-db77e160355e"
    application = exchange.Application(tenant_id=tenant_id, client_id=client_id, certificates=[certificate])
    listening = bind("127.0.0.1")
    url = f"https://127.0.0.1:{listening.getsockname()[1]}"
    app = exchange.create_app(application, base_url=url, clock=clock, settle_seconds=SETTLES.seconds, users=ACCOUNTS)
    server, world = serve(app, "127.0.0.1", 0, listening=listening, tls=tls), app.extensions["world"]
    settings = {
        "system": "exchange_online",
        "tenant_id": tenant_id,
        "client_id": client_id,
        "certificate": pem,
        "ca_file": str(trusted),
        **dict.fromkeys(("login_url", "exchange_url", "graph_url"), url),
    }
    broken = Response("<html>maintenance</html>", 200)
    return StandIn(
        settings=settings,
        wrong_settings=settings | {"certificate": certificates.for_application()[0]},
        asked=lambda: [each.address for each in world.asked],
        close=server.close,
        fall_silent=lambda: app.extensions["faults"].plan("InvokeCommand", broken),
        knows_reasons=False,
    )


STAND_INS: Mapping[str, Callable[[Clock, Path], StandIn]] = {
    "account_admin": account_admin,
    "exchange_online": exchange_online,
}


def test_every_declared_mail_tenant_is_held_to_these_promises() -> None:
    assert {entry["id"] for entry in manifest()["mail_tenants"]} == set(STAND_INS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=sorted(STAND_INS))
def stand_in(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[StandIn]:
    running = STAND_INS[request.param](clock, tmp_path)
    yield running
    running.close()


@pytest.fixture
def tenant(stand_in: StandIn, clock: Clock) -> MailTenant:
    return connect("campus", stand_in.settings, clock)


def ask(tenant: MailTenant, status: AccountStatus, blocked: BlockedAddress) -> UnblockAnswer:
    return tenant.unblock(status, blocked, agent=AGENT, ticket="rt:4711", key=f"{status.netid}:{blocked.address}")


def test_tenant_bears_its_name_in_the_settings(tenant: MailTenant) -> None:
    assert tenant.name == "campus"
    assert tenant.status("fine").tenant == "campus"


@pytest.mark.parametrize("account", ["bbadger", "BBadger", "BUCKY.BADGER@example.edu", "bbadger@cs.Example.EDU"])
def test_account_is_one_and_the_same_under_its_id_and_each_address(tenant: MailTenant, account: str) -> None:
    status = tenant.status(account)
    assert status == tenant.status("bbadger")
    assert (status.netid, status.primary_address) == ("bbadger", "bucky.badger@example.edu")
    assert status.addresses == ("bucky.badger@example.edu", "bbadger@example.edu", "bbadger@cs.example.edu")


@pytest.mark.parametrize("account", ["o'neil ü", "O'NEIL+a?b#c%2fd@example.edu"])
def test_account_with_odd_letters_is_found(tenant: MailTenant, account: str) -> None:
    assert tenant.status(account).display_name == "Odd Neil"


@pytest.mark.parametrize("account", ["nobody", "bbadge", "bbadger@elsewhere.example", "bbadger office365", "fine/x"])
def test_account_that_is_not_there_is_not_found(tenant: MailTenant, account: str) -> None:
    with pytest.raises(NotFound):
        tenant.status(account)


@pytest.mark.parametrize("account", ["", "..", "x" * 5000])
def test_id_that_cannot_be_one_is_an_error_and_nobody_else(tenant: MailTenant, account: str) -> None:
    with pytest.raises(PermanentError):
        tenant.status(account)


def test_reading_bears_the_moment_of_the_clock(tenant: MailTenant, clock: Clock) -> None:
    clock.moment += timedelta(minutes=3)
    assert tenant.status("fine").checked_at == clock.moment


def test_blocked_account_lists_each_address_with_what_microsoft_says(tenant: MailTenant, clock: Clock) -> None:
    status = tenant.status("bbadger")
    assert status.sending is Sending.BLOCKED
    assert status.blocked == (
        BlockedAddress(
            address="Bucky.Badger@Example.edu",
            reason=SPAM,
            cause=Cause.SPAM,
            blocked_at=clock.moment - timedelta(minutes=190),
        ),
        BlockedAddress(address="bbadger@cs.example.edu"),
    )


def test_sign_in_is_told_apart_from_the_sending_block(tenant: MailTenant, stand_in: StandIn, clock: Clock) -> None:
    disabled, enabled = tenant.status("bbadger").sign_in, tenant.status("limitup").sign_in
    known = ("Compromised Account", clock.moment - timedelta(minutes=35)) if stand_in.knows_reasons else (None, None)
    assert (disabled.state, disabled.reason, disabled.since) == (SignIn.DISABLED, *known)
    assert (enabled.state, enabled.reason) == (SignIn.ENABLED, None)


@pytest.mark.parametrize(
    ("account", "sending"),
    [
        ("fine", Sending.NOT_BLOCKED),
        ("dark", Sending.UNKNOWN),
        ("hides", Sending.UNKNOWN),
        ("denies", Sending.BLOCKED),
    ],
)
def test_doubt_is_never_not_blocked(tenant: MailTenant, stand_in: StandIn, account: str, sending: Sending) -> None:
    if sending is Sending.UNKNOWN:
        stand_in.fall_silent()
    status = tenant.status(account)
    assert status.sending is sending
    assert bool(status.failure) == (sending is Sending.UNKNOWN)
    assert bool(status.blocked) == (sending is Sending.BLOCKED)


def test_unblocked_address_goes_from_the_list_in_its_time_and_no_other_does(
    tenant: MailTenant, stand_in: StandIn, clock: Clock
) -> None:
    before = tenant.status("bbadger")
    assert ask(tenant, before, before.blocked[0]).answer is Answer.REQUESTED
    assert stand_in.asked() == ["Bucky.Badger@Example.edu"]
    assert tenant.status("bbadger").blocked == before.blocked
    clock.moment += SETTLES
    assert tenant.status("bbadger").blocked == before.blocked[1:]


def test_account_is_not_blocked_once_every_address_is_unblocked(tenant: MailTenant, clock: Clock) -> None:
    status = tenant.status("bbadger")
    assert {ask(tenant, status, blocked).answer for blocked in status.blocked} == {Answer.REQUESTED}
    clock.moment += SETTLES
    assert tenant.status("bbadger").sending is Sending.NOT_BLOCKED


def test_address_that_is_not_listed_was_not_blocked(tenant: MailTenant) -> None:
    answer = ask(tenant, tenant.status("fine"), BlockedAddress(address="fiona.inell@example.edu"))
    assert answer.answer is Answer.NOT_BLOCKED


def test_limit_of_unblocks_is_told_as_such(tenant: MailTenant, clock: Clock) -> None:
    status = tenant.status("limitup")
    assert ask(tenant, status, status.blocked[0]).answer is Answer.LIMIT
    clock.moment += SETTLES
    assert tenant.status("limitup").blocked == status.blocked


def test_wrong_secret_is_denied_and_asks_for_nothing(tenant: MailTenant, stand_in: StandIn, clock: Clock) -> None:
    status, locked_out = tenant.status("bbadger"), connect("campus", stand_in.wrong_settings, clock)
    with pytest.raises(Denied):
        locked_out.status("bbadger")
    with pytest.raises(Denied):
        ask(locked_out, status, status.blocked[0])
    assert stand_in.asked() == []


def test_nobody_there_is_unreachable_and_asks_for_nothing(tenant: MailTenant, stand_in: StandIn) -> None:
    status = tenant.status("bbadger")
    stand_in.close()
    with pytest.raises(Unreachable):
        tenant.status("bbadger")
    with pytest.raises(Unreachable):
        ask(tenant, status, status.blocked[0])
    assert stand_in.asked() == []
