"""The procedure and its rules as a state machine: hypothesis tries whatever people, other systems and faults may do.

The world is that of tests/chaos, but here each step is chosen by hypothesis, which then finds the shortest story of
what is wrong. After every step the rules of the procedure hold; at the end, once all is quiet, every promise.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from plugin.demo.tenant.world import COMPROMISED
from plugin.errors import NotAllowed
from plugin.model import Case, CaseState, Sending
from plugin.rules import ALL_CLEAR, PRESSING
from tests.chaos import promises
from tests.chaos.agents import AGENTS, VERA
from tests.chaos.doors import Fault
from tests.chaos.people import PEOPLE
from tests.chaos.run import Run, listening
from tests.chaos.simulation import Simulation
from tests.chaos.stage import Stage, stage

NETIDS = st.sampled_from(["bbadger", "phished", "nodate", "fine"])
AGENT = st.sampled_from(AGENTS)
SEED = 7
"""One whose desk keeps a note as often as it is sent, and whose tenant takes a while."""


class Procedure(RuleBasedStateMachine):
    """Tickets, what is done about them, and what must never happen."""

    staged: tuple[Stage, Path]
    tickets: Bundle[str] = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        made, folder = self.staged
        self.place = Path(tempfile.mkdtemp(dir=folder))
        self.sim = Simulation(SEED, made, self.place)
        self.sim.noisy, self.sim.nesting, self.sim.workers = False, 0.0, ["worker-1"]
        self.run = Run(self.sim)
        self.hearing = listening(self.sim)
        self.hearing.__enter__()
        self.switched: dict[str, tuple[str, str | None]] = {}

    def teardown(self) -> None:
        """Until all is quiet; then every promise."""
        try:
            self.run.become_quiet()
            promises.check(self.sim)
            self.nothing_is_broken()
        finally:
            self.hearing.__exit__(None, None, None)
            self.sim.close()
            shutil.rmtree(self.place)

    # ── customers ────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(target=tickets, netid=NETIDS, sender=NETIDS, own=st.booleans())
    def files(self, netid: str, sender: str, own: bool) -> str:
        """A customer files a ticket with a bounce: their own, or one that names somebody else."""
        ticket = self.run.people.file_bounce(PEOPLE[netid], PEOPLE[netid if own else sender])
        self._settle()
        return ticket

    @rule(ticket=tickets, is_complaint=st.booleans())
    def writes_again(self, ticket: str, is_complaint: bool) -> None:
        """A customer writes again."""
        self.run.people.write_on(ticket, is_complaint=is_complaint)
        self._settle()

    # ── agents ───────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(ticket=tickets, agent=AGENT)
    def answers_all(self, ticket: str, agent: Any) -> None:
        """An agent works through the checklist."""
        for case in self._cases(ticket, *PRESSING):
            self.run.agents.answer_checklist(case, agent, diligently=True)
        self._settle()

    @rule(ticket=tickets, agent=AGENT)
    def presses(self, ticket: str, agent: Any) -> None:
        """An agent presses Unblock, or tries to."""
        for case in self._cases(ticket):
            self.run.agents.press_once(case, agent)
        self._settle()

    @rule(ticket=tickets)
    def viewer_presses(self, ticket: str) -> None:
        """Rule 1: a viewer presses nothing."""
        for case in self._cases(ticket):
            with pytest.raises(NotAllowed):
                self.sim.web.front.unblock(case, VERA)

    @rule(ticket=tickets, netid=NETIDS, agent=AGENT)
    def chooses(self, ticket: str, netid: str, agent: Any) -> None:
        """An agent says which account an unclear case is about."""
        for case in self._cases(ticket, CaseState.NEEDS_PERSON):
            self._try(lambda case=case: self.sim.web.front.choose_account(case, netid, agent))
        self._settle()

    @rule(ticket=tickets, agent=AGENT)
    def reads_again(self, ticket: str, agent: Any) -> None:
        """An agent has the account read again."""
        for case in self._cases(ticket):
            self._try(lambda case=case: self.sim.web.front.refresh(case, agent))
        self._settle()

    @rule(ticket=tickets, agent=AGENT)
    def replies(self, ticket: str, agent: Any) -> None:
        """An agent sends the reply to the customer."""
        for case in self._cases(ticket, CaseState.UNBLOCKED, CaseState.BULK_SENDER):
            self.run.agents.reply(case, agent)
        self._settle()

    # ── Microsoft, Security, time, faults ────────────────────────────────────────────────────────────────────────

    @rule(netid=NETIDS, number=st.integers(0, 1))
    def lists(self, netid: str, number: int) -> None:
        """Microsoft lists an address."""
        account = self.sim.tenant.tenant.account(netid)
        address = account.addresses[number]
        if address not in self.sim.tenant.listed(netid):
            self.sim.tenant.tenant.block(netid, address, reason="spam")

    @rule(netid=NETIDS)
    def lets_go(self, netid: str) -> None:
        """Microsoft lets all of an account's addresses go."""
        self.sim.tenant.tenant.account(netid).listed.clear()

    @rule(netid=NETIDS, left=st.sampled_from([0, 5]))
    def limits(self, netid: str, left: int) -> None:
        """Microsoft's limit is reached, or lifted."""
        self.sim.tenant.tenant.account(netid).unblocks_left = left

    @rule(netid=NETIDS, stated=st.sampled_from([None, "Unknown", "Blocked", "Not Blocked"]))
    def states(self, netid: str, stated: str | None) -> None:
        """The site's word contradicts its list, or no longer does."""
        self.sim.tenant.tenant.account(netid).stated = stated

    @rule(netid=NETIDS, reason=st.sampled_from([None, COMPROMISED, "HR Request"]))
    def switches(self, netid: str, reason: str | None) -> None:
        """Security enables a sign-in, or disables it for a reason."""
        account = self.sim.tenant.tenant.account(netid)
        account.sign_in, account.sign_in_reason = "disabled" if reason else "enabled", reason
        account.sign_in_since = self.sim.clock()
        self.switched[netid] = account.sign_in, reason

    @rule(by=st.sampled_from([30, 600, 4000, 90_000]))
    def time_passes(self, by: int) -> None:
        """And what is due is done."""
        self.run.live_until(self.sim.clock() + timedelta(seconds=by))

    @rule(system=st.sampled_from(["desk", "campus"]), fault=st.sampled_from(Fault))
    def fails(self, system: str, fault: Fault) -> None:
        """The next request to a system meets a fault."""
        self.sim.wire.coming[system].append(fault)

    @rule(points=st.integers(1, 12))
    def is_doomed(self, points: int) -> None:
        """The worker ends soon: at a request, or at a commit."""
        self.sim.points_to_live = points

    # ── what always holds ────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def nothing_is_broken(self) -> None:
        """What is seen as it happens, and what can be seen at any time: rules 1, 2, 4 and 6."""
        held = (
            promises.no_note_twice,
            promises.nothing_internal_went_out,
            promises.asked_no_more_than_agents_decided,
            promises.asked_after_a_checklist,
            promises.nothing_asked_while_disabled,
            promises.notes_in_order,
        )
        broken = [*self.sim.ledger.broken, *(words for promise in held for words in promise(self.sim))]
        assert not broken, "\n".join([*broken, "", *self.sim.story])

    @invariant()
    def only_security_switches_sign_ins(self) -> None:
        """Rule 2."""
        for netid, switched in self.switched.items():
            account = self.sim.tenant.tenant.account(netid)
            assert (account.sign_in, account.sign_in_reason) == switched

    @invariant()
    def the_clock_is_kept(self) -> None:
        """Rule 5: 24 hours from the release; nothing is closed or overdue before, unless it is listed again."""
        for case in self._all_cases():
            if case.state is CaseState.UNBLOCKED:
                assert case.unblocked_at is not None
                assert case.escalate_after == case.unblocked_at + timedelta(hours=24)
            if case.state is CaseState.CLOSED:
                assert case.escalate_after is not None
                assert self.sim.clock() >= case.escalate_after
                assert case.complained_at is None

    @invariant()
    def an_all_clear_rests_on_a_reading(self) -> None:
        """Rule 7."""
        for case in self._all_cases():
            if case.state in ALL_CLEAR:
                assert case.status is not None
                assert case.status.sending is Sending.NOT_BLOCKED
                assert not case.status.blocked

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _settle(self) -> None:
        """Events are delivered and all that is due is done, as when nothing is amiss."""
        self.run.deliver_all()
        self.run.live_until(self.sim.clock())
        self.run.restart()
        self.run.live_until(self.sim.clock())

    def _cases(self, ticket: str, *states: CaseState) -> list[Case]:
        cases = self.sim.web.parts.casework.store.cases_of_ticket("desk", ticket)
        return [case for case in cases if not states or case.state in states]

    def _all_cases(self) -> Iterator[Case]:
        for ticket in self.sim.ledger.filed:
            yield from self._cases(ticket)

    def _try(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except NotAllowed as error:
            self.sim.tell(f"refused: {error}")


def test_the_rules_of_the_procedure_hold_whatever_happens() -> None:
    with stage() as staged:
        Procedure.staged = staged
        run_state_machine_as_test(
            Procedure,
            settings=settings(
                derandomize=True,
                max_examples=60,
                stateful_step_count=25,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
