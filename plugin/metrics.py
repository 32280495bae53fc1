"""What is told at /metrics: what the databases know, read when it is asked for, and what processes have counted.

What each metric means is in docs/monitoring.md.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from plugin.errors import StorageError
from plugin.log import log
from plugin.presence import Presence
from plugin.store.engine import open_engine
from plugin.store.figures import CaseFigures, DeliveryFigures, Stage, case_figures, delivery_figures

READ_AGAIN_AFTER = timedelta(seconds=5)
"""However often it is asked for, the databases are read no more often than this."""

CONNECT_WITHIN = 2.0  # seconds

Figures = TypeVar("Figures")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What the databases said; None from one that could not be read."""

    at: datetime
    cases: CaseFigures | None
    deliveries: DeliveryFigures | None


class Known(Collector):
    """What the databases know, as metrics."""

    def __init__(
        self, *, deliveries_url: str, cases_url: str, sources: Collection[str], clock: Callable[[], datetime]
    ) -> None:
        self._deliveries_url = deliveries_url
        self._cases_url = cases_url
        self._sources = sources
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._last: Reading | None = None

    def collect(self) -> Iterator[Metric]:
        """All families; without those that only a database knows that cannot be read."""
        found = self._reading()
        is_up = {"deliveries": found.deliveries is not None, "cases": found.cases is not None}
        yield _by_label("database_up", "Whether a database can be read: 1 or 0.", "database", is_up.items())
        if found.cases is not None:
            yield from _of_cases(found.cases, found.at)
            yield from _of_events(found.cases, found.deliveries, found.at)

    def _reading(self) -> Reading:
        with self._one_at_a_time:
            now = self._clock()
            if self._last is None or not timedelta(0) <= now - self._last.at < READ_AGAIN_AFTER:
                self._last = self._read(now)
            return self._last

    def _read(self, now: datetime) -> Reading:
        cases = _try(self._cases_url, "cases", lambda engine: case_figures(engine, now=now, sources=self._sources))
        relayed, oldest = (cases.relayed, cases.oldest_event) if cases else (0, "")
        deliveries = _try(
            self._deliveries_url,
            "deliveries",
            lambda engine: delivery_figures(engine, relayed=relayed, oldest_event=oldest),
        )
        return Reading(at=now, cases=cases, deliveries=deliveries)


def exposition(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """All metrics in the form that an Accept header asks for, and its content type."""
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _try(url: str, name: str, read: Callable[[Engine], Figures]) -> Figures | None:
    """Over a connection of its own: one that is open already would not notice that its file is gone."""
    engine = open_engine(url, busy_seconds=CONNECT_WITHIN)
    try:
        return read(engine)
    except (SQLAlchemyError, StorageError) as error:
        why = getattr(error, "orig", None) or type(error).__name__
        log("metrics.not_read", logging.WARNING, database=name, error=why)
        return None
    finally:
        engine.dispose()


def _of_cases(found: CaseFigures, now: datetime) -> Iterator[Metric]:
    presence = Presence(seen_at=found.workers, now=now)
    open_tasks, ended = found.open_tasks, {outcome.name.lower(): number for outcome, number in found.ended.items()}
    yield _one("tasks_later", "Tasks for a later moment that was called for.", open_tasks[Stage.LATER])
    yield _one("tasks_dead", "Tasks that nobody tries again by itself.", found.dead)
    yield _by_label("attempts", "Attempts at tasks that ended within the last hour.", "outcome", ended.items())
    yield _by_label("cases", "Cases that are still kept.", "state", found.cases.items())
    yield _by_label("unblocks", "Unblocks asked for, of what is still kept.", "state", found.unblocks.items())
    yield _one("workers", "Workers seen within a minute.", presence.at_work)
    seen = {name: at.timestamp() for name, at in found.workers.items()}
    yield _by_label("worker_seen_timestamp_seconds", "When a worker was last seen.", "worker", seen.items())
    scanned = {source: at.timestamp() for source, at in found.scans.items()}
    yield _by_label("scan_timestamp_seconds", "When a source was last scanned to the end.", "source", scanned.items())


def _of_events(found: CaseFigures, deliveries: DeliveryFigures | None, now: datetime) -> Iterator[Metric]:
    backlog = {stage.value: number for stage, number in found.open_tasks.items() if stage is not Stage.LATER}
    if deliveries is not None:
        backlog = {"accepted": deliveries.accepted} | backlog
        age = (now - deliveries.oldest_at).total_seconds() if deliveries.oldest_at else 0.0
        yield _one("oldest_event_age_seconds", "Age of the oldest event that is not finished; 0 without.", max(0, age))
    yield _by_label(
        "backlog", "Accepted events that are no tasks yet, and tasks that are due.", "stage", backlog.items()
    )


def _one(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"m365_unblock_{name}", help_, value=value)


def _by_label(name: str, help_: str, label: str, numbers: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"m365_unblock_{name}", help_, labels=[label])
    for word, number in numbers:
        family.add_metric([word], number)
    return family
