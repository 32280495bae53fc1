"""What a case and its ticket say of work that nobody tries again by itself.

Silence would leave a customer waiting and an agent believing that something is under way. Nothing here claims anything
about an account, and nothing asks for anything.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from plugin.annotation import Annotation
from plugin.casework import Casework
from plugin.model import PROGRAM, Case, CaseState, JournalEntry, Task, Visibility
from plugin.notes.texts import NoteKind

UNCHECKED = "?unchecked"
"""What tells the case of a ticket that could not be checked from the ticket's other cases."""


class GivingUp:
    """Tells of dead tasks. Each may be told again after a crash, and then says nothing twice."""

    def __init__(self, casework: Casework, annotation: Annotation) -> None:
        self._work = casework
        self._store = casework.store
        self._annotation = annotation

    def tell(self, task: Task, why: str) -> None:
        """Move the case to where a person takes over, or write down what is missing; by the kind of the task."""
        if task.name == "handle":
            self._unchecked(task.args["source"], task.args["ticket"], why)
            return
        case = self._store.case(task.args.get("case", ""))
        if case is None:
            return
        match task.name:
            case "unblock":
                self._not_asked(case, task.args, why)
            case "recheck":
                self._not_watched(case, why)
            case "follow_up" | "reread":
                self._not_read(case, why)
            case "post":
                self._not_posted(case, task.args["key"], why)
            case _:
                self._journal(case, f"Could not be shown on the ticket: {why}")

    def give_up_reply(self, case: Case, key: str, why: str) -> bool:
        """Tell that a reply will not go out; False where the note is none."""
        sent = self._store.note(key)
        if sent is None or sent.note.visibility is not Visibility.PUBLIC:
            return False
        self._not_posted(case, key, why)
        return True

    def checked(self, source: str, ticket: str) -> None:
        """The ticket could be checked after all: nobody needs to look at it for that any more."""
        for case in self._store.cases_of_ticket(source, ticket):
            if case.finding is None and case.state is CaseState.NEEDS_PERSON and not case.account:
                checked = replace(case, state=CaseState.RECEIVED, question="", reason="")
                self._work.save(checked, "The ticket could be checked after all.")

    def _unchecked(self, source: str, ticket: str, why: str) -> None:
        waiting = [case for case in self._store.cases_of_ticket(source, ticket) if case.finding and _is_unread(case)]
        for case in waiting:
            self._not_read(case, why)
        if waiting:
            return
        new = self._work.new_case(source, ticket, UNCHECKED, opened_by=PROGRAM)
        with self._store.change() as change:
            change.add_case(new)
        case = self._store.case(new.id) or new
        if case.account or case.state is CaseState.NEEDS_PERSON:
            return
        question = (
            "This ticket could not be checked, and nothing was looked up. Does the customer write that mail comes back "
            f"as undeliverable, and whose mail? What failed: {why}"
        )
        asking = replace(case, state=CaseState.NEEDS_PERSON, question=question)
        self._work.save(asking, f"The ticket could not be checked: {why}")

    def _not_asked(self, case: Case, args: Mapping[str, Any], why: str) -> None:
        if case.state is not CaseState.UNBLOCKING:
            return
        asked = [row for row in self._store.askings_of_case(case) if row.press == args["press"]]
        if asked:
            self._not_watched(case, why)
        else:
            self._annotation.say(case, NoteKind.NOT_ASKED, f"not-asked-{args['press'].rpartition(':')[2]}", why)
            reason = f"Nothing was asked: {why}. Press Unblock again later."
            self._work.save(replace(case, state=CaseState(args["from_state"]), reason=reason), reason)

    def _not_watched(self, case: Case, why: str) -> None:
        if case.state is CaseState.UNBLOCKING:
            reason = f"The watching broke off: {why}. Look in the admin site before you press Unblock again."
            self._work.enter(case, CaseState.OUTCOME_UNKNOWN, reason, f"The watching failed for good: {why}")

    def _not_read(self, case: Case, why: str) -> None:
        if case.state is CaseState.UNBLOCKED or _is_unread(case):
            question = f"The account could not be read, and it is not tried any more. What failed: {why}"
            asking = replace(case, question=question, unreadable_since=None)
            self._work.enter(asking, CaseState.NEEDS_PERSON, "", question)

    def _not_posted(self, case: Case, key: str, why: str) -> None:
        sent = self._store.note(key)
        if sent is None or sent.done_at is not None:
            return
        self._journal(case, f"Not posted for good: {sent.note.subject}. {why}")
        if sent.note.visibility is Visibility.PUBLIC:
            self._annotation.say(case, NoteKind.REPLY_NOT_SENT, "reply-not-sent", why)

    def _journal(self, case: Case, what: str) -> None:
        with self._store.change() as change:
            change.log(case.id, JournalEntry(at=self._work.clock(), actor=PROGRAM, what=what))


def _is_unread(case: Case) -> bool:
    """It has waited for a reading so far; its ticket may say that the program keeps trying."""
    is_told = case.state is CaseState.NEEDS_PERSON and case.unreadable_since is not None and not case.question
    return case.state is CaseState.RECEIVED or is_told
