"""A ticket with a blocked account, the real desk over a real database, and agents who open its panel."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from plugin import checklist as checklists
from plugin import language, launch_token, panel
from plugin.casework import Casework
from plugin.checklist import Item, Kind
from plugin.desk import Desk
from plugin.errors import NotFound, Unreachable
from plugin.model import (
    AccountCheck,
    AccountStatus,
    Agent,
    Asking,
    BlockedAddress,
    Case,
    CaseState,
    Cause,
    Launch,
    Looked,
    Sending,
    SignIn,
    SignInState,
    UnblockAnswer,
    Verdict,
)
from plugin.naming import case_id_of
from plugin.notes.texts import Texts
from plugin.ports import Abilities, MailTenant, Opening, TicketSystem, can_look
from plugin.settings import Procedure
from plugin.store import schema
from plugin.store.cases import CaseStore
from plugin.store.engine import open_engine

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
LAUNCH_SECRET = "a made-up launch secret of the desk"
PANEL_SECRET = b"a made-up panel secret, 32 bytes long"
LINKS = {
    "distribution_lists": "https://help.example.edu/lists",
    "mass_email": "https://help.example.edu/mass-email",
    "sign_in_tool": "https://netid.example.edu/tool",
    "security_team": "mailto:security@example.edu",
    "office365_team": "https://help.example.edu/o365",
    "microsoft_support": "https://admin.example.edu/support",
}


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **parts: float) -> None:
        self.now += timedelta(**parts)


def a_status(clock: Clock, netid: str = "bbadger", **changes: Any) -> AccountStatus:
    """An account with two listed addresses."""
    blocked = tuple(
        BlockedAddress(
            address=address,
            reason="OutboundSpamLast24Hours=312;OutboundMailLast24Hours=340;OutboundSpamPercent=917",
            cause=Cause.SPAM,
            blocked_at=NOW - timedelta(hours=3),
        )
        for address in (f"{netid}@example.edu", "bucky.badger@example.edu")
    )
    plain = AccountStatus(
        tenant="campus",
        netid=netid,
        display_name="Bucky Badger",
        primary_address="bucky.badger@example.edu",
        addresses=(f"{netid}@example.edu", "bucky.badger@example.edu"),
        sending=Sending.BLOCKED,
        blocked=blocked,
        sign_in=SignInState(state=SignIn.ENABLED),
        checked_at=clock(),
    )
    return replace(plain, **changes)


@dataclass
class Tenant(MailTenant):
    """A mail tenant that says what the test put there."""

    clock: Clock
    accounts: dict[str, AccountStatus] = field(default_factory=dict)
    is_down: bool = False
    finds: dict[AccountCheck, tuple[Verdict, str, *tuple[str, ...]]] | None = (
        None  # what looking finds; None where it cannot look
    )
    look_takes: float = 0  # seconds
    looked_since: list[datetime | None] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "campus"

    def status(self, account: str) -> AccountStatus:
        if self.is_down:
            raise Unreachable("campus", "reading the account", "could not connect")
        if account not in self.accounts:
            raise NotFound("campus", "reading the account", "answered 404", status=404)
        return replace(self.accounts[account], checked_at=self.clock())

    def unblock(
        self, status: AccountStatus, blocked: BlockedAddress, *, agent: Agent, ticket: str, key: str
    ) -> UnblockAnswer:
        raise AssertionError("the panel itself never asks Microsoft")

    def can_look(self, status: AccountStatus) -> bool:
        return self.finds is not None

    def look(self, status: AccountStatus, checks: Sequence[AccountCheck], since: datetime | None) -> Iterator[Looked]:
        for check in checks:
            self.looked_since.append(since)
            self.clock.pass_time(seconds=self.look_takes)
            verdict, finding, *items = (self.finds or {}).get(check, (Verdict.VERIFIED, "All well."))
            yield Looked(check=check, verdict=verdict, finding=finding, items=tuple(items), looked_at=self.clock())


class System(TicketSystem):
    """A ticket system, as far as the panel talks to one."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def abilities(self) -> Abilities:
        return Abilities(notes_by_key=True, one_note_per_key=False, tags=True, fields=True, panel=True, scan=True)

    def open_panel(self, token: str, ticket: str, now: datetime) -> Launch:
        return launch_token.verify(
            token, source=self._name, ticket=ticket, secrets=[LAUNCH_SECRET], public_keys=[], now=now
        )


class PostingSystem(System):
    """One that opens its frames by a form."""

    opening = Opening(script=b"// ours", scripts_of_the_system=("https://desk.example.edu/theirs.js",))


@dataclass
class Panel:
    """An agent's open panel."""

    client: FlaskClient
    source: str
    ticket: str
    token: str = ""

    def path(self, *parts: str) -> str:
        return "/".join(["/panel", self.source, self.ticket, *parts])

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def look(self) -> TestResponse:
        return self._renewed(self.client.get(self.path("view"), headers=self.bearer))

    def press(self, *parts: str, **form: str) -> TestResponse:
        return self._renewed(self.client.post(self.path(*parts), data=form, headers=self.bearer))

    def act(self, case: Case, *parts: str, **form: str) -> TestResponse:
        return self.press("cases", case.id, *parts, **form)

    def _renewed(self, response: TestResponse) -> TestResponse:
        self.token = response.headers.get("X-Panel-Token", self.token)
        return response


@dataclass
class Office:
    """Everything around the panel."""

    clock: Clock
    tenant: Tenant
    work: Casework
    desk: Desk
    client: FlaskClient
    launches: int = 0

    def launch(self, role: str = "agent", ticket: str = "4711", source: str = "rt", **claims: Any) -> str:
        """A launch token, as the ticket system makes it."""
        self.launches += 1
        issued = self.clock().timestamp()
        plain = {
            "iss": source,
            "aud": "m365-unblock/panel",
            "sub": "ada",
            "email": "ada@example.edu",
            "name": "Ada Lovelace",
            "ticket": ticket,
            "role": role,
            "iat": issued,
            "exp": issued + 120,
            "jti": f"launch-{self.launches}",
        }
        return jwt.encode(plain | claims, LAUNCH_SECRET, "HS256")

    def exchange(self, token: str, ticket: str = "4711", source: str = "rt") -> TestResponse:
        return self.client.post(f"/panel/{source}/{ticket}/session", json={"token": token})

    def open(self, role: str = "agent", ticket: str = "4711", **claims: Any) -> Panel:
        """An agent's panel on a ticket."""
        answer = self.exchange(self.launch(role, ticket, **claims), ticket)
        assert answer.status_code == 200, answer.text
        return Panel(self.client, "rt", ticket, answer.json["token"])

    def case(
        self,
        state: CaseState = CaseState.CHECKLIST_OPEN,
        *,
        ticket: str = "4711",
        status: AccountStatus | None = None,
        **changes: Any,
    ) -> Case:
        """A case on a ticket, of an account that the tenant knows."""
        status = status or a_status(self.clock)
        self.tenant.accounts[status.netid] = status
        case = Case(
            id=case_id_of("rt", ticket, status.netid),
            source="rt",
            ticket=ticket,
            account=status.netid,
            state=state,
            round=1,
            opened_by="triage",
            created_at=self.clock(),
            updated_at=self.clock(),
            version=1,
            status=status,
        )
        case = replace(case, **changes)
        with self.work.store.change() as change:
            assert change.add_case(case)
        return case

    def now_of(self, case: Case) -> Case:
        """The case as it is stored now."""
        found = self.work.store.case(case.id)
        assert found is not None
        return found

    def asking(self, case: Case, address: str, **changes: Any) -> Asking:
        """An address asked about on a case."""
        plain = Asking(
            account="bbadger",
            tenant="campus",
            address=address,
            block=(NOW - timedelta(hours=3)).isoformat(),
            case=case.id,
            round=case.round,
            agent="Ada Lovelace (ada)",
            press="press",
            asked_at=self.clock(),
        )
        asking = replace(plain, **changes)
        with self.work.store.change() as change:
            assert change.ask(asking)
            if asking.released_at:
                change.record_release(asking, asking.released_at)
        return asking

    def items(self) -> Iterator[tuple[Item, Mapping[str, str]]]:
        """Each item asked of an account that may sign in, with the good answer to it."""
        sign_in = SignInState(state=SignIn.ENABLED)
        for item in checklists.asked(self.work.checklist, sign_in=sign_in):
            if item.kind is Kind.DONE:
                yield item, {"done": "yes"}
            elif item.kind is Kind.YES_NO:
                yield item, {"yes": next(said for said in ("yes", "no") if said not in item.leads_to)}
            else:
                yield item, {line.id: f"{line.label}: seen" for line in item.fields}

    def complete(self, panel: Panel, case: Case) -> None:
        """Answer every item, a minute after the last thing that happened."""
        self.clock.pass_time(minutes=1)
        for item, form in self.items():
            answer = panel.act(case, "answers", item.id, **form)
            assert answer.status_code == 200, answer.text

    def text_of(self, html: str) -> str:
        """A piece of a page as it is read on the screen, in one line."""
        return re.sub(r" ([,.:;])", r"\1", " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split()))

    def said(self, html: str, place: str) -> str:
        """What is told at a place of the page, in answer to what was done there."""
        found = re.search(rf'id="said-{re.escape(place)}"[^>]*>(.*?)</div>', html, re.DOTALL)
        assert found is not None
        return self.text_of(found[1])


@pytest.fixture(scope="session")
def texts() -> Texts:
    """Made once: it tries every template."""
    return Texts(overrides=None, links=LINKS, zone=UTC)


@pytest.fixture
def speak() -> Callable[[Flask], None]:
    """What sets the program's language up."""
    return language.set_up


@pytest.fixture
def office(tmp_path: Path, texts: Texts, speak: Callable[[Flask], None]) -> Iterator[Office]:
    """A desk with one mail tenant and two ticket systems, and nothing in it yet."""
    clock = Clock()
    engine = open_engine(f"sqlite:///{tmp_path}/cases.sqlite")
    schema.metadata.create_all(engine)
    tenant = Tenant(clock)
    work = Casework(
        store=CaseStore(engine),
        checklist=checklists.load(checklists.default_path()),
        can_look=partial(can_look, tenant),
        procedure=_procedure(),
        clock=clock,
    )
    desk = Desk(casework=work, tenant=tenant, texts=texts)
    app = Flask("test", static_folder=None)
    speak(app)
    app.register_blueprint(
        panel.blueprint(
            desk=desk,
            sources={"rt": System("rt"), "other": System("other"), "posting": PostingSystem("posting")},
            origins={"rt": ["https://desk.example.edu", "https://rt.example.edu"], "other": []},
            secret=PANEL_SECRET,
            links=LINKS,
            zone=UTC,
            clock=clock,
        )
    )
    yield Office(clock=clock, tenant=tenant, work=work, desk=desk, client=app.test_client())
    engine.dispose()


def _procedure() -> Procedure:
    hour = timedelta(hours=1)
    return Procedure(
        compromise_reasons=("Compromised Account",),
        unblock_while_sign_in_disabled=False,
        rely_on_earlier_for=24 * hour,
        recheck_first_after=hour,
        recheck_pause_at_most=hour,
        recheck_for=hour,
        follow_up_after=24 * hour,
        unreachable_note_after=hour,
        retry_first_after=hour,
        retry_pause_at_most=hour,
        note_settles_within=timedelta(minutes=2),
        scan_every=hour,
        scan_back=hour,
    )
