"""For the ticket page."""
