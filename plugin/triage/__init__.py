"""Tells a sender that Microsoft has blocked from every other bounce, and whose account it is. Pure, without a clock."""

from plugin.triage.decision import still_fails, triage, wanted
from plugin.triage.ordinary import is_ordinary

__all__ = ["is_ordinary", "still_fails", "triage", "wanted"]
