"""Microsoft at the socket: the sign-in service answers rightly, what Exchange and Graph answer is each test's own."""

import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
import responses
from cryptography import x509
from flask import Flask

from plugin.demo.exchange import Application, World, certificates, create_app
from plugin.demo.serving import bind, serve
from plugin.mail_tenants import connect
from plugin.model import Agent, BlockedAddress, Role, UnblockAnswer

TENANT, CLIENT = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "6fa459ea-ee8a-3ca4-894e-db77e160355e"
SECRET = "Xy8Q~a-client-secret.of-forty-characters"
LOGIN = f"https://login.microsoftonline.com/{TENANT}"
USERS = "https://graph.microsoft.com/v1.0/users"
INVOKE = f"https://outlook.office365.com/adminapi/beta/{TENANT}/InvokeCommand"
NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
SPAM = "OutboundSpamLast24Hours=412;OutboundMailLast24Hours=455"
BUCKY: dict[str, Any] = {
    "id": "9d6e0a52-0d3f-4d0c-9a4e-5e7a3f1b2c3d",
    "displayName": "Bucky Badger",
    "userPrincipalName": "bbadger@example.edu",
    "mail": "Bucky.Badger@example.edu",
    "proxyAddresses": [
        "smtp:bbadger@cs.example.edu",
        "SMTP:Bucky.Badger@example.edu",
        "smtp:bbadger@example.onmicrosoft.com",
        "SIP:bucky.badger@example.edu",
        "X500:/o=Example/cn=bbadger",
    ],
    "accountEnabled": True,
    "onPremisesSamAccountName": "bbadger",
    "lastPasswordChangeDateTime": "2026-11-23T19:20:00Z",
    "signInSessionsValidFromDateTime": "2026-11-23T19:25:00.1234567Z",
    "userType": "Member",
}
AGENT = Agent(login="ada", name="Ada Agent", email="ada@example.edu", role=Role.AGENT, source="rt")


def listed(address: object, **more: Any) -> dict[str, Any]:
    """An entry as Exchange writes it."""
    return {
        "SenderAddress@data.type": "Microsoft.Exchange.Data.SmtpAddress",
        "SenderAddress": address,
        "Reason": SPAM,
        "CreatedDatetime@data.type": "System.DateTime",
        "CreatedDatetime": "2026-11-23T16:50:07.1234567+00:00",
        "ChangedDatetime": "2026-11-23T16:50:07.1234567+00:00",
        "TemporaryBlock": False,
        **more,
    }


def rows(*values: Any, **more: Any) -> dict[str, Any]:
    """A page."""
    return {"@odata.context": "…", "@adminapi.warnings": [], "value": list(values), **more}


def failure(kind: str, words: str, code: str = "BadRequest") -> dict[str, Any]:
    """An error of a cmdlet, as it was captured in the wild."""
    trace = "   at Microsoft.Exchange.Secret.Deep.Inside()"
    inmost = {"message": f"inner: {words}", "type": kind, "stacktrace": trace}
    return {
        "error": {
            "code": code,
            "message": "Error executing cmdlet",
            "details": [{"code": "Client", "target": "", "message": f"Ex6F9304|{kind}|{words}"}],
            "innererror": {"message": "…", "type": "…", "stacktrace": trace, "internalexception": inmost},
        }
    }


def access_token(number: int = 1, **claims: Any) -> str:
    """What the sign-in service gives out."""
    return jwt.encode({"tid": TENANT, "n": number, "roles": ["Exchange.ManageAsApp"], **claims}, "k" * 32, "HS256")


class Socket:
    """Microsoft, with what a test plans to be answered."""

    def __init__(self, web: responses.RequestsMock) -> None:
        self.web = web
        self.tokens = 0
        home = f"{LOGIN}/oauth2/v2.0"
        discovery = {
            "issuer": f"{LOGIN}/v2.0",
            "authorization_endpoint": f"{home}/authorize",
            "token_endpoint": f"{home}/token",
        }
        web.get(f"{LOGIN}/v2.0/.well-known/openid-configuration", json=discovery)
        web.add_callback(responses.POST, f"{home}/token", self._give_token)

    def _give_token(self, _request: Any) -> tuple[int, dict[str, str], str]:
        self.tokens += 1
        answer = {"token_type": "Bearer", "expires_in": 3599, "access_token": access_token(self.tokens)}
        return 200, {"Content-Type": "application/json"}, json.dumps(answer)

    def knows(self, *users: Any) -> None:
        """Whom Graph finds, at the first way of looking."""
        self.web.get(USERS, json={"value": list(users)})

    def lists(self, *values: Any, **more: Any) -> None:
        """What Exchange lists."""
        self.web.post(INVOKE, json=rows(*values, **more))

    def asked(self, part: str) -> list[Any]:
        """The requests to addresses that hold this."""
        return [call.request for call in self.web.calls if part in str(call.request.url)]


@pytest.fixture
def socket() -> Iterator[Socket]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        yield Socket(web)


@pytest.fixture
def tenant() -> Callable[..., Any]:
    """The tenant with a client secret, unless a test sets something else."""

    def tenant(**settings: Any) -> Any:
        ours = {"system": "exchange_online", "tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET}
        return connect("campus", ours | settings, lambda: NOW)

    return tenant


@pytest.fixture
def ask(tenant: Callable[..., Any], socket: Socket) -> Callable[..., UnblockAnswer]:
    """What comes of asking for an address when Exchange answers so; it is asked no more than once."""

    def ask(address: str = "bbadger@example.edu", **answer: Any) -> UnblockAnswer:
        planned = socket.web.post(INVOKE, **answer)
        blocked = BlockedAddress(address=address)
        try:
            given: UnblockAnswer = tenant().unblock(None, blocked, agent=AGENT, ticket="rt:4711", key="k")
        finally:
            assert planned.call_count <= (2 if answer.get("status") == 401 else 1)
        return given

    return ask


@pytest.fixture(scope="session")
def identity() -> tuple[str, x509.Certificate]:
    """What our application signs in by, and what is uploaded."""
    return certificates.for_application()


@pytest.fixture(scope="session")
def pem(identity: tuple[str, x509.Certificate]) -> str:
    """A certificate with its private key."""
    return identity[0]


@dataclass(kw_only=True)
class Demo:
    """The demo of Microsoft 365, running, with our application in it and the settings that reach it."""

    app: Flask
    settings: dict[str, Any]
    clock: Callable[[], datetime]

    @property
    def world(self) -> World:
        world: World = self.app.extensions["world"]
        return world

    @property
    def application(self) -> Application:
        application: Application = self.app.extensions["application"]
        return application

    @property
    def faults(self) -> Any:
        return self.app.extensions["faults"]

    def tenant(self, **settings: Any) -> Any:
        return connect("campus", self.settings | settings, self.clock)


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return certificates.server_side(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def demo(tls: tuple[ssl.SSLContext, Path], identity: tuple[str, x509.Certificate]) -> Iterator[Demo]:
    pem, certificate = identity
    application = Application(tenant_id=TENANT, client_id=CLIENT, certificates=[certificate], secrets={SECRET})
    listening = bind("127.0.0.1")
    url = f"https://127.0.0.1:{listening.getsockname()[1]}"
    app = create_app(application, base_url=url, clock=lambda: NOW, settle_seconds=60, sleep=lambda _: None)
    server = serve(app, "127.0.0.1", 0, listening=listening, tls=tls[0])
    settings = {
        "system": "exchange_online",
        "tenant_id": TENANT,
        "client_id": CLIENT,
        "certificate": pem,
        "ca_file": str(tls[1]),
        **dict.fromkeys(("login_url", "exchange_url", "graph_url"), url),
    }
    yield Demo(app=app, settings=settings, clock=lambda: NOW)
    server.close()
