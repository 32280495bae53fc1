"""Our checklist in Zammad's own (6.4 and later): progress to be seen there. What is ticked there is never read.

A ticket has one checklist. One that somebody else has made is left alone; in ours, what others have added stays.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from plugin.errors import NotFound, PermanentError
from plugin.ports import Step
from webhooks.zammad.answers import Reading
from webhooks.zammad.reading import Reader
from webhooks.zammad.rest import Rest

NAME = "Sending block (progress only: answer in m365-unblock)"


class Mirror:
    """Shows steps in the checklists of one Zammad; `template` is one of its checklist templates, if any."""

    def __init__(self, rest: Rest, reader: Reader, *, template: int | None) -> None:
        self._rest = rest
        self._reader = reader
        self._template = template

    def show(self, ticket: str, steps: Sequence[Step]) -> Iterator[str]:
        """Bring the ticket's checklist in line; what Zammad would not take, in words."""
        doing = f"show the checklist of ticket {ticket}"
        number = self._reader.row(ticket).checklist_id
        try:
            self._show(doing, ticket, number, steps)
        except NotFound as error:  # not the ticket: that was read just before
            yield f"{error}; this Zammad has no checklists (before 6.4, or switched off): set checklist = false"
        except PermanentError as error:
            yield str(error)

    def _show(self, doing: str, ticket: str, number: int | None, steps: Sequence[Step]) -> None:
        if number is None:
            if steps:
                self._bring_in_line(doing, *self._made(doing, ticket), steps)
            return
        found = self._rest.get(doing, "checklists", str(number), needs="ticket.agent", full="true")
        maker, items = Reading(self._rest.system, doing).checklist(found, number)
        if maker == self._reader.me().id:
            self._bring_in_line(doing, number, items, steps)

    def _made(self, doing: str, ticket: str) -> tuple[int, list[dict[str, Any]]]:
        template = {} if self._template is None else {"template_id": self._template}
        body = {"ticket_id": int(ticket), **template}
        made = self._rest.send(doing, "POST", "checklists", body=body, needs="ticket.agent").json()
        number = made.get("id") if isinstance(made, dict) else None
        if not isinstance(number, int):
            raise PermanentError(self._rest.system, doing, "answered without the checklist's id", status=200)
        if self._template is None:
            self._rest.send(doing, "PATCH", "checklists", str(number), body={"name": NAME})
        return number, Reading(self._rest.system, doing).checklist(made, number)[1]

    def _bring_in_line(self, doing: str, number: int, items: list[dict[str, Any]], steps: Sequence[Step]) -> None:
        me, there = self._reader.me().id, {item["text"]: item for item in items}
        wanted = {step.text: step.is_done for step in steps}
        for item in items:  # what we made and is asked no more
            if item["created_by_id"] == me and item["text"] not in wanted:
                self._rest.send(doing, "DELETE", "checklist_items", str(item["id"]), body={})
        for text, is_done in wanted.items():
            item = there.get(text) or self._added(doing, number, text)
            if bool(item["checked"]) is not is_done:
                self._rest.send(doing, "PATCH", "checklist_items", str(item["id"]), body={"checked": is_done})

    def _added(self, doing: str, number: int, text: str) -> dict[str, Any]:
        body = {"checklist_id": number, "text": text, "checked": False}
        added = self._rest.send(doing, "POST", "checklist_items", body=body, needs="ticket.agent").json()
        return Reading(self._rest.system, doing).item(added)
