"""Database addresses in the one form SQLAlchemy is given: PostgreSQL through psycopg2."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from catalog.errors import InvalidRequest

_DRIVER = "postgresql+psycopg2"


def normalize_database_url(url: str) -> str:
    """The same address with the driver named: ``postgres://`` and ``postgresql://`` become ``postgresql+psycopg2://``.

    Raises:
        InvalidRequest: the address is not one of PostgreSQL. The message shows its scheme alone, for the rest may
            hold a password.
    """
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme.lower() not in {"postgres", "postgresql", _DRIVER}:
        raise InvalidRequest(
            "The database's address is not one of PostgreSQL.",
            received=f"{scheme}://…" if separator else "an address without ://",
            expected="postgresql://user:password@host:port/database",
            remedy="Correct DRAPE_DATABASE_URL, or unset it to use the embedded PostgreSQL.",
        )
    return f"{_DRIVER}://{rest}"


def socket_database_url(socket_folder: Path, *, user: str, database: str, port: int) -> str:
    """Address of a database over the Unix socket in ``socket_folder``.

    The port is spelled out because it is part of the socket's name and would otherwise come from ``PGPORT``.
    """
    folder = quote(str(socket_folder), safe="")
    return f"{_DRIVER}://{quote(user, safe='')}@/{quote(database, safe='')}?host={folder}&port={port}"
