"""A run: other systems, processes, clock and chance, all of it drawn from one seed, and the story of what happened."""

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from plugin.demo.tenant.world import default_accounts
from plugin.errors import RemoteError, StorageError
from plugin.relay import relay, scan
from tests.chaos.ledger import Ledger
from tests.chaos.processes import Frame, Hands, Process
from tests.chaos.rows import Row, Rows
from tests.chaos.stage import Clock, Stage
from tests.chaos.stand_ins import DeskStandIn, TenantStandIn
from tests.chaos.wire import Wire


class Simulation:
    """One run's world. `noisy` is whether anything fails."""

    def __init__(self, seed: int, stage: Stage, folder: Path, hands: Hands | None = None) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.hands = hands or Hands()
        self.stage = stage
        self.clock = Clock()
        self.ledger = Ledger()
        self.story: list[str] = []
        self.frames: list[Frame] = []
        self.holders: dict[str, Process] = {}
        self.rows = Rows()
        self.noisy = True
        self.points_to_live = 0  # at which point from now on, where it could, a worker ends; 0: by chance only
        self.goes_on: Callable[[], None] = lambda: None  # what others do while somebody waits
        self.texts = stage.texts
        self.wire = Wire(self, stage.doors)
        self._number = 0
        self._buried: list[Process] = []
        self._draw_character()
        url = stage.url_of("desk")
        self.desk = DeskStandIn(random.Random(seed), self.clock, url, forgetful=self.is_forgetful)
        self.tenant = TenantStandIn(default_accounts(), self.clock, settle_seconds=self.settle_seconds)
        stage.doors["desk"].app, stage.doors["campus"].app = self.desk.app, self.tenant.app
        for name in ("cases", "deliveries"):
            shutil.copy(stage.template / f"{name}.sqlite", folder / f"{name}.sqlite")
        self.settings = stage.settings(folder, self.extra_settings)
        self.living = {name: Process(self, name) for name in ["web", *self.workers]}

    def _draw_character(self) -> None:
        """What kind of run it is."""
        draw = self.chance
        self.is_forgetful = draw.random() < 0.5
        self.workers = ["worker-1", "worker-2"] if draw.random() < 0.35 else ["worker-1"]
        self.fault_rate = draw.choice([0.0, 0.05, 0.15, 0.3, 0.5])
        self.death_rate = draw.choice([0.0, 0.01, 0.03, 0.1])
        self.deaths_left = draw.choice([0, 1, 3, 10])
        self.storage_rate = draw.choice([0.0, 0.0, 0.01, 0.05])
        self.nesting = draw.choice([0.0, 0.1, 0.3])
        self.settle_seconds = draw.choice([5.0, 90.0, 600.0, 5000.0])
        self.is_impatient = draw.random() < 0.1  # tasks are given up after minutes
        self.extra_settings = 'retry_pause_at_most = "24h"\n' if self.is_impatient else ""

    # ── the story ────────────────────────────────────────────────────────────────────────────────────────────────

    def tell(self, what: str) -> None:
        """Add a line to the story, with nothing in it that is not the seed's doing."""
        for name, door in self.stage.doors.items():
            what = what.replace(f"127.0.0.1:{door.port}", name)
        self.story.append(f"{self.clock.now:%d %H:%M:%S.%f}"[:-3] + "  " + "    " * len(self.frames) + what)

    def digest(self) -> str:
        """A fingerprint of the whole story."""
        return hashlib.sha256("\n".join(self.story).encode()).hexdigest()[:16]

    def next_number(self) -> int:
        """Orders what happens."""
        self._number += 1
        return self._number

    def some_ticket(self) -> str | None:
        """One of the tickets that there are."""
        return self.chance.choice(list(self.ledger.filed)) if self.ledger.filed else None

    def broken(self, promise: str) -> None:
        """A promise was broken just now."""
        self.tell(f"BROKEN: {promise}")
        self.ledger.broken.append(promise)

    # ── processes ────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def web(self) -> Process:
        """The web process, started anew where it has ended."""
        if self.living["web"].is_dead:
            self.start("web")
        return self.living["web"]

    def start(self, name: str) -> None:
        """A process is started in the place of one that has ended; a worker recovers what that one left."""
        self.tell(f"{name} starts")
        self.living[name] = Process(self, name)
        if name != "web":
            self.recover(self.living[name])

    def recover(self, worker: Process) -> None:
        """What dead workers left is queued anew."""
        for row in self.rows.recover():
            self.tell(f"{worker.name} takes over {row.said['id']}")

    def buried(self, process: Process) -> None:
        """It has ended; what it held is given back later, some of it may still be in use further up."""
        self._buried.append(process)

    def close(self) -> None:
        """End of the run."""
        for process in [*self._buried, *self.living.values()]:
            process.close()

    def may_die(self, process: Process) -> bool:
        """Whether a process ends here."""
        if self.points_to_live and process.is_worker:
            self.points_to_live -= 1
            if not self.points_to_live:
                self.kill(process)
                return True
        if not self.noisy or self.deaths_left < 1 or self.chance.random() >= self.death_rate:
            return False
        self.kill(process)
        return True

    def kill(self, process: Process) -> None:
        """SIGKILL."""
        self.deaths_left -= 1
        self.ledger.deaths += 1
        process.die()

    def draws_storage_fault(self) -> bool:
        """Whether a commit fails."""
        return self.noisy and self.chance.random() < self.storage_rate

    def on_begin(self, connection: Connection) -> None:
        """SQLAlchemy's event."""
        if self.frames:
            self.frames[-1].process.begin(connection)

    def on_commit(self, connection: Connection) -> None:
        """SQLAlchemy's event."""
        self.ledger.commits += 1
        if self.frames:
            self.frames[-1].process.commit(connection)

    # ── the worker's doings ──────────────────────────────────────────────────────────────────────────────────────

    def leader(self) -> Process | None:
        """The worker that relays and hands over."""
        for name in self.workers:
            worker = self.living[name]
            leads = self.holders.get("leader") is worker or (not worker.is_dead and worker.parts.locks.take("leader"))
            if leads:
                return worker
        return None

    def relay(self) -> int:
        """One round of the relay."""

        def pass_on(parts: Any) -> int:
            store, judge = parts.casework.store, parts.settling.leaves_alone
            return relay(parts.deliveries, store, self.clock(), judge)

        return self._lead("relays events", pass_on)

    def hand_over(self) -> int:
        """Waiting tasks are given to the engine (as `plugin.engine` does)."""

        def give(parts: Any) -> int:
            tasks = parts.casework.store.waiting_tasks(100)
            for task in tasks:
                self.rows.enqueue(task)
            if tasks:
                with parts.casework.store.change() as change:
                    change.handed(tasks, self.clock())
            return len(tasks)

        return self._lead("hands tasks over", give)

    def scan(self) -> int:
        """The catch-up scan."""

        def look(parts: Any) -> int:
            back = self.settings.procedure.scan_back
            return scan("desk", parts.sources["desk"], parts.casework.store, back=back, now=self.clock())

        return self._lead("scans", look)

    def _lead(self, what: str, work: Callable[[Any], int]) -> int:
        worker = self.leader()
        if worker is None:
            return 0
        done = 0

        def round_() -> None:
            nonlocal done
            try:
                done = work(worker.parts)
            except (RemoteError, StorageError) as error:
                self.tell(f"{worker.name}: {type(error).__name__}")

        worker.run(what, round_)
        if done:
            self.tell(f"{worker.name} {what}: {done}")
        return done

    def runnable(self) -> list[Row]:
        """Tasks that a worker may take now. A suspect would only wait while another one runs."""
        is_alone = any(row.said["crashes"] for row in self.rows.running() if not row.worker.is_dead)
        return [row for row in self.rows.runnable(self.clock()) if not (is_alone and row.said["crashes"])]

    def work(self, row: Row, worker: Process) -> None:
        """A worker takes a task and runs it to its end, or to its own."""
        task = row.task
        row.worker = worker
        self.tell(f"{worker.name} begins {task.id}")
        try:
            lived = worker.run(task.id, lambda: worker.parts.attempts.attempt(task), task.args)
        except Exception as error:  # noqa: BLE001 - the engine would keep it as failed, and nobody would ever know
            self.broken(f"the attempt at {task.id} raised {type(error).__name__}: {error}")
            lived = True
        if lived:
            self.tell(f"{worker.name} ended {task.id}")
            self.rows.end(row)
