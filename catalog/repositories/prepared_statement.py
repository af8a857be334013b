"""Statements that PostgreSQL plans once per connection, for what every search asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Dialect, Select
from sqlalchemy.exc import DBAPIError

_IS_PREPARED: Final = "drape prepared statements"
_KEEPS_NONE: Final = "drape keeps no prepared statements"

_ONE_PLAN: Final = "SET plan_cache_mode = force_generic_plan"
"""PostgreSQL would plan some for each execution all the same, which takes six times as long as executing them, where a
plan for all arguments seems no better to it. It still plans anew once a table's statistics have changed."""

_NOT_AS_IT_WAS_PREPARED: Final = frozenset(
    [
        "26000",  # invalid_sql_statement_name: the server's side of the connection is another.
        "42P05",  # duplicate_prepared_statement: the same, and that one has been here before.
        "0A000",  # feature_not_supported: a migration has changed the type of a column.
    ]
)


class PreparedStatement:
    """A ``SELECT`` that is sent as ``EXECUTE name (…)`` once a connection knows it.

    Planning two joins takes PostgreSQL longer than following them to twenty rows. What is sent is shorter, and
    SQLAlchemy has nothing to compile, either.

    Behind a proxy that changes the server's side of a connection between transactions, what was prepared may be
    unknown. The statement then runs as it is, and that connection's statements do from then on.

    Args:
        name: No other statement's.
        statement: Its bound parameters are ``EXECUTE``'s arguments, constants among them, which a plan for all
            arguments does not know: those that a partial index is for are better ``literal(…, literal_execute=True)``.
    """

    def __init__(self, name: str, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        self._name = name
        self._sent: _Sent | None = None

    def run(self, connection: Connection, arguments: Mapping[str, object]) -> CursorResult[*tuple[Any, ...]]:
        """The statement's rows, with values as the driver has them.

        Args:
            connection: Inside a transaction the statement runs as it is: one that failed would end the transaction.
            arguments: A value for each of the statement's parameters.
        """
        if not _is_for_reading(connection) or _KEEPS_NONE in connection.info:
            return connection.execute(self._statement, arguments)
        if self._sent is None:
            self._sent = _sent(self._name, self._statement, connection.dialect)
        try:
            self._have_prepared(connection, self._sent)
            return connection.exec_driver_sql(self._sent.execute, {**self._sent.constants, **arguments})
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _NOT_AS_IT_WAS_PREPARED:
                raise
            connection.info[_KEEPS_NONE] = True
            return connection.execute(self._statement, arguments)

    def _have_prepared(self, connection: Connection, sent: _Sent) -> None:
        prepared: set[str] = connection.info.setdefault(_IS_PREPARED, set())
        if self._name not in prepared:
            connection.exec_driver_sql(sent.prepare)
            prepared.add(self._name)


@dataclass(frozen=True, slots=True)
class _Sent:
    """What is sent once per connection, and what is sent each time."""

    prepare: str
    execute: str
    constants: Mapping[str, object]


def _sent(name: str, statement: Select[*tuple[Any, ...]], dialect: Dialect) -> _Sent:
    names = statement.compile(dialect=dialect).bind_names
    arguments = {name: bind for bind, name in names.items() if not bind.literal_execute}
    places = {key: f"${number}" for number, key in enumerate(arguments, start=1)}
    types = _listed(bind.type.compile(dialect=dialect) for bind in arguments.values())
    # What is literal is written out only where all else has a value.
    valued = statement.params({key: None for key, bind in arguments.items() if bind.required})
    text = valued.compile(dialect=dialect, compile_kwargs={"render_postcompile": True}).string % places
    return _Sent(
        prepare=f"{_ONE_PLAN}; PREPARE {name}{types} AS {text}".replace("%", "%%"),
        execute=f"EXECUTE {name}{_listed(f'%({key})s' for key in places)}",
        constants={key: bind.value for key, bind in arguments.items() if not bind.required},
    )


def _listed(items: Iterable[str]) -> str:
    joined = ", ".join(items)
    return f" ({joined})" if joined else ""


def _is_for_reading(connection: Connection) -> bool:
    # The driver's own word for it: that of SQLAlchemy costs a question to the server.
    driver = connection.connection.dbapi_connection
    return driver is not None and bool(driver.autocommit)
