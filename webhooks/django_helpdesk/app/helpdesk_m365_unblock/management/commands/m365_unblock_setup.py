"""``manage.py m365_unblock_setup``: the service user, the custom fields and the groups."""

from typing import Any

from django.core.management.base import BaseCommand

from helpdesk_m365_unblock import set_up
from helpdesk_m365_unblock.conf import load


class Command(BaseCommand):
    """Run it after every upgrade: it makes what is missing, and a second time nothing."""

    help = "Makes what m365-unblock needs in django-helpdesk: a service user, custom fields for staff, two groups."

    def handle(self, *_: Any, **__: Any) -> None:
        """See `help`."""
        made = list(set_up.make(load()))
        for what in made:
            self.stdout.write(f"made: {what}")
        if not made:
            self.stdout.write("Everything is as it should be already.")
