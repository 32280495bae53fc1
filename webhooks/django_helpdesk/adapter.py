"""django-helpdesk with our app in it, which serves the Desk API and tells of its own set-up besides."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from plugin.errors import RemoteError
from plugin.http import Traffic
from plugin.ports import Abilities, Check
from webhooks.desk_api import DeskApi
from webhooks.django_helpdesk import checking, set_up
from webhooks.django_helpdesk.set_up import Expected


class DjangoHelpdesk(DeskApi):
    """One configured django-helpdesk."""

    _expected: Expected

    @classmethod
    def connect(
        cls, name: str, settings: Mapping[str, Any], abilities: Abilities, traffic: Traffic | None = None
    ) -> Self:
        """The source `name` from its settings (``django_helpdesk`` in plugin.json); nothing is sent yet."""
        source = super().connect(name, settings, abilities, traffic)
        source._expected = Expected.of(name, settings)
        return source

    def check(self) -> Iterator[Check]:
        """See `plugin.ports.TicketSystem`."""
        try:
            found = set_up.read(self._remote.call("look at the set-up", "GET", self._remote.url("set-up")))
        except RemoteError as error:
            yield from checking.failed(error, self._expected)
        else:
            yield from checking.checks(found, self._expected)


connect = DjangoHelpdesk.connect
