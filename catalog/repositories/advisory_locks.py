"""Who holds PostgreSQL's advisory locks, found out without taking them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, column, func, literal, select, table
from sqlalchemy.orm import InstrumentedAttribute

_PG_LOCKS: Final = table(
    "pg_locks",
    column("locktype"),
    column("database"),
    column("classid"),
    column("objid"),
    column("objsubid"),
    column("granted"),
    schema="pg_catalog",
)
_PG_DATABASE: Final = table("pg_database", column("oid"), column("datname"), schema="pg_catalog")


def is_locked(lock: int, merchant_id: InstrumentedAttribute[int] | int) -> ColumnElement[bool]:
    """Whether somebody holds this advisory lock of two keys on the merchant, in this database."""
    here = select(_PG_DATABASE.c.oid).where(_PG_DATABASE.c.datname == func.current_database()).scalar_subquery()
    return (
        select(literal(1))
        .select_from(_PG_LOCKS)
        .where(
            _PG_LOCKS.c.locktype == "advisory",
            _PG_LOCKS.c.database == here,
            _PG_LOCKS.c.classid == lock,
            _PG_LOCKS.c.objid == merchant_id,
            _PG_LOCKS.c.objsubid == 2,
            _PG_LOCKS.c.granted,
        )
        .exists()
    )
