"""What operators and their machines watch, put together: are the databases in order, who is at work, the metrics."""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property, partial
from typing import TypeVar

from flask import Blueprint
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine as Database

from plugin import status_pages
from plugin.counting import Counts
from plugin.metrics import Known, exposition
from plugin.model import Call
from plugin.presence import Presence
from plugin.settings import Settings
from plugin.store.cases import CaseStore
from plugin.store.deliveries import DeliveryStore
from plugin.store.engine import open_engine
from plugin.store.outbox import Outbox

READY_WITHIN = 1.0
"""Seconds that a database may be busy and still count as ready."""

Found = TypeVar("Found")


class Watch:
    """For one process; `is_shared`: what it counts is added to what other processes of this machine count."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime], process: str, *, is_shared: bool) -> None:
        self._settings = settings
        self._clock = clock
        self._process = process
        self._is_shared = is_shared

    @cached_property
    def counts(self) -> Counts:
        """What processes count. To be asked for first in the very process that counts, after the fork."""
        return Counts(self._process, self._settings.metrics_folder if self._is_shared else None)

    @cached_property
    def registry(self) -> CollectorRegistry:
        """All that is told at /metrics."""
        known = Known(
            deliveries_url=self._settings.deliveries_url,
            cases_url=self._settings.cases_url,
            sources=self._settings.sources,
            clock=self._clock,
        )
        self.counts.registry.register(known)
        return self.counts.registry

    def requested(self, call: Call) -> None:
        """A request to another system was answered, or failed."""
        self.counts.requested(call)

    def pings(self) -> dict[str, Callable[[], None]]:
        """For each of our databases, what raises `StorageError` unless it takes changes now."""
        return {
            "deliveries": lambda: _at(self._settings.deliveries_url, lambda engine: DeliveryStore(engine).ping()),
            "cases": lambda: _at(self._settings.cases_url, lambda engine: CaseStore(engine).ping()),
        }

    def presence(self) -> Presence:
        """Which workers are at work."""
        seen_at = _at(self._settings.cases_url, lambda engine: Outbox(engine).workers())
        return Presence(seen_at=seen_at, now=self._clock())

    def pages(self, worker: Callable[[], str] | None = None) -> Blueprint:
        """What may be asked over HTTP; of a worker, by what tells its name, also whether it is at work itself."""
        return status_pages.blueprint(
            pings=self.pings(),
            presence=self.presence,
            metrics=partial(exposition, self.registry),
            metrics_token=self._settings.metrics_token,
            worker=worker,
        )


def _at(url: str, look: Callable[[Database], Found]) -> Found:
    """Over a connection of its own: one that is open already would not notice that its file is gone."""
    engine = open_engine(url, busy_seconds=READY_WITHIN)
    try:
        return look(engine)
    finally:
        engine.dispose()
