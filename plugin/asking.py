"""Rule 4 in deed: each listed block is asked about once, and a row that says so is on disk before anything is sent.

The row is what allows a sending. One without an answer is never sent again by the program: whoever finds it there,
after a crash or on another ticket, does not ask.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from plugin import rules
from plugin.casework import Casework, signed
from plugin.errors import Denied, OutcomeUnknown, PermanentError, Throttled, Unreachable
from plugin.log import log
from plugin.model import AccountStatus, Agent, Answer, Asking, BlockedAddress, Case, CaseState, UnblockAnswer
from plugin.naming import case_id_of
from plugin.ports import MailTenant


@dataclass(frozen=True, kw_only=True, slots=True)
class Pressing:
    """An agent's press of Unblock: on which case, by whom, and in which state the case was."""

    case: Case
    agent: Agent
    press: str  # the same for every repeat of this pressing
    from_state: CaseState
    seen_at: datetime  # when the case came to that state
    asked_before: datetime | None  # when the pressing before this one was carried out


class Asker:
    """Asks the mail tenant."""

    def __init__(self, casework: Casework, tenant: MailTenant) -> None:
        self._work = casework
        self._store = casework.store
        self._tenant = tenant

    def asked_by(self, press: str, status: AccountStatus) -> tuple[Asking, ...]:
        """What this very pressing has asked already; a repeat after a crash goes on from there."""
        return tuple(asking for asking in self._work.askings(status) if asking.press == press)

    def ask(self, pressing: Pressing, status: AccountStatus) -> None:
        """Ask for each listed address that may be asked for; `RemoteError` where surely nothing was done."""
        for blocked in status.blocked:
            claimed = self._claim(pressing, status, blocked)
            if claimed is not None:
                self._send(pressing, status, blocked, *claimed)

    def _claim(
        self, pressing: Pressing, status: AccountStatus, blocked: BlockedAddress
    ) -> tuple[Asking, Asking | None] | None:
        """Commit the row that allows exactly one sending, and say which earlier one it was decided over, if any.

        None if this block was asked for before and nobody decided anew.
        """
        earlier = self._work.askings(status)
        asking = Asking(
            tenant=status.tenant,
            account=status.netid,
            address=blocked.address,
            block=rules.block_of(blocked, earlier),
            case=pressing.case.id,
            round=pressing.case.round,
            agent=signed(pressing.agent),
            press=pressing.press,
            asked_at=self._work.clock(),
        )
        with self._store.change() as change:
            if change.ask(asking):
                return asking, None
            before = next(row for row in earlier if (row.address, row.block) == (asking.address, asking.block))
            if not rules.may_ask_again(before, pressing.press, pressing.from_state, seen_at=pressing.seen_at):
                return None
            return change.ask_again(before, asking), before

    def _send(
        self,
        pressing: Pressing,
        status: AccountStatus,
        blocked: BlockedAddress,
        asking: Asking,
        before: Asking | None,
    ) -> None:
        reference = pressing.case.reference
        try:
            answer = self._tenant.unblock(status, blocked, agent=pressing.agent, ticket=reference, key=_key(asking))
        except (Unreachable, Throttled, Denied):
            with self._store.change() as change:
                change.withdraw(asking, before)  # surely nothing was done
            raise
        except OutcomeUnknown as error:
            log("unblock.outcome_unknown", logging.WARNING, case=pressing.case.id, error=str(error))
            return
        except PermanentError as error:
            answer = UnblockAnswer(answer=Answer.REFUSED, detail=str(error))
        with self._store.change() as change:
            change.record_answer(asking, answer, self._work.clock())


def _key(asking: Asking) -> str:
    """The idempotency key of one asking: the same for a repeat of it, another where an agent decided to ask anew."""
    return case_id_of(asking.tenant, asking.address, f"{asking.block} {asking.times}")
