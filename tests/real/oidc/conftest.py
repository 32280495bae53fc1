"""A certified identity provider beside the demo's stage, and browsers without JavaScript in front of both."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from plugin.demo.stage import Stage
from tests.ports import free_port
from tests.real.conftest import Customers

if TYPE_CHECKING:  # the driver is installed by `make test-real` only
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
MODULES = HERE.parents[2] / ".venv" / "oidc" / "node_modules"
REASON = "OutboundSpamLast24Hours=412;OutboundMailLast24Hours=455;OutboundSpamPercent=90;"
SIGN_IN = """
[sign_in]
issuer = "{issuer}"
client_id = "m365-unblock"
client_secret = "{secret}"
viewers = ["desk-viewers"]
agents = ["desk-agents"]
"""
PEOPLE = {"nora": "Nora Script", "lena": "Lena List", "vivi": "Vivi Ewed"}


def _account(netid: str, name: str) -> dict[str, Any]:
    addresses = [f"{name.lower().replace(' ', '.')}@example.edu", f"{netid}@cs.example.edu"]
    blocked = [{"address": address, "reason": REASON, "minutes_ago": 190} for address in addresses]
    return {"display_name": name, "addresses": addresses, "blocked": blocked}


@pytest.fixture(scope="session")
def plugin_port() -> int:
    """The provider must know where people come back to before the plugin is there."""
    return free_port()


@pytest.fixture(scope="session")
def secret() -> str:
    return token_urlsafe(24)


@pytest.fixture(scope="session")
def issuer(plugin_port: int, secret: str) -> Iterator[str]:
    """The provider, by its own name."""
    port = free_port()
    ours = f"http://127.0.0.1:{plugin_port}/cases"
    known = {"PORT": str(port), "MODULES": str(MODULES), "SECRET": secret}
    with subprocess.Popen(
        ["node", str(HERE / "provider.mjs")],
        env={**os.environ, **known, "REDIRECT": f"{ours}/signed-in", "BACK": f"{ours}/signed-out"},
        stdout=subprocess.PIPE,
        text=True,
    ) as provider:
        assert provider.stdout is not None
        said = ""
        while "listening" not in said:
            said = provider.stdout.readline()
            assert said, "the provider has ended; run  make test-real, which installs it"
        yield f"http://127.0.0.1:{port}"
        provider.terminate()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, plugin_port: int, issuer: str, secret: str) -> Iterator[Stage]:
    """The demo's stage with a sign-in."""
    settings = SIGN_IN.format(issuer=issuer, secret=secret)
    accounts = {netid: _account(netid, name) for netid, name in PEOPLE.items()}
    folder = tmp_path_factory.mktemp("signed-in") / "demo"
    ports = (plugin_port, 0, 0)
    with Stage(
        folder, ports, accounts=accounts, settles_after=1, follow_up_after="24h", more_settings=settings
    ) as stage:
        yield stage


@pytest.fixture(scope="session")
def customers(stage: Stage) -> Customers:
    """The other side of this stage's tickets; the fixture of the same name further up belongs to the other stage."""
    return Customers(stage)


class Visitor:
    """Somebody's browser without JavaScript, and the hosts it has asked."""

    def __init__(self, page: "Page", stage: Stage) -> None:
        self.page = page
        self.cases = f"{stage.plugin_url}/cases"
        self.hosts: set[str] = set()
        page.context.on("request", lambda asked: self.hosts.add(urlsplit(asked.url).netloc))

    def sign_in(self, login: str) -> None:
        """From our pages to the provider and back."""
        self.page.goto(self.cases)
        self.page.get_by_label("Login").fill(login)
        self.page.get_by_label("Password").fill("anything")
        self.page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def visit(browser: "Browser", stage: Stage, issuer: str) -> Iterator[Callable[..., Visitor]]:
    """Browsers to order; what they asked of whom is looked at in the end."""
    came: list[Visitor] = []

    def come(**options: Any) -> Visitor:
        plain = {"viewport": {"width": 1280, "height": 900}, "java_script_enabled": False}
        context = browser.new_context(**(plain | options))
        context.set_default_timeout(30_000)
        came.append(Visitor(context.new_page(), stage))
        return came[-1]

    yield come
    for visitor in came:
        visitor.page.context.close()
    ours = {urlsplit(stage.plugin_url).netloc, urlsplit(issuer).netloc, ""}
    assert {host for visitor in came for host in visitor.hosts} <= ours
