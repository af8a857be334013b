"""Taking values out of a row one after the other, and keeping what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from catalog.feeds.feed_row import FeedRow, ValueFault, check_storable, shorten
from catalog.feeds.values import parse_id
from catalog.types import Outcome, RowError

T = TypeVar("T")


class RowValues:
    """The values of one row by the names that a dialect has for its columns.

    Text that no database can hold costs the row, whichever column it stands in.

    Args:
        names: The feed's name of each of the dialect's columns that it has.
        first_line: The first line of the product, where a product has several rows.
        external_id: The id of the row's product, where it is known before the row is looked at.

    Attributes:
        errors: One for every fault found so far.
        has_failed: Whether one of them costs the row.
        external_id: The id of the row's product; errors found from then on name it.
    """

    def __init__(
        self, row: FeedRow, names: Mapping[Any, str], first_line: int | None = None, external_id: str | None = None
    ) -> None:
        self.errors: list[RowError] = []
        self.has_failed = False
        self.external_id = external_id
        self._row = row
        self._names = names
        self._first_line = first_line
        self._unstorable: set[str] = set()
        self._check_storable()

    def take_id(self, column: str) -> str:
        """The product's id, which is required; an empty one, and an error, where it cannot be taken."""
        external_id = self.take(column, parse_id, "", is_required=True)
        self.external_id = external_id or None
        return external_id

    def value(self, column: str) -> object:
        """The value as the feed gave it; None where it has no such column, or one that cannot be stored."""
        name = self._names.get(column)
        return None if name is None or name in self._unstorable else self._row.raw.get(name)

    def gives(self, column: str) -> bool:
        """Whether the row says anything of the column, be it that there is nothing."""
        name = self._names.get(column)
        return name is not None and self._row.raw.get(name) is not None

    def take(
        self,
        column: str,
        parse: Callable[[object], T],
        fallback: T,
        *,
        is_required: bool = False,
        outcome: Outcome = Outcome.ROW_SKIPPED,
    ) -> T:
        """The column's parsed value; ``fallback``, and an error, where it cannot be taken.

        Args:
            fallback: What ``parse`` makes of an absent value, where the column is optional.
            is_required: Parse an absent value, too, so that it is an error.
            outcome: What such an error costs.
        """
        name = self._names.get(column)
        value = None if name is None else self._row.raw.get(name)
        if name in self._unstorable or (not is_required and (value is None or value == "")):
            return fallback
        try:
            return parse(value)
        except ValueFault as fault:
            self.add(column, fault, outcome)
            return fallback

    def add(self, column: str, fault: ValueFault, outcome: Outcome = Outcome.ROW_SKIPPED) -> None:
        """Keep what is wrong with a column."""
        self.errors.append(
            RowError(
                self._row.line,
                str(column),
                fault.found,
                fault.expected,
                self.external_id,
                outcome=outcome,
                first_line=self._first_line,
                place=self._row.place,
            )
        )
        self.has_failed = self.has_failed or outcome is Outcome.ROW_SKIPPED

    def _check_storable(self) -> None:
        row = self._row
        for name, value in row.raw.items():
            if not row.is_suspect and not isinstance(value, list | dict):
                continue
            try:
                check_storable(value, row.bad_text, is_suspect=row.is_suspect)
            except ValueFault as fault:
                self._unstorable.add(name)
                self.add(shorten(name)[1:-1], fault)
