"""What agents do on tickets, drawn from the run's chance, and what they know that they did."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from plugin.errors import NotAllowed, StorageError
from plugin.model import Agent, Case, CaseState, Role
from plugin.notes.texts import ReplyKind
from plugin.rules import AFTER_ASKING, ANSWERING, PRESSING
from tests.chaos.ledger import Press
from tests.chaos.people import PEOPLE
from tests.chaos.simulation import Simulation

AGENTS = (
    Agent(login="alex", name="Alex Agent", email="alex@example.edu", role=Role.AGENT, source="desk"),
    Agent(login="sam", name="Sam Supervisor", email="sam@example.edu", role=Role.SUPERVISOR, source="desk"),
)
VERA = Agent(login="vera", name="Vera Viewer", email="vera@example.edu", role=Role.VIEWER, source="desk")


class Agents:
    """Everybody who works at the desk."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.chance = sim.chance

    def act(self) -> None:
        """An agent opens a ticket and does something there."""
        ticket = self.sim.some_ticket()
        if ticket is None:
            return
        agent = self.chance.choice(AGENTS)
        cases = self.sim.web.parts.casework.store.cases_of_ticket("desk", ticket)
        if not cases:
            if self.chance.random() < 0.1:
                account = self.chance.choice(list(PEOPLE))
                self._do(
                    f"opens a case for {account} on {ticket}",
                    agent,
                    ticket,
                    lambda front: front.open_case("desk", ticket, account, agent),
                )
            return
        case = self.chance.choice(cases)
        if self.chance.random() < 0.05:
            self._viewer_presses(case)
        doings = self._doings(case, agent)
        if doings:
            self.chance.choice(doings)()

    def _doings(self, case: Case, agent: Agent) -> list[Callable[[], None]]:
        doings: list[Callable[[], None]] = []
        if case.account:
            doings.append(
                lambda: self._do(
                    f"reads {case.account} again", agent, case.ticket, lambda front: front.refresh(case, agent)
                )
            )
        elif case.state is CaseState.NEEDS_PERSON:
            account = self.chance.choice([*case.candidates, *list(PEOPLE)[:2]])
            doings += [
                lambda: self._do(
                    f"chooses {account}", agent, case.ticket, lambda front: front.choose_account(case, account, agent)
                )
            ] * 3
        if case.state in AFTER_ASKING or case.state in ANSWERING:
            answers, presses = (1, 6) if case.state is CaseState.READY or case.state in AFTER_ASKING else (8, 1)
            doings += [lambda: self.answer_checklist(case, agent)] * answers + [
                lambda: self.press(case, agent)
            ] * presses
            doings.append(lambda: self._rely(case, agent))
        if case.state in (CaseState.UNBLOCKED, CaseState.BULK_SENDER):
            doings += [lambda: self.reply(case, agent)] * 2
        return doings

    def answer_checklist(self, case: Case, agent: Agent, *, diligently: bool = False) -> None:
        """Answer what is asked, one item after the other, sometimes not all, seldom otherwise than it should be."""
        stops_at = 99 if diligently or self.chance.random() < 0.8 else self.chance.randint(1, 14)
        view = self.sim.web.front.view(case, agent)
        given = 0
        for item in view.items[:stops_at]:
            passing = diligently or self.chance.random() > 0.01
            form = form_of(item) if passing else {"yes": "yes" if item.id == "bulk-sender" else "no"}
            begun = self.sim.clock()
            self._do(
                "",
                agent,
                case.ticket,
                lambda front, item=item, form=form: front.answer(
                    self._now(case), item.id, form, agent, seen=view.seen.get(item.id, "")
                ),
            )
            kept = self.sim.web.parts.casework.store.answers(case.id)
            if any(row.item == item.id and row.answered_at >= begun for row in kept):  # also where no answer came
                self.sim.ledger.answers.pop((case.id, item.id), None)
                if passing:
                    self.sim.ledger.answers[case.id, item.id] = begun
                given += 1
        self.sim.tell(f"{agent.name} answers {given} of {len(view.items)} items on ticket {case.ticket}")

    def press(self, case: Case, agent: Agent) -> None:
        """Press Unblock, perhaps twice."""
        self.press_once(case, agent)
        if self.chance.random() < 0.3:
            self.press_once(case, agent)

    def press_once(self, case: Case, agent: Agent) -> None:
        """Press Unblock, or try to."""
        before = self._now(case)
        view, pressed_at = self.sim.web.front.view(before, agent), self.sim.clock()
        what = f"presses Unblock for {case.account}"
        self._do(what, agent, case.ticket, lambda front: front.unblock(before, agent))
        if self._now(case).state is CaseState.UNBLOCKING and before.state is not CaseState.UNBLOCKING:
            self._note_press(before, view, pressed_at)

    def finish(self) -> bool:
        """An agent does all that is left to do by hand; whether there was anything."""
        pressed = False
        for ticket in self.sim.ledger.filed:
            for case in self.sim.web.parts.casework.store.cases_of_ticket("desk", ticket):
                if case.account and case.state in PRESSING:
                    self.answer_checklist(self._now(case), AGENTS[0], diligently=True)
                    self.press(case, AGENTS[0])
                    pressed = pressed or self._now(case).state is CaseState.UNBLOCKING
        return pressed

    def _note_press(self, case: Case, view: Any, at: datetime) -> None:
        of = view.relied.case.id if view.relied else case.id
        required = [item.id for item in view.items if item.required]
        given = [self.sim.ledger.answers.get((of, item)) for item in required]
        press = Press(
            number=self.sim.next_number(),
            at=at,
            netid=case.account,
            case=case.id,
            from_state=case.state.value,
            is_complete=all(given),
            completed_from=min((moment for moment in given if moment), default=None),
        )
        self.sim.ledger.presses.append(press)

    def _viewer_presses(self, case: Case) -> None:
        for try_ in (
            lambda front: front.unblock(case, VERA),
            lambda front: front.answer(case, "mfa-methods", {"done": "yes"}, VERA),
        ):
            if self._do("tries as a viewer", VERA, case.ticket, try_):
                self.sim.broken("a viewer was let through")

    def _rely(self, case: Case, agent: Agent) -> None:
        earlier = self.sim.web.front.view(case, agent).earlier
        if earlier is not None:
            self._do(
                "relies on an earlier checklist",
                agent,
                case.ticket,
                lambda front: front.rely_on(case, earlier.case.id, agent),
            )

    def reply(self, case: Case, agent: Agent) -> None:
        """Send the customer the reply that fits."""
        kind = ReplyKind.CUSTOMER if case.state is CaseState.UNBLOCKED else ReplyKind.BULK_SENDER
        text = self.sim.texts.reply(kind) + f"\n\nNumber {self.sim.next_number()}"
        self._do(
            "sends the reply", agent, case.ticket, lambda front: front.send_reply(self._now(case), kind, text, agent)
        )
        sent = [
            note
            for note in self.sim.web.parts.casework.store.notes(case.id)
            if text.split("\n\n")[-1] in note.note.body_html
        ]
        if sent:
            self.sim.ledger.filed[case.ticket].replies.append(text.split("\n\n")[-1])

    def _now(self, case: Case) -> Case:
        found = self.sim.web.parts.casework.store.case(case.id)
        assert found is not None
        return found

    def _do(self, what: str, agent: Agent, ticket: str, action: Callable[[Any], Any]) -> bool:
        """An agent's action, tried once more as the panel does; whether it was taken, as far as the agent can tell."""
        web, outcome = self.sim.web, "done"

        def act() -> None:
            nonlocal outcome
            try:
                try:
                    action(web.front)
                except StorageError:
                    action(web.front)
            except NotAllowed as error:
                outcome = f"refused: {error}"
            except StorageError as error:
                outcome = f"not saved: {error}"

        if not web.run(what, act, {"ticket": ticket}):
            outcome = "no answer"
        if what:
            self.sim.tell(f"{agent.name} {what} on ticket {ticket}: {outcome}")
        return outcome == "done"


def form_of(item: Any) -> dict[str, str]:
    """An answer that lets an item pass."""
    if item.kind == "done":
        return {"done": "yes"}
    if item.kind == "yes-no":
        return {"yes": "no" if "yes" in item.leads_to else "yes"}
    return {field.id: "as I was told" for field in item.fields}
