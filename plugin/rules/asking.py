"""Rule 4: asked once, watched to the end, and only a clear reading means released."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256

from plugin.model import AccountStatus, Answer, Asking, BlockedAddress, Case, CaseState, Sending
from plugin.rules.kept import kept
from plugin.rules.states import AFTER_ASKING, PRESSING

CATCHING_UP = timedelta(hours=24)
"""So long after databases were put back, tickets of before may still come in that are new to them."""


def block_of(blocked: BlockedAddress, earlier: Sequence[Asking]) -> str:
    """The third part of an asking's unique key: which block of this address it is.

    Where Microsoft gives no time, each confirmed release starts a new block, so a second ticket cannot ask again for
    the same one.
    """
    if blocked.blocked_at is not None:
        return blocked.blocked_at.isoformat()
    same = [asking for asking in earlier if asking.address == blocked.address]
    pending = [asking for asking in same if asking.released_at is None]
    if pending:  # also where Microsoft told the time before and no longer does
        return pending[-1].block
    return f"no time given, after {len(same)} releases"


class Watch(Enum):
    """What to do after a look at the account."""

    GO_ON = "look again later"
    RELEASED = "every asked address is off the list"
    NEW_BLOCK = "the asked ones are off the list, another address has been listed since"
    NOT_ALL_ASKED = "the asked ones are off the list, another one could not be asked about"
    STILL_BLOCKED = "the time is up and an asked address is still listed"
    OUTCOME_UNKNOWN = "the time is up and nobody knows whether the asking arrived, or what the list says"
    REFUSED = "Microsoft's side said no"


def still_listed(askings: Sequence[Asking], status: AccountStatus) -> tuple[Asking, ...]:
    """The askings whose very block is on the list now."""
    listed = {(blocked.address, block_of(blocked, askings)) for blocked in status.blocked}
    return tuple(asking for asking in askings if (asking.address, asking.block) in listed)


def watch(
    askings: Sequence[Asking], status: AccountStatus, *, is_time_up: bool, listed_then: frozenset[str] = frozenset()
) -> Watch:
    """Rules 4 and 7: what a reading says of the account's askings. Only a clear reading ever means released.

    `listed_then` are the addresses that were listed when Unblock was pressed.
    """
    if status.sending is Sending.UNKNOWN:
        return Watch.OUTCOME_UNKNOWN if is_time_up else Watch.GO_ON
    pending = still_listed(askings, status)
    if not pending:
        if not status.blocked:
            return Watch.RELEASED
        listed_now = {blocked.address for blocked in status.blocked}
        return Watch.NOT_ALL_ASKED if listed_now <= listed_then else Watch.NEW_BLOCK
    if all(asking.answer in (Answer.REFUSED, Answer.LIMIT) for asking in pending):
        return Watch.REFUSED
    if not is_time_up:
        return Watch.GO_ON
    return Watch.OUTCOME_UNKNOWN if any(asking.answer is None for asking in pending) else Watch.STILL_BLOCKED


def outcome(asking: Asking) -> str:
    """What became of one asking, in words."""
    if asking.released_at is not None:
        return "Not Blocked"
    if asking.answer is None:
        return "outcome unknown: no clear answer came"
    if asking.answer in (Answer.REQUESTED, Answer.NOT_BLOCKED):
        return "waiting for Microsoft"
    return f"{asking.answer.value}: {asking.detail}" if asking.detail else asking.answer.value


def may_ask_again(before: Asking, press: str, from_state: CaseState, *, seen_at: datetime) -> bool:
    """Rule 4: only an agent who presses again on a case that ended without a release may have it asked anew.

    `seen_at` is when the case came to that end: what was asked after it, on another ticket, nobody has decided about.
    """
    decided = before.press != press and from_state in AFTER_ASKING and before.asked_at <= seen_at
    return decided and before.answer is not Answer.LIMIT


PUT_BACK = kept(
    "The databases were put back from a backup: an unblock that was asked after it was made is not known here. "
    "Look in the admin site before you press Unblock."
)


def cautioned(case: Case, put_back_at: datetime | None) -> Case:
    """The case with a warning where the program may have asked already for a block on it, and cannot know.

    A block that is listed since then was not asked for; one without a time is as old as its case. Who has pressed
    Unblock since then has been warned.
    """
    if put_back_at is None or case.state not in PRESSING or case.status is None or PUT_BACK in case.reason:
        return case
    listed = [blocked.blocked_at or case.created_at for blocked in case.status.blocked]
    is_old = any(moment <= put_back_at + CATCHING_UP for moment in listed)
    if not is_old or (case.asked_at is not None and case.asked_at > put_back_at):
        return case
    return replace(case, reason=f"{case.reason} {PUT_BACK}".strip())


RESULTS = {
    Watch.RELEASED: (CaseState.UNBLOCKED, ""),
    Watch.NEW_BLOCK: (
        CaseState.CHECKLIST_OPEN,
        kept("Microsoft has listed another block since; go through the checklist again."),
    ),
    Watch.NOT_ALL_ASKED: (
        CaseState.READY,
        kept("Not every address could be asked about. Press Unblock for the rest."),
    ),
    Watch.STILL_BLOCKED: (CaseState.STILL_BLOCKED, kept("Microsoft was asked, but still lists the account.")),
    Watch.OUTCOME_UNKNOWN: (
        CaseState.OUTCOME_UNKNOWN,
        kept("Microsoft was asked, but no clear answer came. Look in the admin site before you press Unblock again."),
    ),
    Watch.REFUSED: (CaseState.REFUSED, kept("Microsoft's side refused the unblock.")),
}
"""The state and the reason that each end of the watching leads to."""


def pause(attempt: int, *, first: timedelta, at_most: timedelta) -> timedelta:
    """The pause before the next attempt: doubling, capped."""
    return min(first * (1 << min(attempt, 20)), at_most)


def scattered(pause: timedelta, name: str) -> timedelta:
    """A pause up to a quarter shorter, by the name of what waits: what failed together does not come back together."""
    share = int.from_bytes(sha256(name.encode()).digest()[:4]) / 2**32
    return pause * (1 - share / 4)


def is_new_block(status: AccountStatus, askings: Sequence[Asking]) -> bool:
    """Rule 5: an address is listed by a block that nobody has asked about yet. `askings` are all of the account's."""
    asked = {(asking.address, asking.block) for asking in askings}
    return any((blocked.address, block_of(blocked, askings)) not in asked for blocked in status.blocked)
