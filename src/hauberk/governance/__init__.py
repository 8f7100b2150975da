"""Who may do what, by which policy, and with whose signature."""
