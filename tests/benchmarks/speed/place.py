"""Where a part of the benchmark runs: a folder of its own, the stub, and what it was asked for on the command line."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.benchmarks.speed.processes import SECRET, Plugin, Stub, wait_until
from tests.benchmarks.speed.profiles import Profile
from tests.benchmarks.speed.sending import Event, Sent, events, percentiles, send_at_once


@dataclass(kw_only=True)
class Place:
    """What all parts share."""

    folder: Path
    stub: Stub
    deliveries: int  # that are there before `flat` begins
    cases: int
    burst: int  # events of a burst whose notes are waited for
    profiles: Path | None = None  # where the processes of a plugin are drawn
    part: str = ""  # that is measured
    drawn: list[Profile] = field(default_factory=list)
    number: int = 0

    def fresh(self) -> Path:
        """A new empty folder."""
        self.number += 1
        folder = self.folder / str(self.number)
        folder.mkdir()
        return folder

    def plugin(self, *, what: str = "serve", workers: int = 1, database: str = "", calls: int = 0) -> Plugin:
        """A plugin on empty databases."""
        plugin = Plugin(self.fresh(), self.stub.port, what=what, workers=workers, database=database, calls=calls)
        if self.profiles is not None:
            title = f"{self.part}-{len(self.drawn) + 1}"
            self.drawn.append(Profile(self.profiles, title, plugin.tree()))
        return plugin

    @contextmanager
    def slow_apis(self, seconds: float) -> Iterator[None]:
        """Meanwhile each call takes the APIs so long."""
        self.stub.set(seconds)
        try:
            yield
        finally:
            self.stub.set()

    def notes_of_burst(self, plugin: Plugin, many: int) -> "Burst":
        """Send events at once and wait until each ticket has its note."""
        sent_events = events(many, "blocked", SECRET)
        before, plugin_before, begun = self.stub.told(), plugin.cpu(), time.monotonic()
        sent = send_at_once(plugin.port, sent_events)
        noted = self.await_notes(sent_events, 60 + many / 5)
        last = max(noted[event.ticket] for event in sent_events)
        after = self.stub.told()
        seconds = last - begun
        return Burst(
            sent=sent,
            per_second=many / seconds,
            calls=(after["calls"] - before["calls"]) / many,
            stub_share=(after["cpu"] - before["cpu"]) / seconds,
            plugin_cpu=(plugin.cpu() - plugin_before) / many,
        )

    def await_notes(self, wanted: list[Event], patience: float) -> dict[str, float]:
        """When each of these tickets got its note; looks seldom, for the answer is long."""
        noted: dict[str, float] = {}
        end = time.monotonic() + patience
        while not all(event.ticket in noted for event in wanted):
            if time.monotonic() > end:
                raise TimeoutError(f"{sum(e.ticket not in noted for e in wanted)} of {len(wanted)} tickets got no note")
            time.sleep(0.2)
            noted = self.stub.told()["noted"]
        return noted


@dataclass(frozen=True, kw_only=True, slots=True)
class Burst:
    """How a burst went; CPU in seconds an event, shares in cores."""

    sent: Sent
    per_second: float
    calls: float
    stub_share: float
    plugin_cpu: float


def waits(sent: Sent, noted: dict[str, float]) -> tuple[float, float]:
    """p50 and p99 from the webhook to the note, in milliseconds."""
    return percentiles([noted[ticket] - at for ticket, at in sent.at.items()])


def warm_up(place: Place, plugin: Plugin) -> None:
    """A few journeys, so that caches and connections are there."""
    place.notes_of_burst(plugin, 16)
    time.sleep(0.5)


__all__ = ["Burst", "Place", "median", "wait_until", "waits", "warm_up"]
