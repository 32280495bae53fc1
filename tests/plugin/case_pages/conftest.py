"""The desk's pages over a real database, with an identity provider at a socket, and people who sign in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from plugin import case_pages, language, panel
from plugin import checklist as checklists
from plugin.casework import Casework
from plugin.demo.serving import serve
from plugin.desk import Desk
from plugin.model import Case, CaseState, Role, Ticket
from plugin.model import Person as Requester
from plugin.notes.texts import Texts
from plugin.ports import can_look
from plugin.settings import SignIn
from plugin.store import schema
from plugin.store.case_list import CaseList
from plugin.store.cases import CaseStore
from plugin.store.engine import open_engine
from plugin.store.sign_ins import SignIns
from tests.plugin.case_pages.provider import CLIENT, SECRET, Provider
from tests.plugin.panel.conftest import LINKS, PANEL_SECRET, Clock, Office, System, Tenant, _procedure

PUBLIC = "https://m365.example.edu"


class ReadableSystem(System):
    """A ticket system whose tickets 1 to 9999 are there."""

    def read_ticket(self, ticket: str) -> Ticket:
        from plugin.errors import NotFound

        if not re.fullmatch(r"\d{1,4}", ticket):
            raise NotFound(self.name, "reading the ticket", "answered 404", status=404)
        return Ticket(source=self.name, id=ticket, subject="", requester=Requester(), messages=())


@dataclass
class House(Office):
    """The office, and the page outside the frame."""

    provider: Provider = field(kw_only=True)
    settings: SignIn = field(kw_only=True)

    def browser(self) -> "Browser":
        """A browser of its own, signed in nowhere."""
        return Browser(self.client.application.test_client(), self.provider)

    def signed_in(self, *groups: str, going_to: str = "/cases", **person: Any) -> "Browser":
        """A browser in which somebody is signed in."""
        browser = self.browser()
        before = dict(self.provider.person)
        self.provider.person |= {"groups": list(groups or ("desk-agents",)), **person}
        answer = browser.sign_in(going_to)
        self.provider.person = before
        assert answer.status_code == 303, answer.text
        return browser

    def many(self, count: int, state: CaseState = CaseState.CHECKLIST_OPEN, **changes: Any) -> list[Case]:
        """Cases, an hour apart, the last one now."""
        return [
            self.case(
                state,
                ticket=str(1000 + number),
                created_at=self.clock() - timedelta(hours=count - 1 - number),
                **changes,
            )
            for number in range(count)
        ]


@dataclass
class Browser:
    """Somebody's browser, which keeps cookies and obeys what a page carries."""

    client: FlaskClient
    provider: Provider
    page: str = ""  # the last one that was shown

    def get(self, path: str, **query: str) -> TestResponse:
        return self._shown(self.client.get(path, query_string=query or None, base_url=PUBLIC))

    def post(self, path: str, *, key: str | None = None, **form: str) -> TestResponse:
        """Send a form, with the key of the last page unless another one is given."""
        fields = {name.replace("_", "-") if name == "take_back" else name: value for name, value in form.items()}
        found = re.search(r'name="form-key" value="([^"]*)"', self.page)
        fields["form-key"] = key if key is not None else (found[1] if found else "")
        return self._shown(self.client.post(path, data=fields, base_url=PUBLIC))

    def act(self, case: Case, *parts: str, **form: str) -> TestResponse:
        """A form of a case's page."""
        self.get(f"/cases/{case.id}")
        return self.post("/".join(["/cases", case.id, *parts]), **form)

    def to_provider(self, going_to: str = "/cases") -> str:
        """Where the browser is sent to sign in."""
        answer = self.get("/cases/sign-in", next=going_to)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["Location"])

    def sign_in(self, going_to: str = "/cases") -> TestResponse:
        """Sign in at the provider and come back."""
        return self.back(self.provider.authorize(self.to_provider(going_to)))

    def back(self, address: str) -> TestResponse:
        """Come back from the provider."""
        return self._shown(self.client.get(address.removeprefix(PUBLIC), base_url=PUBLIC))

    def cookie(self, name: str = "__Host-m365-unblock") -> str | None:
        found = self.client.get_cookie(name, domain="m365.example.edu")
        return found.value if found else None

    def text(self) -> str:
        """The last page as it is read on the screen, in one line."""
        plain = re.sub(r"<(?:title|style)[^>]*>.*?</(?:title|style)>", " ", self.page, flags=re.DOTALL)
        return re.sub(r" ([,.:;])", r"\1", " ".join(unescape(re.sub(r"<[^>]*>", " ", plain)).split()))

    def _shown(self, answer: TestResponse) -> TestResponse:
        if answer.content_type.startswith("text/html") and answer.data:
            self.page = answer.text
        return answer


@pytest.fixture(scope="session")
def texts() -> Texts:
    """Made once: it tries every template."""
    return Texts(overrides=None, links=LINKS, zone=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(clock: Clock) -> Iterator[Provider]:
    """An identity provider that listens."""
    made = Provider(issuer="", clock=clock)
    server = serve(made.as_app(), "127.0.0.1", 0)
    made.issuer = f"http://127.0.0.1:{server.port}"
    yield made
    server.close()


@pytest.fixture
def settings(provider: Provider) -> SignIn:
    return SignIn(
        issuer=provider.issuer,
        client_id=CLIENT,
        client_secret=SECRET,
        scopes=("openid", "profile", "email"),
        login_claim="",
        groups_claim="groups",
        groups={
            Role.VIEWER: frozenset({"desk-viewers"}),
            Role.AGENT: frozenset({"desk-agents"}),
            Role.SUPERVISOR: frozenset({"desk-leads"}),
        },
        leeway=timedelta(seconds=30),
        session_for=timedelta(hours=8),
        idle_for=timedelta(hours=1),
        ca_file=None,
    )


@pytest.fixture
def house(tmp_path: Path, texts: Texts, clock: Clock, provider: Provider, settings: SignIn) -> Iterator[House]:
    """A desk with a sign-in, and nothing in it yet."""
    engine = open_engine(f"sqlite:///{tmp_path}/cases.sqlite")
    schema.metadata.create_all(engine)
    store = CaseStore(engine)
    tenant = Tenant(clock)
    work = Casework(
        store=store,
        checklist=checklists.load(checklists.default_path()),
        can_look=partial(can_look, tenant),
        procedure=_procedure(),
        clock=clock,
    )
    desk = Desk(casework=work, tenant=tenant, texts=texts)
    sources = {"rt": ReadableSystem("rt"), "other": ReadableSystem("other")}
    app = Flask("test", static_folder=None)
    language.set_up(app)
    shown: dict[str, Any] = {"links": LINKS, "zone": UTC, "clock": clock}
    app.register_blueprint(
        panel.blueprint(desk=desk, sources=sources, origins={}, secret=PANEL_SECRET, **shown),
    )
    app.register_blueprint(
        case_pages.blueprint(
            sign_in=settings,
            desk=desk,
            store=store,
            cases=CaseList(engine, tuple(sources)),
            sign_ins=SignIns(engine),
            sources=sources,
            panel_secret=PANEL_SECRET,
            public_url=PUBLIC,
            **shown,
        )
    )
    yield House(
        clock=clock, tenant=tenant, work=work, desk=desk, client=app.test_client(), provider=provider, settings=settings
    )
    engine.dispose()


def changed(settings: SignIn, **changes: Any) -> SignIn:
    """Other settings."""
    return replace(settings, **changes)
