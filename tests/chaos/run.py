"""One run from its seed: what happens next is drawn, then faults stop, all becomes quiet, promises are checked."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, event

from tests.chaos import promises
from tests.chaos.agents import Agents
from tests.chaos.people import People
from tests.chaos.processes import Hands
from tests.chaos.simulation import Simulation
from tests.chaos.stage import Stage

QUIET_AFTER = timedelta(days=12)
"""A run that is not quiet by then never will be."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """How a run went."""

    seed: int
    broken: tuple[str, ...]
    story: tuple[str, ...]
    digest: str
    requests: int
    deaths: int
    commits: int
    notes: int
    unblocks: int


def play(seed: int, stage: Stage, folder: Path, hands: Hands | None = None) -> Played:
    """Play a seed."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        sim = Simulation(seed, stage, Path(place), hands)
        with listening(sim):
            Run(sim).play()
        sim.close()
    ledger = sim.ledger
    return Played(
        seed=seed,
        broken=tuple(ledger.broken),
        story=tuple(sim.story),
        digest=sim.digest(),
        requests=ledger.requests,
        deaths=ledger.deaths,
        commits=ledger.commits,
        notes=sum(len(sim.desk.notes(ticket)) for ticket in ledger.filed),
        unblocks=len(sim.tenant.tenant.asked),
    )


class Run:
    """Draws what happens next."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.chance = sim.chance
        self.people = People(sim)
        people, self.agents = self.people, Agents(sim)
        self._meanwhile = {
            self.work: 30,
            sim.relay: 6,
            sim.hand_over: 10,
            people.deliver: 12,
            people.file: 1,
            people.write_again: 3,
            self.agents.act: 16,
            people.microsoft_acts: 2,
            people.security_acts: 1,
            self.restart: 5,
        }
        self._steps = self._meanwhile | {
            people.file: 5,
            lambda: people.deliver(again=True): 2,
            self.live_on: 14,
            self.nothing_happens: 4,
            self.kill: 2,
            self.outage: 2,
            sim.scan: 1,
        }

    def play(self) -> None:
        """From the first ticket to the last promise."""
        sim = self.sim
        sim.goes_on = self.meanwhile
        self.people.file()
        for _ in range(self.chance.randint(50, 200)):
            sim.clock.forward(seconds=self.chance.randint(0, 3000) / 1000)
            sim.wire.do_late()
            self._draw(self._steps)
        self.become_quiet()
        promises.check(sim)

    def _draw(self, doings: dict[Callable[[], object], int]) -> None:
        (doing,) = self.chance.choices(list(doings), weights=list(doings.values()))
        doing()

    def meanwhile(self) -> None:
        """What others do while somebody waits for an answer."""
        self._draw(self._meanwhile)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def work(self) -> bool:
        """Some worker runs one task that it may take."""
        living = [self.sim.living[name] for name in self.sim.workers if not self.sim.living[name].is_dead]
        rows = self.sim.runnable()
        if not living or not rows:
            return False
        self.sim.work(self.chance.choice(rows), self.chance.choice(living))
        return True

    def live_on(self) -> None:
        """Time passes and the plugin does what is due."""
        spans = [(20, 50), (300, 30), (4000, 15), (90_000, 6)]
        (most,) = self.chance.choices([span for span, _ in spans], weights=[weight for _, weight in spans])
        self.live_until(self.sim.clock() + timedelta(seconds=self.chance.randint(1, most)))

    def live_until(self, end: datetime, most: int = 400) -> bool:
        """Everything that is due until a moment is done; whether it came to that."""
        sim = self.sim
        for _ in range(most):
            if sim.relay() + sim.hand_over() or self.work():
                continue
            if sim.clock() >= end:
                return True
            moments = [sim.rows.next_due(sim.clock()), *(when for when, _, _ in sim.wire.late), end]
            sim.clock.now = max(sim.clock(), min(moment for moment in moments if moment is not None))
            sim.wire.do_late()
        return False

    def nothing_happens(self) -> None:
        """Time passes and nobody works."""
        self.sim.clock.forward(seconds=self.chance.choice([10, 130, 3700, 30_000]))
        self.sim.tell("(nobody has worked for a while)")

    def outage(self) -> None:
        """Another system is down for a while."""
        system = self.chance.choice(["desk", "campus"])
        self.sim.wire.down[system] = self.sim.clock() + timedelta(seconds=self.chance.choice([20, 300, 3600]))
        self.sim.tell(f"{system} is down until {self.sim.wire.down[system]:%d %H:%M:%S}")

    def kill(self) -> None:
        """A process ends between two things."""
        process = self.sim.living[self.chance.choice(["web", *self.sim.workers])]
        if self.sim.deaths_left > 0 and not process.is_dead:
            self.sim.kill(process)

    def restart(self) -> None:
        """A worker that has ended is started again, or another one takes over from it."""
        sim = self.sim
        for name in sim.workers:
            if sim.living[name].is_dead:
                others = [sim.living[other] for other in sim.workers if not sim.living[other].is_dead]
                if others and self.chance.random() < 0.5:
                    sim.recover(others[0])
                else:
                    sim.start(name)

    def become_quiet(self) -> None:
        """Faults stop, everybody is up, every event is delivered, and time passes until nothing is left to do."""
        sim = self.sim
        sim.noisy, sim.nesting, sim.points_to_live = False, 0.0, 0
        sim.wire.coming = {system: [] for system in sim.wire.coming}
        sim.tell("── faults stop ──")
        for account in sim.tenant.tenant.accounts():
            account.stated = None
        self.restart()
        if not self._quieten():
            return
        for _ in range(3 if self.chance.random() < 0.5 else 0):
            sim.tell("── an agent does what is left to do ──")
            is_pressed = self.agents.finish()
            if not self._quieten() or not is_pressed:
                break

    def deliver_all(self) -> None:
        """Until every event is acknowledged."""
        while any(not delivery.acknowledged for delivery in self.sim.desk.deliveries):
            self.people.deliver()

    def _quieten(self) -> bool:
        """Whether it became quiet."""
        sim = self.sim
        end = sim.clock() + QUIET_AFTER
        while sim.clock() < end:
            self.deliver_all()
            if not self.live_until(sim.clock(), most=3000):
                sim.broken("it never becomes quiet: there is always something to do at once")
                return False
            moments = [sim.rows.next_due(sim.clock()), *(when for when, _, _ in sim.wire.late)]
            due = [moment for moment in moments if moment is not None]
            if not due and all(delivery.acknowledged for delivery in sim.desk.deliveries):
                return True
            if due:
                sim.clock.now = max(sim.clock(), min(due))
                sim.wire.do_late()
        sim.broken("it never becomes quiet")
        return False


class _Log(logging.Handler):
    """What the plugin logs that must not be."""

    def __init__(self, sim: Simulation) -> None:
        super().__init__()
        self._sim = sim

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith(("task.bug", "task.dead_untold")):
            cause = record.exc_info[1] if record.exc_info else ""
            self._sim.broken(f"{text}: {type(cause).__name__}: {cause}")
        elif text.startswith("task.dead"):
            self._sim.ledger.dead_tasks.append(text)
            self._sim.tell(text)


@contextmanager
def listening(sim: Simulation) -> Iterator[None]:
    """Hear of every transaction and of what is logged."""
    logger, handler = logging.getLogger("m365-unblock"), _Log(sim)
    passes_on, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    event.listen(Engine, "begin", sim.on_begin)
    event.listen(Engine, "commit", sim.on_commit)
    try:
        yield
    finally:
        event.remove(Engine, "begin", sim.on_begin)
        event.remove(Engine, "commit", sim.on_commit)
        logger.removeHandler(handler)
        logger.propagate = passes_on
