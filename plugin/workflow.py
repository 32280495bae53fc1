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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from plugin import rules
from plugin.annotation import Annotation
from plugin.asking import Asker, Pressing
from plugin.casework import PROGRAM, Casework, told
from plugin.errors import (
    NotFound,
    OutcomeUnknown,
    RemoteError,
    TransientError,
)
from plugin.log import log
from plugin.model import (
    AccountStatus,
    Agent,
    Case,
    CaseState,
    Finding,
    JournalEntry,
    Label,
    Sending,
    Task,
    Ticket,
)
from plugin.naming import account_lane, case_id_of
from plugin.ports import MailTenant, TicketSystem
from plugin.reading import text_of
from plugin.rules import ClockEnd, Settled, Unclear, Watch
from plugin.triage import still_fails, triage

MOST_CANDIDATES = 5
"""So many accounts of one finding are looked up; a ticket cannot make us search the whole directory."""


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

    def tasks(self) -> Mapping[str, Callable[[Mapping[str, Any]], None]]:
        """The tasks by name, each taking its arguments as JSON."""
        return {
            "handle": lambda args: self.handle(args["source"], args["ticket"]),
            "reread": lambda args: self.reread(self._case(args)),
            "annotate": lambda args: self._annotation.show(self._case(args)),
            "post": lambda args: self._annotation.post(self._case(args), args["key"]),
            "unblock": lambda args: self.unblock(
                self._case(args), Agent.from_json(args["agent"]), args["press"], CaseState(args["from_state"])
            ),
            "recheck": lambda args: self.recheck(self._case(args), args["press"], args["look"]),
            "follow_up": lambda args: self.follow_up(self._case(args), args["round"]),
        }

    def _case(self, args: Mapping[str, Any]) -> Case:
        case = self._store.case(args["case"])
        if case is None:
            raise LookupError(f"there is no case {args['case']}; was the cases database replaced?")
        return case

    # ── a ticket event ───────────────────────────────────────────────────────────────────────────────────────────

    def handle(self, source: str, ticket_id: str) -> None:
        """Something happened to a ticket: read it and act on what it says now."""
        system = self._sources[source]
        try:
            ticket = system.read_ticket(ticket_id)
        except NotFound:
            log("ticket.gone", source=source, ticket=ticket_id)
            return
        for finding in triage(text_of(system, ticket), self._domains):
            if finding.label is not Label.NOT_BLOCKED:
                self.look_up(ticket, finding)
        self._hear_complaints(ticket)

    def look_up(self, ticket: Ticket, finding: Finding) -> None:
        """Whose account a finding is about, and what the tenant says of it."""
        if finding.label is Label.TENANT_BLOCKED:
            self._tenant_blocked(ticket, finding)
            return
        try:
            known = {
                candidate.account: self._known(candidate.account) for candidate in finding.candidates[:MOST_CANDIDATES]
            }
        except RemoteError as error:
            self._unreadable(self._find_or_open(ticket, finding, ""), str(error))
            raise
        settled = rules.settle(finding, known, opened_by_agent=ticket.requester.is_agent)
        if isinstance(settled, Settled):
            self._take_settled(self._find_or_open(ticket, finding, settled.status.netid), settled.status)
        elif not self._settled_by_person(ticket, known):
            self._ask_person(ticket, finding, settled)

    def reread(self, case: Case) -> None:
        """Read an account again that an agent has settled and that could not be read then."""
        if case.unreadable_since is None or not case.account:
            return
        try:
            status = self._tenant.status(case.account)
        except RemoteError as error:
            self._unreadable(case, str(error))
            raise
        self._take_settled(case, status)

    def _take_settled(self, case: Case, status: AccountStatus) -> None:
        taken = self._work.take(replace(case, account=status.netid, question="", candidates=()), status, "")
        if status.sending is Sending.UNKNOWN:
            failure = status.failure or "the sending status is unknown"
            self._unreadable(taken, failure)
            raise OutcomeUnknown(self._tenant.name, f"reading {status.netid}", failure)

    def _known(self, account: str) -> AccountStatus | None:
        try:
            return self._tenant.status(account)
        except NotFound:
            return None

    def _settled_by_person(self, ticket: Ticket, known: Mapping[str, AccountStatus | None]) -> bool:
        """An agent has opened or chosen a case for one of these accounts already."""
        accounts = {status.netid for status in known.values() if status is not None}
        cases = self._store.cases_of_ticket(ticket.source, ticket.id)
        return any(case.account in accounts for case in cases if case.account)

    def _ask_person(self, ticket: Ticket, finding: Finding, unclear: Unclear) -> None:
        case = self._find_or_open(ticket, finding, "")
        asked = (CaseState.NEEDS_PERSON, unclear.question, unclear.candidates)
        if (case.state, case.question, case.candidates) != asked:
            case = replace(case, state=asked[0], question=asked[1], candidates=asked[2], unreadable_since=None)
            self._work.save(case, f"Which account? {unclear.question}")

    def _tenant_blocked(self, ticket: Ticket, finding: Finding) -> None:
        case = self._find_or_open(ticket, finding, "")
        if case.state is not CaseState.TENANT_BLOCKED:
            reason = "Microsoft refuses the whole organisation, not one account."
            self._work.enter(case, CaseState.TENANT_BLOCKED, reason, reason)

    def _unreadable(self, case: Case, why: str) -> None:
        """The account could not be read: say so on the ticket once it has lasted; nothing is claimed meanwhile."""
        now = self._clock()
        since = case.unreadable_since or now
        changed = replace(case, unreadable_since=since, reason=why)
        if case.unreadable_since is None:
            self._work.save(changed, f"The account could not be read. {why}")
        elif case.state is CaseState.RECEIVED and now - since >= self._work.procedure.unreachable_note_after:
            what = f"The account has not been readable since {since:%H:%M} UTC; trying on."
            self._work.enter(changed, CaseState.NEEDS_PERSON, why, what)

    def _find_or_open(self, ticket: Ticket, finding: Finding, account: str) -> Case:
        """The ticket's case for this account, else one that still looks for its account, else a new one."""
        cases = self._store.cases_of_ticket(ticket.source, ticket.id)
        names = {candidate.account for candidate in finding.candidates}
        for case in cases:
            if account and case.account == account:
                return replace(case, finding=finding)
        for case in cases:
            if not case.account and case.finding is not None and case.finding.label is finding.label:
                earlier = {candidate.account for candidate in case.finding.candidates}
                if earlier & names or not (earlier and names):
                    return replace(case, finding=finding)
        return self._open(ticket, finding, account or "?" + " ".join(sorted(names)))

    def _open(self, ticket: Ticket, finding: Finding, about: str) -> Case:
        now = self._clock()
        case = Case(
            id=case_id_of(ticket.source, ticket.id, about),
            source=ticket.source,
            ticket=ticket.id,
            account="",
            state=CaseState.RECEIVED,
            round=1,
            opened_by="triage",
            created_at=now,
            updated_at=now,
            version=1,
            finding=finding,
        )
        with self._store.change() as change:
            if change.add_case(case):
                found = f"{finding.label.value}, {finding.confidence.value}"
                change.log(case.id, JournalEntry(at=now, actor=PROGRAM, what=f"Triage: {found}."))
        return self._store.case(case.id) or case

    def _hear_complaints(self, ticket: Ticket) -> None:
        """Rule 5: a customer's message since the release that says mail still fails."""
        for case in self._store.cases_of_ticket(ticket.source, ticket.id):
            is_waiting = case.state in (CaseState.UNBLOCKED, CaseState.CLOSED) and case.complained_at is None
            if is_waiting and self._complains(ticket, case):
                self._complained(case)

    def _complains(self, ticket: Ticket, case: Case) -> bool:
        system = self._sources[ticket.source]
        since = [
            message
            for message in ticket.messages
            if not message.author.is_agent
            and case.unblocked_at is not None
            and message.created_at is not None
            and message.created_at > case.unblocked_at
        ]
        said = text_of(system, replace(ticket, messages=tuple(since))).said if since else ()
        return any(still_fails(message, self._domains) for message in said)

    def _complained(self, case: Case) -> None:
        heard = self._work.save(
            replace(case, complained_at=self._clock()), "The customer writes that mail still fails."
        )
        if heard.escalate_after is not None and self._clock() >= heard.escalate_after:
            self._end_of_clock(heard)

    # ── Unblock was pressed ──────────────────────────────────────────────────────────────────────────────────────

    def unblock(self, case: Case, agent: Agent, press: str, from_state: CaseState) -> None:
        """Rules 1, 2 and 4: read and weigh everything once more, then ask once for each listed address."""
        if case.state is not CaseState.UNBLOCKING:
            return
        pressed_from = replace(case, state=from_state)
        try:
            status = self._tenant.status(case.account)
            refusals = self._work.gate(replace(pressed_from, status=status), agent).reasons
            if refusals and not self._asker.has_asked(press, status):
                self._call_off(pressed_from, status, " ".join(refusals))
                return
            self._asker.ask(Pressing(case=case, agent=agent, press=press, from_state=from_state), status)
        except RemoteError as error:
            if isinstance(error, TransientError) and not self._is_time_up(case):
                raise
            self._fail(pressed_from, press, error)
            return
        watching = self._work.save(replace(case, status=status), f"Asked Microsoft. {told(status)}")
        self._look_again(watching, press, 0)

    def _call_off(self, case: Case, status: AccountStatus, reason: str) -> None:
        """Nothing was asked: back to where the agent pressed, or where this reading leads, with the reason."""
        taken = self._work.take(case, status, f"Nothing was asked. {reason}")
        if taken.state in rules.PRESSING and not taken.reason:
            self._work.save(replace(taken, reason=reason), reason)

    def _fail(self, case: Case, press: str, error: RemoteError) -> None:
        """The asking cannot be finished; what was asked is watched, else the agent may press again later."""
        if case.status is not None and self._asker.has_asked(press, case.status):
            self._look_again(self._work.save(replace(case, state=CaseState.UNBLOCKING), str(error)), press, 0)
        else:
            reason = f"Nothing was asked: {error}. Press Unblock again later."
            self._work.save(replace(case, reason=reason), reason)

    def _is_time_up(self, case: Case) -> bool:
        asked_at = case.asked_at or case.updated_at
        return self._clock() - asked_at >= self._work.procedure.recheck_for

    # ── watching ─────────────────────────────────────────────────────────────────────────────────────────────────

    def recheck(self, case: Case, press: str, look: int) -> None:
        """Read again, with growing pauses, until the list says so or the time is up."""
        if case.state is not CaseState.UNBLOCKING or case.status is None:
            return
        status = self._read_or_unknown(case.status)
        askings = self._work.askings(status)
        verdict = rules.watch(askings, status, is_time_up=self._is_time_up(case))
        read = replace(case, status=status)
        if verdict is Watch.GO_ON:
            self._look_again(self._work.save(read, told(status)), press, look + 1)
        else:
            self._report(read, verdict)

    def _look_again(self, case: Case, press: str, look: int) -> None:
        chosen = self._work.procedure
        pause = rules.pause(look, first=chosen.recheck_first_after, at_most=chosen.recheck_pause_at_most)
        task = Task(
            id=f"recheck:{press}:{look}",
            name="recheck",
            args={"case": case.id, "press": press, "look": look},
            lane=account_lane(case),
            not_before=self._clock() + pause,
        )
        with self._store.change() as change:
            change.put_task(task)

    def _report(self, case: Case, verdict: Watch) -> None:
        """The result, honestly: only a clear reading is called Unblocked."""
        state, reason = rules.RESULTS[verdict]
        self._work.enter(case, state, reason, f"{verdict.value.capitalize()}.")

    def _read_or_unknown(self, last: AccountStatus) -> AccountStatus:
        """Rule 7: a failed read is Unknown, with what failed; the list read before is shown but claims nothing."""
        try:
            return self._tenant.status(last.netid)
        except RemoteError as error:
            return replace(last, sending=Sending.UNKNOWN, failure=str(error), checked_at=self._clock())

    def follow_up(self, case: Case, round_: int) -> None:
        """Rule 5: the clock has run out: really look again, then close or mark overdue."""
        if case.state is not CaseState.UNBLOCKED or case.round != round_ or case.status is None:
            return
        self._end_of_clock(case)

    def _end_of_clock(self, case: Case) -> None:
        try:
            status = self._tenant.status(case.account)
        except NotFound:
            gone = f"The account {case.account} is no longer known, so nobody can say whether it is blocked."
            self._work.enter(case, CaseState.NEEDS_PERSON, gone, gone)
            return
        end = rules.at_clock_end(case, status, self._work.askings(status))
        if end is ClockEnd.UNKNOWN:
            raise OutcomeUnknown(self._tenant.name, f"reading {case.account}", status.failure or "status unknown")
        state, reason = rules.CLOCK_ENDS[end]
        self._work.enter(replace(case, status=status), state, reason, f"{end.value.capitalize()}.")
