"""Zendesk Support: adapter, sidebar app, set-up by its API."""
