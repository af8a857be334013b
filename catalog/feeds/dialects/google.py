"""Google Merchant Center feeds: a row is a variant, and the sizes of one item in one colour are a product."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from catalog.errors import FeedUnreadable
from catalog.feeds.delimited_rows import list_names
from catalog.feeds.dialects.dialect import Dialect, DialectReader, ReadingOptions
from catalog.feeds.dialects.google_fields import (
    REPEATABLE_FIELDS,
    REQUIRED_FIELDS,
    FieldMatch,
    GoogleField,
    field_of,
    match_fields,
)
from catalog.feeds.dialects.google_product import product_key, product_of_rows
from catalog.feeds.dialects.google_variant import GoogleRow, VariantReader, id_of
from catalog.feeds.dialects.variants import VARIANTS
from catalog.feeds.feed_row import FeedRow, shorten
from catalog.feeds.first_lines import FirstLines
from catalog.feeds.layout import FeedFormat
from catalog.feeds.row_groups import RowGroups
from catalog.types import EVERY_FIELD, WHOLE_RAW, DialectName, ProductField, ProductRecord, RowError

MAX_UNKNOWN_NAMES = 100
_PLACE_BITS = 32
_MAX_KEPT_MATCHES = 1000
_MAX_KEPT_CHARACTERS = 10_000


class GoogleDialect(Dialect):
    """Google's fields in CSV, TSV, or XML."""

    name: ClassVar[DialectName] = DialectName.GOOGLE
    label: ClassVar[str] = "a Google Merchant Center feed"
    expected: ClassVar[str] = f"the columns {', '.join(REQUIRED_FIELDS)}"
    formats: ClassVar[frozenset[FeedFormat]] = frozenset({FeedFormat.CSV, FeedFormat.TSV, FeedFormat.XML})

    def count_known(self, fields: Sequence[str]) -> int:
        """As ``Dialect``."""
        names = match_fields(fields).names
        return len(names) if names.keys() >= set(REQUIRED_FIELDS) else 0

    def knows(self, name: str) -> bool:
        """As ``Dialect``."""
        return field_of(name) is not None

    def check_header(self, path: Path, names: Sequence[str]) -> tuple[str, ...]:
        """As ``Dialect``."""
        match = match_fields(names)
        missing = [field for field in REQUIRED_FIELDS if field not in match.names]
        if missing:
            optional = ", ".join(field for field in GoogleField if field not in REQUIRED_FIELDS)
            raise FeedUnreadable(
                f"The feed {path} has no column {' and no column '.join(missing)}.",
                received=list_names([name for name in names if name]),
                expected=f"{self.expected}; also understood: {optional}",
                remedy="Name the columns in the feed's first line, as Google names them.",
            )
        if match.repeated:
            raise FeedUnreadable(
                f"The feed {path} has more than one column {match.repeated[0]}.",
                received=list_names(names),
                expected=f"each column once, except {', '.join(sorted(REPEATABLE_FIELDS))}",
                remedy="Remove or rename one of them.",
            )
        return _numbered(names)

    def has_id_first(self, header: Sequence[str]) -> bool:
        """As ``Dialect``. Only where a row's id is its product's."""
        match = match_fields(header)
        return bool(header) and field_of(header[0]) is GoogleField.ID and GoogleField.ITEM_GROUP_ID not in match.names

    def open(self, header: Sequence[str], options: ReadingOptions) -> DialectReader:
        """As ``Dialect``."""
        return _GoogleReader(header, options)


class _GoogleReader(DialectReader):
    def __init__(self, header: Sequence[str], options: ReadingOptions) -> None:
        self._variants = VariantReader(options)
        self._known: set[GoogleField] = set()
        self._unknown: dict[str, None] = {}
        self._matches: dict[tuple[str, ...], FieldMatch] = {}
        # Rows of a header start on lines of their own, and what repeats ids is known by its line.
        self._has_lines = bool(header)
        self._max_unknown = len(header) or MAX_UNKNOWN_NAMES
        if header:
            self._match(header)
        self._given = _given_by(frozenset(self._known) if header else frozenset(GoogleField))
        self._raw_names = frozenset({*header, VARIANTS}) if header else WHOLE_RAW

    @property
    def used_columns(self) -> tuple[str, ...]:
        return tuple(field for field in GoogleField if field in self._known)

    @property
    def unused_columns(self) -> tuple[str, ...]:
        return tuple(self._unknown)

    @property
    def num_dated_prices(self) -> int:
        return self._variants.num_dated_prices

    @property
    def notes(self) -> tuple[str, ...]:
        unknown = list(self._unknown)
        kept = (f"Columns kept with the products and not used otherwise: {list_names(unknown)}.",) if unknown else ()
        return (*kept, *self._variants.notes)

    def products(self, rows: Iterable[FeedRow | RowError]) -> Iterator[ProductRecord | RowError]:
        """The products, each with what a feed of these columns says anything of; an item of XML says all there is."""
        for item in self._products(rows):
            if isinstance(item, ProductRecord):
                yield replace(item, given=self._given, raw_names=self._raw_names)
            else:
                yield item

    def _products(self, rows: Iterable[FeedRow | RowError]) -> Iterator[ProductRecord | RowError]:
        """Rows without an item group at once; groups, whose rows may stand anywhere, after the last row."""
        with closing(RowGroups()) as groups, closing(FirstLines()) as first_rows:
            for row in rows:
                if isinstance(row, RowError):
                    yield row
                    continue
                named = GoogleRow(row, self._match(row.raw))
                key = product_key(named)
                if key is None:
                    repeat = None if self._has_lines else _repeated_on_its_line(named, first_rows)
                    yield from product_of_rows([named], self._variants) if repeat is None else [repeat]
                else:
                    groups.add(json.dumps(key), row)
            for _, group in groups:
                yield from product_of_rows((GoogleRow(row, self._match(row.raw)) for row in group), self._variants)

    def _match(self, row_names: Iterable[str]) -> Mapping[GoogleField, tuple[str, ...]]:
        # The rows of a feed of separated fields have the same names, and those of XML few combinations.
        names = tuple(row_names)
        match = self._matches.get(names)
        if match is None:
            match = match_fields(names)
            if sum(map(len, names)) <= _MAX_KEPT_CHARACTERS:
                if len(self._matches) == _MAX_KEPT_MATCHES:
                    self._matches.clear()
                self._matches[names] = match
            self._known.update(match.names)
            for name in match.unknown:
                if len(self._unknown) < self._max_unknown:
                    self._unknown.setdefault(shorten(name)[1:-1])
        return match.names


def _given_by(fields: frozenset[GoogleField]) -> frozenset[ProductField]:
    """What a feed with these fields says anything of; boxes no feed of Google's has."""
    needed: Mapping[ProductField, set[GoogleField]] = {
        ProductField.DESCRIPTION: {GoogleField.DESCRIPTION},
        ProductField.CATEGORY: {GoogleField.GOOGLE_PRODUCT_CATEGORY, GoogleField.PRODUCT_TYPE},
        ProductField.PRICE: {GoogleField.PRICE, GoogleField.SALE_PRICE},
        ProductField.AVAILABILITY: {GoogleField.AVAILABILITY},
        ProductField.LINK: {GoogleField.LINK},
        ProductField.ITEM_GROUP: {GoogleField.ITEM_GROUP_ID},
        # The main images of further variants, too.
        ProductField.ADDITIONAL_IMAGES: {GoogleField.ADDITIONAL_IMAGE_LINK, GoogleField.ITEM_GROUP_ID},
    }
    return EVERY_FIELD - {ProductField.IMAGE_BOX} - {field for field, any_of in needed.items() if not fields & any_of}


def _repeated_on_its_line(row: GoogleRow, first_rows: FirstLines) -> RowError | None:
    """The error of an item whose id an earlier one on the same line has: no line could tell the two apart."""
    external_id = id_of(row)
    if external_id is None:
        return None
    line, place = row.row.line, row.row.place
    number = (line << _PLACE_BITS) + place
    first = first_rows.of(external_id, number)
    if first == number or first >> _PLACE_BITS != line:
        return None
    found = f"{shorten(external_id)[1:-1]}, as earlier on this line"
    return RowError(line, GoogleField.ID, found, "an id that no earlier row has", external_id, place=place)


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with numbers after those that come again."""
    taken = set(names)
    distinct: dict[str, None] = {}
    for name in names:
        number, own = 2, name
        while own in distinct:
            own, number = f"{name} {number}", number + 1
            own = name if own in taken else own
        distinct[own] = None
    return tuple(distinct)
