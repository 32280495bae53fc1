"""The rules of the procedure as pure decisions: what a reading means, when Unblock may be pressed, what the clock says.

Nothing here reads or writes anything. The rules are numbered as in docs/procedure.md.
"""

from plugin.rules.account import Settled, Unclear, settle
from plugin.rules.answers import answered_state, counts_from, latest, may_rely_on, standing, values_of
from plugin.rules.asking import (
    PUT_BACK,
    RESULTS,
    Watch,
    block_of,
    cautioned,
    is_new_block,
    may_ask_again,
    outcome,
    pause,
    scattered,
    still_listed,
    watch,
)
from plugin.rules.clock import CLOCK_ENDS, ClockEnd, at_clock_end
from plugin.rules.gate import LIMIT_REACHED, Gate, gate
from plugin.rules.reading import (
    SUPPORT_ONLY,
    after_reading,
    entered,
    first_state,
    is_answering,
    moved,
    refers_to_security,
    waits_for_its_clock,
)
from plugin.rules.states import (
    AFTER_ASKING,
    AFTER_RELEASE,
    ALL_CLEAR,
    ANSWERING,
    OVER,
    PRESSING,
    SEEMED_OVER,
    TAG_OF,
    URGENCY,
    ticket_state,
)

__all__ = [
    "AFTER_ASKING",
    "AFTER_RELEASE",
    "ALL_CLEAR",
    "ANSWERING",
    "CLOCK_ENDS",
    "LIMIT_REACHED",
    "OVER",
    "PRESSING",
    "PUT_BACK",
    "RESULTS",
    "SEEMED_OVER",
    "SUPPORT_ONLY",
    "TAG_OF",
    "URGENCY",
    "ClockEnd",
    "Gate",
    "Settled",
    "Unclear",
    "Watch",
    "after_reading",
    "answered_state",
    "at_clock_end",
    "block_of",
    "cautioned",
    "counts_from",
    "entered",
    "first_state",
    "gate",
    "is_answering",
    "is_new_block",
    "latest",
    "may_ask_again",
    "may_rely_on",
    "moved",
    "outcome",
    "pause",
    "refers_to_security",
    "scattered",
    "settle",
    "standing",
    "still_listed",
    "ticket_state",
    "values_of",
    "waits_for_its_clock",
    "watch",
]
