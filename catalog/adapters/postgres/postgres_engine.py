"""Connections to PostgreSQL, kept open between uses and asked whether they still are before one that rested is used."""

from __future__ import annotations

import time
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

KEPT: Final = 10
"""Open connections that a process keeps: more than it has threads that ask at the same time."""

MORE: Final = 15
"""So many more are opened where those do not do, and closed after use: a server without workers also indexes, fetches
and ingests."""

SECONDS_TRUSTED: Final = 1.0
"""A connection that was used less than this long ago is used again as it is.

Asking first costs a round trip, which a search would pay several times. Whoever meets a connection that was closed
within this time meets the outage that closed it: the error tells it, and all other connections are opened anew.
"""

_USED_AT: Final = "drape used at"


def create_postgres_engine(url: str, *, only_reads: bool = False) -> Engine:
    """An engine that outlives its connections: the server may be started anew, or a firewall forget one.

    Args:
        only_reads: Every statement is a transaction of its own, with none begun or rolled back on the wire.
    """
    # The connection that was used last is used first, so that few are in use and those are warm.
    engine = create_engine(
        url,
        pool_size=KEPT,
        max_overflow=MORE,
        pool_use_lifo=True,
        # Left alone where it is the usual one: that takes no round trip on the first connection.
        **({"isolation_level": "AUTOCOMMIT"} if only_reads else {}),
    )

    def returned(_: Any, entry: ConnectionPoolEntry) -> None:  # noqa: ANN401 - the driver's own.
        entry.info[_USED_AT] = time.monotonic()

    def taken(connection: Any, entry: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:  # noqa: ANN401
        used_at = entry.info.get(_USED_AT)
        # A connection that was opened just now has not been used yet.
        if used_at is None or time.monotonic() - used_at < SECONDS_TRUSTED:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", returned)
    event.listen(engine, "checkout", taken)
    return engine
