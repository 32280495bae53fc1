"""The plugin's processes: real parts over the run's files, which may end at any request and at any commit.

Everything happens in one thread. Where a process waits for another system, others go on: nested, as deep as told. A
process that has ended does nothing more: its next request, its next transaction is where it notices.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy import Engine as Database
from sqlalchemy.exc import OperationalError

from plugin.app import Parts, create_app
from plugin.attempts import Attempts
from plugin.desk import Desk
from plugin.http import Traffic
from plugin.model import Call
from plugin.notes.texts import Texts
from plugin.ports import MailTenant, TicketSystem
from plugin.store.locks import Locks
from plugin.store.outbox import Outbox
from webhooks.generic import adapter
from webhooks.ticket_systems import declared

if TYPE_CHECKING:
    from tests.chaos.simulation import Simulation


class Killed(BaseException):
    """A process has ended, here and now."""


class Ended(threading.Event):
    """Whether a worker is to stop; waiting for it moves the clock."""

    def __init__(self, sim: "Simulation") -> None:
        super().__init__()
        self._sim = sim

    def wait(self, timeout: float | None = None) -> bool:
        """Time passes."""
        self._sim.clock.forward(seconds=timeout or 0.0)
        return self.is_set()


class SharedLocks:
    """What several workers lock, and lose when they end."""

    def __init__(self, holders: dict[str, "Process"], process: "Process") -> None:
        self._holders, self._process = holders, process

    def take(self, name: str) -> bool:
        """See `plugin.store.locks.Locks`, as for every method here."""
        if name in self._holders:
            return False
        self._holders[name] = self._process
        return True

    def free(self, name: str) -> None:
        self._holders.pop(name, None)

    def are_held(self) -> bool:
        return not self._process.is_dead

    def close(self) -> None:
        for name in [name for name, holder in self._holders.items() if holder is self._process]:
            del self._holders[name]


class Watched(Traffic):
    """Requests that go through the simulation's hands."""

    def __init__(self, process: "Process", within: Traffic) -> None:
        self._process, self._within = process, within

    @contextmanager
    def slot(self, system: str) -> Iterator[None]:
        """Before and after a request much may happen."""
        sim = self._process.sim
        sim.wire.before(self._process, system)
        try:
            with self._within.slot(system):
                yield
        finally:
            sim.wire.after(self._process, system)

    def done(self, call: Call) -> None:
        self._within.done(call)


@dataclass(frozen=True, kw_only=True)
class Hands:
    """What is put around some collaborators: nothing, or what breaks them to show that it is noticed."""

    source: Callable[[TicketSystem], TicketSystem] = lambda source: source
    tenant: Callable[[MailTenant], MailTenant] = lambda tenant: tenant
    outbox: Callable[[Outbox], Outbox] = lambda outbox: outbox


@dataclass(frozen=True)
class LifeParts(Parts):
    """The plugin's parts, with what a simulation hands in."""

    process: Any = None

    @cached_property
    def traffic(self) -> Traffic:
        return Watched(self.process, Parts.traffic.func(self))

    @cached_property
    def locks(self) -> Locks:
        return SharedLocks(self.process.sim.holders, self.process)

    @cached_property
    def texts(self) -> Texts:
        return self.process.sim.texts

    @cached_property
    def sources(self) -> dict[str, TicketSystem]:
        abilities = replace(declared()["generic"], one_note_per_key=not self.process.sim.is_forgetful)
        return {
            name: self.hands.source(adapter.connect(name, chosen, abilities, self.traffic))
            for name, chosen in self.settings.sources.items()
        }

    @cached_property
    def tenant(self) -> MailTenant:
        return self.hands.tenant(Parts.tenant.func(self))

    @cached_property
    def outbox(self) -> Outbox:
        return self.hands.outbox(Parts.outbox.func(self))

    @cached_property
    def attempts(self) -> Attempts:
        return Attempts(
            tasks=self.workflow.tasks(),
            outbox=self.outbox,
            locks=self.locks,
            procedure=self.settings.procedure,
            clock=self.clock,
            give_up=self.workflow.give_up,
            events_at_once=1,  # in the order that the run draws
        )

    @property
    def hands(self) -> Hands:
        return self.process.sim.hands


@dataclass(frozen=True)
class Frame:
    """Something that a process is at."""

    process: "Process"
    what: str
    args: Mapping[str, Any]
    number: int


class Process:
    """One life of the web process or of a worker."""

    def __init__(self, sim: "Simulation", name: str) -> None:
        self.sim, self.name = sim, name
        self.is_worker = name != "web"
        self.is_dead = False
        self._databases: set[Database] = set()
        self.parts = LifeParts(sim.settings, clock=sim.clock, is_worker=self.is_worker, process=self)
        if self.is_worker:
            self.parts.attempts.worker = name
            self.parts.attempts.stopping = Ended(sim)
        else:
            self.app = create_app(self.parts)
            self.app.testing = True
            self.front = Desk(
                casework=self.parts.casework, tenant=self.parts.tenant, texts=sim.texts, domains=("example.edu",)
            )

    def run(self, what: str, work: Callable[[], Any], args: Mapping[str, Any] | None = None) -> bool:
        """Do something in this process; whether it lived to see the end of it."""
        frames = self.sim.frames
        frames.append(Frame(self, what, args or {}, self.sim.next_number()))
        depth = len(frames)
        try:
            work()
        except Killed:
            assert self.is_dead
        finally:
            del frames[depth - 1 :]
        if self.is_dead:
            self.sim.buried(self)
        return not self.is_dead

    def die(self) -> None:
        """From now on it does nothing more."""
        self.is_dead = True
        self.parts.locks.close()
        self.sim.tell(f"{self.name} ends")

    def is_ended_here(self) -> None:
        """Where a process that has ended notices."""
        if self.is_dead:
            raise Killed

    def close(self) -> None:
        """Give back what it holds."""
        for database in self._databases:
            database.dispose()

    # ── its databases ────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, connection: Connection) -> None:
        """A transaction begins."""
        self._databases.add(connection.engine)
        self.is_ended_here()

    def commit(self, connection: Connection) -> None:
        """A transaction is about to be committed."""
        self.is_ended_here()
        if self.sim.may_die(self):
            self.sim.tell("(before a commit)")
            raise Killed
        if self.sim.draws_storage_fault():
            self.sim.tell("the database is full: nothing is committed")
            raise OperationalError("COMMIT", None, sqlite3.OperationalError("database or disk is full"))
        if self.sim.may_die(self):
            self.sim.tell("(after a commit)")  # noticed at whatever it does next
