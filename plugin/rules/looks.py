"""Checklist items that check themselves: what the newest look at the account makes of them, and what a person may add.

    =====================  =====================================================================
    the newest look says   the item counts as answered
    =====================  =====================================================================
    verified               by itself
    not so                 where a supervisor overrode this very finding, with a reason
    to be gone through     where an agent went through this very list
    could not check        where an agent gave their word, with a reason
    nothing yet            not at all
    =====================  =====================================================================

An agent's word about an earlier finding never outlives a newer one: whoever broke in may come back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from flask_babel import gettext as _

from plugin import checklist as checklists
from plugin.checklist import Field, Item, Kind
from plugin.errors import NotAllowed
from plugin.model import PROGRAM, AccountCheck, AccountStatus, Agent, GivenAnswer, Looked, Role, Verdict
from plugin.rules.answers import counts_from, latest

MARK = "-look"
"""The form field that tells which look was shown; no field of a checklist's item has such an id."""

Looks = Mapping[AccountCheck, Looked]


def mark_of(looked: Looked) -> str:
    """Tells one finding from another; the same thing found again is the same finding."""
    told = repr((looked.check.value, looked.verdict.value, looked.finding, sorted(looked.items)))
    return sha256(told.encode()).hexdigest()[:16]


def block_began(status: AccountStatus) -> datetime | None:
    """When the newest of the current blocks began; None where one of them has no time, or there is none."""
    moments = [blocked.blocked_at for blocked in status.blocked]
    return None if None in moments else latest(*moments)


def standing_looks(looks: Iterable[Looked], status: AccountStatus, *, after: datetime | None = None) -> Looks:
    """The looks that still count: those made after every current block, as `rules.standing` has it of answers."""
    newest = latest(counts_from(status), after)
    return {looked.check: looked for looked in looks if newest is None or looked.looked_at > newest}


def counting(
    items: Iterable[Item], answers: Mapping[str, GivenAnswer], looks: Looks, checklist: checklists.Checklist
) -> dict[str, GivenAnswer]:
    """The answers that count once the looks have had their say; `items` are those that check themselves."""
    counted = dict(answers)
    for item in items:
        looked = _look_at(item, looks)
        if looked is not None and looked.verdict is Verdict.VERIFIED:
            counted[item.id] = GivenAnswer(
                item=item.id,
                value={"done": True},
                agent=PROGRAM,
                answered_at=looked.looked_at,
                checklist=checklist.id,
                checklist_version=checklist.version,
            )
        elif item.id in counted and not (looked is not None and _holds(counted[item.id].value, looked)):
            del counted[item.id]
    return counted


def _look_at(item: Item, looks: Looks) -> Looked | None:
    return looks.get(item.check) if item.check is not None else None


def _holds(value: Mapping[str, Any], looked: Looked) -> bool:
    """Whether what a person said stands against what was found."""
    if looked.verdict is Verdict.NOT_LOOKED:
        return bool(value.get("reason"))
    return value.get("look") == mark_of(looked)


def refuted(items: Iterable[Item], answers: Mapping[str, GivenAnswer], looks: Looks) -> dict[str, Looked]:
    """Required items that are not so, by id, unless overridden: they keep Unblock closed, whatever else was answered.

    `items` are those that check themselves, `answers` those that count.
    """
    found = {item.id: looked for item in items if item.required and (looked := _look_at(item, looks)) is not None}
    return {item: looked for item, looked in found.items() if looked.verdict is Verdict.NOT_SO and item not in answers}


def read_word(item: Item, looked: Looked | None, form: Mapping[str, str], agent: Agent) -> dict[str, Any] | None:
    """What a person says to a look, as the value to store; None takes it back. Raises `NotAllowed`.

    The form names the look that was shown (`MARK`), and has ``done`` or ``reason``, as the verdict asks for.
    """
    if looked is None:
        raise NotAllowed(_("“%(item)s”: have it checked first.", item=item.text))
    if looked.verdict is Verdict.VERIFIED:
        raise NotAllowed(_("“%(item)s” was verified by looking; there is nothing to answer.", item=item.text))
    said = _said(item, looked, form, agent)
    if said is not None and form.get(MARK) != mark_of(looked):
        raise NotAllowed(
            _("“%(item)s” was looked at again meanwhile. See what was found, then answer.", item=item.text)
        )
    return None if said is None else {"done": True, **said, "look": mark_of(looked)}


def _said(item: Item, looked: Looked, form: Mapping[str, str], agent: Agent) -> dict[str, Any] | None:
    if looked.verdict is Verdict.LISTED:
        return checklists.read_answer(item, form)
    if looked.verdict is Verdict.NOT_SO and agent.role is not Role.SUPERVISOR:
        raise NotAllowed(
            _("“%(item)s” is not so. Put it right and check again; only a supervisor may override it.", item=item.text)
        )
    reason = Field(id="reason", label=_("Reason"), required=True)
    return checklists.read_answer(replace(item, kind=Kind.TEXT, fields=(reason,)), form)
