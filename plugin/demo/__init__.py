"""A world to try the plugin in: a ticket system and a mail tenant that speak the real wire formats over real HTTP."""
