"""Any labelled photos: a table with one line per photo.

A CSV file in UTF-8 whose first line names the columns, in any order:

==============  ========  ================================================================================
column          required  value
==============  ========  ================================================================================
``image``       yes       path of the photo, relative to the table's folder, or absolute
``split``       yes       ``train``; ``query``; ``gallery``; or ``test``, which is both query and gallery
``labels``                what results are judged by, from fine to coarse: ``species=Wren; family=Birds``
``attributes``            ``color=red; pattern=striped``, separated by ``;`` or ``|``, as in a product feed
``item``                  what photos of one item share; a note tells which are in both training and test
``category``              the garment's kind, such as ``Dresses``
``box``                   the item's box in pixels: ``left,top,right,bottom``
``text``                  title or description
==============  ========  ================================================================================
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from embeddings.crop_box import CropBox
from embeddings.datasets.category_choice import Part, choose_category
from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.list_files import ListLine, read_every_line, shorten
from embeddings.datasets.published_boxes import fit_box, picture_size, require_picture
from embeddings.datasets.records import Dataset, DatasetImage, UnusableDataset
from embeddings.taxonomy import normalize_attribute

REQUIRED_COLUMNS = ("image", "split")
OPTIONAL_COLUMNS = ("labels", "attributes", "item", "category", "box", "text")

_CONTENT = "a CSV table with the columns image and split, in UTF-8"
_SEPARATORS = re.compile(r"[;|]")


_PARTS: Mapping[str, tuple[Part, ...]] = {
    "train": ("training",),
    "query": ("queries",),
    "gallery": ("gallery",),
    "test": ("queries", "gallery"),
}


def read_table(path: Path, options: DatasetOptions | None = None) -> Dataset:
    """The data set that a table describes.

    Args:
        path: The CSV file; this module's text describes it.
        options: ``category`` and ``gallery`` count.

    Raises:
        UnusableDataset: the file is missing or not UTF-8, a required column is missing, a line is malformed, has other
            levels of labels than the first, names a photo that is not there, or has the photo and box of another one.
    """
    columns, rows = _read_rows(path)
    photos = [_parse(row) for row in rows]
    _check_levels(photos)
    choice = choose_category(path.name, {photo.category for photo in photos}, options or DatasetOptions())
    parts: dict[Part, list[DatasetImage]] = {"training": [], "queries": [], "gallery": []}
    chosen = [photo for photo in photos if any(choice.takes(photo.category, part) for part in _PARTS[photo.split])]
    _check_repeats(chosen, path.parent)
    for photo in chosen:
        image = _resolve(photo, path.parent, levels=tuple(photos[0].labels))
        for part in _PARTS[photo.split]:
            if choice.takes(photo.category, part):
                parts[part].append(image)
    notes = [*_notes_on_columns(columns), *_notes_on_items(photos)]
    return Dataset(
        name=choice.describe(path.stem),
        training=tuple(parts["training"]),
        queries=tuple(parts["queries"]),
        gallery=tuple(parts["gallery"]),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """A record of the table, with the line it starts in."""

    line: ListLine
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Photo:
    """A record that has been checked as far as it can be without its photo."""

    line: ListLine
    image: str
    split: str
    labels: Mapping[str, str]
    attributes: tuple[str, ...]
    item: str | None
    category: str
    box: tuple[float, float, float, float] | None
    text: str


def _read_rows(path: Path) -> tuple[list[str], list[_Row]]:
    """The columns' names, and the records that are not blank."""
    records = _read_records(path)
    header = next(records, None)
    if header is None:
        raise UnusableDataset(f"The table {path} is empty", expected=_CONTENT)
    line, names = header
    columns = [name.strip().casefold() for name in names]
    for column in REQUIRED_COLUMNS:
        if column not in columns:
            raise line.fault(f"the column {column}; the columns {', '.join(REQUIRED_COLUMNS)} are required")
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise line.fault("each column once", received=f"more than one column {repeated[0]!r}")
    rows = []
    for line, fields in records:
        if len(fields) != len(columns):
            raise line.fault(
                f"{len(columns)} fields, as the first line has; a field that holds a comma must be quoted",
                received=f"{len(fields)} {'field' if len(fields) == 1 else 'fields'}: {shorten(line.text)}",
            )
        rows.append(_Row(line, dict(zip(columns, fields, strict=True))))
    if not rows:
        raise UnusableDataset(f"The table {path} lists no photos", expected="at least one line after the first")
    return columns, rows


def _read_records(path: Path) -> Iterator[tuple[ListLine, list[str]]]:
    """Records of the CSV file with the line that each starts in; blank lines are left out."""
    first: ListLine | None = None

    def texts() -> Iterator[str]:
        nonlocal first
        for line in read_every_line(path, _CONTENT):
            if first is None:
                first = line
            yield line.text + "\n"

    reader = csv.reader(texts(), strict=True)
    while True:
        first = None
        try:
            fields = next(reader, None)
        except csv.Error as error:
            line = first or ListLine(path, reader.line_num, "")
            raise line.fault("comma-separated values, in quotes where they hold commas", received=str(error)) from error
        if fields is None:
            return
        if first is not None and any(field.strip() for field in fields):
            yield first, fields


def _parse(row: _Row) -> _Photo:
    line = row.line
    fields = {name: " ".join(value.split()) for name, value in row.fields.items()}
    # A path keeps its inner spaces as they are.
    image = row.fields["image"].strip()
    if not image or "\0" in image:
        raise line.fault("a path in the column image", received=shorten(image))
    split = fields["split"].casefold()
    if split not in _PARTS:
        raise line.fault(f"{', '.join(_PARTS)} in the column split", received=shorten(fields["split"]))
    return _Photo(
        line=line,
        image=image,
        split=split,
        labels=_parse_labels(line, fields.get("labels", "")),
        attributes=_parse_attributes(line, fields.get("attributes", "")),
        item=fields.get("item") or None,
        category=fields.get("category", ""),
        box=_parse_box(line, fields.get("box", "")),
        text=fields.get("text", ""),
    )


def _parse_labels(line: ListLine, text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    for part in _SEPARATORS.split(text):
        if not part.strip():
            continue
        level, _, value = (piece.strip() for piece in part.partition("="))
        if not level or not value or level in labels:
            raise line.fault("level=value, each level once, in the column labels", received=shorten(text))
        labels[level] = value
    return labels


def _parse_attributes(line: ListLine, text: str) -> tuple[str, ...]:
    try:
        return tuple(sorted({normalize_attribute(part) for part in _SEPARATORS.split(text) if part.strip()}))
    except ValueError as error:
        raise line.fault("name=value, or a single word, in the column attributes", received=str(error)) from error


def _parse_box(line: ListLine, text: str) -> tuple[float, float, float, float] | None:
    if not text:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4:
        raise line.fault("left,top,right,bottom in the column box", received=shorten(text))
    left, top, right, bottom = (line.number_of(part, "an edge of the box in pixels") for part in parts)
    return left, top, right, bottom


def _check_levels(photos: list[_Photo]) -> None:
    levels = photos[0].labels
    for photo in photos:
        if photo.labels.keys() != levels.keys():
            raise photo.line.fault(
                f"the levels of labels that line {photos[0].line.number} has: {', '.join(levels) or 'none'}",
                received=", ".join(photo.labels) or "none",
            )


def _check_repeats(photos: list[_Photo], folder: Path) -> None:
    """Refuse a photo that two lines have, however they write its path, with the same box or none."""
    by_file: dict[str, list[_Photo]] = {}
    for photo in photos:
        by_file.setdefault(os.path.realpath(folder / photo.image), []).append(photo)
    for same in by_file.values():
        if len(same) > 1:
            _check_boxes(same, picture_size(folder / same[0].image, same[0].line))


def _check_boxes(same: list[_Photo], size: tuple[int, int]) -> None:
    """Refuse lines of one picture that mean the same part of it; without a box that is all of it."""
    lines: dict[CropBox, int] = {}
    for photo in same:
        box = CropBox(0, 0, *size) if photo.box is None else fit_box(photo.line, photo.box, size)
        earlier = lines.setdefault(box, photo.line.number)
        if earlier != photo.line.number:
            raise photo.line.fault(
                "each photo once; one that is both query and gallery has the split test",
                received=f"{photo.image} again, which line {earlier} has",
            )


def _notes_on_columns(columns: list[str]) -> list[str]:
    unread = [column for column in columns if column not in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)]
    return [f"columns of the table that mean nothing here: {', '.join(unread)}"] if unread else []


def _notes_on_items(photos: list[_Photo]) -> list[str]:
    """That items are both trained on and searched, which makes results look better than they are."""
    trained = {photo.item for photo in photos if photo.item is not None and photo.split == "train"}
    shared = trained & {photo.item for photo in photos if photo.split != "train"}
    return (
        [f"items that have photos in training and in test: {len(shared)}, such as {min(map(str, shared))}"]
        if shared
        else []
    )


def _resolve(photo: _Photo, folder: Path, levels: tuple[str, ...]) -> DatasetImage:
    path = folder / photo.image
    crop = None
    if photo.box is None:
        require_picture(path, photo.line)
    else:
        crop = fit_box(photo.line, photo.box, picture_size(path, photo.line))
    return DatasetImage(
        path=path,
        labels={level: photo.labels[level] for level in levels},
        attributes=photo.attributes,
        item=photo.item,
        category=photo.category,
        crop=crop,
        text=photo.text,
    )
