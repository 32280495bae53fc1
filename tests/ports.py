"""Ports for servers that are started later than their port must be known."""

import random

from plugin.demo.serving import PortTaken, bind

BELOW_THE_EPHEMERAL = range(20_000, 32_000)
"""Linux gives none of these to a connection that goes out (net.ipv4.ip_local_port_range), so they stay free."""


def free_port() -> int:
    """A port at which nothing listens."""
    while True:
        port = random.choice(BELOW_THE_EPHEMERAL)
        try:
            with bind("127.0.0.1", port):
                return port
        except PortTaken:
            continue
