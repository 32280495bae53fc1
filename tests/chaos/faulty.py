"""Collaborators that are wrong in ways that once were real, put around the real ones to show that a run notices."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from plugin.model import AccountStatus, Sending, Task
from plugin.store.outbox import Ended
from tests.chaos.processes import Hands


class Around:
    """Does what the one within does, but for what a subclass does wrong."""

    def __init__(self, within: Any) -> None:
        self.within = within

    def __getattr__(self, name: str) -> Any:
        return getattr(self.within, name)


class Blind(Around):
    """A ticket system whose notes are never found again."""

    def has_note(self, ticket: str, key: str) -> bool:
        """It does not even look."""
        return False


class Hopeful(Around):
    """A tenant that takes what it cannot tell for good news."""

    def status(self, account: str) -> AccountStatus:
        """Blocked is unpleasant to hear; whoever is not told so surely is not."""
        status = self.within.status(account)
        if len(status.blocked) > 1:
            return status
        return replace(status, sending=Sending.NOT_BLOCKED, blocked=())


class Forgetful(Around):
    """An outbox that loses the next attempt."""

    def end(self, ended: Sequence[Ended], *, at: datetime, then: Sequence[Task] = ()) -> None:
        """What is tried again is not kept."""
        self.within.end(ended, at=at)


BLIND = Hands(source=Blind)
HOPEFUL = Hands(tenant=Hopeful)
FORGETFUL = Hands(outbox=Forgetful)
