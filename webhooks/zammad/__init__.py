"""Zammad, by its own webhooks and its REST API."""
