"""What Alembic runs: the migrations, on the connection that the console hands over."""

from alembic import context

from hauberk.console.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
