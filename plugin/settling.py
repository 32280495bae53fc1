"""What can be settled by its event alone: a new ticket that shows no sign of mail trouble, all of it in the event.

A webhook is a hint, and is taken for one: what it says counts only where it brings the whole ticket, signed by the
desk, and only for leaving the ticket alone. Should the desk have left something out all the same, the catch-up scan
reads the ticket as it reads every one that has changed; so nothing is settled where nothing is scanned.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta

from plugin.ports import TellsWholeTickets, TicketSystem
from plugin.reading import text_of
from plugin.triage import is_ordinary


class Settling:
    """Judges events of these sources; `scan_every` zero says that none is scanned."""

    def __init__(self, *, sources: Mapping[str, TicketSystem], domains: Sequence[str], scan_every: timedelta) -> None:
        self._sources = sources
        self._domains = domains
        self._ticket_in = {
            name: system.ticket_in
            for name, system in sources.items()
            if scan_every and system.abilities.scan and isinstance(system, TellsWholeTickets)
        }

    def leaves_alone(self, source: str, ticket_id: str, body: bytes) -> bool:
        """Whether an event's body brings a whole ticket that `Workflow.handle` would surely leave alone.

        The same text is judged by the same triage. Whatever goes wrong in that is for the worker, where a task that
        fails is tried again and told of: it must not stop the relay.
        """
        if source not in self._ticket_in:
            return False
        try:
            ticket = self._ticket_in[source](body)
            if ticket is None or ticket.id != ticket_id:
                return False
            return is_ordinary(text_of(self._sources[source], ticket), self._domains)
        except Exception:  # a bug in one ticket must not stop the others
            logging.getLogger("m365-unblock").exception("settling.bug source=%s ticket=%s", source, ticket_id)
            return False
