"""What a dialect is: how a feed names things, and what products its rows make."""

from __future__ import annotations

import datetime
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from catalog.errors import InvalidRequest
from catalog.feeds.delimited_rows import exactly
from catalog.feeds.feed_row import FeedRow
from catalog.feeds.layout import FeedFormat
from catalog.feeds.values import is_currency
from catalog.types import DialectName, ProductRecord, RowError


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """What a feed does not say of itself.

    Args:
        dialect: The feed's dialect; None finds it out.
        currency: ISO 4217 code of prices that come without one; None takes no such price.
        now: When prices of limited time are looked at.
    """

    dialect: DialectName | None = None
    currency: str | None = None
    now: datetime.datetime = field(default_factory=_now)


def reading_options(dialect: DialectName | None = None, currency: str | None = None) -> ReadingOptions:
    """What somebody says of a feed, checked.

    Args:
        currency: In any case.

    Raises:
        InvalidRequest: there is no such currency.
    """
    if currency is None:
        return ReadingOptions(dialect)
    code = currency.strip().upper()
    if not is_currency(code):
        raise InvalidRequest(
            "There is no such currency", received=currency, expected="a currency's ISO 4217 code, such as EUR"
        )
    return ReadingOptions(dialect, code)


class Dialect(ABC):
    """One way in which shops write feeds.

    Attributes:
        name: Its name.
        label: What such a feed is, as in "Read feed.csv as a Shopify product export".
        expected: What its header must hold, for those whose feed has none of it.
        formats: How its rows may be written.
        fixed_header: The names of its columns where its feeds do not name them.
    """

    name: ClassVar[DialectName]
    label: ClassVar[str]
    expected: ClassVar[str]
    formats: ClassVar[frozenset[FeedFormat]]
    fixed_header: ClassVar[tuple[str, ...] | None] = None

    @abstractmethod
    def count_known(self, fields: Sequence[str]) -> int:
        """How many of the fields of a feed's first record this dialect knows; 0 where its feeds do not start so.

        With a fixed header the record is a row, and the number is that of the fields that look as they should.
        """

    def is_partial(self, fields: Sequence[str]) -> bool:  # noqa: ARG002 - what subclasses may look at.
        """Whether a feed with these columns may be a whole one of another dialect, of which a column is missing."""
        return False

    @abstractmethod
    def knows(self, name: str) -> bool:
        """Whether a column of that name means something."""

    @abstractmethod
    def check_header(self, path: Path, names: Sequence[str]) -> tuple[str, ...]:
        """The header's names, made distinct.

        Args:
            names: As ``read_header`` gives them: known ones may be repeated.

        Raises:
            FeedUnreadable: a column is missing, or one has two columns that may have one only.
        """

    def has_id_first(self, header: Sequence[str]) -> bool:  # noqa: ARG002 - what subclasses may look at.
        """Whether the first column holds the products' ids, which errors of rows that cannot be split then name."""
        return False

    def fit(self, fields: Sequence[str], num_columns: int) -> Sequence[str]:
        """The fields of a row, as many as there are columns.

        Raises:
            ValueFault: they are too few or too many.
        """
        return exactly(fields, num_columns)

    @abstractmethod
    def open(self, header: Sequence[str], options: ReadingOptions) -> DialectReader:
        """A reader of one feed.

        Args:
            header: The names of its columns; empty where every row names its own.
        """


class DialectReader(ABC):
    """Makes products of the rows of one feed."""

    @property
    @abstractmethod
    def used_columns(self) -> tuple[str, ...]:
        """The dialect's names of the columns that it understands, of those that the feed has; complete at the end."""

    @property
    @abstractmethod
    def unused_columns(self) -> tuple[str, ...]:
        """The feed's names of its other columns; complete at the end, of JSON Lines at most a hundred."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth telling about the feed as a whole and is no error, in full sentences; complete at the end."""
        return ()

    @property
    def num_dated_prices(self) -> int:
        """How many rows so far have a price that begins or ends later: read then, the same feed says something else."""
        return 0

    @abstractmethod
    def products(self, rows: Iterable[FeedRow | RowError]) -> Iterator[ProductRecord | RowError]:
        """Products and errors, those of a row before its product; errors of rows that could not be read pass through.

        Memory is bounded, whatever the number of rows.
        """
