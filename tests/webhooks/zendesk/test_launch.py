"""Who may open the panel, as Zendesk vouches for them by the sidebar app's token."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from plugin.errors import NotAllowed
from plugin.model import Role
from plugin.ports import TicketSystem
from tests.conftest import Clock
from tests.stand_ins.zendesk import KEY, PUBLIC_KEY, User
from tests.webhooks.zendesk.conftest import ZendeskSite
from webhooks.ticket_systems import connect

OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_PEM = (
    OTHER_KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


@pytest.fixture
def ticket(site: ZendeskSite) -> str:
    return site.file("bbadger@example.edu", "my mail bounces", "Please help.", None)


def opens(source: TicketSystem, site: ZendeskSite, ticket: str, user: User, clock: Clock, **claims: Any) -> Role:
    return source.open_panel(site.zendesk.launch_token(user, **claims), ticket, clock()).agent.role


def test_agent_is_named_as_zendesk_knows_them(
    source: TicketSystem, site: ZendeskSite, ticket: str, clock: Clock
) -> None:
    alex = site.running.agent
    for sub in (str(alex.id), f"{site.running.url}/api/v2/users/{alex.id}.json", f"/users/{alex.id}"):
        launch = source.open_panel(site.zendesk.launch_token(alex, sub=sub), ticket, clock())
        assert (launch.agent.login, launch.agent.name, launch.agent.source) == (
            "alex@example.edu",
            "Alex Agent",
            "desk",
        )
        assert (launch.agent.role, launch.ticket) == (Role.AGENT, ticket)
        assert launch.expires_at == clock().replace(microsecond=0) + timedelta(seconds=300)


def test_each_token_is_known_again(source: TicketSystem, site: ZendeskSite, ticket: str, clock: Clock) -> None:
    tokens = [site.zendesk.launch_token(site.running.agent, **more) for more in ({}, {}, {"jti": "a"}, {"jti": "a"})]
    first, second, third, fourth = (source.open_panel(token, ticket, clock()).jti for token in tokens)
    assert first == source.open_panel(tokens[0], ticket, clock()).jti
    assert len({first, second, third}) == 3
    assert third == fourth


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://example.zendesk.com/api/v2/apps/installations/1.json"},
        {"aud": None},
        {"iss": "evil.zendesk.com"},
        {"sub": "https://evil.example/x"},
        {"sub": ""},
        {"sub": None},
        {"sub": ["1"]},
        {"iat": "now"},
        {"exp": True},
        {"iat": 10**12},
    ],
)
def test_token_that_vouches_for_something_else_opens_nothing(
    source: TicketSystem, site: ZendeskSite, ticket: str, clock: Clock, claims: dict[str, Any]
) -> None:
    with pytest.raises(NotAllowed):
        opens(source, site, ticket, site.running.agent, clock, **claims)
    assert site.zendesk.calls == [], "and nobody is asked who that is"


@pytest.mark.parametrize(("by", "is_good"), [(-31, False), (-20, True), (0, True), (299, True), (300, False)])
def test_token_is_good_for_five_minutes_whatever_it_says(
    source: TicketSystem, site: ZendeskSite, ticket: str, clock: Clock, by: int, is_good: bool
) -> None:
    now = int(clock().timestamp())
    token = site.zendesk.launch_token(site.running.agent, exp=now + 86400)
    moment = clock() + timedelta(seconds=by)
    if is_good:
        assert source.open_panel(token, ticket, moment).agent.role is Role.AGENT
        return
    with pytest.raises(NotAllowed, match="too long ago"):
        source.open_panel(token, ticket, moment)


def signed_otherwise(site: ZendeskSite, key: Any, algorithm: str) -> str:
    claims = jwt.decode(site.zendesk.launch_token(site.running.agent), options={"verify_signature": False})
    return jwt.encode(claims, key, algorithm)


def test_only_the_apps_own_key_counts(site: ZendeskSite, ticket: str, clock: Clock) -> None:
    source = connect("desk", site.settings())
    for token in (
        signed_otherwise(site, OTHER_KEY, "RS256"),
        signed_otherwise(site, KEY, "PS256"),
        signed_otherwise(site, "a secret that is long enough for it, made up", "HS256"),
        signed_otherwise(site, None, "none"),
        signed_otherwise(site, KEY, "RS256")[:-4] + "AAAA",
        "ä",
        "x" * 5000,
    ):
        with pytest.raises(NotAllowed, match="not valid here"):
            source.open_panel(token, ticket, clock())
    both = connect("desk", {**site.settings(), "app_public_keys": [OTHER_PEM, PUBLIC_KEY]})
    assert opens(both, site, ticket, site.running.agent, clock) is Role.AGENT


@pytest.mark.parametrize(
    ("user", "settings", "role"),
    [
        ({"role": "admin", "role_type": 4}, {}, Role.AGENT),
        ({"role": "agent", "role_type": 0}, {}, Role.AGENT),
        ({"role": "agent", "role_type": 1}, {}, Role.VIEWER),
        ({"role": "agent", "role_type": 3}, {}, Role.VIEWER),
        ({"role": "agent", "role_type": 0, "custom_role_id": 9}, {"viewer_roles": [9]}, Role.VIEWER),
        ({"role": "agent", "role_type": 0, "custom_role_id": 8}, {"viewer_roles": [9]}, Role.AGENT),
        ({"role": "agent", "role_type": 0, "groups": (21,)}, {"agent_groups": [21]}, Role.AGENT),
        ({"role": "admin", "role_type": 4, "groups": (22,)}, {"agent_groups": [21]}, Role.VIEWER),
        ({"role": "agent", "role_type": 0, "groups": (21, 30)}, {"supervisor_groups": [30]}, Role.SUPERVISOR),
        ({"role": "admin", "role_type": 4}, {"supervisor_groups": [30]}, Role.AGENT),
        ({"role": "agent", "role_type": 1, "groups": (30,)}, {"supervisor_groups": [30]}, Role.VIEWER),
        ({"role": "end-user"}, {}, None),
        ({"role": "agent", "role_type": 0, "suspended": True}, {}, None),
        ({"role": "agent", "role_type": 0, "active": False}, {}, None),
    ],
)
def test_role_is_what_zendesk_and_the_settings_say(
    site: ZendeskSite, ticket: str, clock: Clock, user: dict[str, Any], settings: dict[str, Any], role: Role | None
) -> None:
    source = connect("desk", {**site.settings(), **settings})
    somebody = site.zendesk.add_user("vera@example.edu", **user)
    if role is None:
        with pytest.raises(NotAllowed, match="Only agents of this Zendesk"):
            opens(source, site, ticket, somebody, clock)
        return
    assert opens(source, site, ticket, somebody, clock) is role


@pytest.mark.parametrize(
    ("restriction", "groups", "is_assignee", "may"),
    [
        (None, (), False, True),
        ("groups", (21,), False, True),
        ("groups", (22,), False, False),
        ("groups", (22,), True, True),
        ("assigned", (21,), False, False),
        ("assigned", (), True, True),
        ("organization", (21,), False, False),
    ],
)
def test_ticket_that_zendesk_does_not_show_somebody_the_panel_does_not_either(
    source: TicketSystem, site: ZendeskSite, ticket: str, clock: Clock, restriction: str | None,
    groups: tuple[int, ...], is_assignee: bool, may: bool,
) -> None:  # fmt: skip
    vera = site.zendesk.add_user(
        "vera@example.edu", role="agent", role_type=0, ticket_restriction=restriction, groups=groups
    )
    site.zendesk.tickets[int(ticket)]["assignee_id"] = vera.id if is_assignee else None
    if may:
        assert opens(source, site, ticket, vera, clock) is Role.AGENT
        return
    with pytest.raises(NotAllowed, match="does not show you this ticket"):
        opens(source, site, ticket, vera, clock)


def test_ticket_that_is_not_there_and_zendesk_that_does_not_answer_are_told(
    source: TicketSystem, site: ZendeskSite, ticket: str, clock: Clock
) -> None:
    with pytest.raises(NotAllowed, match="no such ticket"):
        opens(source, site, "999999", site.running.agent, clock)
    site.zendesk.throttle.append((429, {}))
    with pytest.raises(NotAllowed, match="could not be asked who you are"):
        opens(source, site, ticket, site.running.agent, clock)


def test_panel_that_is_not_set_up_says_so(site: ZendeskSite, ticket: str, clock: Clock) -> None:
    settings = {name: value for name, value in site.settings().items() if not name.startswith("app_")}
    with pytest.raises(NotAllowed, match="app_installation and app_public_keys are missing"):
        opens(connect("desk", settings), site, ticket, site.running.agent, clock)
