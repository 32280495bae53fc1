"""Lives to order: the plugin as real processes between real stand-ins."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.life import Life


@pytest.fixture
def make_life(tmp_path: Path) -> Iterator[Callable[..., Life]]:
    """Lives to order."""
    made: list[Life] = []

    def make(**options: Any) -> Life:
        made.append(Life(tmp_path, **options))
        return made[-1]

    yield make
    for life in made:
        life.close()
