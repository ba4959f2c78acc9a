"""Alembic's entry: runs on the connection it is handed, with a short wait for locks."""

from alembic import context
from sqlalchemy import text

from iit.store.schema import metadata

connection = context.config.attributes["connection"]
connection.execute(text("SET lock_timeout = '5s'"))
connection.commit()
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
