"""What happens to tickets becomes events. They go into our table at once, and to the plugin after the commit.

An event is a hint: the plugin reads the ticket by our API. So an event that has not been tried yet stands for what
happens to its ticket until then, such as the attachments that django-helpdesk saves after their follow-up.
"""

import json
import logging
import uuid
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, transaction
from django.db.models.signals import post_save, pre_save
from django.utils import timezone
from helpdesk.decorators import is_helpdesk_staff
from helpdesk.models import FollowUp, FollowUpAttachment, Ticket

from helpdesk_m365_unblock import sending
from helpdesk_m365_unblock.conf import Settings, load
from helpdesk_m365_unblock.models import Event

CREATED, REPLIED, UPDATED = "ticket.created", "ticket.replied", "ticket.updated"
TELLING = ("title", "description", "submitter_email", "queue_id", "merged_to_id")
"""What of a ticket, once changed, may change what is read in it; `modified` and the status do not."""

STANDS_FOR = {CREATED: (), REPLIED: (CREATED, REPLIED), UPDATED: (CREATED, REPLIED, UPDATED)}
"""Which events, not tried yet, make one more of a kind superfluous."""

log = logging.getLogger(__name__)


def listen() -> None:
    """Hear of what is saved; django-helpdesk's own signals are silent about the admin's pages and a site's scripts."""
    pre_save.connect(_look_before, sender=Ticket, dispatch_uid="m365_unblock_before")
    post_save.connect(_ticket_saved, sender=Ticket, dispatch_uid="m365_unblock_ticket")
    post_save.connect(_follow_up_saved, sender=FollowUp, dispatch_uid="m365_unblock_follow_up")
    post_save.connect(_attachment_saved, sender=FollowUpAttachment, dispatch_uid="m365_unblock_attachment")


def _look_before(instance: Ticket, raw: bool, **_: Any) -> None:
    if instance.pk and not raw:
        instance.m365_unblock_before = Ticket.objects.filter(pk=instance.pk).values_list(*TELLING).first()


def _ticket_saved(instance: Ticket, created: bool, raw: bool, **_: Any) -> None:
    if raw:
        return
    now = tuple(getattr(instance, name) for name in TELLING)
    before = getattr(instance, "m365_unblock_before", None)
    if created:
        _tell(CREATED, instance)
    elif before is not None and before != now:
        _tell(UPDATED, instance)


def _follow_up_saved(instance: FollowUp, created: bool, raw: bool, **_: Any) -> None:
    if created and not raw and instance.comment:
        _tell(REPLIED, instance.ticket, instance)


def _attachment_saved(instance: FollowUpAttachment, created: bool, raw: bool, **_: Any) -> None:
    if created and not raw:
        _tell(UPDATED, instance.followup.ticket, instance.followup)


def _tell(kind: str, ticket: Ticket, followup: FollowUp | None = None) -> None:
    """Whatever goes wrong here, the ticket is saved: the plugin's scan finds what it was not told."""
    try:
        settings = load()
        if not settings.is_ours(ticket.queue) or _is_our_own(followup, settings):
            return
        with transaction.atomic():
            if _is_superfluous(kind, ticket):
                return
            _keep(kind, ticket, followup)
        transaction.on_commit(sending.wake, robust=True)
    except ImproperlyConfigured as error:
        log.error("ticket %s: not told to m365-unblock: %s", ticket.pk, error)
    except DatabaseError:
        log.exception("ticket %s: not told to m365-unblock; has manage.py migrate been run?", ticket.pk)


def _is_our_own(followup: FollowUp | None, settings: Settings) -> bool:
    user = followup.user if followup else None
    return user is not None and user.get_username() == settings.user


def _is_superfluous(kind: str, ticket: Ticket) -> bool:
    kinds: Iterable[str] = STANDS_FOR[kind]
    return Event.objects.filter(ticket=ticket.pk, attempts=0, kind__in=kinds).exists()


def _keep(kind: str, ticket: Ticket, followup: FollowUp | None) -> None:
    now = timezone.now()
    body = {"type": kind, "timestamp": now.isoformat(), "data": _data(ticket, followup)}
    Event.objects.create(
        delivery_id=f"msg_{uuid.uuid4().hex}",
        ticket=ticket.pk,
        kind=kind,
        body=json.dumps(body, separators=(",", ":")),
        created_at=now,
        due_at=now,
    )


def _data(ticket: Ticket, followup: FollowUp | None) -> dict[str, Any]:
    data: dict[str, Any] = {"ticket": {"id": ticket.pk, "queue": ticket.queue.slug}}
    if followup is not None:
        data["message"] = {"id": followup.pk}
        if followup.user:
            data["actor"] = {"email": followup.user.email or "", "is_agent": bool(is_helpdesk_staff(followup.user))}
    return data
