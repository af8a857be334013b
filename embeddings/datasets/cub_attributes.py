"""The attributes of CUB-200-2011: of single images where they are known, else of classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.list_files import ListLine, cannot_read, cut_short, read_lines, says_nothing_of, shorten
from embeddings.datasets.records import UnusableDataset
from embeddings.taxonomy import normalize_attribute

_IMAGE_LABELS = "image_attribute_labels.txt"
_CLASS_LABELS = "class_attribute_labels_continuous.txt"
_IMAGE_FORM = "image id, attribute id, 0 or 1, certainty id (1 to 4) and time"
_CERTAINTIES = {b"1": 1, b"2": 2, b"3": 3, b"4": 4}


@dataclass(frozen=True, slots=True)
class CubAttributes:
    """Attributes in normal form, sorted, by image id, and what a person should know of them."""

    by_image: Mapping[int, tuple[str, ...]]
    notes: tuple[str, ...] = ()


def read_attributes(
    folder: Path,
    images: Mapping[int, ListLine],
    classes: Mapping[int, int],
    class_ids: tuple[int, ...],
    options: DatasetOptions,
) -> CubAttributes:
    """Attributes of images: their own, where ``attributes/image_attribute_labels.txt`` is there, else their class's.

    Args:
        folder: The data set's folder.
        images: The line of ``images.txt`` that lists each image.
        classes: The class of each image.
        class_ids: The classes in the order of ``classes.txt``, which is that of the class-level file.

    Raises:
        UnusableDataset: neither file is there, or one of them or the list of names is malformed.
    """
    names = _read_names(folder)
    image_labels = folder / "attributes" / _IMAGE_LABELS
    if image_labels.exists():
        return CubAttributes(_of_images(image_labels, names, images, options.min_certainty))
    return _of_classes(folder / "attributes" / _CLASS_LABELS, names, classes, class_ids, options.min_class_percent)


def readable_attribute(name: str) -> str:
    """The normal form of a published name.

    Raises:
        ValueError: it has no group or no value.

    >>> readable_attribute("has_bill_shape::curved_(up_or_down)")
    'bill shape=curved (up or down)'
    """
    group, separator, value = name.partition("::")
    if not separator:
        raise ValueError(f"expected group::value, received {name!r}")
    return normalize_attribute(f"{group.removeprefix('has_')}={value}".replace("_", " "))


def _read_names(folder: Path) -> dict[int, str]:
    """Attributes in normal form by id, from where archives have the list: in the folder or beside it."""
    places = (folder / "attributes" / "attributes.txt", folder / "attributes.txt", folder.parent / "attributes.txt")
    path = next((place for place in places if place.is_file()), places[0])
    expected = "attribute id and attribute name, such as 2 has_bill_shape::dagger"
    names: dict[int, str] = {}
    for line in read_lines(path, f"{expected}, one per line; also looked for in {places[1]} and {places[2]}"):
        field, text = line.split(expected, 2)
        attribute_id = line.integer(field, "an attribute id")
        try:
            name = readable_attribute(text)
        except ValueError as error:
            raise line.fault(expected) from error
        if attribute_id in names or name in names.values():
            raise line.fault(f"{expected}, each once")
        names[attribute_id] = name
    return names


def _of_images(
    path: Path, names: Mapping[int, str], images: Mapping[int, ListLine], min_certainty: int
) -> dict[int, tuple[str, ...]]:
    """Attributes that were marked as present in each image with at least some certainty.

    Some lines of the published file have one or two surplus fields after the certainty, where the time is; the time is
    not read. A line must have five fields or more.
    """
    # Compared as bytes: the published file has 3.7 million lines.
    image_of = {str(image_id).encode(): image_id for image_id in images}
    name_of = {str(attribute_id).encode(): name for attribute_id, name in names.items()}
    found: dict[int, set[str]] = {}
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                fields = raw.split()
                if not fields:
                    continue
                certainty = _CERTAINTIES.get(fields[3]) if len(fields) >= 5 else None
                if certainty is None or fields[2] not in (b"0", b"1") or fields[1] not in name_of:
                    raise _fault(path, number, raw, names)
                image_id = image_of.get(fields[0])
                if image_id is None:
                    if not fields[0].isdigit():
                        raise _fault(path, number, raw, names)
                    continue
                present = found.setdefault(image_id, set())
                if fields[2] == b"1" and certainty >= min_certainty:
                    present.add(name_of[fields[1]])
    except OSError as error:
        raise cannot_read(path, _IMAGE_FORM, error) from error
    for image_id, line in images.items():
        if image_id not in found:
            raise says_nothing_of(path, str(image_id), line, f"{_IMAGE_FORM}, {len(names)} lines per image")
    return {image_id: tuple(sorted(found[image_id])) for image_id in images}


def _fault(path: Path, number: int, raw: bytes, names: Mapping[int, str]) -> UnusableDataset:
    line = ListLine(path, number, raw.decode("utf-8", "backslashreplace").strip())
    fields = line.text.split()
    if len(fields) >= 5 and fields[1].isdigit() and int(fields[1]) not in names:
        return line.fault("an attribute id that attributes.txt has", received=fields[1])
    return line.fault(_IMAGE_FORM)


def _of_classes(
    path: Path, names: Mapping[int, str], classes: Mapping[int, int], class_ids: tuple[int, ...], min_percent: float
) -> CubAttributes:
    """Attributes that at least so many percent of the annotators saw in images of the class."""
    content = f"a line per class with {len(names)} percentages; it stands in where {_IMAGE_LABELS} is missing, too"
    of_class: dict[int, tuple[str, ...]] = {}
    lines = list(read_lines(path, content))
    expected = f"a line for each of the {len(class_ids)} classes of classes.txt"
    if len(lines) < len(class_ids):
        raise cut_short(path, lines, expected)
    if len(lines) > len(class_ids):
        raise lines[len(class_ids)].fault(f"{expected}, and no more")
    for class_id, line in zip(class_ids, lines, strict=True):
        fields = line.split(content, len(names))
        percents = [line.number_of(field, "a percentage") for field in fields]
        for percent in percents:
            if not 0 <= percent <= 100:
                raise line.fault("percentages between 0 and 100", received=shorten(f"{percent:g}"))
        pairs = zip(names.values(), percents, strict=True)
        of_class[class_id] = tuple(sorted(name for name, percent in pairs if percent >= min_percent))
    return CubAttributes(
        {image_id: of_class[class_id] for image_id, class_id in classes.items()},
        (
            f"attributes are those of the class, not of the image: {_IMAGE_LABELS} is missing; an attribute counts as "
            f"present where {min_percent:g} % of the annotators saw it",
        ),
    )
