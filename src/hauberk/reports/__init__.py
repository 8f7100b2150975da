"""Floor 6: a scan as people and machines read it."""
