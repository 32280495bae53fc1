"""What an agent sees of a ticket's cases and does about them. Called by the panel; every action names its agent.

An action checks the agent's role, changes the case and its journal in one transaction and leaves the outside work
(notes, tags, the asking itself) to the worker, by a task that commits with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flask_babel import gettext as _

from plugin import checklist as checklists
from plugin import rules
from plugin.afterwards import Afterwards, must_act
from plugin.case_views import CaseView, CaseViews, Written, answer_mark, can_answer, value_told
from plugin.casework import Casework, answer_told, signed
from plugin.checklist import Item
from plugin.errors import NotAllowed, NotFound, RemoteError
from plugin.looking import Looking
from plugin.model import AccountStatus, Agent, Case, CaseState, GivenAnswer, JournalEntry, Task
from plugin.naming import account_lane, progress
from plugin.notes.texts import ReplyKind, Texts
from plugin.ports import MailTenant
from plugin.store.cases import Stale

__all__ = ["CaseView", "Desk", "LookUp", "Written"]

UNSETTLED = (CaseState.NEEDS_PERSON, CaseState.RECEIVED)
"""States in which a case without an account waits for somebody, or something, to say which."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LookUp:
    """An account, read for an agent who is about to say which one it is."""

    status: AccountStatus
    is_here: bool  # there is a case for it on this ticket already


class Desk:
    """The agent's side of the procedure."""

    def __init__(self, *, casework: Casework, tenant: MailTenant, texts: Texts, domains: Sequence[str] = ()) -> None:
        self._work = casework
        self._store = casework.store
        self._tenant = tenant
        self._texts = texts
        self._views = CaseViews(casework)
        self._looking = Looking(casework, tenant)
        afterwards = Afterwards(casework, texts, domains)
        self.send_reply = afterwards.send_reply
        self.complain = afterwards.complain
        self.escalate = afterwards.escalate
        self.views = self._views.of_ticket
        self.view = self._views.of_case

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def case(self, source: str, ticket: str, case_id: str) -> Case:
        """A case that must be on this ticket; `NotAllowed` otherwise."""
        case = self._store.case(case_id)
        if case is None or (case.source, case.ticket) != (source, ticket):
            raise NotAllowed(_("This case is not on this ticket. Reload the ticket."))
        return case

    def reply_text(self, kind: ReplyKind) -> str:
        """The reply to the customer, to preview and edit."""
        return self._texts.reply(kind)

    def look_up(self, source: str, ticket: str, account: str, agent: Agent) -> LookUp:
        """Read an account and change nothing; `NotAllowed` with words if there is none, or it cannot be read."""
        must_act(agent)
        status = self._read(account.strip())
        cases = self._store.cases_of_ticket(source, ticket)
        return LookUp(status=status, is_here=any(case.account == status.netid for case in cases))

    def use_launch(self, source: str, jti: str, expires_at: datetime) -> None:
        """Use up a launch token; `NotAllowed` the second time."""
        with self._store.change() as change:
            if not change.use_launch(source, jti, expires_at, self._work.clock()):
                raise NotAllowed("This link to the panel was used before. Reload the ticket to get a new one.")

    # ── acting ───────────────────────────────────────────────────────────────────────────────────────────────────

    def refresh(self, case: Case, agent: Agent) -> Case:
        """Read the account again, now."""
        must_act(agent)
        return self._work.take(case, self._read(case.account), "Read again.", agent=agent) if case.account else case

    def look(self, case: Case, agent: Agent, item_id: str = "") -> Case:
        """Have one of the checklist's items check itself, or all that can."""
        must_act(agent)
        self._must_be_open(case)
        if item_id and all(item.id != item_id for item in self._work.checking(case)):
            raise NotAllowed(_("This step cannot be checked by looking. Reload the ticket."))
        return self._looking.look(case, item=item_id, agent=agent)

    def _must_be_open(self, case: Case) -> None:
        if not can_answer(case, self._work.procedure.compromise_reasons):
            state = _(case.state.value)
            raise NotAllowed(_("The case is “%(state)s”; its checklist cannot be answered now.", state=state))

    def answer(self, case: Case, item_id: str, form: Mapping[str, str], agent: Agent, *, seen: str = "") -> Case:
        """Answer one item of the checklist, or take the answer back.

        `seen` is the `answer_mark` of what the agent was shown: another agent's answer that is newer is never written
        over. The same answer twice is one.
        """
        must_act(agent)
        self._must_be_open(case)
        item = next((item for item in self._work.checklist.items if item.id == item_id), None)
        if item is None:
            raise NotAllowed(_("The checklist has changed. Reload the ticket."))
        value = self._read_answer(case, item, form, agent)
        given = next((row for row in self._store.answers(case.id) if row.item == item.id), None)
        counting = self._work.standing(case).get(item.id)
        if value == (counting.value if counting else None) and (value is not None or given is None):
            return self._work.restate(case.id)  # nothing new: sent twice, or said by another agent too
        if answer_mark(given) != seen and (given is None or given.agent != signed(agent)):
            raise NotAllowed(_not_written_over(item, given))
        self._put_answer(case, item, value, given, agent)
        return self._work.restate(case.id)

    def _read_answer(
        self, case: Case, item: Item, form: Mapping[str, str], agent: Agent
    ) -> Mapping[str, object] | None:
        if item not in self._work.checking(case):
            return checklists.read_answer(item, form)
        return rules.read_word(item, self._work.looks(case).get(item.check) if item.check else None, form, agent)

    def _put_answer(
        self, case: Case, item: Item, value: Mapping[str, object] | None, over: GivenAnswer | None, agent: Agent
    ) -> None:
        now = self._work.clock()
        with self._store.change() as change:
            if value is not None:
                is_put = change.save_answer(case.id, self._given(item, value, agent, now), over=over)
            else:
                is_put = over is not None and change.drop_answer(case.id, over)
            if not is_put:
                raise Stale(f"“{item.id}” of case {case.id} was answered by somebody else in the same moment")
            change.log(case.id, JournalEntry(at=now, actor=signed(agent), what=answer_told(item.text, value)))
            change.put_unless_waiting(progress(case, now))

    def _given(self, item: Item, value: Mapping[str, object], agent: Agent, now: datetime) -> GivenAnswer:
        return GivenAnswer(
            item=item.id,
            value=value,
            agent=signed(agent),
            answered_at=now,
            checklist=self._work.checklist.id,
            checklist_version=self._work.checklist.version,
        )

    def rely_on(self, case: Case, earlier_id: str, agent: Agent) -> Case:
        """Rule 3: the agent says by name that the earlier checklist still holds."""
        must_act(agent)
        earlier = self._work.earlier(case)
        if earlier is None or earlier.case.id != earlier_id:
            raise NotAllowed(_("That earlier checklist cannot be relied on (any more). Answer this one."))
        what = f"Relies on the checklist of ticket {earlier.case.reference}, completed by {earlier.completed_by}."
        return self._work.restate(self._work.save(replace(case, relied_on=earlier_id), what, agent=agent).id)

    def unblock(self, case: Case, agent: Agent) -> Case:
        """Rule 1: press Unblock. The worker reads and checks everything once more before it asks."""
        gate = self._work.gate(case, agent)
        if not gate.is_open:
            reasons = " ".join(gate.reasons)
            raise NotAllowed(reasons)
        press = f"unblock:{case.id}:{case.version}"
        task = Task(
            id=press,
            name="unblock",
            args={
                "case": case.id,
                "agent": agent.as_json(),
                "press": press,
                "from_state": case.state.value,
                "seen_at": case.updated_at.isoformat(),
                "asked_before": case.asked_at.isoformat() if case.asked_at else None,
            },
            lane=account_lane(case),
        )
        pressed = replace(case, state=CaseState.UNBLOCKING, asked_at=self._work.clock(), reason="")
        return self._work.save(pressed, "Pressed Unblock.", agent=agent, tasks=[task])

    def choose_account(self, case: Case, account: str, agent: Agent) -> Case:
        """Say which account an unclear case is about."""
        must_act(agent)
        if case.state not in UNSETTLED or case.account:
            raise NotAllowed(_("The account of this case is settled already."))
        status = self._read(account.strip())
        self._refuse_twin(case, status)
        chosen = replace(case, account=status.netid, state=CaseState.RECEIVED, question="", candidates=())
        return self._work.take(chosen, status, f"Chose the account {status.netid}.", agent=agent)

    def open_case(self, source: str, ticket: str, account: str, agent: Agent) -> Case:
        """Open a case by hand: a phone call, or something triage missed."""
        must_act(agent)
        status = self._read(account.strip())
        asked = self._question_about(source, ticket, status)
        if asked is not None:
            return self.choose_account(asked, account, agent)
        opened = self._work.new_case(source, ticket, status.netid, opened_by=agent.login)
        case = replace(opened, account=status.netid)
        self._refuse_twin(case, status)
        return self._work.take(case, status, "Opened the case by hand.", agent=agent, is_new=True)

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _question_about(self, source: str, ticket: str, status: AccountStatus) -> Case | None:
        """A case on this ticket that asks whether it is about this account, or waits until that can be read."""
        names = {status.netid.lower(), *(address.lower() for address in status.addresses)}
        for case in self._store.cases_of_ticket(source, ticket):
            found = {candidate.account for candidate in case.finding.candidates} if case.finding else set()
            if case.state in UNSETTLED and not case.account and names & {*case.candidates, *found}:
                return case
        return None

    def _refuse_twin(self, case: Case, status: AccountStatus) -> None:
        others = self._store.cases_of_ticket(case.source, case.ticket)
        if any(other.account == status.netid for other in others):
            raise NotAllowed(_("There is a case for %(account)s on this ticket already.", account=status.netid))

    def _read(self, account: str) -> AccountStatus:
        try:
            return self._tenant.status(account)
        except NotFound as error:
            words = _("There is no account “%(account)s”. Type a NetID or one of its addresses.", account=account)
            raise NotAllowed(words) from error
        except RemoteError as error:
            words = _("The account could not be read. %(why)s. Nothing was changed; try again.", why=error)
            raise NotAllowed(words) from error


def _not_written_over(item: Item, given: GivenAnswer | None) -> str:
    """Why an answer is not saved, and what is there instead."""
    words: str
    if given is None:
        words = _("Not saved: the answer that you were shown was taken back meanwhile. Look, then answer again.")
        return words
    words = _(
        "Not saved: %(agent)s answered “%(answer)s” meanwhile. Look at it before you change it.",
        agent=given.agent,
        answer=value_told(item, given.value),
    )
    return words
