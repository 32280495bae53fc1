"""Jira Service Management Cloud, by its signed admin webhooks and its REST APIs."""
