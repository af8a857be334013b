"""Bring a database to the schema of this Drape: no configuration file, safe from several processes at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from catalog.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).resolve().parent
_ADVISORY_LOCK = 0x64726170
"""Key of the PostgreSQL advisory lock under which versions run; any constant, the same for every Drape."""


class DatabaseTooNew(DatabaseUnavailable):
    """The database was upgraded by a newer Drape, whose schema this one does not know."""


def revisions() -> tuple[str, ...]:
    """All versions, oldest first, as their files are named: ``0001_initial.py`` is ``0001``.

    Read from the names, because every command asks and loading Alembic takes longer than everything else it does.
    """
    return tuple(sorted(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*_*.py")))


def head() -> str:
    """The version that this Drape works with."""
    return revisions()[-1]


def current(connection: Connection) -> str | None:
    """The database's version, or None for an empty database. One query; leaves no transaction open."""
    try:
        revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) != _UNDEFINED_TABLE:
            raise
        revision = None
    finally:
        connection.rollback()
    return revision


_UNDEFINED_TABLE = "42P01"


def upgrade(database: Engine | str) -> None:
    """Bring the database to ``head()``. Costs one query when it is there already.

    Processes that call it at once take turns; the first does the work, the others find it done.

    Args:
        database: An engine, or the URL of one.

    Raises:
        DatabaseTooNew: a newer Drape has upgraded the database.
        DatabaseUnavailable: the database does not answer.
    """
    engine = create_engine(database, poolclass=NullPool) if isinstance(database, str) else database
    try:
        with engine.connect() as connection:
            if _is_at_head(current(connection)):
                return
        # The lock is held by a connection that is in no transaction: a version that builds an index concurrently would
        # wait for that transaction to end.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as keeper:
            keeper.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
            try:
                with engine.connect() as connection:
                    if not _is_at_head(current(connection)):
                        _run(connection, "upgrade", head())
            finally:
                keeper.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
    except OperationalError as error:
        raise DatabaseUnavailable(
            "The database does not answer.",
            received=str(error.orig).strip(),
            remedy="Start the PostgreSQL server that DRAPE_DATABASE_URL names, or correct that address.",
        ) from error


def downgrade(connection: Connection, revision: str) -> None:
    """Take the database back to ``revision`` (``base`` for none), losing what only later versions can hold."""
    _run(connection, "downgrade", revision)


def _is_at_head(revision: str | None) -> bool:
    if revision is not None and revision not in revisions():
        raise DatabaseTooNew(
            "The database was upgraded by a newer Drape.",
            received=f"schema version {revision}",
            expected=f"at most schema version {head()}",
            remedy="Upgrade Drape here too, or use another database (DRAPE_DATABASE_URL, DRAPE_HOME).",
        )
    return revision == head()


def _run(connection: Connection, direction: str, revision: str) -> None:
    from alembic import command

    config = configuration(connection)
    if direction == "upgrade":
        command.upgrade(config, revision)
    else:
        command.downgrade(config, revision)
    connection.commit()


def configuration(connection: Connection) -> Config:
    """Alembic's configuration, made here instead of in an ``alembic.ini``."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
