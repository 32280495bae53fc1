"""Looking at an account for the checklist's items that check themselves.

That is done when the checklist opens, whenever an agent asks for it, and once more when Unblock was pressed.
"""

from collections.abc import Iterable
from datetime import timedelta

from plugin import rules
from plugin.casework import Casework, signed
from plugin.checklist import Item
from plugin.model import PROGRAM, Agent, Case, JournalEntry, Looked, Verdict
from plugin.naming import progress
from plugin.ports import MailTenant, look

PATIENCE = timedelta(seconds=20)
"""After so long no further item is looked at: an agent waits for the answer."""


class Looking:
    """Looks, and keeps what was found with the case."""

    def __init__(self, casework: Casework, tenant: MailTenant) -> None:
        self._work = casework
        self._tenant = tenant

    def look(self, case: Case, *, item: str = "", agent: Agent | None = None) -> Case:
        """Look for one item or for all, as somebody (`agent`) asked for or by itself; the case as it is then."""
        self.renew(case, item=item, agent=agent)
        return self._work.restate(case.id)

    def renew(self, case: Case, *, item: str = "", agent: Agent | None = None) -> None:
        """The same, but the case stays as it is: it is about to be decided on."""
        items = [one for one in self._work.checking(case) if item in ("", one.id)]
        found = list(self._found(case, items))
        before = self._work.looks(case)
        now, actor = self._work.clock(), signed(agent) if agent else PROGRAM
        names = {one.check: one.text for one in items}
        with self._work.store.change() as change:
            for looked in found:
                change.save_look(case.id, looked)
                if agent is not None or _is_news(before.get(looked.check), looked):
                    change.log(case.id, JournalEntry(at=now, actor=actor, what=_told(names[looked.check], looked)))
            if found:
                change.put_unless_waiting(progress(case, now))

    def _found(self, case: Case, items: Iterable[Item]) -> Iterable[Looked]:
        """A look for each item; no look fails, but one may say that it could not be made."""
        checks = [item.check for item in items if item.check is not None]
        if case.status is None:
            return
        until = self._work.clock() + PATIENCE
        looks = look(self._tenant, case.status, checks, rules.block_began(case.status))
        for check in checks:
            now = self._work.clock()
            if now < until:
                yield next(looks)
            else:
                why = f"{self._tenant.name} answers too slowly. Check this one by itself."
                yield Looked(check=check, verdict=Verdict.NOT_LOOKED, finding=why, looked_at=now)


def _is_news(before: Looked | None, looked: Looked) -> bool:
    return before is None or rules.mark_of(before) != rules.mark_of(looked)


def _told(item: str, looked: Looked) -> str:
    """What was found, for the journal: with the words and names found."""
    return f"Checked “{item}”: {looked.verdict.value}. {' | '.join((looked.finding, *looked.items))}"
