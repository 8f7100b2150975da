"""Alembic migrations of the records database, run by `store.database` when a home is opened."""
