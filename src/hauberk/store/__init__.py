"""Floor 1: the home, which keeps the lake, the records and the ledger under one commit."""
