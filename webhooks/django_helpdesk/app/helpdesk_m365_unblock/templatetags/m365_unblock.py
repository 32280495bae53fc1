"""``{% load m365_unblock %}{% m365_unblock_panel %}`` shows the panel in an agent's ticket page."""

import logging
from typing import Any

from django import template

from helpdesk_m365_unblock.fields import values_of
from helpdesk_m365_unblock.launch import panel_address

register = template.Library()
log = logging.getLogger(__name__)


@register.inclusion_tag("helpdesk_m365_unblock/panel.html", takes_context=True)
def m365_unblock_panel(context: Any) -> dict[str, Any]:
    """Whatever goes wrong here, the ticket's page is shown."""
    try:
        ticket = context["ticket"]
        address = panel_address(context["request"].user, ticket)
        return {"address": address, "has_case": bool(address and values_of(ticket)["Case State"])}
    except Exception:
        log.exception("the panel is not shown")
        return {"address": None}
