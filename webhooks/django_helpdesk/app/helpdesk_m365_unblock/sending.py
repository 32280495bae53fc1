"""Sends the events in our table, signed as Standard Webhooks, from a thread that nobody waits for.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
What a process leaves behind goes with the next event, or by ``manage.py m365_unblock_send``.
"""

import base64
import hashlib
import hmac
import logging
import threading
from datetime import datetime, timedelta

import requests
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections
from django.db.models import F, Min
from django.utils import timezone

from helpdesk_m365_unblock.conf import Settings, key_of, load
from helpdesk_m365_unblock.models import Event

SETTLE = 1.0  # seconds; what is saved with a ticket (follow-up, attachments) comes after it, one row at a time
TIMEOUTS = (3.0, 5.0)  # seconds to connect, to be answered
KEPT = timedelta(days=3)  # by then the plugin's scan has read the ticket
LONGEST_PAUSE = timedelta(minutes=2)

log = logging.getLogger(__name__)


def pause_after(attempts: int) -> timedelta:
    """How long an event rests after so many attempts: 2, 8, 32 seconds, then two minutes each time."""
    return min(timedelta(seconds=2 * 4 ** min(attempts - 1, 8)), LONGEST_PAUSE)


def signed(event: Event, settings: Settings, now: datetime) -> dict[str, str]:
    """The headers of one attempt; the id stays, the time is new each time."""
    stamp = str(int(now.timestamp()))
    content = f"{event.delivery_id}.{stamp}.{event.body}".encode()
    mac = base64.b64encode(hmac.new(key_of(settings.webhook_secret), content, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "helpdesk-m365-unblock",
        "webhook-id": event.delivery_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{mac}",
    }


def send_due() -> int:
    """Try every event whose time has come; how many were taken."""
    settings, now = load(), timezone.now()
    old = Event.objects.filter(created_at__lt=now - KEPT)
    for event in old:
        log.error("ticket %s: %s given up after %s: %s", event.ticket, event.kind, KEPT, event.last_error)
    old.delete()
    return sum(_try(event, settings) for event in Event.objects.filter(due_at__lte=now).order_by("pk"))


def _try(event: Event, settings: Settings) -> bool:
    if not _claim(event):
        return False  # another process is at it
    error = _post(event, settings)
    if error is None:
        event.delete()
        return True
    Event.objects.filter(pk=event.pk).update(last_error=error[:200])
    log.warning("ticket %s: %s not taken by m365-unblock: %s; tried again later", event.ticket, event.kind, error)
    return False


def _claim(event: Event) -> bool:
    tries = event.attempts + 1
    unclaimed = Event.objects.filter(pk=event.pk, attempts=event.attempts)
    return unclaimed.update(attempts=F("attempts") + 1, due_at=timezone.now() + pause_after(tries)) == 1


def _post(event: Event, settings: Settings) -> str | None:
    """What went wrong; nothing where it was taken."""
    try:
        answer = requests.post(
            settings.webhook_url,
            data=event.body.encode(),
            headers=signed(event, settings, timezone.now()),
            timeout=TIMEOUTS,
            allow_redirects=False,
            verify=settings.ca_file or True,
        )
    except (requests.RequestException, OSError) as error:
        return f"no answer from {settings.webhook_url} ({type(error).__name__})"
    return None if 200 <= answer.status_code < 300 else f"{settings.webhook_url} answered {answer.status_code}"


# ── in the background ────────────────────────────────────────────────────────────────────────────────────────────


class _Background:
    """At most one thread a process, which ends when nothing is left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_running = self._is_wanted = False

    def wake(self) -> None:
        """There is something to send."""
        with self._lock:
            self._is_wanted = True
            if not self._is_running:
                # No daemon: a command such as get_email waits for one attempt before it ends.
                threading.Thread(target=self._run, name="m365-unblock").start()
                self._is_running = True

    def _run(self) -> None:
        while self._may_go_on():
            _rest(SETTLE)
            try:
                send_due()
                pause = _until_next()
                if pause is not None and _rest(pause):
                    self._is_wanted = True
            except ImproperlyConfigured as error:
                log.error("nothing is sent to m365-unblock: %s", error)
            except DatabaseError:
                log.exception("the events for m365-unblock could not be read or kept")
            finally:
                connections.close_all()

    def _may_go_on(self) -> bool:
        with self._lock:
            self._is_running, self._is_wanted = self._is_wanted, False
            return self._is_running


def _until_next() -> float | None:
    """Seconds until an event is due again; none where there is none."""
    soonest: datetime | None = Event.objects.aggregate(soonest=Min("due_at"))["soonest"]
    return None if soonest is None else max((soonest - timezone.now()).total_seconds(), 0)


def _rest(seconds: float) -> bool:
    """Wait, but no longer than the program runs; whether it still does."""
    threading.main_thread().join(seconds)
    return threading.main_thread().is_alive()


wake = _Background().wake
