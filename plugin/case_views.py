"""All that one agent is shown of one case: read from the store, weighed by the rules, and nothing changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from flask_babel import gettext as _

from plugin import checklist as checklists
from plugin import rules
from plugin.casework import Casework, Earlier
from plugin.checklist import Item, Kind, Lead
from plugin.model import Agent, Asking, Case, CaseState, GivenAnswer, JournalEntry, Looked, Note, Role
from plugin.naming import note_key
from plugin.notes.texts import ReplyKind
from plugin.rules import Gate

RECENT = timedelta(days=90)
"""Unblocks that are no older are counted for the agent: Microsoft counts too, and at some number refuses."""

MOST_PAST = 10
"""So many of an account's other cases, the newest first, are shown."""

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
    checking: frozenset[str]  # the items that check themselves
    looks: Mapping[str, Looked]  # what was found for those, by item
    seen: Mapping[str, str]  # by item, which answer is shown: `answer_mark`
    lead: Lead | None  # the road an answer leads to
    gate: Gate
    relied: Earlier | None  # the earlier checklist that an agent relies on
    earlier: Earlier | None  # rule 3: offered, not yet relied on
    askings: tuple[Asking, ...]  # of this round
    past: tuple[Case, ...]  # other cases of the account, the newest first
    unblocks: int  # pressings on any ticket within `RECENT` that released an address
    notes: tuple[Written, ...]
    journal: tuple[JournalEntry, ...]
    reply: ReplyKind | None  # the public reply that fits now
    reply_sent: bool
    may_act: bool  # the role allows answering
    may_override: bool  # it also allows passing over what was found not to be so
    can_answer: bool  # the checklist is open for answers
    can_complain: bool  # released, and nobody has said so far that mail still fails
    can_escalate: bool  # due for the Office 365 team, and not handed over yet


def answer_mark(answer: GivenAnswer | None) -> str:
    """Which answer somebody has seen, so that one given since is never written over; empty: none."""
    if answer is None:
        return ""
    told = repr((answer.value, answer.agent, answer.answered_at.isoformat()))
    return sha256(told.encode()).hexdigest()[:16]


def value_told(item: Item, value: Mapping[str, object]) -> str:
    """An answer as people say it."""
    if item.kind is Kind.DONE:
        reason = value.get("reason")
        words: str = _("done: %(reason)s", reason=reason) if reason else _("done")
        return words
    spoken = {True: _("yes"), False: _("no")}
    return ", ".join(spoken[part] if isinstance(part, bool) else str(part) for part in value.values() if part != "")


def reply_key(case: Case, kind: ReplyKind) -> str:
    """The key of the public reply of a case: sent once a round."""
    return note_key(case, f"reply-{kind.value}")


def can_answer(case: Case, compromise_reasons: Sequence[str]) -> bool:
    """Whether the checklist takes answers now."""
    return case.state in rules.AFTER_ASKING or rules.is_answering(case, compromise_reasons)


class CaseViews:
    """Reads cases as agents see them."""

    def __init__(self, casework: Casework) -> None:
        self._work = casework
        self._store = casework.store

    def of_ticket(self, source: str, ticket: str, agent: Agent) -> tuple[CaseView, ...]:
        """Every case on a ticket, the one that most needs somebody first."""
        cases = sorted(self._store.cases_of_ticket(source, ticket), key=lambda case: rules.URGENCY.index(case.state))
        return tuple(self.of_case(case, agent) for case in cases)

    def of_case(self, case: Case, agent: Agent) -> CaseView:
        """One case as this agent sees it."""
        given = {row.item: row for row in self._store.answers(case.id)}
        standing = self._work.standing(case)
        relied = self._work.relied(case)
        written = tuple(Written(note=row.note, posted_at=row.done_at) for row in self._store.notes(case.id))
        reply = REPLY_FOR.get(case.state)
        checking, looks = self._work.checking(case), self._work.looks(case)
        may_act = agent.role is not Role.VIEWER
        return CaseView(
            case=case,
            items=checklists.asked(self._work.checklist, sign_in=case.status.sign_in) if case.status else (),
            answers=standing,
            stale_answers={item: row for item, row in given.items() if item not in standing},
            checking=frozenset(item.id for item in checking),
            looks={item.id: looks[item.check] for item in checking if item.check and item.check in looks},
            seen={item: answer_mark(row) for item, row in given.items()},
            lead=rules.answered_state(case, self._work.checklist, standing, relied=relied is not None)[1],
            gate=self._work.gate(case, agent),
            relied=relied,
            earlier=None if relied else self._work.earlier(case),
            askings=self._store.askings_of_case(case),
            past=self._past(case),
            unblocks=self._unblocks(case),
            notes=tuple(row for row in written if row.note.subject),
            journal=self._store.journal(case.id),
            reply=reply,
            reply_sent=reply is not None and any(row.note.key == reply_key(case, reply) for row in written),
            may_act=may_act,
            may_override=agent.role is Role.SUPERVISOR,
            can_answer=can_answer(case, self._work.procedure.compromise_reasons),
            can_complain=rules.may_complain(case),
            can_escalate=rules.may_escalate(case),
        )

    def _past(self, case: Case) -> tuple[Case, ...]:
        if not case.account:
            return ()
        others = self._store.cases_of_account(case.account, limit=MOST_PAST + 1)
        return tuple(other for other in others if other.id != case.id)[:MOST_PAST]

    def _unblocks(self, case: Case) -> int:
        if case.status is None:
            return 0
        since = self._work.clock() - RECENT
        released = (asking for asking in self._work.askings(case.status) if asking.released_at is not None)
        return len({asking.press for asking in released if asking.asked_at >= since})
