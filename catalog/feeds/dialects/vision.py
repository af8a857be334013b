"""The bulk files of Google's Vision Product Search: one image per row, without a header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from catalog.feeds.dialects.dialect import Dialect, DialectReader, ReadingOptions
from catalog.feeds.dialects.vision_columns import (
    NUM_REQUIRED,
    STORAGE_ADDRESS,
    VisionColumn,
    fit_fields,
    is_category,
    is_storage_uri,
)
from catalog.feeds.dialects.vision_product import NAMES, VisionProduct
from catalog.feeds.feed_row import FeedRow
from catalog.feeds.layout import FeedFormat
from catalog.feeds.row_groups import RowGroups
from catalog.feeds.row_values import RowValues
from catalog.feeds.values import parse_id
from catalog.types import DialectName, ProductRecord, RowError

_COLUMNS = tuple(column.value for column in VisionColumn)
_IDS = (VisionColumn.PRODUCT_ID, VisionColumn.IMAGE_ID)


class VisionDialect(Dialect):
    """Recognised by a first row with one of the few product categories, or with an image in Google Cloud Storage."""

    name: ClassVar[DialectName] = DialectName.VISION
    label: ClassVar[str] = "a Vision Product Search bulk file"
    expected: ClassVar[str] = (
        f"rows without a header, of {', '.join(_COLUMNS)}, with a product category such as apparel-v2"
    )
    formats: ClassVar[frozenset[FeedFormat]] = frozenset({FeedFormat.CSV, FeedFormat.TSV})
    fixed_header: ClassVar[tuple[str, ...] | None] = _COLUMNS

    def count_known(self, fields: Sequence[str]) -> int:
        """As ``Dialect``."""
        if _is_header(fields):
            return len(fields)
        has_category = len(fields) >= NUM_REQUIRED and is_category(fields[NUM_REQUIRED - 1])
        is_row = has_category or (len(fields) >= NUM_REQUIRED - 1 and is_storage_uri(fields[0]))
        return min(len(fields), len(_COLUMNS)) if is_row else 0

    def knows(self, name: str) -> bool:
        """As ``Dialect``."""
        return _normal(name) in _COLUMNS

    def check_header(self, path: Path, names: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002 - there is none.
        """As ``Dialect``."""
        return _COLUMNS

    def fit(self, fields: Sequence[str], num_columns: int) -> Sequence[str]:  # noqa: ARG002 - it is fixed.
        """As ``Dialect``."""
        return fit_fields(fields)

    def open(self, header: Sequence[str], options: ReadingOptions) -> DialectReader:  # noqa: ARG002 - as above.
        """As ``Dialect``."""
        return _VisionReader()


class _VisionReader(DialectReader):
    def __init__(self) -> None:
        self._used: set[VisionColumn] = set()
        self._has_header = False
        self._num_stored = self._num_without_id = self._num_untitled = 0

    @property
    def used_columns(self) -> tuple[str, ...]:
        return tuple(column for column in VisionColumn if column in self._used)

    @property
    def unused_columns(self) -> tuple[str, ...]:
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        notes = []
        if self._has_header:
            notes.append("The first row names the columns, which such files do not have; it was left out.")
        if self._num_without_id:
            notes.append(
                f"Rows without a product-id: {self._num_without_id:,}. Each is a product of its own, whose id is its "
                "image-id, or is made of its image-uri and bounding-poly where it has none."
            )
        if self._num_untitled:
            notes.append(f"Products without a display name: {self._num_untitled:,}. Their title is their id.")
        if self._num_stored:
            notes.append(
                f"Images in Google Cloud Storage: {self._num_stored:,}. They are fetched from {STORAGE_ADDRESS}, which "
                "needs a bucket that everybody may read; else copy the files beside the feed and name their paths."
            )
        return tuple(notes)

    def products(self, rows: Iterable[FeedRow | RowError]) -> Iterator[ProductRecord | RowError]:
        with closing(RowGroups()) as groups:
            is_first = True
            for row in rows:
                if isinstance(row, RowError):
                    yield row
                elif is_first and _is_header(list(row.raw.values())):
                    self._has_header = True
                else:
                    yield from self._keep(row, groups)
                is_first = False
            for key, group in groups:
                product = VisionProduct(key.partition("=")[2])
                yield from product.take(group)
                record = product.record()
                if record is not None:
                    self._num_untitled += not product.has_title
                    yield record

    def _keep(self, row: FeedRow, groups: RowGroups) -> Sequence[RowError]:
        """Keep a row with those of its product; what is wrong with one that cannot be told to be of any."""
        self._used.update(column for column in VisionColumn if str(row.raw[column]).strip())
        self._num_stored += is_storage_uri(str(row.raw[VisionColumn.IMAGE_URI]))
        taken = RowValues(row, NAMES)
        column = next((column for column in _IDS if str(row.raw[column]).strip()), None)
        external_id = _made_id(row.raw) if column is None else taken.take(column, parse_id, "")
        if not external_id:
            return taken.errors
        self._num_without_id += column is not VisionColumn.PRODUCT_ID
        groups.add(f"{column}={external_id}", row)
        return ()


def _made_id(raw: Mapping[str, object]) -> str:
    """The same for the same part of the same image."""
    image, polygon = (str(raw[column]).strip() for column in (VisionColumn.IMAGE_URI, VisionColumn.BOUNDING_POLY))
    digest = sha256(f"{image}\n{polygon}".encode(errors="surrogateescape"))
    return f"image-{digest.hexdigest()[:16]}"


def _is_header(fields: Sequence[object]) -> bool:
    """Whether these are the columns' names, be it not all of them."""
    names = [_normal(str(field)) for field in fields]
    return len(names) >= NUM_REQUIRED and all(name in ("", *_COLUMNS) for name in names) and names[0] == _COLUMNS[0]


def _normal(name: str) -> str:
    return name.strip().casefold().replace("_", "-").replace(" ", "-")
