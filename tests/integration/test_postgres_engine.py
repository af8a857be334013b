"""Connections to a real PostgreSQL that ends them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import NullPool

from catalog.adapters.postgres import postgres_engine
from catalog.adapters.postgres.postgres_engine import create_postgres_engine
from catalog.errors import DatabaseUnavailable
from catalog.unit_of_work import UnitOfReading, UnitOfWork


@pytest.fixture
def engine(database) -> Iterator[Engine]:
    engine = create_postgres_engine(database)
    yield engine
    engine.dispose()


def process(engine: Engine) -> int:
    """The server's process behind the connection that is used next."""
    with engine.connect() as connection:
        return connection.scalar(text("SELECT pg_backend_pid()"))


def end(database: str, pid: int) -> None:
    """Close a connection from the server's side, and wait until it is."""
    killer = create_engine(database, poolclass=NullPool)
    with killer.connect() as connection:
        assert connection.scalar(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})


def test_a_connection_that_was_closed_while_it_rested_is_replaced_unnoticed(database, engine, monkeypatch):
    before = process(engine)
    end(database, before)
    monkeypatch.setattr(postgres_engine, "SECONDS_TRUSTED", 0.0)
    assert process(engine) != before


def test_one_that_was_used_a_moment_ago_fails_once_and_is_replaced(database, engine, monkeypatch):
    monkeypatch.setattr(postgres_engine, "SECONDS_TRUSTED", 3600.0)
    sessions = sessionmaker(engine)
    end(database, process(engine))
    with pytest.raises(DatabaseUnavailable), UnitOfWork(sessions) as work:
        work.merchants.names()
    with UnitOfWork(sessions) as work:
        assert work.merchants.names() == []


def test_the_same_connection_is_used_again_without_asking(engine, monkeypatch):
    monkeypatch.setattr(postgres_engine, "SECONDS_TRUSTED", 3600.0)
    first = process(engine)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    monkeypatch.setattr(engine.dialect, "do_ping", lambda connection: pytest.fail("asked"))
    assert process(engine) == first
    assert statements == ["SELECT pg_backend_pid()"]


def test_reading_sees_what_is_committed_and_begins_nothing(database, engine):
    reads = create_postgres_engine(database, only_reads=True)
    with UnitOfWork(sessionmaker(engine)) as work, UnitOfReading(sessionmaker(reads)) as reading:
        assert reading.merchants.names() == []
        work.merchants.ensure("atelier")
        assert reading.merchants.names() == []
        work.commit()
        assert reading.merchants.names() == ["atelier"]
        with engine.connect() as other:
            states = other.execute(text("SELECT state FROM pg_stat_activity WHERE datname = current_database()"))
            # The one that reads rests between its statements; only the one that looks is in a transaction.
            assert sorted(states.scalars()) == ["active", "idle"]
        with pytest.raises(RuntimeError, match="UnitOfWork"):
            reading.commit()
    reads.dispose()
