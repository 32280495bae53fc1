"""The demo's story: customers file tickets with real bounce mails, an agent works them off, and the terminal tells it.

Every step waits for something that was really written on a ticket; one that does not come makes the story fail.
"""

import re
import textwrap
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from plugin.demo.agent import AgentAtDesk, OpenPanel
from plugin.demo.stage import CLOCK, Stage

MAIL = Path(__file__).parent / "mail"
PATIENCE = 60.0  # seconds for one step


class StepMissing(Exception):
    """Something the story waits for did not happen."""


class Storyteller:
    """Acts the customers and the agent, watches the tickets, and tells."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._shown: dict[str, int] = {}
        self._api = requests.Session()
        self._api.trust_env = False
        self._api.headers["Authorization"] = f"Bearer {stage.desk_token}"

    # ── telling ──────────────────────────────────────────────────────────────────────────────────────────────────

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        print(f"\n── {title} {'─' * max(4, 96 - len(title))}", flush=True)

    def tell(self, text: str) -> None:
        """A step that happened."""
        print(f"  ✓ {text}", flush=True)

    def tell_notes(self, ticket: dict[str, Any]) -> None:
        """Whatever was written on the ticket since the last look."""
        messages = ticket["messages"]
        for message in messages[self._shown.get(ticket["id"], 1) :]:
            who = "mailed to the requester" if message["visibility"] == "public" else "internal note"
            print(f"    ┌ ticket {ticket['id']}, {who}")
            for line in _lines(message["text"]):
                print(_folded(line))
        self._shown[ticket["id"]] = len(messages)

    def tell_verdicts(self, panel: OpenPanel) -> None:
        """What the panel says of each item that checks itself."""
        for told in panel.verdicts():
            print(_folded(told), flush=True)

    # ── acting and watching ──────────────────────────────────────────────────────────────────────────────────────

    def file(self, name: str, email: str, text: str, report: str, *, sender: str = "") -> str:
        """A customer files a ticket with a bounce attached, through the desk's own form."""
        answer = self._api.post(
            f"{self._stage.desk_url}/portal/tickets",
            data={"name": name, "email": email, "subject": "my mail bounces back: undeliverable", "text": text},
            files={"attachments": ("Undeliverable.eml", _bounce(report, sender or email), "message/rfc822")},
            headers={"Authorization": None},
            timeout=10,
        )
        answer.raise_for_status()
        match = re.search(r"/portal/tickets/(\w+)", answer.url)
        if match is None:
            raise StepMissing("the desk did not take the ticket")
        self.tell(f"{name} <{email}> files ticket {match[1]}: “{text}”, with {report}.eml attached")
        return match[1]

    def ticket(self, ticket: str) -> dict[str, Any]:
        """The ticket as an integration sees it."""
        answer = self._api.get(f"{self._stage.desk_url}/api/tickets/{ticket}", timeout=10)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def wait_for(self, ticket: str, what: str, happened: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until something shows on the ticket, then tell it with what was written."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self.ticket(ticket)
            if happened(found):
                self.tell(what)
                self.tell_notes(found)
                return found
            if not self._stage.is_plugin_running():
                raise StepMissing(f"The plugin ended by itself. Its log: {self._stage.log}")
            time.sleep(0.2)
        raise StepMissing(f"ticket {ticket}: did not happen: {what}. The plugin's log: {self._stage.log}")

    def wait_for_state(self, ticket: str, state: str, tag: str, *, notes: int) -> None:
        """Wait for a state of the case with its tag and so many notes of ours."""

        def happened(found: dict[str, Any]) -> bool:
            written = sum(message["author"].get("email") == OWN_USER for message in found["messages"])
            shown = (found["fields"].get("Case State"), found["tags"])
            return shown == (state, [tag]) and written >= notes

        self.wait_for(ticket, f"ticket {ticket} is “{state}” [{tag}]", happened)

    def look_until(self, panel: OpenPanel, what: str, is_shown: Callable[[str], bool]) -> None:
        """Look at the panel until it shows something."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if is_shown(panel.look()):
                self.tell(what)
                return
            time.sleep(0.3)
        raise StepMissing(f"the panel never showed: {what}")


OWN_USER = "m365-unblock@example.edu"


# ── the chapters ─────────────────────────────────────────────────────────────────────────────────────────────────


def main_job(teller: Storyteller, alex: AgentAtDesk) -> None:
    """A phished account, from the bounce to the closing note."""
    teller.chapter("A phished account")
    ticket = teller.file("Bucky Badger", "bucky.badger@example.edu", "Nobody gets my mail any more!", "ndr-5.1.8")
    teller.wait_for_state(ticket, "Checklist open", "m365-blocked", notes=1)
    panel = alex.open(ticket)
    teller.tell("Alex opens the ticket; the panel is there, and Unblock is closed until the checklist is done")
    _expect(_is_unblock_off(panel), "Unblock was open before the checklist was done")
    await_looks(teller, panel)
    count = panel.answer_checklist({"bulk-sender": "no"})
    teller.tell(f"Alex goes through the {count} items with Bucky on the phone")
    _press_unblock(teller, panel)
    teller.wait_for_state(ticket, "Unblocked", "m365-unblocked", notes=2)
    teller.look_until(
        panel, "the panel shows the reply to the customer, to be seen first", lambda _: _reply(panel) is not None
    )
    form = _reply(panel)
    if form is not None:
        panel.send(form, form.values)
    teller.wait_for(
        ticket, "the reply that Alex has seen goes to the requester", lambda found: _public_notes(found) == 1
    )
    teller.wait_for_state(ticket, "Closed", "m365-unblocked", notes=4)
    teller.tell(f"(the 24 hours are {CLOCK} in this demo: the account was really read again)")


def checks_by_themselves(teller: Storyteller, alex: AgentAtDesk, stage: Stage) -> None:
    """What Microsoft 365 can be asked about an account need not be ticked; what it finds keeps Unblock closed."""
    if stage.microsoft is None:
        return
    teller.chapter("What checks itself")
    ticket = teller.file("Philip Shed", "philip.shed@example.edu", "Refused. And odd mails?", "ndr-5.1.8")
    teller.wait_for_state(ticket, "Checklist open", "m365-blocked", notes=1)
    panel = alex.open(ticket)
    await_looks(teller, panel)
    _expect(any(told.startswith("Not so.") for told in panel.verdicts()), "nothing was found in the mailbox")
    panel.answer_checklist({"bulk-sender": "no"})
    _expect(_is_unblock_off(panel), "Unblock was open although the mailbox forwards")
    teller.tell("Alex answers the rest; Unblock stays closed")
    stage.microsoft.world.secure("phished")
    stage.enable_sign_in("phished")
    teller.tell(
        "Philip gets a new password, forwarding and rules are removed, the sign-in is enabled; Alex checks again"
    )
    (refresh,) = panel.forms(r"/refresh$")
    panel.send(refresh, refresh.values)
    panel.check_all()
    teller.tell_verdicts(panel)
    panel.answer_checklist({"bulk-sender": "no"})
    _press_unblock(teller, panel)
    teller.wait_for_state(ticket, "Unblocked", "m365-unblocked", notes=2)


def await_looks(teller: Storyteller, panel: OpenPanel) -> None:
    """The worker looks as soon as the checklist is open, where the tenant can."""
    if panel.verdicts():
        teller.look_until(panel, "the account was looked at:", lambda _: "Not checked yet." not in panel.verdicts())
        teller.tell_verdicts(panel)


def other_roads(teller: Storyteller, alex: AgentAtDesk) -> None:
    """What is not unblocked, and who is asked."""
    teller.chapter("Other bounces, other roads")
    ordinary = teller.file("Fiona Inell", "fiona.inell@example.edu", "It came back.", "ndr-5.1.10-unknown-recipient")
    limit = teller.file("Fiona Inell", "fiona.inell@example.edu", "I reached some limit?", "ndr-5.1.90")
    teller.wait_for_state(limit, "Sending limit", "m365-sending-limit", notes=1)
    held = teller.file("Harriet Hold", "harriet.hold@example.edu", "My mail is refused.", "ndr-5.1.8")
    teller.wait_for_state(held, "Refer to Security", "m365-refer-to-security", notes=1)
    _expect(not alex.open(held).forms(r"/unblock$") or _is_unblock_off(alex.open(held)), "Unblock was offered")
    bulk = teller.file("Mona Mass", "mona.mass@example.edu", "My newsletter bounces.", "ndr-5.1.8")
    teller.wait_for_state(bulk, "Checklist open", "m365-blocked", notes=1)
    panel = alex.open(bulk)
    panel.answer_checklist({"bulk-sender": "yes"})
    teller.wait_for_state(bulk, "Bulk sender", "m365-blocked", notes=2)
    forged = teller.file(
        "Fiona Inell", "fiona.inell@example.edu", "See attached.", "ndr-5.1.8", sender="liam.tupper@example.edu"
    )
    teller.wait_for_state(forged, "Needs a person", "m365-needs-person", notes=1)
    tenant = teller.file("Fiona Inell", "fiona.inell@example.edu", "All our mail is refused.", "ndr-5.7.705")
    teller.wait_for_state(tenant, "Tenant blocked", "m365-tenant-blocked", notes=1)
    teller.wait_for(
        ordinary,
        f"ticket {ordinary}, an unknown recipient, was left alone: no note, no tag",
        lambda found: len(found["messages"]) == 1 and not found["tags"],
    )


def _press_unblock(teller: Storyteller, panel: OpenPanel) -> None:
    panel.look()
    (form,) = panel.forms(r"/unblock$")
    _expect(not form.is_off, "Unblock stayed closed although the checklist is done")
    panel.send(form, form.values)
    teller.tell("Alex presses Unblock and confirms; the worker reads everything once more and asks Microsoft's side")


def _is_unblock_off(panel: OpenPanel) -> bool:
    forms = panel.forms(r"/unblock$")
    return not forms or all(form.is_off for form in forms)


def _reply(panel: OpenPanel) -> Any:
    return next(iter(panel.forms(r"/reply$")), None)


def _public_notes(ticket: dict[str, Any]) -> int:
    return sum(
        message["visibility"] == "public" and message["author"].get("email") == OWN_USER
        for message in ticket["messages"]
    )


def _expect(held: bool, otherwise: str) -> None:
    if not held:
        raise StepMissing(otherwise)


def _bounce(report: str, sender: str) -> bytes:
    text = (MAIL / f"{report}.eml").read_text("utf-8")
    return text.format(
        sender=sender,
        recipient="ruth.mensah@partner.example",
        date=format_datetime(datetime.now(UTC)),
        message_id=f"<{uuid4()}@example.edu>",
    ).encode()


def _folded(line: str) -> str:
    return textwrap.fill(
        line,
        100,
        initial_indent="    │ ",
        subsequent_indent="    │   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _lines(text: str) -> list[str]:
    """A note's HTML as lines for a terminal."""
    broken = re.sub(r"</(p|li|ul|h\d)>|<br\s*/?>", "\n", text)
    marked = re.sub(r"<li[^>]*>", "• ", broken)
    return [line.strip() for line in unescape(re.sub(r"<[^>]+>", "", marked)).splitlines() if line.strip()]
