"""The help desk's procedure, in its order: the page to print.

    triage      is it a blocked sender, and whose account?
    look_up     what do the mail tenant and the directory say?
    annotate    show it on the ticket
    ── the agent works through the checklist and presses Unblock (plugin/desk.py) ──
    unblock     ask Microsoft, once for each blocked address
    recheck     read again until "Not Blocked"
    report      the result with the 24-hour guidance: annotate again
    follow_up   24 hours later: closed, or overdue and free to escalate

Each public method is a task: it may run again after a crash and then does only what is not done yet. Where another
system fails, it raises, and the engine runs the task again later with the same arguments.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from plugin import rules
from plugin.annotation import Annotation
from plugin.asking import Asker, Pressing
from plugin.casework import Casework, told
from plugin.docket import Docket
from plugin.errors import Denied, NotFound, OutcomeUnknown, PermanentError, RemoteError, TransientError
from plugin.giving_up import GivingUp
from plugin.log import log
from plugin.looking import Looking
from plugin.model import (
    PROGRAM,
    AccountStatus,
    Agent,
    Asking,
    Case,
    CaseState,
    Finding,
    JournalEntry,
    Label,
    Sending,
    Task,
    Ticket,
)
from plugin.naming import account_lane, reread
from plugin.ports import MailTenant, TicketSystem, blocked_connectors
from plugin.reading import complains_since, text_of
from plugin.rules import ClockEnd, Settled, Unclear, Watch
from plugin.triage import triage

MOST_CANDIDATES = 5
"""So many accounts of one finding are looked up; a ticket cannot make us search the whole directory."""

MOST_OTHER_TICKETS = 5
"""So many of an account's other tickets, the newest first, are looked at for having been merged into this one."""

FEWEST_LOOKS = 5
"""So often an account is looked at before the time is up: a clock that is set forward must not end the watching."""

NO_SUCH_ACCOUNT = frozenset({400, 404, 410, 422})
"""Answers of a tenant to what is no account's name; any other failure is a failed read."""


class Workflow:
    """The procedure over its collaborators."""

    def __init__(
        self,
        *,
        casework: Casework,
        sources: Mapping[str, TicketSystem],
        tenant: MailTenant,
        annotation: Annotation,
        domains: Sequence[str],
    ) -> None:
        self._work = casework
        self._store = casework.store
        self._clock = casework.clock
        self._sources = sources
        self._tenant = tenant
        self._annotation = annotation
        self._domains = domains
        self._asker = Asker(casework, tenant)
        self._looking = Looking(casework, tenant)
        self._docket = Docket(casework)
        self._giving_up = GivingUp(casework, annotation)
        self.give_up = self._giving_up.tell

    def tasks(self) -> Mapping[str, Callable[[Mapping[str, Any]], None]]:
        """The tasks by name, each taking its arguments as JSON."""
        return {
            "handle": lambda args: self.handle(args["source"], args["ticket"]),
            "reread": lambda args: self.reread(self._case(args)),
            "annotate": lambda args: self._show(self._case(args), args.get("version")),
            "post": lambda args: self.post(self._case(args), args["key"]),
            "look": lambda args: self.look(self._case(args)),
            "unblock": lambda args: self.unblock(_pressing(self._case(args), args)),
            "recheck": lambda args: self.recheck(self._case(args), args["press"], args["look"], args["listed_then"]),
            "follow_up": lambda args: self.follow_up(self._case(args), args["round"]),
        }

    def _case(self, args: Mapping[str, Any]) -> Case:
        case = self._store.case(args["case"])
        if case is None:
            raise LookupError(f"there is no case {args['case']}; was the cases database replaced?")
        return case

    def _show(self, case: Case, version: int | None) -> None:
        """Show a case, unless it has changed since this was called for: each change calls for it anew."""
        if version in (None, case.version):
            self._annotation.show(case)

    def post(self, case: Case, key: str) -> None:
        """Put a note on the ticket; a reply to the customer that is refused is said to be so now, not after days."""
        try:
            self._annotation.post(case, key)
        except PermanentError as error:
            # A right that is missing may be given: that is tried on, as for every note.
            is_final = error.was_surely_not_done and not isinstance(error, Denied)
            if not (is_final and self._giving_up.give_up_reply(case, key, str(error))):
                raise

    # ── a ticket event ───────────────────────────────────────────────────────────────────────────────────────────

    def handle(self, source: str, ticket_id: str) -> None:
        """Something happened to a ticket: read it and act on what it says now."""
        system = self._sources[source]
        try:
            ticket = system.read_ticket(ticket_id)
        except NotFound:
            log("ticket.gone", source=source, ticket=ticket_id)
            return
        if ticket.id != ticket_id:
            self._move_cases(source, ticket_id, ticket.id)
        cases = self._store.cases_of_ticket(source, ticket.id)
        self._annotation.mend(ticket, cases)
        self._hear_complaints(system, ticket, cases)
        failures: list[RemoteError] = []
        done: set[str] = set()
        for finding in sorted(triage(text_of(system, ticket), self._domains), key=_seriousness):
            try:
                self.look_up(ticket, finding, done)
            except RemoteError as error:  # the other findings are no worse for it
                failures.append(error)
        if failures:
            raise failures[0]
        self._giving_up.checked(source, ticket.id)

    def look_up(self, ticket: Ticket, finding: Finding, done: set[str]) -> None:
        """Whose account a finding is about, and what the tenant says of it; `done` are the accounts dealt with."""
        if finding.label is Label.NOT_BLOCKED:
            return
        if finding.label is Label.TENANT_BLOCKED:
            self._tenant_blocked(ticket, finding)
            return
        try:
            named = dict.fromkeys(found.account for found in finding.candidates[:MOST_CANDIDATES])
            known = {account: self._known(account) for account in named}
        except RemoteError as error:
            self._not_read(ticket, finding, error)
            raise
        settled = rules.settle(finding, known, opened_by_agent=ticket.requester.is_agent)
        if isinstance(settled, Settled):
            if settled.status.netid not in done:
                done.add(settled.status.netid)
                self._bring_merged(ticket, settled.status.netid)
                self._take_found(ticket, finding, settled.status)
        elif (case := self._docket.concerned(ticket, finding)) is not None and not any(known.values()):
            self._gone(case)
        elif self._docket.is_settled_by_person(ticket, finding, known):
            self._take_known(ticket, known)
        else:
            self._ask_person(ticket, finding, settled)

    def _take_found(self, ticket: Ticket, finding: Finding, status: AccountStatus) -> None:
        case = self._docket.of_account(ticket, finding, status.netid)
        if case is not None:
            self._take_settled(case, status)
        else:
            opened, why = self._docket.new(ticket, finding, status.netid)
            self._take_settled(opened, status, why, is_new=True)

    def _take_known(self, ticket: Ticket, known: Mapping[str, AccountStatus | None]) -> None:
        """What was read to see who is meant is news to the cases that a person has settled."""
        read = {status.netid: status for status in known.values() if status is not None}
        for case in self._store.cases_of_ticket(ticket.source, ticket.id):
            if case.account in read:
                self._tell(case, read[case.account])

    def _move_cases(self, source: str, ticket: str, into: str) -> None:
        for case in self._store.cases_of_ticket(source, ticket):
            self._work.move(case, into)

    def _bring_merged(self, ticket: Ticket, account: str) -> None:
        """Before the account gets a case here: one that it has on a ticket merged into this one comes along."""
        cases = [case for case in self._store.cases_of_account(account) if case.source == ticket.source]
        if any(case.ticket == ticket.id for case in cases):
            return
        for other in list(dict.fromkeys(case.ticket for case in cases))[:MOST_OTHER_TICKETS]:
            try:
                is_merged = self._sources[ticket.source].read_ticket(other).id == ticket.id
            except (NotFound, Denied):  # deleted, or moved to where we may not look: not merged into this one
                continue
            if is_merged:
                self._move_cases(ticket.source, other, ticket.id)

    def reread(self, case: Case) -> None:
        """Read an account again: it could not be read when an agent settled it, or it was released elsewhere."""
        try:
            status = self._tenant.status(case.account)
        except NotFound:
            self._gone(case)
            return
        except RemoteError as error:
            self._unreadable(case, str(error))
            raise
        self._take_settled(case, status)

    def _take_settled(self, case: Case, status: AccountStatus, why: str = "", *, is_new: bool = False) -> None:
        settled = replace(case, account=status.netid, question="", candidates=())
        taken = self._work.take(settled, status, why, is_new=is_new)
        if status.sending is Sending.UNKNOWN:
            failure = status.failure or "the sending status is unknown"
            self._unreadable(taken, failure)
            raise OutcomeUnknown(self._tenant.name, f"reading {status.netid}", failure)

    def _known(self, account: str) -> AccountStatus | None:
        """An account, or None: whatever the tenant will not take as an id is none of its accounts."""
        try:
            return self._tenant.status(account)
        except PermanentError as error:
            if error.status not in NO_SUCH_ACCOUNT:
                raise
            return None

    def _ask_person(self, ticket: Ticket, finding: Finding, unclear: Unclear) -> None:
        case = self._docket.unsettled(ticket, finding)
        if case is None:
            return
        asked = (CaseState.NEEDS_PERSON, unclear.question, unclear.candidates)
        if (case.state, case.question, case.candidates) != asked:
            case = replace(case, state=asked[0], question=asked[1], candidates=asked[2], unreadable_since=None)
            self._work.save(case, f"Which account? {unclear.question}")

    def _tenant_blocked(self, ticket: Ticket, finding: Finding) -> None:
        case = self._docket.unsettled(ticket, finding)
        if case is not None and case.state is not CaseState.TENANT_BLOCKED:
            reason = self._why_all_are_refused(finding)
            self._work.enter(case, CaseState.TENANT_BLOCKED, reason, reason)

    def _why_all_are_refused(self, finding: Finding) -> str:
        """Why Microsoft turns away the organisation's mail, as far as anybody can tell."""
        if finding.code != rules.CONNECTOR_BLOCKED:
            return rules.kept("Microsoft refuses the whole organisation, not one account.")
        try:
            named = ", ".join(blocked_connectors(self._tenant))
        except RemoteError as error:
            return f"{rules.BY_CONNECTOR} Which one could not be read: {error}."
        return f"{rules.BY_CONNECTOR} Blocked now: {named}." if named else rules.BY_CONNECTOR

    def _not_read(self, ticket: Ticket, finding: Finding, error: RemoteError) -> None:
        """A failed read takes back what an earlier one said, on the case that it concerns."""
        case = self._docket.concerned(ticket, finding)
        if case is not None and case.status is not None:
            self._tell(case, _unknown(case.status, str(error), self._clock()))
            return
        waiting = self._docket.unread(ticket, finding)
        if waiting is not None:
            self._unreadable(waiting, str(error))

    def _tell(self, case: Case, status: AccountStatus) -> None:
        """A case is told of a reading made to see who is meant; a failed one is made again until it succeeds."""
        taken = self._work.take(case, status, "")
        if status.sending is Sending.UNKNOWN and taken.state is not CaseState.UNBLOCKING:
            with self._store.change() as change:  # the ticket may never lead to the account again
                change.put_task(reread(taken))

    def _gone(self, case: Case) -> None:
        """The tenant no longer knows the account: nobody can say any more whether it is blocked."""
        if case.status is None or case.state is CaseState.NEEDS_PERSON:
            return
        gone = f"The account {case.account} is no longer known, so nobody can say whether it is blocked."
        unknown = _unknown(case.status, gone, self._clock())
        lost = replace(case, status=unknown, unreadable_since=None)
        self._work.enter(lost, CaseState.NEEDS_PERSON, gone, gone)

    def _unreadable(self, case: Case, why: str) -> None:
        """The account could not be read: say so on the ticket once it has lasted; nothing is claimed meanwhile."""
        now = self._clock()
        since = case.unreadable_since or now
        # What a person is told to do about an asking stands, whatever else fails.
        reason = case.reason if case.state in rules.AFTER_ASKING else why
        changed = replace(case, unreadable_since=since, reason=reason)
        if case.unreadable_since is None:
            self._work.save(changed, f"The account could not be read. {why}")
        elif case.state is CaseState.RECEIVED and now - since >= self._work.procedure.unreachable_note_after:
            what = f"The account has not been readable since {since:%H:%M} UTC; trying on."
            self._work.enter(changed, CaseState.NEEDS_PERSON, why, what)

    def _hear_complaints(self, system: TicketSystem, ticket: Ticket, cases: Sequence[Case]) -> None:
        """Rule 5: a customer's message since the release that says mail still fails."""
        for case in cases:
            is_released = case.state in (CaseState.UNBLOCKED, CaseState.CLOSED) or rules.waits_for_its_clock(case)
            if not is_released or case.unblocked_at is None:
                continue
            if case.complained_at is None:
                if not complains_since(system, ticket, case.unblocked_at, self._domains):
                    continue
                heard = replace(case, complained_at=self._clock())
                case = self._work.save(heard, "The customer writes that mail still fails.")
            if rules.is_clock_over(case, self._clock()):
                self._end_of_clock(case)

    def look(self, case: Case) -> None:
        """The checklist is open: what can be seen of it without asking anybody is looked at."""
        if case.state in rules.ANSWERING:
            self._looking.look(case)

    # ── Unblock was pressed ──────────────────────────────────────────────────────────────────────────────────────

    def unblock(self, pressing: Pressing) -> None:
        """Rules 1, 2 and 4: read and weigh everything once more, then ask once for each listed address."""
        case, press = pressing.case, pressing.press
        if case.state is not CaseState.UNBLOCKING:
            return
        pressed_from = replace(case, state=pressing.from_state, asked_at=pressing.asked_before)
        try:
            status = self._tenant.status(case.account)
            self._looking.renew(replace(pressed_from, status=status))
            refusals = self._work.gate(replace(pressed_from, status=status), pressing.agent).reasons
            if refusals and not self._asker.asked_by(press, status):
                self._call_off(pressed_from, status, " ".join(refusals))
                return
            if not refusals:  # something has changed since a part was asked: no more is asked, that part is watched
                self._asker.ask(pressing, status)
        except RemoteError as error:
            if isinstance(error, TransientError) and not self._is_time_up(case):
                raise
            self._fail(pressing, pressed_from, error)
            return
        asked = ", ".join(asking.address for asking in self._asker.asked_by(press, status))
        what = f"Asked Microsoft about {asked}." if asked else "Asked before, for another ticket; watching."
        with self._store.change() as change:
            # Once it is off the list, nobody can read any more why it was on it; an escalation needs that.
            for line in _listed_because(status):
                change.log(case.id, JournalEntry(at=self._clock(), actor=PROGRAM, what=line))
            saved = self._work.save_in(change, replace(case, status=status), f"{what} {told(status)}")
        self._watch(saved, press, 0, status)

    def _call_off(self, case: Case, status: AccountStatus, reason: str) -> None:
        """Nothing was asked: back to where the agent pressed, or where this reading leads, with the reason."""
        taken = self._work.take(case, status, f"Nothing was asked. {reason}")
        if taken.state in rules.PRESSING and taken.reason in ("", rules.PUT_BACK):
            self._work.save(replace(taken, reason=reason), reason)

    def _fail(self, pressing: Pressing, pressed_from: Case, error: RemoteError) -> None:
        """The asking cannot be finished; what was asked is watched, else the agent may press again later."""
        case = pressing.case
        if case.status is not None and self._asker.asked_by(pressing.press, case.status):
            self._watch(self._work.save(case, str(error)), pressing.press, 0, case.status)
        else:
            reason = f"Nothing was asked: {error}. Press Unblock again later."
            self._work.save(replace(pressed_from, reason=reason), reason)

    def _is_time_up(self, case: Case, askings: Sequence[Asking] = ()) -> bool:
        """Whether the watching has lasted long enough, from the last asking on, or from the press."""
        moments = [asking.asked_at for asking in askings if asking.case == case.id and asking.round == case.round]
        since = max(moments, default=case.asked_at or case.updated_at)
        return self._clock() - since >= self._work.procedure.recheck_for

    # ── watching ─────────────────────────────────────────────────────────────────────────────────────────────────

    def recheck(self, case: Case, press: str, look: int, listed_then: Sequence[str]) -> None:
        """Read again, with growing pauses, until the list says so or the time is up."""
        if case.state is not CaseState.UNBLOCKING or case.status is None:
            return
        status = self._read_or_unknown(case.status)
        askings = self._work.askings(status)
        is_time_up = look >= FEWEST_LOOKS and self._is_time_up(case, askings)
        verdict = rules.watch(askings, status, is_time_up=is_time_up, listed_then=frozenset(listed_then))
        read = replace(case, status=status)
        if verdict is Watch.GO_ON:
            self._put_look(self._work.save(read, told(status)), press, look + 1, listed_then)
        else:
            self._report(read, verdict)

    def _watch(self, case: Case, press: str, look: int, status: AccountStatus) -> None:
        """Look until each address that is listed now is not; see `recheck`."""
        self._put_look(case, press, look, [blocked.address for blocked in status.blocked])

    def _put_look(self, case: Case, press: str, look: int, listed_then: Sequence[str]) -> None:
        chosen = self._work.procedure
        pause = rules.pause(look, first=chosen.recheck_first_after, at_most=chosen.recheck_pause_at_most)
        task = Task(
            id=f"recheck:{press}:{look}",
            name="recheck",
            args={"case": case.id, "press": press, "look": look, "listed_then": list(listed_then)},
            lane=account_lane(case),
            not_before=self._clock() + pause,
        )
        with self._store.change() as change:
            change.put_task(task)

    def _report(self, case: Case, verdict: Watch) -> None:
        """The result, honestly: only a clear reading is called Unblocked. One that said nothing is made up for."""
        state, reason = rules.RESULTS[verdict]
        is_unread = case.status is None or case.status.sending is Sending.UNKNOWN
        self._work.enter(
            case, state, reason, f"{verdict.value.capitalize()}.", tasks=[reread(case)] if is_unread else ()
        )

    def _read_or_unknown(self, last: AccountStatus) -> AccountStatus:
        """Rule 7: a failed read is Unknown, with what failed; the list read before is shown but claims nothing."""
        try:
            return self._tenant.status(last.netid)
        except RemoteError as error:
            return _unknown(last, str(error), self._clock())

    def follow_up(self, case: Case, round_: int) -> None:
        """Rule 5: the clock has run out: really look again, then close or mark overdue."""
        # One that was given up left a question; an operator may have it tried again all the same.
        is_given_up = case.state is CaseState.NEEDS_PERSON and bool(case.question) and case.unblocked_at is not None
        is_waiting = case.state is CaseState.UNBLOCKED or rules.is_complaint_due(case, self._clock())
        if (is_waiting or is_given_up) and case.round == round_ and case.status is not None:
            self._end_of_clock(case)

    def _end_of_clock(self, case: Case) -> None:
        try:
            status = self._tenant.status(case.account)
        except NotFound:
            self._gone(case)
            return
        end = rules.at_clock_end(case, status, self._work.askings(status))
        if end is ClockEnd.UNKNOWN:
            raise OutcomeUnknown(self._tenant.name, f"reading {case.account}", status.failure or "status unknown")
        state, reason = rules.CLOCK_ENDS[end]
        self._work.enter(replace(case, status=status, question=""), state, reason, f"{end.value.capitalize()}.")


def _unknown(last: AccountStatus, why: str, at: datetime) -> AccountStatus:
    return replace(last, sending=Sending.UNKNOWN, failure=why, checked_at=at)


def _listed_because(status: AccountStatus) -> Iterator[str]:
    """What Microsoft wrote about each listed address, one line each; its trace id is in there."""
    for blocked in status.blocked:
        if blocked.reason:
            yield f"Microsoft lists {blocked.address}: {blocked.reason}"


def _seriousness(finding: Finding) -> int:
    """The worst first: where two findings are about one account, the first one counts."""
    return list(Label).index(finding.label)


def _pressing(case: Case, args: Mapping[str, Any]) -> Pressing:
    asked_before = args["asked_before"]
    return Pressing(
        case=case,
        agent=Agent.from_json(args["agent"]),
        press=args["press"],
        from_state=CaseState(args["from_state"]),
        seen_at=datetime.fromisoformat(args["seen_at"]),
        asked_before=datetime.fromisoformat(asked_before) if asked_before else None,
    )
