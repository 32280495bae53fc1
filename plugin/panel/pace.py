"""How often an agent may look accounts up: as fast as people type, not as fast as programs search a directory."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from flask_babel import gettext as _

from plugin.errors import NotAllowed
from plugin.model import Agent

MOST = 30
"""Look-ups of one agent within a minute, in each web process: several people an hour need a handful each."""

WITHIN = timedelta(minutes=1)


class Pace:
    """Counts the look-ups of the last minute by agent."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._made: dict[tuple[str, str], deque[datetime]] = {}

    def look_up(self, agent: Agent) -> None:
        """Count one; `NotAllowed` if it is one too many."""
        now = self._clock()
        with self._lock:
            self._forget(now - WITHIN)
            made = self._made.setdefault((agent.source, agent.login), deque())
            if len(made) >= MOST:
                raise NotAllowed(_("That was many look-ups within a minute. Wait a moment, then look up again."))
            made.append(now)

    def _forget(self, before: datetime) -> None:
        for key, made in list(self._made.items()):
            while made and made[0] <= before:
                made.popleft()
            if not made:
                del self._made[key]
