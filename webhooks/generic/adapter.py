"""Any ticket system that sends Standard Webhooks and serves the Desk API (desk.openapi.yaml)."""

from webhooks.desk_api import DeskApi

connect = DeskApi.connect
"""The source of a name from its settings, described under ``generic`` in plugin.json."""
