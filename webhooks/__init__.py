"""The ticket systems' side: the way in, and one folder per ticket system for both directions."""
