"""Our checklist as a ticket system's own can show it: what is asked on a ticket and what is answered, to be seen."""

from collections.abc import Iterator, Sequence

from plugin import checklist as checklists
from plugin.casework import Casework
from plugin.model import Case, CaseState
from plugin.ports import Step

ASKING = frozenset({CaseState.CHECKLIST_OPEN, CaseState.READY})


def steps(work: Casework, cases: Sequence[Case]) -> tuple[Step, ...]:
    """The steps of a ticket's cases in order, with the account where there are several; none before one is asked."""
    answered = [(case, _answered(work, case)) for case in cases]
    shown = [(case, items) for case, items in answered if items or case.state in ASKING]
    return tuple(
        Step(text=f"{case.account}: {step.text}" if len(shown) > 1 else step.text, is_done=step.is_done)
        for case, items in shown
        for step in _steps_of(work, case, items)
    )


def _answered(work: Casework, case: Case) -> frozenset[str]:
    """The items that need no answer any more, given here or in the earlier checklist that an agent relies on."""
    if work.relied(case) is not None:
        return frozenset(item.id for item in work.checklist.items)
    return frozenset(work.standing(case))


def _steps_of(work: Casework, case: Case, answered: frozenset[str]) -> Iterator[Step]:
    if case.status is not None:
        for item in checklists.asked(work.checklist, sign_in=case.status.sign_in):
            yield Step(text=item.text, is_done=item.id in answered)
