"""What the tests of each ticket system with a stand-in begin from; its conftest says by `site_type` which one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plugin.ports import TicketSystem
from tests.conftest import Clock
from tests.stand_ins.office import Office
from webhooks.ticket_systems import connect


@pytest.fixture(autouse=True)
def desk() -> None:
    """The mock of the other folders is not for here: these tests talk to a server."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(site_type: Callable[..., Any], clock: Clock) -> Iterator[Any]:
    """The stand-in, a `tests.stand_ins.office.Site`."""
    site = site_type(clock)
    yield site
    site.close()


@pytest.fixture
def source(site: Any) -> TicketSystem:
    """The adapter that talks to it."""
    return connect("desk", site.settings())


@pytest.fixture
def office(make_office: Callable[..., Office]) -> Office:
    """A whole office around both."""
    return make_office()


@pytest.fixture
def make_office(site_type: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Offices to order, with settings of the source."""
    made: list[Office] = []

    def make(**settings: Any) -> Office:
        folder = tmp_path / f"office-{len(made)}"
        folder.mkdir()
        made.append(Office(folder, lambda clock: site_type(clock, **settings)))
        return made[-1]

    yield make
    for office in made:
        office.close()
