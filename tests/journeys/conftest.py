"""Lives and sites to order: the plugin as real processes, between real stand-ins or alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.life import Life
from tests.journeys.site import Site


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


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A folder with settings, for commands that run alone."""
    site = Site(tmp_path)
    yield site
    site.close()
