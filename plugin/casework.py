"""What the desk and the workflow do to a case in the same way: take a reading, weigh the checklist, save.

Every change of a case commits together with its journal line and the tasks it calls for: showing it on the ticket, and,
after a release, the look when the clock has run out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from plugin import checklist as checklists
from plugin import rules
from plugin.checklist import Checklist, Item
from plugin.model import (
    PROGRAM,
    AccountStatus,
    Agent,
    Answer,
    Asking,
    Case,
    CaseState,
    GivenAnswer,
    JournalEntry,
    Looked,
    Sending,
    Task,
)
from plugin.naming import annotation, case_id_of, first_look, follow_up, reread
from plugin.rules import Gate
from plugin.settings import Procedure
from plugin.store import marks
from plugin.store.cases import RESTORED, CaseStore, Change, Stale

TRIES = 5
"""So often a case that somebody else changed meanwhile is read again."""


def signed(agent: Agent) -> str:
    """An agent as the journal names them."""
    return f"{agent.name} ({agent.login})" if agent.name else agent.login


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """An earlier case of the account whose completed checklist may be relied on (rule 3)."""

    case: Case
    completed_at: datetime
    completed_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What was read before a case is saved: the case as it was, None for a new one, and all that was asked."""

    before: Case | None
    askings: tuple[Asking, ...]


class Casework:
    """Cases with their checklist, over the store."""

    def __init__(
        self,
        *,
        store: CaseStore,
        checklist: Checklist,
        can_look: Callable[[AccountStatus], bool],
        procedure: Procedure,
        clock: Callable[[], datetime],
    ) -> None:
        """`can_look` tells whether the mail tenant can look at an account for the checklist's items."""
        self.store = store
        self.checklist = checklist
        self._can_look = can_look
        self.procedure = procedure
        self.clock = clock

    # ── weighing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def standing(self, case: Case) -> dict[str, GivenAnswer]:
        """The answers of a case that still count."""
        return {} if case.status is None else self._standing(case.id, case.status, case.answers_after)

    def _standing(self, case_id: str, status: AccountStatus, after: datetime | None) -> dict[str, GivenAnswer]:
        given = rules.standing(self.store.answers(case_id), self.checklist, status, after=after)
        own = self._checking(status)
        return rules.counting(own, given, self._looks(case_id, status, after), self.checklist) if own else given

    def checking(self, case: Case) -> tuple[Item, ...]:
        """The items asked on a case that check themselves."""
        return () if case.status is None else self._checking(case.status)

    def _checking(self, status: AccountStatus) -> tuple[Item, ...]:
        if not self._can_look(status):
            return ()
        return tuple(item for item in checklists.asked(self.checklist, sign_in=status.sign_in) if item.check)

    def looks(self, case: Case) -> rules.Looks:
        """The looks at a case's account that still count; none where nothing checks itself."""
        if case.status is None or not self._checking(case.status):
            return {}
        return self._looks(case.id, case.status, case.answers_after)

    def _looks(self, case_id: str, status: AccountStatus, after: datetime | None) -> rules.Looks:
        return rules.standing_looks(self.store.looks(case_id), status, after=after)

    def refuted(self, case: Case, standing: Mapping[str, GivenAnswer]) -> dict[str, Looked]:
        """What the checklist asks for and is not so (`rules.refuted`)."""
        return rules.refuted(self.checking(case), standing, self.looks(case))

    def relied(self, case: Case) -> Earlier | None:
        """The earlier checklist that an agent relies on, as long as it counts."""
        other = self.store.case(case.relied_on) if case.relied_on else None
        return self._as_earlier(case, other) if other is not None else None

    def earlier(self, case: Case) -> Earlier | None:
        """The newest earlier checklist of the account that may be relied on."""
        if not case.account or case.state not in rules.PRESSING:
            return None
        others = (other for other in self.store.cases_of_account(case.account) if other.id != case.id)
        return next(filter(None, (self._as_earlier(case, other) for other in others)), None)

    def _as_earlier(self, case: Case, other: Case) -> Earlier | None:
        """The other case's checklist, if it counts for this one."""
        if case.status is None:
            return None
        answers = self._standing(other.id, case.status, case.answers_after)
        window = self.procedure.rely_on_earlier_for
        if not rules.may_rely_on(answers, self.checklist, case.status, now=self.clock(), window=window):
            return None
        by_people = (answer for answer in answers.values() if answer.agent != PROGRAM)  # one item needs a person
        last = max(by_people, key=lambda answer: answer.answered_at)
        return Earlier(case=other, completed_at=last.answered_at, completed_by=last.agent)

    def gate(self, case: Case, agent: Agent) -> Gate:
        """Whether this agent may press Unblock on this case as it was last read."""
        standing = self.standing(case)
        return rules.gate(
            case,
            agent,
            self.checklist,
            standing,
            relied=self.relied(case) is not None,
            refuted=self.refuted(case, standing),
            is_limit_reached=self._is_limit_reached(case),
            compromise_reasons=self.procedure.compromise_reasons,
            while_sign_in_disabled=self.procedure.unblock_while_sign_in_disabled,
        )

    def _is_limit_reached(self, case: Case) -> bool:
        if case.status is None:
            return False
        listed = rules.still_listed(self.askings(case.status), case.status)
        return any(asking.answer is Answer.LIMIT for asking in listed)

    def askings(self, status: AccountStatus) -> tuple[Asking, ...]:
        """Everything ever asked about an account, on any ticket."""
        return self.store.askings(status.tenant, status.netid, [blocked.address for blocked in status.blocked])

    # ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def new_case(self, source: str, ticket: str, about: str, *, opened_by: str) -> Case:
        """A case that is not kept (yet); `about` is its account, or what tells it from the ticket's other cases."""
        now = self.clock()
        case_id = case_id_of(source, ticket, about)
        new = Case(
            id=case_id,
            source=source,
            ticket=ticket,
            account="",
            state=CaseState.RECEIVED,
            round=1,
            opened_by=opened_by,
            created_at=now,
            updated_at=now,
            version=1,
        )
        return marks.brought_back(new, self.store.mark(marks.forgotten(case_id)))

    def take(
        self, case: Case, status: AccountStatus, what: str, *, agent: Agent | None = None, is_new: bool = False
    ) -> Case:
        """A reading moves the case (`rules.moved`); between open and ready the checklist decides.

        A new one is kept together with its first reading: nobody would come back to it without one.
        """
        askings = self.askings(status)
        moved = rules.moved(
            case,
            status,
            askings,
            compromise_reasons=self.procedure.compromise_reasons,
            follow_up_after=self.procedure.follow_up_after,
            now=self.clock(),
        )
        read = self._weighed(moved)
        before = None if is_new else self.store.case(case.id)
        if agent is None and _says_the_same(read, before):
            return case
        with self.store.change() as change:
            known = Known(before=before, askings=askings)
            saved = self.save_in(change, read, f"{what} {told(status)}".strip(), agent=agent, known=known)
            if agent is not None and saved.state is CaseState.RECEIVED:
                change.put_task(reread(saved))
        return saved

    def enter(self, case: Case, state: CaseState, reason: str, what: str, *, tasks: Sequence[Task] = ()) -> Case:
        """The workflow moves a case to a state."""
        entered = rules.entered(case, state, reason, follow_up_after=self.procedure.follow_up_after, now=self.clock())
        return self.save(self._weighed(entered), what, tasks=tasks)

    def move(self, case: Case, ticket: str) -> Case:
        """The case goes with its ticket, which was merged into another one."""
        return self.save(replace(case, ticket=ticket), f"Ticket {case.ticket} was merged into ticket {ticket}.")

    def restate(self, case_id: str) -> Case:
        """Checklist open, Ready, or the road that an answer leads to, after an answer was given."""
        for _ in range(TRIES):
            case = self.store.case(case_id)
            if case is None:
                break
            weighed = self._weighed(case)
            if weighed == case:
                return case
            try:
                return self.save(weighed, f"The case is “{weighed.state}”. {weighed.reason}".strip())
            except Stale:
                continue
        raise Stale(f"case {case_id} changes faster than its checklist can be weighed; try again")

    def _weighed(self, case: Case) -> Case:
        """The case in the state that its standing answers put it in, with a warning where Unblock needs one."""
        put_back_at = self.store.mark(RESTORED)
        moment = datetime.fromisoformat(put_back_at) if put_back_at else None
        return rules.cautioned(self._answered(case), moment)

    def _answered(self, case: Case) -> Case:
        if not rules.is_answering(case, self.procedure.compromise_reasons):
            return case
        standing = self.standing(case)
        is_relied = self.relied(case) is not None and not self.refuted(case, standing)
        state, lead = rules.answered_state(case, self.checklist, standing, relied=is_relied)
        if state is case.state:
            return case
        return replace(case, state=state, reason=lead.because if lead else "")

    def save(self, case: Case, what: str, *, agent: Agent | None = None, tasks: Sequence[Task] = ()) -> Case:
        """Write a changed case over the version it was read at, with all that must commit with it."""
        with self.store.change() as change:
            return self.save_in(change, case, what, agent=agent, tasks=tasks)

    def save_in(
        self,
        change: Change,
        case: Case,
        what: str,
        *,
        agent: Agent | None = None,
        tasks: Sequence[Task] = (),
        known: Known | None = None,
    ) -> Case:
        """The same within a transaction that does more; `known` is what has been read for it before."""
        now = self.clock()
        before = known.before if known is not None else self.store.case(case.id)
        changed = replace(case, updated_at=now)
        saved = change.save_case(changed) if before is not None else change.save_new_case(changed)
        change.log(saved.id, JournalEntry(at=now, actor=signed(agent) if agent else PROGRAM, what=what))
        if before is None or before.status != saved.status:
            self._note_releases(change, saved, known)
        if saved.state is CaseState.UNBLOCKED and (before is None or before.state is not CaseState.UNBLOCKED):
            change.put_task(follow_up(saved))
            for other in self._others_waiting(saved):
                change.put_task(reread(other))
        if self._begins_to_ask(before, saved):
            change.put_task(first_look(saved))
        for task in (annotation(saved), *tasks):
            change.put_task(task)
        return saved

    def _begins_to_ask(self, before: Case | None, saved: Case) -> bool:
        """Whether a checklist was just opened that can check something itself, or another block calls for it anew."""
        if saved.state not in rules.ANSWERING or not self.checking(saved):
            return False
        if before is None or before.state not in rules.ANSWERING or before.status is None or saved.status is None:
            return True
        return rules.counts_from(before.status) != rules.counts_from(saved.status)

    def _note_releases(self, change: Change, case: Case, known: Known | None) -> None:
        """Just read: what is off the list was released; what is on it by the very same block was not."""
        if case.status is None or case.status.sending is Sending.UNKNOWN:
            return
        askings = known.askings if known is not None else self.askings(case.status)
        listed = rules.still_listed(askings, case.status)
        for asking in askings:
            is_released = asking not in listed and asking.asked_at < case.status.checked_at
            if is_released and asking.released_at is None:
                change.record_release(asking, case.status.checked_at)
            elif asking in listed and asking.released_at is not None:
                change.record_release(asking, None)

    def _others_waiting(self, case: Case) -> list[Case]:
        """The account's cases on other tickets, which the release concerns too."""
        others = self.store.cases_of_account(case.account)
        return [other for other in others if other.id != case.id and other.state in rules.PRESSING]


def _says_the_same(read: Case, kept: Case | None) -> bool:
    """Whether a reading tells nothing new: only the moment of reading differs."""
    if kept is None or kept.status is None or read.status is None:
        return False
    return replace(read, status=replace(read.status, checked_at=kept.status.checked_at)) == kept


def told(status: AccountStatus) -> str:
    """A reading in one line, for the journal."""
    listed = ", ".join(blocked.address for blocked in status.blocked)
    reason = f": {status.sign_in.reason}" if status.sign_in.reason else ""
    parts = [
        f"Sending {status.sending}" + (f" ({listed})" if listed else ""),
        f"sign-in {status.sign_in.state}{reason}",
    ]
    return "; ".join(part for part in (*parts, status.failure) if part) + "."


def answer_told(text: str, value: Mapping[str, object] | None) -> str:
    """An answer in one line, for the journal."""
    if value is None:
        return f"Took back: {text}"
    words = {True: "yes", False: "no"}
    said = [part for name, part in value.items() if name != "look"]
    given = ", ".join(words[part] if isinstance(part, bool) else str(part) for part in said)
    return f"Answered “{text}”: {given}"
