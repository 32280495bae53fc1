"""Which workers are at work: each says so every two seconds, and who has not for a minute is taken for gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

SEEN_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """When each worker last said that it is at work, and the moment this is looked at."""

    seen_at: Mapping[str, datetime]
    now: datetime

    def is_at_work(self, worker: str) -> bool:
        """Whether a worker of this name has been seen within a minute."""
        seen_at = self.seen_at.get(worker)
        return seen_at is not None and self.now - seen_at <= SEEN_WITHIN

    @property
    def at_work(self) -> int:
        """How many workers have been seen within a minute."""
        return sum(map(self.is_at_work, self.seen_at))

    @property
    def last_seen_at(self) -> datetime | None:
        """When a worker was last seen; None if none ever was."""
        return max(self.seen_at.values(), default=None)
