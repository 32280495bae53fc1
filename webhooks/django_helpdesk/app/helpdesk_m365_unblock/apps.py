"""The Django app. It stands before ``helpdesk`` in INSTALLED_APPS, since it extends helpdesk's ticket page."""

from django.apps import AppConfig
from django.core import checks


class M365UnblockConfig(AppConfig):
    """Hears of tickets, follow-ups and attachments once Django is ready."""

    name = "helpdesk_m365_unblock"
    verbose_name = "Microsoft 365 sending block"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Django's hook: models can be imported from here on."""
        from helpdesk_m365_unblock import events
        from helpdesk_m365_unblock.conf import check_settings

        checks.register(check_settings)
        events.listen()
