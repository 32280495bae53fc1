"""The last guard against loops: so many internal notes go on one ticket within an hour, and a further one waits.

Before it stand the adapters, which pass over events of our own doing, the key of each note, and the case's state. A
reply to the customer is never held: a person pressed for it.
"""

import logging
from datetime import datetime, timedelta

from plugin.errors import Throttled
from plugin.log import log
from plugin.model import Case, Note, Visibility
from plugin.store.cases import CaseStore

HOUR = timedelta(hours=1)


def hold(store: CaseStore, case: Case, note: Note, *, at_most: int, now: datetime) -> None:
    """`Throttled` until there is room for the note on its ticket."""
    if note.visibility is Visibility.PUBLIC:
        return
    sent = store.internal_notes_sent(case.source, case.ticket, now - HOUR)
    if len(sent) < at_most:
        return
    left = sent[-at_most] + HOUR - now
    log("note.held", logging.ERROR, source=case.source, ticket=case.ticket, sent=len(sent), key=note.key)
    raise Throttled(
        case.source,
        f"adding a note to ticket {case.ticket}",
        f"not sent yet: the ticket got {len(sent)} notes of ours within an hour ([procedure] notes_per_hour); look "
        "whether something there and this program answer each other",
        retry_after=max(1.0, left.total_seconds()),
    )
