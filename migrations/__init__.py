"""Alembic migrations of the PostgreSQL schema, and the check that they match the rows."""
