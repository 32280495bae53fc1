"""What an agent sees of a ticket's cases and does about them. Called by the panel; every action names its agent.

An action checks the agent's role, changes the case and its journal in one transaction and leaves the outside work
(notes, tags, the asking itself) to the worker, by a task that commits with it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from plugin import checklist as checklists
from plugin import rules
from plugin.casework import Casework, Earlier, answer_told, signed
from plugin.checklist import Item, Lead
from plugin.errors import NotAllowed, NotFound, RemoteError
from plugin.model import (
    AccountStatus,
    Agent,
    Asking,
    Case,
    CaseState,
    GivenAnswer,
    JournalEntry,
    Note,
    Role,
    Task,
)
from plugin.naming import account_lane, note_key, posting
from plugin.notes.texts import ReplyKind, Texts, public_note, says_too_much
from plugin.ports import MailTenant
from plugin.rules import Gate

ADDRESS = re.compile(r"[\w.+%-]{1,64}@[\w.-]{1,255}")

UNSETTLED = (CaseState.NEEDS_PERSON, CaseState.RECEIVED)
"""States in which a case without an account waits for somebody, or something, to say which."""

REPLY_FOR = {CaseState.UNBLOCKED: ReplyKind.CUSTOMER, CaseState.BULK_SENDER: ReplyKind.BULK_SENDER}
"""The public reply that fits a state, where one does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A note as it was posted, or is about to be."""

    note: Note
    posted_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseView:
    """All that the panel shows of one case to one agent."""

    case: Case
    items: tuple[Item, ...]  # asked of this account, in order
    answers: Mapping[str, GivenAnswer]  # those that still count, by item
    stale_answers: Mapping[str, GivenAnswer]  # given before the newest block: to be given again
    lead: Lead | None  # the road an answer leads to
    gate: Gate
    relied: Earlier | None  # the earlier checklist that an agent relies on
    earlier: Earlier | None  # rule 3: offered, not yet relied on
    askings: tuple[Asking, ...]  # of this round
    notes: tuple[Written, ...]
    journal: tuple[JournalEntry, ...]
    reply: ReplyKind | None  # the public reply that fits now
    reply_sent: bool
    may_act: bool  # the role allows answering
    can_answer: bool  # the checklist is open for answers


class Desk:
    """The agent's side of the procedure."""

    def __init__(self, *, casework: Casework, tenant: MailTenant, texts: Texts, domains: Sequence[str] = ()) -> None:
        self._domains = tuple(f"{mark}{domain}" for domain in domains for mark in "@.")
        self._work = casework
        self._store = casework.store
        self._tenant = tenant
        self._texts = texts

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def views(self, source: str, ticket: str, agent: Agent) -> tuple[CaseView, ...]:
        """Every case on a ticket, the one that most needs somebody first."""
        cases = sorted(self._store.cases_of_ticket(source, ticket), key=lambda case: rules.URGENCY.index(case.state))
        return tuple(self.view(case, agent) for case in cases)

    def view(self, case: Case, agent: Agent) -> CaseView:
        """One case as this agent sees it."""
        standing = self._work.standing(case)
        relied = self._work.relied(case)
        written = tuple(Written(note=row.note, posted_at=row.done_at) for row in self._store.notes(case.id))
        reply = REPLY_FOR.get(case.state)
        return CaseView(
            case=case,
            items=checklists.asked(self._work.checklist, sign_in=case.status.sign_in) if case.status else (),
            answers=standing,
            stale_answers={row.item: row for row in self._store.answers(case.id) if row.item not in standing},
            lead=rules.answered_state(case, self._work.checklist, standing, relied=relied is not None)[1],
            gate=self._work.gate(case, agent),
            relied=relied,
            earlier=None if relied else self._work.earlier(case),
            askings=self._store.askings_of_case(case),
            notes=tuple(row for row in written if row.note.subject),
            journal=self._store.journal(case.id),
            reply=reply,
            reply_sent=reply is not None and any(row.note.key == _reply_key(case, reply) for row in written),
            may_act=agent.role is not Role.VIEWER,
            can_answer=self._can_answer(case),
        )

    def case(self, source: str, ticket: str, case_id: str) -> Case:
        """A case that must be on this ticket; `NotAllowed` otherwise."""
        case = self._store.case(case_id)
        if case is None or (case.source, case.ticket) != (source, ticket):
            raise NotAllowed("This case is not on this ticket. Reload the ticket.")
        return case

    def reply_text(self, kind: ReplyKind) -> str:
        """The reply to the customer, to preview and edit."""
        return self._texts.reply(kind)

    def use_launch(self, source: str, jti: str, expires_at: datetime) -> None:
        """Use up a launch token; `NotAllowed` the second time."""
        with self._store.change() as change:
            if not change.use_launch(source, jti, expires_at, self._work.clock()):
                raise NotAllowed("This link to the panel was used before. Reload the ticket to get a new one.")

    # ── acting ───────────────────────────────────────────────────────────────────────────────────────────────────

    def refresh(self, case: Case, agent: Agent) -> Case:
        """Read the account again, now."""
        _must_act(agent)
        return self._work.take(case, self._read(case.account), "Read again.", agent=agent) if case.account else case

    def answer(self, case: Case, item_id: str, form: Mapping[str, str], agent: Agent) -> Case:
        """Answer one item of the checklist, or take the answer back."""
        _must_act(agent)
        if not self._can_answer(case):
            raise NotAllowed(f"The case is “{case.state}”; its checklist cannot be answered now.")
        item = next((item for item in self._work.checklist.items if item.id == item_id), None)
        if item is None:
            raise NotAllowed("The checklist has changed. Reload the ticket.")
        value = checklists.read_answer(item, form)
        now = self._work.clock()
        with self._store.change() as change:
            if value is None:
                change.drop_answer(case.id, item.id)
            else:
                change.save_answer(case.id, self._given(item, value, agent, now))
            change.log(case.id, JournalEntry(at=now, actor=signed(agent), what=answer_told(item.text, value)))
        return self._work.restate(case.id)

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
        _must_act(agent)
        earlier = self._work.earlier(case)
        if earlier is None or earlier.case.id != earlier_id:
            raise NotAllowed("That earlier checklist cannot be relied on (any more). Answer this one.")
        what = f"Relies on the checklist of ticket {earlier.case.reference}, completed by {earlier.completed_by}."
        return self._work.restate(self._work.save(replace(case, relied_on=earlier_id), what, agent=agent).id)

    def unblock(self, case: Case, agent: Agent) -> Case:
        """Rule 1: press Unblock. The worker reads and checks everything once more before it asks."""
        gate = self._work.gate(case, agent)
        if not gate.is_open:
            raise NotAllowed(" ".join(gate.reasons))
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
        _must_act(agent)
        if case.state not in UNSETTLED or case.account:
            raise NotAllowed("The account of this case is settled already.")
        status = self._read(account.strip())
        self._refuse_twin(case, status)
        chosen = replace(case, account=status.netid, state=CaseState.RECEIVED, question="", candidates=())
        return self._work.take(chosen, status, f"Chose the account {status.netid}.", agent=agent)

    def open_case(self, source: str, ticket: str, account: str, agent: Agent) -> Case:
        """Open a case by hand: a phone call, or something triage missed."""
        _must_act(agent)
        status = self._read(account.strip())
        asked = self._question_about(source, ticket, status)
        if asked is not None:
            return self.choose_account(asked, account, agent)
        opened = self._work.new_case(source, ticket, status.netid, opened_by=agent.login)
        case = replace(opened, account=status.netid)
        self._refuse_twin(case, status)
        return self._work.take(case, status, "Opened the case by hand.", agent=agent, is_new=True)

    def send_reply(self, case: Case, kind: ReplyKind, text: str, agent: Agent) -> Case:
        """Rule 6: send the customer a text that this agent has seen."""
        _must_act(agent)
        if REPLY_FOR.get(case.state) is not kind:
            raise NotAllowed(f"The case is “{case.state}”; this reply does not fit.")
        if not text.strip() or len(text) > 10_000:
            raise NotAllowed("The reply is empty or too long.")
        words = (*says_too_much(text, case.status, case.finding), *self._addresses_of_ours(text, kind))
        if words:
            raise NotAllowed(
                f"Not sent. Take out: {', '.join(words)}. The attacker may be reading that mailbox, so a reply never "
                "names addresses, reasons or findings."
            )
        note = public_note(_reply_key(case, kind), text)
        with self._store.change() as change:
            if not change.intend(case.id, note, self._work.clock()):
                raise NotAllowed("This reply was sent before.")
            return self._work.save_in(
                change, case, "Sent the reply to the customer.", agent=agent, tasks=[posting(case, note.key)]
            )

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _addresses_of_ours(self, text: str, kind: ReplyKind) -> tuple[str, ...]:
        """Mail addresses of the organisation in a text, but for those that the site's own words name."""
        usual = self._texts.reply(kind)
        found = (match[0] for match in ADDRESS.finditer(text) if match[0] not in usual)
        return tuple(address for address in found if address.lower().rstrip(".").endswith(self._domains))

    def _question_about(self, source: str, ticket: str, status: AccountStatus) -> Case | None:
        """A case on this ticket that asks whether it is about this account, or waits until that can be read."""
        names = {status.netid.lower(), *(address.lower() for address in status.addresses)}
        for case in self._store.cases_of_ticket(source, ticket):
            found = {candidate.account for candidate in case.finding.candidates} if case.finding else set()
            if case.state in UNSETTLED and not case.account and names & {*case.candidates, *found}:
                return case
        return None

    def _can_answer(self, case: Case) -> bool:
        return case.state in rules.AFTER_ASKING or rules.is_answering(case, self._work.procedure.compromise_reasons)

    def _refuse_twin(self, case: Case, status: AccountStatus) -> None:
        others = self._store.cases_of_ticket(case.source, case.ticket)
        if any(other.account == status.netid for other in others):
            raise NotAllowed(f"There is a case for {status.netid} on this ticket already.")

    def _read(self, account: str) -> AccountStatus:
        try:
            return self._tenant.status(account)
        except NotFound as error:
            raise NotAllowed(f"There is no account “{account}”. Type a NetID or one of its addresses.") from error
        except RemoteError as error:
            raise NotAllowed(f"The account could not be read. {error}. Nothing was changed; try again.") from error


def _must_act(agent: Agent) -> None:
    if agent.role is Role.VIEWER:
        raise NotAllowed("You are signed in as a viewer; only agents may do this.")


def _reply_key(case: Case, kind: ReplyKind) -> str:
    return note_key(case, f"reply-{kind.value}")
