"""One file a migration, the oldest `0001_first.py`."""
