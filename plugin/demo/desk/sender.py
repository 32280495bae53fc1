"""Sends ticket events as Standard Webhooks, from a thread of its own, and tries again when they are not taken.

https://github.com/standard-webhooks/standard-webhooks: the id stays the same over all attempts, the timestamp and
with it the signature are new each time.
"""

import base64
import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from heapq import heappop, heappush
from itertools import count
from threading import Condition, Thread

import requests

from plugin.demo.doors import MakeSecret

PAUSES = (1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0)  # seconds before each further attempt
TIMEOUT = 15.0  # seconds for one attempt


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try: when, and the HTTP status or what kept it from having one."""

    at: datetime
    outcome: str


@dataclass(kw_only=True, slots=True)
class Delivery:
    """One event on its way. `state` is waiting, delivered or given up."""

    webhook_id: str
    kind: str
    ticket: str
    body: bytes
    state: str = "waiting"
    attempts: list[Attempt] = field(default_factory=list)


def sign(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
    """The webhook-signature header: HMAC-SHA256 over id, timestamp and body, with the key behind ``whsec_``."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode("ascii")


class Sender:
    """A queue and the thread that works it off. Nothing is lost by `stop`; `start` goes on with it."""

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        clock: Callable[[], datetime],
        new_secret: MakeSecret,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self.log: list[Delivery] = []
        self._url, self._secret, self._clock, self._new_secret = url, secret, clock, new_secret
        self._pauses = tuple(pauses)
        self._due: list[tuple[float, int, Delivery]] = []
        self._number = count()
        self._sending = False
        self._stopped = True
        self._changed = Condition()
        self._thread: Thread | None = None

    def put(self, kind: str, ticket: str, body: bytes) -> Delivery:
        """Queue one event; it goes out as soon as the sender runs."""
        delivery = Delivery(webhook_id=f"msg_{self._new_secret()}", kind=kind, ticket=ticket, body=body)
        with self._changed:
            self.log.append(delivery)
            self._schedule(delivery, 0.0)
        return delivery

    def start(self) -> None:
        """Begin to send; does nothing where it runs already."""
        with self._changed:
            if not self._stopped:
                return
            self._stopped = False
        self._thread = Thread(target=self._run, name="webhook sender", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the attempt under way, if any, and send no more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def flush(self, timeout: float) -> bool:
        """Wait until every event is delivered or given up; False if `timeout` seconds were not enough."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._due and not self._sending, timeout)

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while delivery := self._next():
                self._settle(delivery, self._try(session, delivery))

    def _next(self) -> Delivery | None:
        """The next delivery once it is due; None once the sender is told to stop."""
        with self._changed:
            while not self._stopped:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    self._sending = True
                    return heappop(self._due)[2]
                self._changed.wait(wait)
            return None

    def _try(self, session: requests.Session, delivery: Delivery) -> bool:
        now = self._clock()
        timestamp = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "demo-desk",
            "webhook-id": delivery.webhook_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(self._secret, delivery.webhook_id, timestamp, delivery.body),
        }
        try:
            answer = session.post(
                self._url, data=delivery.body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            )
        except requests.RequestException as error:
            delivery.attempts.append(Attempt(at=now, outcome=type(error).__name__))
            return False
        delivery.attempts.append(Attempt(at=now, outcome=str(answer.status_code)))
        return 200 <= answer.status_code < 300

    def _settle(self, delivery: Delivery, taken: bool) -> None:
        tries = len(delivery.attempts)
        with self._changed:
            self._sending = False
            if taken:
                delivery.state = "delivered"
            elif tries > len(self._pauses):
                delivery.state = "given up"
            else:
                self._schedule(delivery, self._pauses[tries - 1])
            self._changed.notify_all()

    def _schedule(self, delivery: Delivery, pause: float) -> None:
        heappush(self._due, (time.monotonic() + pause, next(self._number), delivery))
        self._changed.notify_all()
