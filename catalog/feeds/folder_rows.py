"""A folder of images as a feed: its products as rows of Drape's own columns, with what a table beside them says.

- A folder that holds images directly is a product: its name is the id, the folders above it are the category.
- An image at the top is a product, too: its name without the ending is the id.
- Images of a product are in natural order: ``2.jpg`` before ``10.jpg``.
- ``products.csv``, or the only table at the top, says more: it needs an ``id``, and what it says wins. Images that its
  rows name belong to these rows.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from catalog.errors import FeedUnreadable
from catalog.feeds.columns import Column
from catalog.feeds.delimited_rows import list_names
from catalog.feeds.dialects.dialect import Dialect
from catalog.feeds.dialects.own import OwnDialect
from catalog.feeds.encodings import Encoding
from catalog.feeds.feed_row import FeedRow, ValueFault, shorten
from catalog.feeds.folder_table import Described, FolderTable, is_absent, sources_of, tables_of
from catalog.feeds.folder_walk import FolderWalk, Found, FoundProduct, UnreadFolder
from catalog.feeds.layout import FOLDER, FeedFormat
from catalog.feeds.values import MAX_IMAGES, parse_id
from catalog.types import DialectName, Outcome, RowError

_WORD_SEPARATORS = re.compile(r"[\s_\-]+")
_IMAGES = "images (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF)"
_EXPECTED = f"a folder for each product with its {_IMAGES}, or an image for each product"
_NAMES_SHOWN = 3


class FolderDialect(OwnDialect):
    """The rows that are made of folders and files; no file is written in it."""

    name: ClassVar[DialectName] = DialectName.FOLDER
    label: ClassVar[str] = "a folder of images"
    expected: ClassVar[str] = _EXPECTED
    formats: ClassVar[frozenset[FeedFormat]] = frozenset({FeedFormat.FOLDER})


class FolderRows:
    """A ``RowSource``. The line of a row is its product's number, from 1.

    Raises:
        FeedUnreadable: the folder cannot be read or holds no images, its table cannot be read, or another dialect is
            wanted.
    """

    def __init__(self, path: Path, wanted: DialectName | None, max_row_bytes: int) -> None:
        self.image_folder = path
        self.packing: str | None = None
        self.layout = FOLDER
        self.dialect: Dialect = FolderDialect()
        self.columns: tuple[str, ...] = ()
        # How many products there are is known at the end; the position is that of their images' bytes.
        self.num_bytes: int | None = None
        self.position = 0
        if wanted not in (None, DialectName.FOLDER):
            raise FeedUnreadable(
                f"The feed {path} cannot be read in the dialect {wanted}.",
                received="a folder",
                expected="a file",
                remedy="Name the file, or leave --dialect out.",
            )
        self._line = 0
        self._num_undescribed = 0
        self._undescribed: list[str] = []
        try:
            tables = tables_of(path)
        except OSError as error:
            raise FeedUnreadable(
                f"The folder {path} cannot be read.", received=error.strerror or str(error), expected=_EXPECTED
            ) from error
        self._unread_tables = tables.names if len(tables.names) > 1 else ()
        self._walk = FolderWalk(path, tables.known)
        self._table = FolderTable(path / tables.names[0] if len(tables.names) == 1 else None, max_row_bytes)
        places = iter(self._walk)
        first = next(places, None)
        if first is None and self._table.label is None:
            self.close()
            raise FeedUnreadable(
                f"The folder {path} holds no images.",
                received=f"other files, such as {list_names(self._walk.others)}" if self._walk.others else "nothing",
                expected=_EXPECTED,
            )
        self._places: Iterator[Found] = itertools.chain([] if first is None else [first], places)

    @property
    def encoding(self) -> Encoding:
        """As ``RowSource``."""
        return Encoding.UTF_8

    @property
    def notes(self) -> tuple[str, ...]:
        """As ``RowSource``."""
        walk, notes = self._walk, []
        if self._table.label is not None:
            notes.append(f"What the products are is said by {self._table.label}.")
        if self._num_undescribed:
            names = list_names(self._undescribed)
            notes.append(
                f"Products that the table does not have: {self._num_undescribed:,}, the first of them {names}."
            )
        if self._unread_tables:
            notes.append(f"None of the tables {list_names(self._unread_tables)} was read: one must be called products.")
        if walk.num_others:
            notes.append(f"Files that are no images: {walk.num_others:,}, the first of them {list_names(walk.others)}.")
        if walk.num_links:
            notes.append(f"Links left out, to folders or out of the folder: {walk.num_links:,}.")
        return tuple(notes)

    def rows(self) -> Iterator[FeedRow | RowError]:
        """As ``RowSource``."""
        for found in self._places:
            if isinstance(found, UnreadFolder):
                yield self._error(f"{shorten(found.place)}: {found.reason}", "a folder that can be read")
            else:
                yield from self._rows_of(found)
                self.position += found.num_bytes
        for external_id, described in self._table.rest():
            line = self._next_line()
            self._table.meet(external_id, line, self._line_of_table(described.line))
            if sources_of(described.raw, described.columns):
                raw = _completed(described, {Column.TITLE: title_of(external_id)})
                yield FeedRow(line, raw, described.bad_text, described.is_suspect)
            else:
                found_nothing = f"no folder and no image called {shorten(external_id)}"
                yield RowError(line, Column.IMAGE, found_nothing, "images of each product of the table", external_id)
        for fault in self._table.faults():
            line = self._next_line()
            met = None if fault.external_id is None else self._table.first_met(fault.external_id)
            found_at = f"{self._line_of_table(fault.line)}: {fault.found}"
            yield RowError(
                line, fault.column, found_at, fault.expected, fault.external_id, first_line=met[0] if met else None
            )

    def close(self) -> None:
        """As ``RowSource``."""
        self._table.close()

    def _rows_of(self, product: FoundProduct) -> Iterator[FeedRow | RowError]:
        if not _is_text(product.place):
            yield self._error(shorten(product.place), "names of folders and images in UTF-8")
            return
        try:
            external_id = parse_id(product.name)
        except ValueFault as fault:
            yield self._error(f"{shorten(product.place)}: {fault.found}", fault.expected, Column.ID)
            return
        images = [image for image in product.images if self._is_of(external_id, image)]
        if not images:
            # Rows of the table have them.
            return
        line = self._next_line()
        first_line, first_place = self._table.meet(external_id, line, product.place)
        if first_line != line:
            found = f"{shorten(product.place)}, and before it {shorten(first_place)}"
            expected = "folders and images of different names, as they are the products' ids"
            yield RowError(line, Column.ID, found, expected, external_id, first_line=first_line)
            return
        if len(images) > MAX_IMAGES:
            expected = f"at most {MAX_IMAGES} images of one product; a folder for each product"
            yield RowError(
                line, Column.IMAGE, f"{shorten(product.place)} with {len(images):,} images", expected, external_id
            )
            return
        for image in images:
            if not _is_text(image):
                expected = "names of folders and images in UTF-8"
                yield RowError(line, Column.IMAGE, shorten(image), expected, external_id, Outcome.IMAGE_LEFT_OUT)
        found_values = _values_of(product, external_id, [image for image in images if _is_text(image)])
        described = self._table.take(external_id)
        if described is not None:
            raw = _completed(described, found_values)
            yield FeedRow(line, raw, described.bad_text, described.is_suspect)
            return
        if self._table.label is not None:
            self._num_undescribed += 1
            if len(self._undescribed) < _NAMES_SHOWN:
                self._undescribed.append(external_id)
        yield FeedRow(line, {column.value: value for column, value in found_values.items()}, None, is_suspect=False)

    def _is_of(self, external_id: str, image: str) -> bool:
        """Whether no row of the table, or the product's own, names the image."""
        if self._table.label is None or not _is_text(image):
            return True
        return self._table.claimant(image) in (None, external_id)

    def _line_of_table(self, line: int) -> str:
        return f"line {line} of {self._table.name}"

    def _next_line(self) -> int:
        self._line += 1
        return self._line

    def _error(self, found: str, expected: str, column: str | None = None) -> RowError:
        return RowError(self._next_line(), column, found, expected)


def title_of(name: str) -> str:
    """The words of a folder's or a file's name.

    >>> title_of("red-lace_dress")
    'red lace dress'
    """
    return _WORD_SEPARATORS.sub(" ", name).strip() or name


def _values_of(product: FoundProduct, external_id: str, images: Sequence[str]) -> dict[Column, object]:
    values: dict[Column, object] = {Column.ID: external_id, Column.TITLE: title_of(product.name)}
    if product.levels:
        values[Column.CATEGORY] = list(product.levels)
    sources = [_source_of(image) for image in images]
    if sources:
        # All that there are: where there is one, there are no others any more.
        values[Column.IMAGE], values[Column.ADDITIONAL_IMAGES] = sources[0], sources[1:]
    return values


def _completed(described: Described, found: Mapping[Column, object]) -> dict[str, object]:
    """A row of the table with what was found where the row says nothing, and with the images that it does not name."""
    raw = dict(described.raw)
    for column, value in found.items():
        name = described.columns.get(column, column.value)
        if column not in (Column.IMAGE, Column.ADDITIONAL_IMAGES) and is_absent(raw.get(name)):
            raw[name] = value
    named = sources_of(described.raw, described.columns)
    known = {posixpath.normpath(str(source).strip()) for source in named}
    more = found.get(Column.ADDITIONAL_IMAGES, [])
    images = [found[Column.IMAGE], *(more if isinstance(more, list) else [])] if Column.IMAGE in found else []
    sources = [*named, *(image for image in images if posixpath.normpath(str(image)) not in known)]
    if sources:
        raw[described.columns.get(Column.IMAGE, Column.IMAGE.value)] = sources[0]
        raw[described.columns.get(Column.ADDITIONAL_IMAGES, Column.ADDITIONAL_IMAGES.value)] = sources[1:]
    return raw


def _source_of(path: str) -> str:
    # So that a name with a colon is no address, and one that starts with a space keeps it.
    return f"./{path}" if ":" in path.partition("/")[0] or path[0].isspace() else path


def _is_text(name: str) -> bool:
    """Whether bytes of the name are text in UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
