"""The desk's and the tenant's APIs in one process, with a delay that can be set: `python -m … PORT`.

Written to the wire without any framework, so that it is not the bottleneck. Tickets are made up from their ids:
``blocked-…`` holds a report of Microsoft's that names an account of its own, any other is an ordinary question.
Under ``/-/`` the benchmark sets the delay and asks when which ticket got its note.
"""

import asyncio
import json
import sys
import time
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import unquote

MAIL = Path(__file__).parents[3] / "plugin" / "demo" / "mail" / "ndr-5.1.8.eml"
ORDINARY = "The printer on floor 3 prints empty pages since this morning. Could somebody have a look? Thank you!"


def _report() -> str:
    part = message_from_string(MAIL.read_text("utf-8"), policy=default).get_body(("plain",))
    assert part is not None
    return str(part.get_content())


REPORT = _report()


def text_of(ticket: str) -> str:
    """What the customer writes in a ticket."""
    if not ticket.startswith("blocked-"):
        return ORDINARY
    words = {"{sender}": address_of(ticket), "{recipient}": "ruth@partner.example", "{date}": "Tue, 24 Nov 2026 13:50"}
    text = REPORT
    for name, value in words.items():
        text = text.replace(name, value)
    return f"I cannot send mail any more, this comes back:\n\n{text}"


def address_of(ticket: str) -> str:
    """The address of the ticket's requester: an account of its own."""
    return f"{ticket}@example.edu"


def _ticket(ticket: str) -> dict[str, Any]:
    person = {"email": address_of(ticket), "name": "Bucky Badger", "is_agent": False}
    message = {
        "id": f"{ticket}-1",
        "author": person,
        "text": text_of(ticket),
        "content_type": "text/plain",
        "visibility": "public",
        "created_at": "2026-11-24T14:00:00Z",
        "attachments": [],
    }
    return {
        "id": ticket, "subject": "Help, please", "requester": person, "messages": [message], "tags": [], "fields": {},
        "status": "open", "queue": "Help", "url": f"http://desk.example.edu/tickets/{ticket}",
    }  # fmt: skip


def _account(name: str) -> dict[str, Any]:
    netid, address = name.partition("@")[0], f"{name.partition('@')[0]}@example.edu"
    reason = "OutboundSpamLast24Hours=412;OutboundMailLast24Hours=455;OutboundSpamPercent=90"
    listed = {"address": address, "reason": reason, "blocked_at": "2026-11-24T13:45:00Z"}
    return {
        "netid": netid, "display_name": "Bucky Badger", "primary_address": address, "addresses": [address],
        "office365": {"sending_status": "Blocked", "blocked_addresses": [listed]},
        "sign_in": {"state": "enabled"},
    }  # fmt: skip


class Apis:
    """What is asked, and what is answered."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.calls = 0
        self.noted: dict[str, float] = {}

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Status and JSON."""
        self.calls += 1
        place, _, _query = path.partition("?")
        match method, place.strip("/").split("/"):
            case "GET", ["api", "tickets"]:
                return 200, {"tickets": [], "next_cursor": None}
            case "GET", ["api", "tickets", ticket]:
                return 200, _ticket(ticket)
            case "GET", ["api", "tickets", _, "notes"]:
                return 200, []
            case "POST", ["api", "tickets", ticket, "notes"]:
                note = json.loads(body)
                self.noted.setdefault(ticket, time.monotonic())
                return 201, {"key": note["key"], "visibility": note["visibility"]}
            case "PATCH", ["api", "tickets", *_]:
                return 204, None
            case "GET", ["v1", "accounts", name]:
                return 200, _account(unquote(name))
        return 404, {}

    def control(self, place: str, body: bytes) -> Any:
        """What the benchmark wants: the delay set, all forgotten, or what came in."""
        if place == "set":
            self.delay, self.noted, self.calls = json.loads(body)["delay"], {}, 0
        return {"calls": self.calls, "noted": self.noted, "cpu": time.process_time()}


class Wire(asyncio.Protocol):
    """One connection: HTTP/1.1 with one request at a time, kept open."""

    def __init__(self, apis: Apis) -> None:
        self._apis = apis
        self._bytes = b""
        self._closes = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connects."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer once all of a request is there."""
        self._bytes += data
        head, end, body = self._bytes.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        if len(body) < int(headers.get("content-length", 0)):
            return
        self._bytes = b""
        self._closes = headers.get("connection") == "close"
        method, path, _version = lines[0].split(" ")
        if path.startswith("/-/"):
            self._send(200, self._apis.control(path[3:], body))
        else:
            status, said = self._apis.answer(method, path, body)
            if self._apis.delay:
                asyncio.get_running_loop().call_later(self._apis.delay, self._send, status, said)
            else:
                self._send(status, said)

    def _send(self, status: int, said: Any) -> None:
        body = b"" if said is None else json.dumps(said).encode()
        length = b"" if said is None else b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
        self._transport.write(b"HTTP/1.1 %d -\r\n%s\r\n%s" % (status, length, body))
        if self._closes:
            self._transport.close()


async def main(port: int) -> None:
    """Answer until the process is ended."""
    apis = Apis()
    server = await asyncio.get_running_loop().create_server(lambda: Wire(apis), "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
