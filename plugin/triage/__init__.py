"""Tells a sender that Microsoft has blocked from every other bounce, and whose account it is. Pure, without a clock."""

from plugin.triage.decision import still_fails, triage, wanted

__all__ = ["still_fails", "triage", "wanted"]
