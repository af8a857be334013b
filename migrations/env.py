"""Alembic's environment: runs the versions on the connection that ``migrations.runner`` hands over."""

from __future__ import annotations

from alembic import context

from catalog.rows import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_server_default=True,
    # Each version commits by itself, so that a failed one leaves those before it in place.
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
