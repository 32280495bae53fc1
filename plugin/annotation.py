"""What the ticket shows of its cases: the note that is due, the one state tag, the promised fields.

Every note has a row of its own, committed before it is sent: a repeat finds it done, or looks for its key on the ticket
before it sends it again.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256

from plugin import rules
from plugin.casework import PROGRAM, Casework
from plugin.errors import NotFound, PermanentError
from plugin.log import log
from plugin.model import Case, CaseState, JournalEntry, Sending, Ticket
from plugin.naming import mending, note_key
from plugin.notes.facts import AddressResult, Facts
from plugin.notes.texts import NoteKind, Texts
from plugin.ports import TicketSystem

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
    """The notes that a case in this state must have on its ticket, each with its occasion.

    `referrals` counts the notes that said "refer to Security": once that is lifted, a note says so anew.
    """
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
    which = moment.strftime("%Y%m%dT%H%M%S.%f") if moment else "elsewhere"
    return NoteKind.RESULT, f"{case.state.name.lower()}-{which}"


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
    return f"shown {_fingerprint(case.source, case.ticket)}"


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


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
        """Post the notes that the case's state calls for, and bring tag and fields up to date."""
        try:
            try:
                referrals = sum("/refer-to-security" in note.key for note, _ in self._store.notes(case.id))
                for kind, occasion in due_notes(case, referrals=referrals):
                    self._post_once(case, kind, note_key(case, occasion))
            finally:  # a note that is refused or late must not hold back what automated triage keys on
                self._show_state(case)
        except NotFound:
            log("ticket.gone", logging.WARNING, source=case.source, ticket=case.ticket)

    def mend(self, ticket: Ticket) -> None:
        """Put the state tag right where somebody changed it by hand."""
        cases = self._store.cases_of_ticket(ticket.source, ticket.id)
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
            self._send(case, key, is_first=False)
        except NotFound:
            log("ticket.gone", logging.WARNING, source=case.source, ticket=case.ticket)

    def _post_once(self, case: Case, kind: NoteKind, key: str) -> None:
        if self._store.note(key) is not None:
            self._send(case, key, is_first=False)
            return
        note = self._texts.note(kind, key=key, facts=self._facts(case))
        with self._store.change() as change:
            is_first = change.intend(case.id, note, self._work.clock())
        self._send(case, key, is_first=is_first)

    def _send(self, case: Case, key: str, *, is_first: bool) -> None:
        row = self._store.note(key)
        if row is None or row[1] is not None:
            return
        system = self._sources[case.source]
        if is_first or not system.has_note(case.ticket, key):
            system.add_note(case.ticket, row[0])
        now = self._work.clock()
        with self._store.change() as change:
            change.done(key, now)
            change.log(case.id, JournalEntry(at=now, actor=PROGRAM, what=f"Posted: {row[0].subject}."))

    def _show_state(self, case: Case) -> None:
        """One state tag and one set of fields for the ticket, written only where they have changed."""
        leading = rules.ticket_state(self._store.cases_of_ticket(case.source, case.ticket)) or case
        tags, fields = state_tags(leading), shown_fields(leading)
        mark, value = _mark(case), _fingerprint(tags, fields)
        if self._store.mark(mark) == value:
            return
        with self._store.change() as change:
            change.set_mark(mark, "")  # a write that fails halfway must not leave the mark of what was there before
        system = self._sources[case.source]
        writes: dict[str, Callable[[], None]] = {}
        if system.abilities.tags:
            writes["tags"] = lambda: system.change_tags(case.ticket, add=tags, remove=STATE_TAGS - tags)
        if system.abilities.fields:
            writes["fields"] = lambda: system.change_fields(case.ticket, fields)
        taken = [self._try(case, what, write) for what, write in writes.items()]
        if all(taken):
            with self._store.change() as change:
                change.set_mark(mark, value)

    def _try(self, case: Case, what: str, write: Callable[[], None]) -> bool:
        """A ticket system that will not take tags or fields must not hold up the procedure; the note says it all."""
        try:
            write()
        except NotFound:
            raise
        except PermanentError as error:
            log("annotate.refused", logging.ERROR, what=what, source=case.source, ticket=case.ticket, error=str(error))
            return False
        return True

    def _facts(self, case: Case) -> Facts:
        return Facts(
            state=case.state,
            finding=case.finding,
            status=case.status,
            results=self._results(case),
            question=case.question,
            candidates=case.candidates,
            agent=self._last_agent(case),
            reason=case.reason,
            unblocked_at=case.unblocked_at,
            escalate_after=case.escalate_after,
            panel_url=self._panel_address(case),
            earlier_unblocks=self._earlier_unblocks(case),
        )

    def _results(self, case: Case) -> tuple[AddressResult, ...]:
        return tuple(
            AddressResult(
                address=asking.address,
                outcome=rules.outcome(asking),
                asked_at=asking.asked_at,
                asked_by=asking.agent,
                confirmed_at=asking.released_at,
            )
            for asking in self._store.askings_of_case(case)
        )

    def _last_agent(self, case: Case) -> str:
        askings = self._store.askings_of_case(case)
        return askings[-1].agent if askings else ""

    def _earlier_unblocks(self, case: Case) -> int:
        """Confirmed releases of the account's addresses before this round: Microsoft counts them."""
        if case.status is None:
            return 0
        mine = self._store.askings_of_case(case)
        return sum(asking.released_at is not None and asking not in mine for asking in self._work.askings(case.status))
