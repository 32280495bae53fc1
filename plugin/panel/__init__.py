"""What the agent sees in the ticket view: both blocks, the checklist, Unblock, and what came of it.

The page is an empty shell that anybody may fetch. Its script exchanges the launch token of its address for a panel
token, keeps that in memory and sends it as a bearer: cookies do not work in frames, and none is ever set.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo

from flask import Blueprint

from plugin.desk import Desk
from plugin.panel.pages import Pages
from plugin.panel.views import Panel
from plugin.ports import TicketSystem


def blueprint(
    *,
    desk: Desk,
    sources: Mapping[str, TicketSystem],
    origins: Mapping[str, Sequence[str]],
    secret: bytes,
    links: Mapping[str, str],
    zone: tzinfo,
    clock: Callable[[], datetime],
) -> Blueprint:
    """The panel's addresses under ``/panel``.

    `origins` are those that may show a source's panel in a frame; `secret` signs panel tokens (at least 32 bytes);
    `links` are the settings' addresses by key; times are shown in `zone`.
    """
    blue = Blueprint("panel", __name__, url_prefix="/panel", template_folder="templates")
    pages = Pages(blue=blue, links=links, zone=zone, clock=clock)
    panel = Panel(desk=desk, sources=sources, origins=origins, secret=secret, pages=pages, clock=clock)
    panel.add_to(blue)
    return blue
