"""The load: real signed events, made before the clock runs, each sent over a connection of its own as desks do."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import quantiles

from plugin.demo.desk.sender import sign
from tests.benchmarks.speed.stub import address_of, text_of

_numbers = count(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A ticket's event, ready for the wire."""

    ticket: str
    request: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What became of events: when each was sent (monotonic), how long each waited for its answer, in seconds."""

    at: dict[str, float]
    took: list[float]
    seconds: float
    own_share: float  # of one core, that the sending itself took

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.took) / self.seconds


def percentiles(took: Sequence[float]) -> tuple[float, float]:
    """p50 and p99, in milliseconds."""
    cut = quantiles(took, n=100)
    return cut[49] * 1000, cut[98] * 1000


def events(many: int, kind: str, secret: str) -> list[Event]:
    """So many events of new tickets, which are ``blocked`` or ``ordinary``."""
    return [_event(f"{kind}-{next(_numbers)}", secret) for _ in range(many)]


def _event(ticket: str, secret: str) -> Event:
    person = {"email": address_of(ticket), "name": "Bucky Badger", "is_agent": False}
    subject = "Help, please"
    payload = {
        "type": "ticket.created",
        "timestamp": "2026-11-24T14:00:00Z",
        "data": {
            "ticket": {"id": ticket, "subject": subject, "queue": "Help", "status": "open"},
            "requester": person,
            "actor": person,
            "message": {
                "id": f"{ticket}-1",
                "text": text_of(ticket),
                "content_type": "text/plain",
                "attachments": [],  # without it nobody knows that all of the ticket is here
            },
        },
    }
    body, id_, now = json.dumps(payload).encode(), f"msg_{ticket}", str(int(time.time()))
    head = (
        "POST /webhooks/desk HTTP/1.1\r\nHost: plugin.example.edu\r\nConnection: close\r\nUser-Agent: bench\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"webhook-id: {id_}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: {sign(secret, id_, now, body)}\r\n\r\n"
    )
    return Event(ticket=ticket, request=head.encode() + body)


def send_at_once(port: int, events: Sequence[Event], *, in_flight: int = 32) -> Sent:
    """All of them, as fast as they are taken."""
    return asyncio.run(_send(port, events, 0.0, in_flight))


def send_at_rate(port: int, events: Sequence[Event], per_second: float) -> Sent:
    """Each at its moment, whatever became of those before."""
    return asyncio.run(_send(port, events, 1 / per_second, 1000))


async def _send(port: int, events: Sequence[Event], pause: float, in_flight: int) -> Sent:
    at: dict[str, float] = {}
    took: list[float] = []
    begun, own = time.monotonic(), time.process_time()
    left: Iterator[tuple[int, Event]] = iter(enumerate(events))

    async def sender() -> None:
        for number, event in left:
            if pause:
                await asyncio.sleep(begun + number * pause - time.monotonic())
            at[event.ticket] = time.monotonic()
            await _post(port, event)
            took.append(time.monotonic() - at[event.ticket])

    await asyncio.gather(*(sender() for _ in range(min(in_flight, len(events)))))
    seconds = time.monotonic() - begun
    return Sent(at=at, took=took, seconds=seconds, own_share=(time.process_time() - own) / seconds)


class _Wire(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self._request = request
        self._answer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.done.set_exception(exc)
        else:
            self.done.set_result(self._answer)


async def _post(port: int, event: Event) -> None:
    _, wire = await asyncio.get_running_loop().create_connection(lambda: _Wire(event.request), "127.0.0.1", port)
    answer: bytes = await wire.done
    if answer[9:12] not in (b"200", b"202"):
        raise RuntimeError(f"{event.ticket} was answered {answer[:300]!r}")
