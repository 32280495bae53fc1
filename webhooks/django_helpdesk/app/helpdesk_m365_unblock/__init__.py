"""Connects django-helpdesk to m365-unblock: signed events out, a Desk API in, the panel in the agent's ticket page."""

__version__ = "0.1.0"
