"""Our side: what we do about a blocked sender, Microsoft's side, and what the agent sees."""
