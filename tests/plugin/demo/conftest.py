"""What the tests of both stand-ins share: a clock that stands still until it is moved."""

from datetime import UTC, datetime, timedelta

import pytest


class Clock:
    """Gives one moment until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()
