"""The fields and tags on tickets: custom fields of django-helpdesk, for staff only."""

from collections.abc import Iterable, Mapping

from django.db import transaction
from helpdesk.models import CustomField, Ticket, TicketCustomFieldValue

from helpdesk_m365_unblock.problems import Problem

FIELDS = {
    "Sending Status": "m365_sending_status",
    "Blocked Addresses": "m365_blocked_addresses",
    "Case State": "m365_case_state",
    "Unblocked At": "m365_unblocked_at",
    "Escalate After": "m365_escalate_after",
}
"""The plugin's names, which are the labels → the custom fields'."""

TAGS = "m365_tags"  # django-helpdesk has no tags; its search looks into custom fields
LABELS = {name: label for label, name in FIELDS.items()} | {TAGS: "M365 Tags"}


def values_of(ticket: Ticket) -> dict[str, str | None]:
    """Our fields as they are on a ticket, by the plugin's names."""
    found = _values(ticket)
    return {label: found.get(name) or None for label, name in FIELDS.items()}


def tags_of(ticket: Ticket) -> list[str]:
    """The ticket's tags."""
    return (_values(ticket).get(TAGS) or "").replace(",", " ").split()


def change_fields(ticket: Ticket, wanted: Mapping[str, str | None]) -> None:
    """Write fields; nothing clears one."""
    unknown = sorted(set(wanted) - set(FIELDS))
    if unknown:
        raise Problem(422, f"No such field: {', '.join(unknown)}")
    with transaction.atomic():
        for label, value in wanted.items():
            _write(ticket, FIELDS[label], value or "")


def change_tags(ticket: Ticket, add: Iterable[str], remove: Iterable[str]) -> None:
    """Add and remove tags; others' stay."""
    with transaction.atomic():
        Ticket.objects.select_for_update().get(pk=ticket.pk)  # two changes at once would take back one another
        left = [tag for tag in tags_of(ticket) if tag not in set(remove)]
        _write(ticket, TAGS, ", ".join(dict.fromkeys([*left, *add])))


def _values(ticket: Ticket) -> dict[str, str | None]:
    rows = TicketCustomFieldValue.objects.filter(ticket=ticket, field__name__in=LABELS)
    return dict(rows.values_list("field__name", "value"))


def _write(ticket: Ticket, name: str, value: str) -> None:
    field = CustomField.objects.filter(name=name).first()
    if field is None:
        raise Problem(422, f"The custom field {name} is missing: run manage.py m365_unblock_setup")
    if not field.staff_only:
        raise Problem(422, f"The custom field {name} is shown to customers: make it staff only")
    rows = TicketCustomFieldValue.objects
    if value:
        rows.update_or_create(ticket=ticket, field=field, defaults={"value": value})
    else:
        rows.filter(ticket=ticket, field=field).delete()
