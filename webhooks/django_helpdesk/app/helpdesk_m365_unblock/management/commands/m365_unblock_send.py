"""``manage.py m365_unblock_send``: what other processes left behind."""

from typing import Any

from django.core.management.base import BaseCommand

from helpdesk_m365_unblock.models import Event
from helpdesk_m365_unblock.sending import send_due


class Command(BaseCommand):
    """For cron, every minute or so: a process that ends at once cannot try again later."""

    help = "Sends the events that m365-unblock has not taken yet and that are due again."

    def handle(self, *_: Any, **__: Any) -> None:
        """See `help`."""
        taken = send_due()
        self.stdout.write(f"{taken} taken, {Event.objects.count()} left")
