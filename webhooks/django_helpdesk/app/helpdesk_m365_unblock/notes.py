"""Notes: one follow-up a key. An internal one is never mailed; a public one goes to the requester alone, or nowhere."""

from smtplib import SMTPException
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.safestring import mark_safe
from helpdesk.decorators import is_helpdesk_staff
from helpdesk.lib import safe_template_context
from helpdesk.models import FollowUp, Ticket

from helpdesk_m365_unblock import text
from helpdesk_m365_unblock.conf import Settings
from helpdesk_m365_unblock.models import Note
from helpdesk_m365_unblock.problems import Problem
from helpdesk_m365_unblock.tickets import moment

MAIL = "updated_submitter"  # the mail template that django-helpdesk answers a submitter with


def as_json(note: Note) -> dict[str, Any]:
    """A note as it is in the database, whoever asks for what."""
    followup = FollowUp.objects.get(pk=note.followup_id)
    return {
        "key": note.key,
        "visibility": "public" if followup.public else "internal",
        "subject": followup.title or "",
        "body_html": "",
        "created_at": moment(followup.date),
    }


def find(ticket: Ticket, key: str | None = None) -> list[Note]:
    """The notes of a ticket, with those that came to it by a merge; all without a key."""
    notes = Note.objects.filter(followup__ticket=ticket).order_by("pk")
    return list(notes if key is None else notes.filter(key=key))


def add(
    ticket: Ticket, settings: Settings, *, key: str, public: bool, subject: str, body_html: str
) -> tuple[Note, bool]:
    """The note of this key, and whether it is new.

    All of it or nothing: a reply that cannot be mailed is not kept either.
    """
    there = find(ticket, key)
    if there:
        return there[0], False
    if public:
        _refuse_others(ticket)
    try:
        with transaction.atomic():
            note = _keep(ticket, settings, key=key, public=public, subject=subject, body_html=body_html)
            if public:
                _mail(ticket, note.followup)
    except IntegrityError:  # the same key at the same moment
        there = find(ticket, key)
        if not there:
            raise
        return there[0], False
    return note, True


def _keep(ticket: Ticket, settings: Settings, *, key: str, public: bool, subject: str, body_html: str) -> Note:
    user = get_user_model().objects.filter(**{get_user_model().USERNAME_FIELD: settings.user}).first()
    if user is None:
        raise Problem(503, f"The user {settings.user} is missing: run manage.py m365_unblock_setup", retry_after=300)
    followup = FollowUp(
        ticket=ticket,
        title=subject[:200],
        date=timezone.now(),
        comment=text.plain(body_html) if public else text.markdown(body_html),
        public=public,
        user=user,
        email_recipients=[],
    )
    followup.save()
    return Note.objects.create(ticket=ticket, key=key, followup=followup)


def _refuse_others(ticket: Ticket) -> None:
    """A public follow-up is read by everybody who is copied. Staff may read all anyway."""
    others = [cc for cc in ticket.ticketcc_set.select_related("user") if not (cc.user and is_helpdesk_staff(cc.user))]
    if others:
        raise Problem(
            409,
            f"not sent: {len(others)} more would read it, who are copied on ticket {ticket.pk}; "
            "take them off Copies to, or answer by hand",
        )
    if not ticket.submitter_email:
        raise Problem(409, f"not sent: ticket {ticket.pk} has no submitter's address")


def _mail(ticket: Ticket, followup: FollowUp) -> None:
    context = safe_template_context(ticket)
    # django-helpdesk puts it into the HTML part as it is, with <br> for these line ends.
    comment = followup.comment.replace("<", "&lt;").replace("\n", "\r\n")
    context["comment"] = mark_safe(comment)  # noqa: S308 - no tag can be in it
    reached: set[str] = set()
    try:
        ticket.send({"submitter": (MAIL, context)}, sent_to=reached, fail_silently=False)
    except (SMTPException, OSError) as error:
        why = f"not sent: the mail server did not take it ({type(error).__name__})"
        raise Problem(503, why, retry_after=60) from error
    if not reached:
        raise Problem(409, f"not sent: no mail template {MAIL}, or the submitter is the queue's own address")
    FollowUp.objects.filter(pk=followup.pk).update(email_recipients=sorted(reached))
