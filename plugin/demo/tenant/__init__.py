"""The demo tenant: an account-administration site, with the API of its contract and the pages a help desk knows."""

from plugin.demo.tenant.app import create_app
from plugin.demo.tenant.world import Asked, Tenant

__all__ = ["Asked", "Tenant", "create_app"]
