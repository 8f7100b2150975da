"""Floor 5: what runs a scan, a replay and a verification."""
