"""Statements that a connection to a real PostgreSQL knows by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, Integer, bindparam, column, event, func, literal, select, text

from catalog.adapters.postgres.postgres_engine import create_postgres_engine
from catalog.repositories.prepared_statement import PreparedStatement

_NUMBER = column("number", Integer)
_NUMBERS = (
    func.generate_series(1, bindparam("last", type_=Integer), type_=Integer).table_valued("number").render_derived()
)


@pytest.fixture
def statement() -> PreparedStatement:
    """Numbers up to ``last`` that leave a remainder, with a text that has a per cent sign."""
    remainder = _NUMBERS.c.number % literal(3, literal_execute=True)
    sign = literal("100 % red", literal_execute=True)
    return PreparedStatement(
        "numbers", select(_NUMBERS.c.number, sign).where(remainder == bindparam("left", type_=Integer))
    )


@pytest.fixture
def engine(database) -> Iterator[Engine]:
    engine = create_postgres_engine(database, only_reads=True)
    yield engine
    engine.dispose()


def keyword(sent: str) -> str:
    """That of the last statement of one message."""
    return sent.rsplit(";", 1)[-1].split()[0]


@pytest.fixture
def sent(engine) -> list[str]:
    """The last keywords of what is sent."""
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append(keyword(call[2])))
    return statements


def numbers(statement: PreparedStatement, connection: Connection, last: int = 7) -> list[tuple[int, str]]:
    return [tuple(row) for row in statement.run(connection, {"last": last, "left": 1})]


FOUND = [(1, "100 % red"), (4, "100 % red"), (7, "100 % red")]
"""Of 1 to 7 those of which three leave one."""


def test_each_connection_learns_the_statement_once(engine, statement, sent):
    with engine.connect() as first, engine.connect() as second:
        assert [numbers(statement, each) for each in (first, first, second, second)] == [FOUND] * 4
    assert sent == ["PREPARE", "EXECUTE", "EXECUTE"] * 2


def test_it_is_planned_once(engine, statement):
    """Also where PostgreSQL would rather plan each execution, which five of them may be."""
    with engine.connect() as connection:
        for last in range(10):
            numbers(statement, connection, last)
        plans = text("SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'numbers'")
        assert tuple(connection.execute(plans).one()) == (10, 0)


def test_a_connection_that_is_used_again_knows_it(engine, statement, sent):
    for _ in range(2):
        with engine.connect() as connection:
            assert numbers(statement, connection) == FOUND
    assert sent == ["PREPARE", "EXECUTE", "EXECUTE"]


def test_what_the_server_has_forgotten_runs_as_it_is(engine, statement, sent):
    """As behind a proxy that gives the connection another server process."""
    with engine.connect() as connection:
        assert numbers(statement, connection) == FOUND
        connection.execute(text("DEALLOCATE ALL"))
        assert numbers(statement, connection) == numbers(statement, connection) == FOUND
    assert sent == ["PREPARE", "EXECUTE", "DEALLOCATE", "EXECUTE", "SELECT", "SELECT"]


def test_what_somebody_else_has_prepared_by_this_name_is_not_run(engine, statement, sent):
    with engine.connect() as connection:
        connection.execute(text("PREPARE numbers (int, int) AS SELECT 0, 'another'"))
        assert numbers(statement, connection) == numbers(statement, connection) == FOUND
    assert sent == ["PREPARE", "PREPARE", "SELECT", "SELECT"]


def test_what_a_migration_has_changed_runs_as_it_is(engine, sent):
    with engine.connect() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE shelf (number integer)"))
        connection.execute(text("INSERT INTO shelf VALUES (1)"))
        shelf = PreparedStatement("shelf", select(_NUMBER).select_from(text("shelf")))
        assert shelf.run(connection, {}).scalars().all() == [1]
        connection.execute(text("ALTER TABLE shelf ALTER number TYPE bigint"))
        assert shelf.run(connection, {}).scalars().all() == [1]
    assert sent[-2:] == ["EXECUTE", "SELECT"]


def test_other_errors_are_told(engine):
    with engine.connect() as connection, pytest.raises(Exception, match="division by zero"):
        PreparedStatement("zero", select(1 / bindparam("by", type_=Integer))).run(connection, {"by": 0})


def test_in_a_transaction_it_runs_as_it_is(database, statement):
    """One that failed would end the transaction."""
    engine = create_postgres_engine(database)
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: sent.append(keyword(call[2])))
    with engine.connect() as connection:
        assert numbers(statement, connection) == FOUND
    engine.dispose()
    assert sent == ["SELECT"]
