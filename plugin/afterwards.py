"""What an agent does once Unblock was pressed: the reply, the customer who still cannot send, the way to Office 365."""

from collections.abc import Sequence
from dataclasses import replace

from flask_babel import gettext as _

from plugin import rules
from plugin.case_views import REPLY_FOR, reply_key
from plugin.casework import Casework, signed
from plugin.errors import NotAllowed
from plugin.model import Agent, Case, Role
from plugin.naming import follow_up, posting
from plugin.notes.discretion import ADDRESS
from plugin.notes.texts import ReplyKind, Texts, public_note, says_too_much

LONGEST_REPLY = 10_000  # characters


class Afterwards:
    """The agent's side of the procedure, after the asking."""

    def __init__(self, casework: Casework, texts: Texts, domains: Sequence[str]) -> None:
        self._work = casework
        self._store = casework.store
        self._texts = texts
        self._domains = tuple(f"{mark}{domain}" for domain in domains for mark in "@.")

    def send_reply(self, case: Case, kind: ReplyKind, text: str, agent: Agent) -> Case:
        """Rule 6: send the customer a text that this agent has seen."""
        must_act(agent)
        if REPLY_FOR.get(case.state) is not kind:
            raise NotAllowed(_("The case is “%(state)s”; this reply does not fit.", state=_(case.state.value)))
        if not text.strip() or len(text) > LONGEST_REPLY:
            raise NotAllowed(_("The reply is empty or too long."))
        found = self._store.looks(case.id)
        words = (*says_too_much(text, case.status, case.finding, found), *self._addresses_of_ours(text, kind))
        if words:
            raise NotAllowed(
                _(
                    "Not sent. Take out: %(words)s. The attacker may be reading that mailbox, so a reply never names "
                    "addresses, reasons or findings.",
                    words=", ".join(words),
                )
            )
        note = public_note(reply_key(case, kind), text)
        with self._store.change() as change:
            if not change.intend(case.id, note, self._work.clock()):
                raise NotAllowed(_("This reply was sent before."))
            return self._work.save_in(
                change, case, "Sent the reply to the customer.", agent=agent, tasks=[posting(case, note.key)]
            )

    def complain(self, case: Case, agent: Agent) -> Case:
        """Rule 5: the customer told this agent that mail still fails.

        Before the end of the clock a note gives the hour; after it the account is read again, and it is Overdue.
        """
        must_act(agent)
        if not rules.may_complain(case):
            raise NotAllowed(
                _("It is noted already that mail still fails.")
                if case.complained_at is not None
                else _("The case is “%(state)s”; nothing was released here that could fail.", state=_(case.state.value))
            )
        now = self._work.clock()
        heard = replace(case, complained_at=now)
        with self._store.change() as change:
            saved = self._work.save_in(change, heard, "Says that the customer still cannot send.", agent=agent)
            if rules.is_clock_over(saved, now):
                change.put_task(follow_up(saved))
        return saved

    def escalate(self, case: Case, agent: Agent) -> Case:
        """Rule 5: hand the case to the Office 365 team; the note with the evidence commits to be posted, once."""
        must_act(agent)
        if case.escalated_at is not None:
            raise NotAllowed(_("%(agent)s has handed this to the Office 365 team already.", agent=case.escalated_by))
        if not rules.may_escalate(case):
            raise NotAllowed(_("The case is “%(state)s”; it is not due to be escalated.", state=_(case.state.value)))
        handed = replace(case, escalated_at=self._work.clock(), escalated_by=signed(agent))
        return self._work.save(handed, "Escalated to the Office 365 team, with the evidence.", agent=agent)

    def _addresses_of_ours(self, text: str, kind: ReplyKind) -> tuple[str, ...]:
        """Mail addresses of the organisation in a text, but for those that the site's own words name."""
        usual = self._texts.reply(kind)
        found = (match[0] for match in ADDRESS.finditer(text) if match[0] not in usual)
        return tuple(address for address in found if address.lower().rstrip(".").endswith(self._domains))


def must_act(agent: Agent) -> None:
    """`NotAllowed` for a role that may only look."""
    if agent.role is Role.VIEWER:
        raise NotAllowed(_("You are signed in as a viewer; only agents may do this."))
