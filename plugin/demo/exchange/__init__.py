"""The demo of Microsoft 365: sign-in service, InvokeCommand and Graph in their wire formats, with a small world."""

from plugin.demo.exchange.app import Faults, create_app
from plugin.demo.exchange.application import Application
from plugin.demo.exchange.world import World

__all__ = ["Application", "Faults", "World", "create_app"]
