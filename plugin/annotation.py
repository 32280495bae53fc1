"""What the ticket shows of its cases: the note that is due, the one state tag, the promised fields, the checklist.

Every note has a row of its own, committed before it is sent: a repeat finds it done, or looks for its key on the ticket
before it sends it again.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from plugin import note_limit, progress, rules
from plugin.casework import Casework
from plugin.errors import NotFound, OutcomeUnknown, PermanentError, RemoteError
from plugin.log import log
from plugin.model import PROGRAM, Asking, Case, CaseState, JournalEntry, Note, Sending, Ticket
from plugin.naming import mending, note_key, posting
from plugin.notes.facts import AddressResult, Facts, Happening
from plugin.notes.texts import NoteKind, Texts
from plugin.ports import TicketChange, TicketSystem
from plugin.store import marks
from plugin.store.cases import RESTORED, SentNote

MOST_TOLD = 60
"""So many of the last lines of a journal go into an escalation."""

STATE_TAGS = frozenset(rules.TAG_OF.values())

STATUS_NOTE = {
    CaseState.NOT_BLOCKED: "not-blocked",
    CaseState.SENDING_LIMIT: "sending-limit",
    CaseState.TENANT_BLOCKED: "tenant-blocked",
    CaseState.REFER_TO_SECURITY: "refer-to-security",
    CaseState.CHECKLIST_OPEN: "blocked",
    CaseState.READY: "blocked",
}
"""States with one status note a round, and what tells it from the others."""


def due_notes(case: Case, *, referrals: int = 0) -> tuple[tuple[NoteKind, str], ...]:
    """The notes that a case must have on its ticket, each with its occasion.

    `referrals` counts the notes that were to say "refer to Security": once that is lifted, a note says so anew.
    """
    if case.escalated_at is not None and case.state in rules.ESCALATING:
        return (*_notes_of_state(case, referrals), (NoteKind.ESCALATION, f"escalation-{_stamp(case.escalated_at)}"))
    return _notes_of_state(case, referrals)


def _notes_of_state(case: Case, referrals: int) -> tuple[tuple[NoteKind, str], ...]:
    if case.state is CaseState.NEEDS_PERSON:
        return ((NoteKind.STATUS, _question(case)),)
    if case.state is CaseState.BULK_SENDER:
        return ((NoteKind.BULK_SENDER, "bulk-sender"),)
    if case.state is CaseState.UNBLOCKED:
        early = ((NoteKind.EARLY_COMPLAINT, "early-complaint"),) if case.complained_at is not None else ()
        return (_result(case), *early)
    if case.state in rules.AFTER_ASKING:
        return (_result(case),)
    if case.state in (CaseState.CLOSED, CaseState.OVERDUE):
        return ((NoteKind.FOLLOW_UP, case.state.value.lower()),)
    occasion = STATUS_NOTE.get(case.state)
    if case.state is CaseState.REFER_TO_SECURITY:
        occasion = f"refer-to-security-{_fingerprint(case.reason)[:8]}"
    elif occasion == "blocked" and referrals:
        occasion = f"blocked-after-{referrals}-referrals"
    # A note that rests on a reading waits for one: its words must not be used up by "could not be read".
    is_read = case.status is not None and case.status.sending is not Sending.UNKNOWN
    return ((NoteKind.STATUS, occasion),) if occasion and (is_read or case.state is CaseState.TENANT_BLOCKED) else ()


def _question(case: Case) -> str:
    if case.unreadable_since is not None and not case.question:
        return "unreadable"
    return "question-" + _fingerprint(case.account, case.question, case.candidates)


def _result(case: Case) -> tuple[NoteKind, str]:
    # A release that did not hold may be followed by another one of the same pressing.
    moment = case.unblocked_at if case.state is CaseState.UNBLOCKED else case.asked_at
    return NoteKind.RESULT, f"{case.state.name.lower()}-{_stamp(moment) if moment else 'elsewhere'}"


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%S.%f")


def shown_fields(case: Case) -> dict[str, str | None]:
    """The promised fields, from the case that leads the ticket."""
    status, is_released = case.status, case.state in rules.AFTER_RELEASE
    return {
        "Sending Status": status.sending.value if status else None,
        "Blocked Addresses": ", ".join(blocked.address for blocked in status.blocked) or None if status else None,
        "Case State": case.state.value,
        "Unblocked At": _moment(case.unblocked_at) if is_released else None,
        "Escalate After": _moment(case.escalate_after) if is_released else None,
    }


def state_tags(case: Case) -> frozenset[str]:
    """The one state tag, from the case that leads the ticket."""
    return frozenset({rules.TAG_OF[case.state]} if case.state in rules.TAG_OF else ())


def _mark(case: Case) -> str:
    return marks.shown(case.source, case.ticket)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _value(state: TicketChange) -> str:
    shown = () if state.checklist is None else ([(step.text, step.is_done) for step in state.checklist],)
    return _fingerprint(sorted(state.tags or ()), dict(state.fields), *shown)


def _still_on_its_way(case: Case, left: timedelta) -> OutcomeUnknown:
    message = "it was sent, no answer came, and it is not there; the ticket system may still be at work on it"
    error = OutcomeUnknown(case.source, f"looking for a note on ticket {case.ticket}", message)
    error.retry_after = left.total_seconds()
    return error


def _log_refusal(case: Case, refusal: str) -> None:
    log("annotate.refused", logging.ERROR, source=case.source, ticket=case.ticket, error=refusal)


def _result_of(asking: Asking) -> AddressResult:
    return AddressResult(
        address=asking.address,
        outcome=rules.outcome(asking),
        asked_at=asking.asked_at,
        asked_by=asking.agent,
        confirmed_at=asking.released_at,
    )


def _fingerprint(*shown: object) -> str:
    return sha256(repr(shown).encode()).hexdigest()[:20]


class Annotation:
    """Writes on tickets what their cases say."""

    def __init__(
        self,
        *,
        casework: Casework,
        sources: Mapping[str, TicketSystem],
        texts: Texts,
        panel_address: Callable[[Case], str],
    ) -> None:
        self._work = casework
        self._store = casework.store
        self._sources = sources
        self._texts = texts
        self._panel_address = panel_address

    def show(self, case: Case) -> None:
        """Post the notes that the case's state calls for, and bring tag and fields up to date in the same write."""
        try:
            state = self._unshown(case)
            try:
                for note in self._missing(case):
                    if self._write(case, note, state):
                        state = None
            finally:  # a note that is refused or late must not hold back what automated triage keys on
                if state is not None:
                    self._write_state(case, state)
        except NotFound:
            log("ticket.gone", logging.WARNING, source=case.source, ticket=case.ticket)

    def mend(self, ticket: Ticket, cases: Sequence[Case]) -> None:
        """Put the state tag right where somebody changed it by hand."""
        leading = rules.ticket_state(cases)
        if leading is None or ticket.tags & STATE_TAGS == state_tags(leading):
            return
        mark = _mark(leading)
        with self._store.change() as change:
            if self._store.mark(mark):
                change.set_mark(mark, "")
                change.put_task(mending(leading, self._work.clock()))

    def post(self, case: Case, key: str) -> None:
        """Put a note that is meant to be there on the ticket, unless it is there already."""
        try:
            sent = self._store.note(key)
            for note in self._unsent(case, sent) if sent is not None else ():
                self._write(case, note, None)
        except NotFound:
            log("ticket.gone", logging.WARNING, source=case.source, ticket=case.ticket)

    def say(self, case: Case, kind: NoteKind, occasion: str, why: str) -> None:
        """Put a note about what was not done on the ticket: an agent believes that it was."""
        key = note_key(case, occasion)
        facts = replace(self._facts(case), reason=why)
        with self._store.change() as change:
            change.intend(case.id, self._texts.note(kind, key=key, facts=facts), self._work.clock())
            change.put_task(posting(case, key))

    def _missing(self, case: Case) -> Iterator[SentNote]:
        """The notes that are due and not on the ticket, each to be sent now."""
        meant = {sent.note.key: sent for sent in self._store.notes(case.id)}
        referrals = sum("/refer-to-security" in key for key in meant)
        for kind, occasion in due_notes(case, referrals=referrals):
            key = note_key(case, occasion)
            sent = meant.get(key)
            if sent is None or sent.has_lost_its_text:
                note = self._texts.note(kind, key=key, facts=self._facts(case))
                sent = SentNote(note=note, sent_at=sent.sent_at if sent else None, done_at=None, is_kept=False)
            yield from self._unsent(case, sent)

    def _unsent(self, case: Case, sent: SentNote) -> Iterator[SentNote]:
        """The note, unless it is on the ticket or may still be on its way there.

        One that was sent without an answer is looked for on the ticket. It is sent again only once the ticket system
        can no longer be at work on it, or where that makes one note of both.
        """
        if sent.done_at is not None:
            return
        if self._is_there(case, sent):
            with self._store.change() as change:
                change.intend(case.id, sent.note, self._work.clock())
            self._remember(case, sent.note, None)
            return
        now = self._work.clock()
        if sent.sent_at is not None and not self._sources[case.source].abilities.one_note_per_key:
            left = sent.sent_at + self._work.procedure.note_settles_within - now
            if left > timedelta(0):
                raise _still_on_its_way(case, left)
        note_limit.hold(self._store, case, sent.note, at_most=self._work.procedure.notes_per_hour, now=now)
        yield sent

    def _is_there(self, case: Case, sent: SentNote) -> bool:
        """A note that never was on its way is not there, unless our databases come from a backup."""
        may_be = sent.sent_at is not None or self._store.mark(RESTORED) is not None
        return may_be and self._sources[case.source].has_note(case.ticket, sent.note.key)

    def _unshown(self, case: Case) -> TicketChange | None:
        """Tag and fields of the case that leads the ticket, the steps of all; nothing where just these are shown."""
        cases = self._store.cases_of_ticket(case.source, case.ticket)
        leading = rules.ticket_state(cases) or case
        can = self._sources[case.source].abilities
        state = TicketChange(
            tags=state_tags(leading) if can.tags else None,
            fields=shown_fields(leading) if can.fields else {},
            checklist=progress.steps(self._work, cases) if can.checklist else None,
        )
        return None if self._store.mark(_mark(case)) == _value(state) else state

    def _write(self, case: Case, sent: SentNote | None, state: TicketChange | None) -> bool:
        """Write on the ticket, with a row that says so before; False where somebody else is at the note."""
        now = self._work.clock()
        with self._store.change() as change:
            if sent is not None and not change.send(case.id, sent, now):
                return False
            if state is not None:
                change.set_mark(_mark(case), "")  # a write that fails halfway must not leave the mark of before
        wanted = replace(state or TicketChange(), note=sent.note if sent is not None else None)
        try:
            refusals = self._sources[case.source].write(case.ticket, wanted)
        except RemoteError as error:
            if sent is not None and error.was_surely_not_done:
                with self._store.change() as change:
                    change.unsend(sent.note, now)
            raise
        self._remember(case, wanted.note, None if refusals else state)
        for refusal in refusals:
            _log_refusal(case, refusal)
        return True

    def _remember(self, case: Case, note: Note | None, state: TicketChange | None) -> None:
        """What is on the ticket now."""
        now = self._work.clock()
        with self._store.change() as change:
            if note is not None:
                change.done(note.key, now)
                change.log(case.id, JournalEntry(at=now, actor=PROGRAM, what=f"Posted: {note.subject}."))
            if state is not None:
                change.set_mark(_mark(case), _value(state))

    def _write_state(self, case: Case, state: TicketChange) -> None:
        """A ticket system that will not take tags or fields must not hold up the procedure; the note says it all."""
        try:
            self._write(case, None, state)
        except NotFound:
            raise
        except PermanentError as error:
            _log_refusal(case, str(error))

    def _facts(self, case: Case) -> Facts:
        askings = self._store.askings_of_case(case)
        return Facts(
            state=case.state,
            finding=case.finding,
            status=case.status,
            results=tuple(_result_of(asking) for asking in askings),
            question=case.question,
            candidates=case.candidates,
            agent=askings[-1].agent if askings else "",
            reason=case.reason,
            unblocked_at=case.unblocked_at,
            escalate_after=case.escalate_after,
            panel_url=self._panel_address(case),
            earlier_unblocks=self._earlier_unblocks(case, askings),
            complained_at=case.complained_at,
            escalated_at=case.escalated_at,
            escalated_by=case.escalated_by,
            story=self._story(case),
        )

    def _story(self, case: Case) -> tuple[Happening, ...]:
        """What an escalation tells of the journal; no other note does."""
        if case.escalated_at is None:
            return ()
        lines = self._store.journal(case.id)[-MOST_TOLD:]
        return tuple(Happening(at=line.at, actor=line.actor, what=line.what) for line in lines)

    def _earlier_unblocks(self, case: Case, mine: Sequence[Asking]) -> int:
        """Confirmed releases of the account's addresses before this round: Microsoft counts them."""
        if case.status is None:
            return 0
        return sum(asking.released_at is not None and asking not in mine for asking in self._work.askings(case.status))
