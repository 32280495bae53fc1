"""Any ticket system that sends Standard Webhooks and serves the Desk API."""
