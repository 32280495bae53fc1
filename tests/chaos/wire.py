"""What happens to the plugin's requests: faults are drawn, others work meanwhile, and all is written down."""

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tests.chaos.doors import DONE, SURELY_NOT_DONE, TIMED_OUT, Door, Exchange, Fault, Request
from tests.chaos.ledger import Arrived, Heard
from tests.chaos.stand_ins import said

if TYPE_CHECKING:
    from tests.chaos.processes import Process
    from tests.chaos.simulation import Simulation

DEEPEST = 3
"""So deep others go on while somebody waits."""

DONE_WITHIN = {"notes": 100, "unblock": 900}
"""Seconds in which the work of a request that timed out is done: a note's less than the settings give the desk."""

FAULTS = [*(fault for fault in Fault if fault is not Fault.NONE), Fault.LATE, Fault.LATE]
"""What is drawn from: what is late matters for few requests, so it comes more often."""

ALL_CLEAR = frozenset({"m365-not-blocked", "m365-unblocked"})


class Wire:
    """Between the plugin and the other systems."""

    def __init__(self, sim: "Simulation", doors: dict[str, Door]) -> None:
        self.sim, self.doors = sim, doors
        self.late: list[tuple[datetime, str, Request]] = []
        self.down: dict[str, datetime] = {}  # until when each system is
        self.coming: dict[str, list[Fault]] = {"desk": [], "campus": []}  # what the next requests are met with

    def before(self, process: "Process", system: str) -> None:
        """A process is about to ask another system."""
        process.is_ended_here()
        self._others(process)
        if self.sim.may_die(process):
            process.is_ended_here()
        self.sim.clock.forward(seconds=self.sim.chance.randint(2, 400) / 1000)
        self.do_late()
        door = self.doors[system]
        door.last = None
        door.fault = self._fault(system)
        door.retry_after = self.sim.chance.choice([1, 30, 600])
        if door.fault is Fault.REFUSED:
            door.close()

    def after(self, process: "Process", system: str) -> None:
        """The answer is here, or there is none."""
        door = self.doors[system]
        if door.fault is Fault.REFUSED:
            door.open()
        if door.error is not None:
            raise door.error
        self.sim.ledger.requests += 1
        self._note(system, door.last, door.fault)
        if door.fault in TIMED_OUT:
            self.sim.clock.forward(seconds=30)
        self.do_late()
        if self.sim.may_die(process):
            process.is_ended_here()
        self._others(process)

    def _others(self, process: "Process") -> None:
        if self.sim.chance.random() < self.sim.nesting and len(self.sim.frames) < DEEPEST:
            self.sim.goes_on()
        process.is_ended_here()

    def _fault(self, system: str) -> Fault:
        if self.coming[system]:
            return self.coming[system].pop(0)
        if not self.sim.noisy:
            return Fault.NONE
        until = self.down.get(system)
        if until is not None and self.sim.clock() < until:
            return self.sim.chance.choice([Fault.REFUSED, Fault.REFUSED, Fault.ERROR_BEFORE, Fault.TIMEOUT_BEFORE])
        if self.sim.chance.random() >= self.sim.fault_rate:
            return Fault.NONE
        return self.sim.chance.choice(FAULTS)

    def _note(self, system: str, exchange: Exchange | None, fault: Fault) -> None:
        """Write down what the other system received."""
        if exchange is None:
            self.sim.tell(f"→ {system}: {fault.value}")
            return
        request = exchange.request
        path = unquote(request.path)
        self.sim.tell(
            f"→ {system} {request.method} {path} {_gist(request)}: {fault.value} {exchange.status or ''}".rstrip()
        )
        self.received(system, request, fault)
        if fault is Fault.NONE:
            self._note_answer(system, exchange)
        if fault is Fault.LATE:
            self._put_off(system, request)

    def _put_off(self, system: str, request: Request) -> None:
        """A note or an unblock is done only later; anything else not at all."""
        what = request.path.rsplit("/", 1)[-1]
        if request.method != "POST" or what not in DONE_WITHIN:
            return
        after = timedelta(seconds=self.sim.chance.randint(31, DONE_WITHIN[what]))
        self.late.append((self.sim.clock() + after, system, request))
        if what == "notes":
            self.sim.ledger.late_notes.add(str(said(request.body).get("key")))

    def do_late(self) -> None:
        """What was put off is done once its time has come."""
        for item in sorted(self.late, key=lambda item: item[0]):
            if item[0] <= self.sim.clock():
                self.late.remove(item)
                _, system, request = item
                response = self.doors[system].perform(request)
                self.sim.tell(f"(late) {system} {request.method} {unquote(request.path)}: {response.status_code}")

    def received(self, system: str, request: Request, fault: Fault) -> None:
        """Write down a request to unblock, and look at what a ticket shows now."""
        if system == "campus" and request.method == "POST" and fault not in SURELY_NOT_DONE:
            self._note_unblock(request, fault)
        if system == "desk" and request.method == "PATCH" and fault in DONE:
            self._look_at(request.path.split("/")[3])

    def _look_at(self, ticket: str) -> None:
        """No all-clear unless the tenant's last word to whoever writes it was one."""
        shown = self.sim.desk.desk.ticket(ticket)
        tags = [tag for tag in shown.tags if tag.startswith("m365-")]
        if len(tags) > 1:
            self.sim.broken(f"ticket {ticket} has several state tags: {tags}")
        is_clear = ALL_CLEAR.intersection(tags)
        if not is_clear and shown.fields["Sending Status"] != "Not Blocked":
            return
        for case in self.sim.web.parts.casework.store.cases_of_ticket("desk", ticket):
            if not case.account or not self.sim.tenant.listed(case.account):
                continue
            heard = [
                it.told
                for it in self.sim.ledger.heard
                if it.netid == case.account and ticket in it.tickets and it.number < self.sim.frames[-1].number
            ]
            if not heard:  # nobody had read it when this write began; what is shown of it comes next
                continue
            if "m365-not-blocked" not in tags:  # a release stands until a reading says otherwise
                heard = [told for told in heard if told != "Unknown"]
            if (is_clear or shown.fields["Case State"] == case.state) and heard[-1:] != ["Not Blocked"]:
                self.sim.broken(
                    f"ticket {ticket} gives the all-clear for {case.account}, which is listed: {tags}, {shown.fields}"
                )

    def _note_unblock(self, request: Request, fault: Fault) -> None:
        netid, address = request.path.split("/")[3], str(said(request.body)["address"])
        account = self.sim.tenant.tenant.account(unquote(netid))
        entry = next((entry for entry in account.listed if entry.address == address), None)
        self.sim.ledger.arrived.append(
            Arrived(
                number=self.sim.next_number(),
                at=self.sim.clock(),
                netid=account.netid,
                address=address,
                block=None if entry is None else self.sim.ledger.block_of(entry),
                blocked_at=entry.blocked_at if entry else None,
                sign_in=account.sign_in_reason or account.sign_in,
                fault=fault,
            )
        )

    def _note_answer(self, system: str, exchange: Exchange) -> None:
        parts = [unquote(part) for part in urlsplit(exchange.request.path).path.split("/")]
        if exchange.request.method != "GET" or exchange.status != 200:
            return
        if system == "campus":
            self._hear(json.loads(exchange.body))
        elif parts[1:3] == ["api", "tickets"] and len(parts) == 4:
            self.sim.ledger.read[parts[3]] = self.sim.next_number()

    def _hear(self, account: dict[str, Any]) -> None:
        listed = account["office365"]["blocked_addresses"]
        stated = account["office365"]["sending_status"]
        told = "Unknown" if stated == "Unknown" or (stated == "Blocked" and not listed) else ""
        sign_in = account["sign_in"]
        self.sim.ledger.heard.append(
            Heard(
                number=self.sim.next_number(),
                at=self.sim.clock(),
                netid=account["netid"],
                told=told or ("Blocked" if listed else "Not Blocked"),
                sign_in=sign_in.get("reason") or sign_in["state"],
                tickets=self._on_behalf_of(),
            )
        )

    def _on_behalf_of(self) -> tuple[str, ...]:
        """The tickets that whoever is asking just now works for."""
        if not self.sim.frames:
            return ()
        frame = self.sim.frames[-1]
        if frame.what.startswith("events:"):
            return tuple(task["args"]["ticket"] for task in frame.args["tasks"])
        if "ticket" in frame.args:
            return (frame.args["ticket"],)
        case = frame.process.parts.casework.store.case(frame.args.get("case", ""))
        return (case.ticket,) if case is not None else ()


def _gist(request: Request) -> str:
    """What tells two writes apart."""
    body = said(request.body)
    told = body.get("key") or body.get("address") or body.get("add") or body.get("Case State")
    return str(told) if told else ""
