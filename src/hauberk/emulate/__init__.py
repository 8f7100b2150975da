"""Floor 5: a company that works and is attacked, written as native logs."""
