"""What customers, Security and Microsoft's side do, drawn from the run's chance."""

from pathlib import Path

from plugin.demo import desk as demo_desk
from plugin.demo.desk.records import File, Person
from plugin.demo.tenant.world import COMPROMISED
from tests.chaos.ledger import Filed
from tests.chaos.simulation import Simulation

MAIL = Path(demo_desk.__file__).parent.parent / "mail"
PEOPLE = {
    "bbadger": "bucky.badger@example.edu",
    "phished": "philip.shed@example.edu",
    "mmass": "mona.mass@example.edu",
    "hrhold": "harriet.hold@example.edu",
    "fine": "fiona.inell@example.edu",
    "limitup": "liam.tupper@example.edu",
    "nodate": "noa.date@example.edu",
    "unknown1": "una.nowen@example.edu",
    "ratecap": "raoul.tecap@example.edu",
}
UNDELIVERABLE = "my mail bounces back: undeliverable"
MOST_TICKETS = 5
COMPLAINTS = ("It still bounces, same message as before.", "My mail is still coming back as undeliverable!")
THANKS = ("Thank you!", "When will you look at this?", "I am in the library until five.")


class People:
    """Customers, Security and Microsoft, and the desk that sends its events."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.chance = sim.chance
        self.desk, self.tenant = sim.desk.desk, sim.tenant.tenant

    # ── customers ────────────────────────────────────────────────────────────────────────────────────────────────

    def file(self) -> None:
        """A customer files a ticket: with a bounce, with somebody else's, without any, or about something else."""
        if len(self.sim.ledger.filed) >= MOST_TICKETS:
            return
        favourites = ["bbadger"] * 6 + ["phished", "mmass", "nodate"] * 2
        email, kind = PEOPLE[self.chance.choice([*favourites, *PEOPLE])], self.chance.random()
        if kind < 0.7:
            self.file_bounce(email, email)
        elif kind < 0.8:  # forged, or a colleague's
            self.file_bounce(email, self.chance.choice(list(PEOPLE.values())))
        elif kind < 0.9:
            self._file(email, "The printer on floor 3", "It is out of paper.", expects_note=False)
        else:
            self._file(email, UNDELIVERABLE, "All I send comes back: 550 5.1.8 Access denied, bad outbound sender.")

    def file_bounce(self, email: str, sender: str) -> str:
        """A customer files a ticket with a bounce of a sender; the ticket."""
        return self._file(email, UNDELIVERABLE, "Please help, see the attachment.", self._bounce("ndr-5.1.8", sender))

    def _file(self, email: str, subject: str, text: str, *files: File, expects_note: bool = True) -> str:
        person = Person(email=email, name=email.split(".")[0].title())
        ticket = self.desk.open_ticket(person, subject, text, files=files)
        opened = self.sim.ledger.said[ticket.id] = self.sim.next_number()
        self.sim.ledger.filed[ticket.id] = Filed(ticket=ticket.id, expects_note=expects_note, opened=opened)
        self.sim.tell(f"{email} files ticket {ticket.id}: {subject!r}, {len(files)} bounces")
        return ticket.id

    def write_again(self) -> None:
        """A customer writes again: a complaint, or something else."""
        ticket = self.sim.some_ticket()
        if ticket is not None:
            self.write_on(ticket, is_complaint=self.chance.random() < 0.5)

    def write_on(self, ticket: str, *, is_complaint: bool) -> None:
        """A customer writes on a ticket."""
        text = self.chance.choice(COMPLAINTS if is_complaint else THANKS)
        message = self.desk.reply(ticket, self.desk.ticket(ticket).requester, text, "public")
        self.sim.ledger.said[ticket] = self.sim.next_number()
        if is_complaint:
            self.sim.ledger.complained[ticket] = message.created_at
        self.sim.tell(f"the customer writes on ticket {ticket}: {text!r}")

    def _bounce(self, name: str, sender: str) -> File:
        text = (MAIL / f"{name}.eml").read_text("utf-8")
        content = text.format(
            sender=sender,
            recipient="ruth.mensah@partner.example",
            date="Tue, 24 Nov 2026 13:50:00 +0000",
            message_id="<b1@example.edu>",
        )
        return self.desk.keep_file("Undeliverable.eml", "message/rfc822", content.encode())

    # ── the desk's events ────────────────────────────────────────────────────────────────────────────────────────

    def deliver(self, *, again: bool = False) -> None:
        """The desk sends one of its events, not always the oldest; or one once more that was acknowledged."""
        waiting = [delivery for delivery in self.sim.desk.deliveries if delivery.acknowledged is again]
        if not waiting:
            return
        delivery = waiting[0] if self.chance.random() < 0.7 else self.chance.choice(waiting)
        web, status = self.sim.web, 0

        def send() -> None:
            nonlocal status
            headers = delivery.headers(self.sim.clock())
            status = web.app.test_client().post("/webhooks/desk", data=delivery.body, headers=headers).status_code

        web.run(f"delivery of {delivery.kind} on {delivery.ticket}", send)
        delivery.acknowledged = delivery.acknowledged or status in (200, 202)
        once_more = " once more" if again else ""
        self.sim.tell(f"the desk sends {delivery.kind} on {delivery.ticket}{once_more}: {status or 'no answer'}")
        if status not in (0, 200, 202, 503):
            self.sim.broken(f"an event was refused with {status}")

    # ── Microsoft and Security ───────────────────────────────────────────────────────────────────────────────────

    def microsoft_acts(self) -> None:
        """An address is listed, or all of an account's are let go; the limit is reached; word and list contradict."""
        netid = self.chance.choice(["bbadger", "bbadger", *PEOPLE])
        account, kind = self.tenant.account(netid), self.chance.random()
        address = self.chance.choice(account.addresses)
        if kind < 0.5:
            if address not in [entry.address for entry in account.listed]:
                self.tenant.block(netid, address, reason="OutboundSpamLast24Hours=9;OutboundMailLast24Hours=10")
                self.sim.tell(f"Microsoft lists {address}")
        elif kind < 0.75:
            account.listed.clear()
            self.sim.tell(f"Microsoft lets all addresses of {netid} go")
        elif kind < 0.85:
            account.unblocks_left = self.chance.choice([0, 5])
            self.sim.tell(f"{netid} has {account.unblocks_left} unblocks left")
        else:
            account.stated = self.chance.choice([None, None, "Unknown", "Not Blocked", "Blocked"])
            self.sim.tell(f"the site says of {netid}: {account.stated or 'what the list says'}")

    def security_acts(self) -> None:
        """A sign-in is disabled or enabled."""
        netid = self.chance.choice(["bbadger", *PEOPLE])
        account = self.tenant.account(netid)
        if account.sign_in == "disabled":
            account.sign_in, account.sign_in_reason = "enabled", None
        else:
            account.sign_in, account.sign_in_reason = "disabled", self.chance.choice([COMPROMISED, "HR Request"])
        account.sign_in_since = self.sim.clock()
        self.sim.tell(f"Security: the sign-in of {netid} is {account.sign_in} {account.sign_in_reason or ''}".rstrip())
