"""The promises, checked at the end of a run against what the desk and the tenant really received."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from plugin import rules
from plugin.annotation import due_notes, shown_fields, state_tags
from plugin.demo.desk.records import Message
from plugin.model import Case, CaseState
from plugin.naming import note_key
from tests.chaos.ledger import Arrived
from tests.chaos.simulation import Simulation

AFTER_ASKING = {state.value for state in rules.AFTER_ASKING}
PROMISED_TAGS = frozenset(rules.TAG_OF.values())
STUCK = (CaseState.RECEIVED, CaseState.UNBLOCKING)
MOST_UNSAID = 4
"""So many referrals of one case may have been lifted before their notes were on the ticket."""


def check(sim: Simulation) -> None:
    """Hold the run to every promise; what is broken is said in the ledger."""
    promises = [no_note_twice, nothing_internal_went_out, asked_no_more_than_agents_decided, asked_after_a_checklist]
    promises += [nothing_asked_while_disabled, notes_in_order, every_task_has_an_end, nothing_is_stuck]
    promises += [presses_are_answered]
    if not sim.ledger.dead_tasks:  # what is given up is told, and then nobody may expect the rest
        promises += [every_ticket_was_read, every_ticket_has_its_notes, tickets_show_their_cases, complaints_were_heard]
        promises += [replies_went_out]
    elif not sim.is_impatient and not sim.ledger.deaths:
        sim.broken(f"given up: {sim.ledger.dead_tasks}")
    else:
        promises += [what_is_dead_was_told]
    for promise in promises:
        for broken in promise(sim):
            sim.broken(broken)


# ── notes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def no_note_twice(sim: Simulation) -> Iterator[str]:
    """By its key, and by what it says."""
    for ticket in sim.ledger.filed:
        notes = sim.desk.notes(ticket)
        for key, times in Counter(note.key for note in notes).items():
            if times > 1:
                yield f"the note {key} is {times} times on ticket {ticket}"
        for (key, _), times in Counter((_case_of(note), note.text) for note in notes).items():
            if times > 1:
                yield f"ticket {ticket} has {times} notes of case {key} that say the same"


def every_ticket_was_read(sim: Simulation) -> Iterator[str]:
    """After the last thing that a customer said on it and whose event was acknowledged: all of them are by now.

    But for one about something else on which its customer has said no more: it may be settled by its event.
    """
    for ticket, number in sim.ledger.said.items():
        filed = sim.ledger.filed[ticket]
        may_be_settled = not filed.expects_note and number == filed.opened
        if sim.ledger.read.get(ticket, 0) < number and not may_be_settled:
            yield f"ticket {ticket} was not read after the customer's last message, whose event was acknowledged"


def every_ticket_has_its_notes(sim: Simulation) -> Iterator[str]:
    """A customer who writes of refused mail is answered by a note for agents; each case has what is due."""
    for ticket, filed in sim.ledger.filed.items():
        notes = [note.key for note in sim.desk.notes(ticket)]
        if filed.expects_note and not notes:
            yield f"ticket {ticket} has no note"
        for case in _cases(sim, ticket):
            referrals = sum(
                "/refer-to-security" in (key or "") for key in notes if (key or "").split("/")[1] == case.id
            )
            # Those lifted before they were said count as well; only the program knows of them.
            due = [_keys_due(case, number) for number in range(referrals, referrals + MOST_UNSAID + 1)]
            if not any(keys <= set(notes) for keys in due):
                yield f"ticket {ticket} lacks {' and '.join(sorted(due[0]))} of a case that is {case.state}"


def _keys_due(case: Case, referrals: int) -> set[str]:
    return {note_key(case, occasion) for _, occasion in due_notes(case, referrals=referrals)}


def tickets_show_their_cases(sim: Simulation) -> Iterator[str]:
    """Tag and fields are those of the case that leads the ticket."""
    for ticket in sim.ledger.filed:
        leading = rules.ticket_state(_cases(sim, ticket))
        if leading is None:
            continue
        shown = sim.desk.desk.ticket(ticket)
        if PROMISED_TAGS.intersection(shown.tags) != state_tags(leading):
            yield f"ticket {ticket} is tagged {shown.tags}, its case is {leading.state}"
        if dict(shown.fields) != shown_fields(leading):
            yield f"ticket {ticket} shows {dict(shown.fields)}, its case {shown_fields(leading)}"


def notes_in_order(sim: Simulation) -> Iterator[str]:
    """Status before result, result before the end of the clock; within each round of a case."""
    for ticket in sim.ledger.filed:
        by_case: dict[str, list[Message]] = {}
        for note in sim.desk.notes(ticket):
            if note.key not in sim.ledger.late_notes:
                by_case.setdefault(_case_of(note), []).append(note)
        for notes in by_case.values():
            places = [(place, note) for note in notes if (place := _place(note)) is not None]
            for (earlier, first), (later, second) in pairwise(places):
                if earlier > later:
                    yield f"on ticket {ticket} the note {second.key} came after {first.key}"


def _place(note: Message) -> tuple[int, int] | None:
    """Where in the procedure a note belongs: its round, then its step; None for what may come at any time."""
    _, _, round_, occasion = (note.key or "").split("/", 3)
    if occasion in ("closed", "overdue"):
        return int(round_), 3
    if any(occasion.startswith(state.name.lower() + "-") for state in (*rules.AFTER_ASKING, CaseState.UNBLOCKED)):
        return int(round_), 2
    if occasion.startswith(("blocked", "not-blocked", "sending-limit", "bulk-sender", "refer-to-security")):
        return int(round_), 1
    return None


def nothing_internal_went_out(sim: Simulation) -> Iterator[str]:
    """What was mailed to a customer is what an agent sent, once."""
    for mail in sim.desk.desk.outbox:
        sent = [text for text in sim.ledger.filed[mail.ticket].replies if text in mail.body]
        if len(sent) != 1:
            yield f"a mail went out on ticket {mail.ticket} that no agent sent: {mail.subject}"
    for ticket, filed in sim.ledger.filed.items():
        mails = sum(mail.ticket == ticket for mail in sim.desk.desk.outbox)
        if mails > len(filed.replies):
            yield f"{mails} mails went out on ticket {ticket} and agents sent {len(filed.replies)} replies"


def replies_went_out(sim: Simulation) -> Iterator[str]:
    """Every reply that an agent sent."""
    for ticket, filed in sim.ledger.filed.items():
        bodies = [mail.body for mail in sim.desk.desk.outbox if mail.ticket == ticket]
        for text in filed.replies:
            if not any(text in body for body in bodies):
                yield f"the reply {text!r} on ticket {ticket} was never sent"


# ── unblocking ───────────────────────────────────────────────────────────────────────────────────────────────────


def asked_no_more_than_agents_decided(sim: Simulation) -> Iterator[str]:
    """Rule 4: once for a block, and once more for each time an agent decides so after an end without a release."""
    by_block: dict[tuple[str, int | None], list[Arrived]] = {}
    for arrived in sim.ledger.arrived:
        if arrived.block is not None:
            by_block.setdefault((arrived.address, arrived.block), []).append(arrived)
    for (address, _), requests in by_block.items():
        first = requests[0]
        decided = [
            press
            for press in sim.ledger.presses
            if press.netid == first.netid and press.from_state in AFTER_ASKING and press.number > first.number
        ]
        if len(requests) > 1 + len(decided):
            yield f"{address} was asked about {len(requests)} times, agents decided for {1 + len(decided)}"


def asked_after_a_checklist(sim: Simulation) -> Iterator[str]:
    """Rule 1: an agent pressed, and the checklist was completed after the block."""
    for arrived in sim.ledger.arrived:
        presses = [p for p in sim.ledger.presses if p.netid == arrived.netid and p.number < arrived.number]
        if not presses:
            yield f"{arrived.address} was asked about and nobody had pressed Unblock"
        elif not any(
            p.is_complete
            and (arrived.blocked_at is None or (p.completed_from is not None and p.completed_from > arrived.blocked_at))
            for p in presses
        ):
            yield f"{arrived.address} was asked about without a checklist completed after its block"


def nothing_asked_while_disabled(sim: Simulation) -> Iterator[str]:
    """Rule 2: the last that the tenant told before was not that Security has the sign-in disabled."""
    for arrived in sim.ledger.arrived:
        heard = [it for it in sim.ledger.heard if it.netid == arrived.netid and it.number < arrived.number]
        if not heard:
            yield f"{arrived.address} was asked about unread"
        elif heard[-1].sign_in != "enabled" and arrived.sign_in != "enabled":
            yield f"{arrived.address} was asked about while the sign-in was {heard[-1].sign_in}"


def presses_are_answered(sim: Simulation) -> Iterator[str]:
    """Where an agent's press was taken, the tenant is asked, or the agent reads why not."""
    for press in sim.ledger.presses:
        is_asked = any(it.netid == press.netid and it.number > press.number for it in sim.ledger.arrived)
        journal = sim.web.parts.casework.store.journal(press.case)
        told = (line.what for line in journal if line.at >= press.at)
        if not is_asked and not any(line.startswith(("Asked ", "Nothing was asked")) for line in told):
            yield f"Unblock was pressed for {press.netid} at {press.at:%d %H:%M:%S}, and nothing came of it"


def complaints_were_heard(sim: Simulation) -> Iterator[str]:
    """Rule 5: silence closes a case, a complaint since the release does not."""
    for ticket, moment in sim.ledger.complained.items():
        for case in _cases(sim, ticket):
            if case.state is CaseState.CLOSED and case.unblocked_at is not None and moment > case.unblocked_at:
                yield f"ticket {ticket}: the case is closed although the customer complained since the release"


# ── work ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def every_task_has_an_end(sim: Simulation) -> Iterator[str]:
    """Nothing waits that is due, nothing was handed over and forgotten."""
    store, outbox = sim.web.parts.casework.store, sim.web.parts.outbox
    for task in store.waiting_tasks(100):
        yield f"the task {task.id} was never handed over"
    later = sim.clock().replace(year=sim.clock().year + 1)
    for _, record in outbox.open_with_engine(handed_before=later, after=0, limit=1000):
        yield f"the task {record.task.id} has no end"


def nothing_is_stuck(sim: Simulation) -> Iterator[str]:
    """No case is where nothing will move it; but for one of a ticket that could be checked after all."""
    for ticket in sim.ledger.filed:
        for case in _cases(sim, ticket):
            if case.state in STUCK and (case.account or case.finding is not None):
                yield f"the case of {case.account or 'nobody'} on ticket {ticket} stays “{case.state}”"


def what_is_dead_was_told(sim: Simulation) -> Iterator[str]:
    """On the case, whose ticket says so where it concerns an agent."""
    store, outbox = sim.web.parts.casework.store, sim.web.parts.outbox
    for record in outbox.dead(1000):
        ticket, case = record.task.args.get("ticket"), record.task.args.get("case")
        cases = _cases(sim, ticket) if ticket else [store.case(case)]
        lines = [line.what for it in cases if it is not None for line in store.journal(it.id)]
        if not lines:
            yield f"the task {record.task.id} is dead and no case tells of it"


def _cases(sim: Simulation, ticket: str) -> tuple[Case, ...]:
    return sim.web.parts.casework.store.cases_of_ticket("desk", ticket)


def _case_of(note: Message) -> str:
    return (note.key or "//").split("/")[1]
