"""What has to be in django-helpdesk's database and templates: made by `make`, looked at by `looked`."""

import hashlib
import hmac
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils import timezone
from helpdesk import settings as helpdesk_settings
from helpdesk.decorators import is_helpdesk_staff
from helpdesk.models import CustomField, EmailTemplate, Queue

from helpdesk_m365_unblock import __version__
from helpdesk_m365_unblock.conf import Settings
from helpdesk_m365_unblock.fields import LABELS
from helpdesk_m365_unblock.models import Event
from helpdesk_m365_unblock.notes import MAIL

RUN = "run manage.py m365_unblock_setup"
LONG = {"m365_blocked_addresses"}
GROUPS = {"M365 Unblock Agents": ("unblock",), "M365 Unblock Supervisors": ("unblock", "override")}
LATE = timedelta(minutes=10)


def make(settings: Settings) -> Iterator[str]:
    """Make what is missing, and mend what would not do; tells what it did."""
    yield from _make_user(settings.user)
    for order, (name, label) in enumerate(LABELS.items(), 900):
        data_type = "text" if name in LONG else "varchar"
        field, is_new = CustomField.objects.get_or_create(
            name=name, defaults={"label": label, "data_type": data_type, "staff_only": True, "ordering": order}
        )
        if is_new:
            yield f"custom field {name}"
        elif not field.staff_only:
            CustomField.objects.filter(pk=field.pk).update(staff_only=True)
            yield f"custom field {name}: for staff only"
    for name, permissions in GROUPS.items():
        group, is_new = Group.objects.get_or_create(name=name)
        if is_new:
            ours = Permission.objects.filter(content_type__app_label="helpdesk_m365_unblock")
            group.permissions.add(*ours.filter(codename__in=permissions))
            yield f"group {name}"


def _make_user(name: str) -> Iterator[str]:
    model = get_user_model()
    if not model.objects.filter(**{model.USERNAME_FIELD: name}).exists():
        user = model(**{model.USERNAME_FIELD: name}, is_staff=True)
        user.set_unusable_password()
        user.save()
        yield f"user {name}"


def looked(settings: Settings) -> dict[str, Any]:
    """Both sides compare what must be the same; the rest is looked at here."""
    return {
        "version": __version__,
        "django_helpdesk": version("django-helpdesk"),
        "source": settings.source,
        "url": settings.url,
        "webhook_url": settings.webhook_url,
        "queues": sorted(settings.queues),
        "fingerprints": {
            "webhook": _fingerprint(settings.webhook_secret),
            "launch": _fingerprint(settings.launch_secret),
        },
        "checks": [
            {"what": what, "ok": bool(ok), "remedy": "" if ok else remedy} for what, ok, remedy in _look(settings)
        ],
    }


def _fingerprint(secret: str) -> str:
    """As the plugin's `webhooks/signatures.py` has it."""
    return hmac.new(secret.encode(), b"m365-unblock check", hashlib.sha256).hexdigest()[:12]


def _look(settings: Settings) -> Iterator[tuple[str, object, str]]:
    yield from _look_at_user(settings.user)
    fields = {field.name: field for field in CustomField.objects.filter(name__in=LABELS)}
    for name, label in LABELS.items():
        field = fields.get(name)
        yield f"the custom field “{label}” is there", field is not None, RUN
        if field is not None:
            yield (
                f"the custom field “{label}” is for staff only",
                field.staff_only,
                f"{RUN}: it names blocked addresses",
            )
            takes_text = field.data_type in ("varchar", "text") and not field.required
            remedy = f"make {name} Character or Text, and not required"
            yield f"the custom field “{label}” takes any text", takes_text, remedy
    yield from _look_at_queues(settings)
    yield from _look_at_page()
    yield (
        "customers who sign in do not count as staff",
        helpdesk_settings.HELPDESK_ALLOW_NON_STAFF_TICKET_UPDATE is not True,
        "they would read internal notes: set HELPDESK_ALLOW_NON_STAFF_TICKET_UPDATE = False",
    )
    agents = Permission.objects.filter(content_type__app_label="helpdesk_m365_unblock", codename="unblock")
    may = get_user_model().objects.filter(
        Q(groups__permissions__in=agents) | Q(user_permissions__in=agents) | Q(is_superuser=True), is_active=True
    )
    yield "somebody may unblock", may.exists(), "put agents into the group M365 Unblock Agents"
    mails = EmailTemplate.objects.filter(template_name__iexact=MAIL)
    yield "answers can be mailed", mails.exists(), f"load django-helpdesk's mail templates: there is no {MAIL}"
    stuck = Event.objects.filter(created_at__lt=timezone.now() - LATE).order_by("-pk").first()
    what = "no event waits longer than ten minutes"
    yield what, stuck is None, f"run manage.py m365_unblock_send; {stuck.last_error if stuck else ''}"


def _look_at_user(name: str) -> Iterator[tuple[str, object, str]]:
    model = get_user_model()
    user = model.objects.filter(**{model.USERNAME_FIELD: name}).first()
    yield f"the user {name} is there", user is not None, RUN
    if user is not None:
        yield f"the user {name} is staff", is_helpdesk_staff(user), "make it staff and active; it needs no password"
        yield f"nobody can sign in as {name}", not user.has_usable_password(), "take its password away"


def _look_at_queues(settings: Settings) -> Iterator[tuple[str, object, str]]:
    there = set(Queue.objects.values_list("slug", flat=True))
    for slug in sorted(settings.queues):
        yield f"the queue {slug} is there", slug in there, f"correct queues; there are {', '.join(sorted(there))}"


def _look_at_page() -> Iterator[tuple[str, object, str]]:
    try:
        page = get_template("helpdesk/ticket.html").template
        source = page.source if "helpdesk_m365_unblock" in str(page.origin) else ""
    except TemplateDoesNotExist:
        source = ""
    remedy = (
        "put helpdesk_m365_unblock before helpdesk in INSTALLED_APPS; a ticket.html of your own needs "
        "{% load m365_unblock %}{% m365_unblock_panel %}"
    )
    yield "the ticket page shows the panel", "m365_unblock_panel" in source, remedy
