"""The composition root: reads the settings, builds the collaborators, knows the real classes; for the command only."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import Blueprint, Flask
from sqlalchemy import Engine as Database
from sqlalchemy.engine import make_url

from plugin import case_pages, checking, computing, language, mail_tenants, panel
from plugin import checklist as checklists
from plugin.annotation import Annotation
from plugin.attempts import Attempts
from plugin.casework import Casework
from plugin.desk import Desk
from plugin.errors import SettingsError
from plugin.event_search import Events
from plugin.housekeeping import Housekeeping
from plugin.http import Traffic
from plugin.log import MaskingFormatter
from plugin.manifest import manifest
from plugin.model import Case
from plugin.notes.texts import Texts
from plugin.panel.tokens import secret_from
from plugin.ports import MailTenant, TicketSystem, can_look
from plugin.settings import Settings
from plugin.settling import Settling
from plugin.store import marks, migrations
from plugin.store.case_list import CaseList
from plugin.store.cases import CaseStore
from plugin.store.deliveries import DeliveryStore
from plugin.store.engine import open_engine
from plugin.store.events import WorkRows
from plugin.store.forgetting import OldDeliveries, OldWork
from plugin.store.locks import Locks, open_locks
from plugin.store.outbox import Outbox
from plugin.store.sign_ins import SignIns
from plugin.traffic import LimitedTraffic
from plugin.watching import Watch
from plugin.workflow import Workflow
from webhooks import receiver, ticket_systems
from webhooks.ticket_systems import installable, installer

if TYPE_CHECKING:
    from plugin.engine import Engine
    from plugin.upkeep import Upkeep

__all__ = ["Parts", "create_app", "create_worker_app", "installable", "installer", "now", "set_up_logging"]


def now() -> datetime:
    """The one clock of the real program."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Parts:
    """Everything that web and worker are made of; each part is made when first asked for."""

    settings: Settings
    clock: Callable[[], datetime] = now
    is_worker: bool = False  # its requests to other systems are limited, over all workers
    is_counted: bool = False  # what it counts is added to what other processes of this machine count
    parent: "Parts | None" = None  # of the process that this one's was forked from: what is only read, theirs is ours

    @cached_property
    def sources(self) -> dict[str, TicketSystem]:
        """The configured ticket systems by name."""
        return {
            name: ticket_systems.connect(name, chosen, self.traffic) for name, chosen in self.settings.sources.items()
        }

    @cached_property
    def traffic(self) -> Traffic:
        """What goes on around every request to another system."""
        if not self.is_worker:
            return Traffic(self.watch.requested)
        systems = {**self.settings.sources, **self.settings.mail_tenants}
        # One of an unknown kind has no such setting; that it is unknown is said where it is connected.
        at_once = {name: int(chosen.get("calls_at_once", 1)) for name, chosen in systems.items()}
        return LimitedTraffic(self.locks, at_once, self.watch.requested)

    @cached_property
    def watch(self) -> Watch:
        """What operators watch."""
        process = "worker" if self.is_worker else "web"
        return Watch(self.settings, self.clock, process, is_shared=self.is_counted)

    @cached_property
    def tenants(self) -> dict[str, MailTenant]:
        """The configured mail tenants by name."""
        return {
            name: mail_tenants.connect(name, chosen, self.clock, self.traffic)
            for name, chosen in self.settings.mail_tenants.items()
        }

    @cached_property
    def tenant(self) -> MailTenant:
        """The mail tenant: the only one, or all as one."""
        return mail_tenants.joined(self.tenants, self.settings.mail_tenants)

    @cached_property
    def _cases(self) -> Database:
        return open_engine(self.settings.cases_url)

    @cached_property
    def _deliveries(self) -> Database:
        return open_engine(self.settings.deliveries_url)

    @cached_property
    def checklist(self) -> checklists.Checklist:
        """What agents go through."""
        if self.parent is not None:
            return self.parent.checklist
        return checklists.load(self.settings.checklist_file or checklists.default_path())

    @cached_property
    def casework(self) -> Casework:
        """Cases and their checklist."""
        return Casework(
            store=CaseStore(self._cases),
            checklist=self.checklist,
            can_look=partial(can_look, self.tenant),
            procedure=self.settings.procedure,
            clock=self.clock,
        )

    @cached_property
    def deliveries(self) -> DeliveryStore:
        """What was accepted."""
        return DeliveryStore(self._deliveries)

    @cached_property
    def texts(self) -> Texts:
        """What people read."""
        if self.parent is not None:
            return self.parent.texts
        return Texts(overrides=self.settings.templates, links=self.settings.links, zone=self.settings.zone)

    @cached_property
    def workflow(self) -> Workflow:
        """The procedure."""
        annotation = Annotation(
            casework=self.casework, sources=self.sources, texts=self.texts, panel_address=self.panel_address
        )
        return Workflow(
            casework=self.casework,
            sources=self.sources,
            tenant=self.tenant,
            annotation=annotation,
            domains=self.settings.domains,
        )

    @cached_property
    def settling(self) -> Settling:
        """What tells the events that need no work."""
        return Settling(
            sources=self.sources, domains=self.settings.domains, scan_every=self.settings.procedure.scan_every
        )

    @cached_property
    def outbox(self) -> Outbox:
        """The tasks and what became of them."""
        return Outbox(self._cases)

    @cached_property
    def events(self) -> Events:
        """What operators are shown of events and have tried again."""
        return Events(
            deliveries=self.deliveries,
            cases=CaseStore(self._cases),
            outbox=self.outbox,
            rows=WorkRows(self._cases),
            sources=tuple(self.settings.sources),
            clock=self.clock,
        )

    @cached_property
    def case_list(self) -> CaseList:
        """The desk's list of cases."""
        return CaseList(self._cases, self.settings.sources)

    @cached_property
    def sign_ins(self) -> SignIns:
        """The sign-ins to the desk's pages that are over."""
        return SignIns(self._cases)

    @cached_property
    def locks(self) -> Locks:
        """What makes one worker the only one to do a thing."""
        return open_locks(self.settings.engine_url)

    @cached_property
    def attempts(self) -> Attempts:
        """What runs the workflow's tasks."""
        return Attempts(
            tasks=self.workflow.tasks(),
            outbox=self.outbox,
            locks=self.locks,
            procedure=self.settings.procedure,
            clock=self.clock,
            give_up=self.workflow.give_up,
            # A statement waits for SQLite's file at most; for a server, which may be far away, all would wait in turn.
            turn=computing.turn if self._cases.dialect.name == "sqlite" else nullcontext,
        )

    @cached_property
    def housekeeping(self) -> Housekeeping:
        """What forgets what is over."""
        return Housekeeping(
            deliveries=OldDeliveries(self._deliveries),
            work=OldWork(self._cases),
            relayed=lambda: int(self.casework.store.mark(marks.RELAYED) or 0),
            retention=self.settings.retention,
            clock=self.clock,
            stopping=self.attempts.stopping,
        )

    @cached_property
    def upkeep(self) -> "Upkeep":
        """What looks after the engine's rows and ours."""
        from plugin.upkeep import Upkeep

        house = self.housekeeping
        return Upkeep(outbox=self.outbox, locks=self.locks, clock=self.clock, tidy=house.tidy, pause=house.pause)

    def engine(self) -> "Engine":
        """The durable engine over it; imported here because the web process does without it."""
        from plugin.engine import Engine

        return Engine(
            url=self.settings.engine_url,
            attempts=self.attempts,
            locks=self.locks,
            upkeep=self.upkeep,
            store=self.casework.store,
            deliveries=self.deliveries,
            sources=self.sources,
            procedure=self.settings.procedure,
            clock=self.clock,
            leaves_alone=self.settling.leaves_alone,
        )

    def panel_address(self, case: Case) -> str:
        """Where a note's link leads; empty where it has none."""
        if self.sources[case.source].abilities.panel:
            return ""  # the panel stands beside the note; without the ticket's launch token a link opens nothing
        if self.settings.sign_in is not None:
            return f"{self.settings.public_url}/cases/{quote(case.id)}"
        return f"{self.settings.public_url}/panel/{quote(case.source)}/{quote(case.ticket, safe='')}"

    def check(self) -> None:
        """Make everything that wrong settings, a broken checklist or template would break; `SettingsError` says so."""
        _ = (self.sources, self.tenant, self.casework, self.texts)

    def checks(self, path: Path) -> Iterator[checking.Section]:
        """What the set-up needs, by part; `path` is the settings file."""
        yield "m365-unblock", checking.ours(path, self.settings, self.watch.pings(), self.watch.presence)
        for name, source in self.sources.items():
            yield f"{name}: {_kind('ticket_systems', self.settings.sources[name])}", source.check()
        for name, tenant in self.tenants.items():
            yield f"{name}: {_kind('mail_tenants', self.settings.mail_tenants[name])}", tenant.check()
        if self.settings.sign_in is not None:
            yield "sign-in to the desk's pages", case_pages.check(self.settings.sign_in, self.clock)


def make_folders(settings: Settings) -> None:
    """Make the folders of databases in SQLite files, for our own user only."""
    for url in (settings.deliveries_url, settings.cases_url, settings.engine_url):
        place = make_url(url)
        if place.get_backend_name() == "sqlite" and place.database:
            _make_folder(Path(place.database).parent)


def is_newest(settings: Settings) -> bool:
    """Whether `migrate` would change nothing; `StorageError` where a database cannot be read."""
    return all(migrations.is_newest(database, url) for database, url in _migrated(settings))


def migrate(settings: Settings) -> None:
    """Bring our databases to the newest form, in folders that are made where they are not there."""
    make_folders(settings)
    for database, url in _migrated(settings):
        migrations.upgrade(database, url)


def _migrated(settings: Settings) -> tuple[tuple[str, str], ...]:
    return ("deliveries", settings.deliveries_url), ("cases", settings.cases_url)


def _kind(kinds: str, chosen: Mapping[str, Any]) -> str:
    return next(str(entry["name"]) for entry in manifest()[kinds] if entry["id"] == chosen["system"])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(f"[store]: cannot make the folder {folder}: {error.strerror}") from error


def create_app(parts: Parts) -> Flask:
    """The web process: receiver, panel, and what operators ask."""
    app = Flask("plugin", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 2 * 1024 * 1024
    # A sender that follows a redirect loses what it had to tell, so a wrong address is 404 and never 308.
    app.url_map.merge_slashes = False
    language.set_up(app)
    settings = parts.settings
    told = parts.watch.counts.delivered
    desk = Desk(casework=parts.casework, tenant=parts.tenant, texts=parts.texts, domains=settings.domains)
    app.register_blueprint(receiver.blueprint(parts.sources, parts.deliveries, parts.clock, told))
    app.register_blueprint(
        panel.blueprint(
            desk=desk,
            sources=parts.sources,
            origins={name: chosen.get("panel_origins", []) for name, chosen in settings.sources.items()},
            secret=_panel_secret(settings),
            links=settings.links,
            zone=settings.zone,
            clock=parts.clock,
        )
    )
    app.register_blueprint(_case_pages(parts, desk))
    app.register_blueprint(parts.watch.pages())
    return app


def _case_pages(parts: Parts, desk: Desk) -> Blueprint:
    settings = parts.settings
    if settings.sign_in is None:
        return case_pages.closed(links=settings.links, zone=settings.zone, clock=parts.clock)
    return case_pages.blueprint(
        sign_in=settings.sign_in,
        desk=desk,
        store=parts.casework.store,
        cases=parts.case_list,
        sign_ins=parts.sign_ins,
        sources=parts.sources,
        panel_secret=_panel_secret(settings),
        public_url=settings.public_url,
        links=settings.links,
        zone=settings.zone,
        clock=parts.clock,
    )


def _panel_secret(settings: Settings) -> bytes:
    chosen = settings.panel_secret
    return chosen.encode() if chosen else secret_from(settings.sources, settings.mail_tenants)


def create_worker_app(parts: Parts) -> Flask:
    """What operators ask a worker on a machine of its own."""
    app = Flask("plugin", static_folder=None)
    app.register_blueprint(parts.watch.pages(lambda: parts.attempts.worker))
    return app


def set_up_logging() -> None:
    """One line an event on standard error, for whatever collects it."""
    handler = logging.StreamHandler()
    handler.setFormatter(MaskingFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for noisy in ("dbos", "alembic", "msal", "werkzeug"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
