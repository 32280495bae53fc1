"""The plugin with one source of any kind and the demo tenant, over real HTTP: whole procedures against a stand-in.

What differs from system to system is a `Site`, one in each conftest.py of tests/webhooks/<id>/.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from plugin.app import Parts, create_app, migrate
from plugin.demo import tenant as demo_tenant
from plugin.demo.serving import RunningServer, bind, serve
from plugin.desk import Desk
from plugin.model import Agent, Case, CaseState, Role
from plugin.relay import relay, scan
from plugin.settings import load
from tests.conftest import TOKEN, Clock, form_of

SETTINGS = """
[server]
public_url = "{url}"
[organisation]
domains = ["example.edu"]
[sources.desk]
{source}
[mail_tenants.campus]
system = "account_admin"
url = "{tenant}"
token = "{token}"
"""


class Site(Protocol):
    """A stand-in of a ticket system, with what people do there and what can be seen there."""

    def settings(self) -> Mapping[str, Any]:
        """Of its source."""

    def install(self, config: Path) -> None:
        """What an administrator does once."""

    def file(self, email: str, subject: str, text: str, report: bytes | None) -> str:
        """A customer files a ticket; its id."""

    def reply(self, ticket: str, email: str, text: str) -> None:
        """A customer writes on a ticket."""

    def deliver(self) -> None:
        """Send the events that are due."""

    def internal_notes(self, ticket: str) -> list[str]:
        """Our notes that only agents see."""

    def public_texts(self, ticket: str) -> list[str]:
        """Our texts that went to the requester."""

    def tags(self, ticket: str) -> set[str]:
        """All tags of a ticket."""

    def fields(self, ticket: str) -> Mapping[str, str]:
        """The promised fields that hold something."""

    def close(self) -> None:
        """Answer no more."""


class Office:
    """One site and the plugin, with the actions a story is told in."""

    def __init__(self, folder: Path, make_site: Callable[[Clock], Any]) -> None:
        self.clock = Clock()
        self.site = make_site(self.clock)
        tenant_app = demo_tenant.create_app(TOKEN, clock=self.clock, settle_seconds=90, page_key="page-key")
        self.tenant = tenant_app.extensions["tenant"]
        self._servers: list[RunningServer] = [serve(tenant_app, "127.0.0.1", 0)]
        listening = bind("127.0.0.1")
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.config = folder / "m365-unblock.toml"
        source = "\n".join(f"{name} = {_toml(value)}" for name, value in self.site.settings().items())
        tenant_url = f"http://127.0.0.1:{self._servers[0].port}"
        self.config.write_text(SETTINGS.format(url=self.url, source=source, tenant=tenant_url, token=TOKEN))
        self.parts = Parts(load(self.config, {}), clock=self.clock)
        migrate(self.parts.settings)
        self.store = self.parts.casework.store
        self.source = self.parts.sources["desk"]
        self.alex = Agent(login="alex", name="Alex Agent", email="alex@example.edu", role=Role.AGENT, source="desk")
        self.front = Desk(
            casework=self.parts.casework, tenant=self.parts.tenant, texts=self.parts.texts, domains=("example.edu",)
        )
        self._servers.append(serve(create_app(self.parts), "127.0.0.1", 0, listening=listening))

    def close(self) -> None:
        """Stop everything."""
        for server in self._servers:
            server.close()
        self.site.close()

    def run(self) -> None:
        """Let the site deliver, then do every task that is due by the clock."""
        self.site.deliver()
        self.work_off()

    def work_off(self) -> None:
        """Do every task that is due by the clock."""
        while True:
            while relay(self.parts.deliveries, self.store, self.clock(), self.parts.settling.leaves_alone):
                pass
            tasks = self.store.waiting_tasks(1000)
            due = [task for task in tasks if task.not_before is None or task.not_before <= self.clock()]
            if not due:
                return
            for task in due:
                with self.store.change() as change:
                    change.handed([task], self.clock())
                self.parts.attempts.attempt(task)

    def pass_time(self, **by: float) -> None:
        """Time passes in steps, so that what is due in between happens in between."""
        end = self.clock() + timedelta(**by)
        while self.clock() < end:
            step = max(10.0, (end - self.clock()).total_seconds() / 50)
            self.clock.now = min(end, self.clock() + timedelta(seconds=step))
            self.run()

    def scan(self) -> int:
        """The catch-up scan."""
        found = scan("desk", self.source, self.store, back=timedelta(hours=1), now=self.clock())
        self.work_off()
        return found

    def only_case(self, ticket: str, state: CaseState | None = None) -> Case:
        """The one case of a ticket, in a state."""
        (case,) = self.store.cases_of_ticket("desk", ticket)
        assert state is None or case.state is state, f"{case.state}: {case.reason}"
        return case

    def answer(self, case: Case, count: int | None = None) -> Case:
        """Answer the first so many items of the checklist, or all."""
        view = self.front.view(case, self.alex)
        for item in view.items[:count]:
            case = self.front.answer(case, item.id, form_of(item), self.alex, seen=view.seen.get(item.id, ""))
        self.run()
        return self.only_case(case.ticket)

    def unblock(self, case: Case) -> Case:
        """Press Unblock and let the worker ask."""
        self.front.unblock(case, self.alex)
        self.run()
        return self.only_case(case.ticket)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else repr(value).replace("'", '"')
