"""Panel tokens by themselves: whose they are, how long they live, and what is never taken for one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from plugin.errors import NotAllowed
from plugin.model import Agent, Role
from plugin.panel import tokens
from plugin.panel.tokens import Session

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
SECRET = b"a made-up panel secret, longer than any of the algorithms here asks for"
AGENT = Agent(login="ada", name="Ada Lovelace", email="ada@example.edu", role=Role.AGENT, source="rt")
SESSION = Session(agent=AGENT, ticket="4711", launched_at=NOW)


def forged(key: bytes | str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    claims = jwt.decode(tokens.issue(SESSION, SECRET, NOW), options={"verify_signature": False})
    return jwt.encode({name: value for name, value in (claims | changes).items() if value is not None}, key, algorithm)


SOURCES = {"desk": {"webhook_secrets": ["whsec_b25l", "whsec_dHdv"], "api_token": "made-up", "api_url": "https://a"}}
TENANTS = {"campus": {"token": "made-up too", "url": "https://b"}}


def test_a_secret_made_of_the_others_is_the_same_in_every_process_and_no_part_of_it_can_be_missing() -> None:
    secret = tokens.secret_from(SOURCES, TENANTS)
    assert tokens.secret_from({"desk": {**SOURCES["desk"], "api_url": "https://elsewhere"}}, TENANTS) == secret
    assert len(secret) >= 32
    others = [
        tokens.secret_from({"desk": {**SOURCES["desk"], "webhook_secrets": ["whsec_b25l"]}}, TENANTS),
        tokens.secret_from({"desk": {**SOURCES["desk"], "api_token": "other"}}, TENANTS),
        tokens.secret_from(SOURCES, {"campus": {**TENANTS["campus"], "token": "other"}}),
        tokens.secret_from(SOURCES, {}),
        tokens.secret_from({}, TENANTS),
    ]
    assert secret not in others
    assert len(set(others)) == len(others)


def test_a_token_says_who_looks_at_which_ticket_since_when() -> None:
    assert tokens.read(tokens.issue(SESSION, SECRET, NOW), SECRET, NOW) == SESSION


@pytest.mark.parametrize(
    "name", ["Ann \ud83d", "Zoë 🐻", '\\ud83d " Ann'], ids=["half a character", "letters", "escapes"]
)
def test_a_name_is_read_as_it_was_told(name: str) -> None:
    session = replace(SESSION, agent=replace(AGENT, name=name))
    assert tokens.read(tokens.issue(session, SECRET, NOW), SECRET, NOW) == session


def test_a_token_is_good_for_fifteen_minutes() -> None:
    token = tokens.issue(SESSION, SECRET, NOW)

    assert tokens.read(token, SECRET, NOW + timedelta(minutes=14, seconds=59)) == SESSION
    with pytest.raises(NotAllowed, match="Reload the ticket"):
        tokens.read(token, SECRET, NOW + timedelta(minutes=15))


def test_no_renewal_reaches_past_sixty_minutes_from_the_launch() -> None:
    late = NOW + timedelta(minutes=55)
    token = tokens.issue(SESSION, SECRET, late)

    assert tokens.read(token, SECRET, NOW + timedelta(minutes=59)) == SESSION
    with pytest.raises(NotAllowed):
        tokens.read(token, SECRET, NOW + timedelta(minutes=60))


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(forged(key=b"another made-up secret of more than 32 bytes"), id="another secret"),
        pytest.param(forged(key="", algorithm="none"), id="unsigned"),
        pytest.param(forged(algorithm="HS512"), id="another algorithm"),
        pytest.param(forged(aud="m365-unblock/panel"), id="a launch token's audience"),
        pytest.param(forged(aud=[tokens.AUDIENCE]), id="a list of audiences"),
        pytest.param(forged(agent=None), id="no agent"),
        pytest.param(forged(exp=None), id="no end"),
        pytest.param("", id="empty"),
        pytest.param("a.b.c", id="no token at all"),
        pytest.param("ä" * 50, id="not ASCII"),
    ],
)
def test_a_token_that_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(NotAllowed, match="Reload the ticket"):
        tokens.read(token, SECRET, NOW)
