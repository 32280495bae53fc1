"""The demo desk: a small ticket system with the Desk API of its contract, signed webhooks, and pages for people."""

from plugin.demo.desk.app import create_app
from plugin.demo.desk.config import DeskAgent, DeskConfig
from plugin.demo.desk.sender import Sender
from plugin.demo.desk.tickets import Desk

__all__ = ["Desk", "DeskAgent", "DeskConfig", "Sender", "create_app"]
