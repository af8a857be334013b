"""What DeepFashion In-shop says of its images and items: boxes, attributes, descriptions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from embeddings.datasets.list_files import ListLine, cannot_read, read_counted, shorten
from embeddings.datasets.records import UnusableDataset
from embeddings.taxonomy import normalize_attribute

BOX_FORM = "image name, clothes type, pose type, x_1, y_1, x_2 and y_2"

Edges = tuple[float, float, float, float]


def find_annotation(folder: Path, name: str) -> Path:
    """Where an archive has one of its annotations: in ``Anno``, in ``Anno/attributes``, or in the folder itself.

    Returns:
        The first place that has it, or the first place, where none does.
    """
    places = (folder / "Anno" / name, folder / "Anno" / "attributes" / name, folder / name)
    return next((place for place in places if place.is_file()), places[0])


def read_boxes(path: Path) -> dict[str, tuple[ListLine, Edges]]:
    """Left, top, right and bottom of each image's box, by image name, with the line that says so.

    Raises:
        UnusableDataset: the list is missing or malformed, or has an image twice.
    """
    boxes: dict[str, tuple[ListLine, Edges]] = {}
    for line in read_counted(path, BOX_FORM).lines:
        name, _, _, *fields = line.split(BOX_FORM, 7)
        left, top, right, bottom = (line.number_of(field, "an edge of the box in pixels") for field in fields)
        if name in boxes:
            raise line.fault(f"each image once; line {boxes[name][0].number} has {name}, too")
        boxes[name] = (line, (left, top, right, bottom))
    return boxes


def read_item_attributes(names_path: Path, items_path: Path) -> dict[str, tuple[str, ...]]:
    """The attributes of each item in normal form, sorted, by item id.

    An item that has more than one line has the attributes of all of them.

    Args:
        names_path: ``list_attr_cloth.txt``, a name per line.
        items_path: ``list_attr_items.txt``: item id, and per name 1 (present), -1 (absent) or 0 (not known).

    Raises:
        UnusableDataset: a list is missing or malformed, or they do not have the same number of attributes.
    """
    names = _read_names(names_path)
    form = f"item name and {len(names)} labels of 1, 0 or -1, as many as {names_path.name} has names"
    found: dict[str, set[str]] = {}
    for line in read_counted(items_path, form, may_repeat=True).lines:
        item_id, *labels = line.split(form, 1 + len(names))
        present = found.setdefault(item_id, set())
        for name, label in zip(names, labels, strict=True):
            if label == "1":
                present.add(name)
            elif label not in ("-1", "0"):
                raise line.fault(form, received=f"the label {shorten(label)}")
    return {item_id: tuple(sorted(present)) for item_id, present in found.items()}


def _read_names(path: Path) -> list[str]:
    counted = read_counted(path, "attribute name")
    # Other DeepFashion lists of this name have a second entry, the attribute's type, after a name of several words.
    has_type = len(counted.entries) > 1
    names = []
    for line in counted.lines:
        text = line.text.strip()
        if has_type:
            text, _, kind = text.rpartition(" ")
            line.integer(kind, "an attribute type")
        try:
            names.append(normalize_attribute(text))
        except ValueError as error:
            raise line.fault("attribute name") from error
    return names


def read_descriptions(path: Path) -> dict[str, str]:
    """Colour and description of each item, a line each, by item id.

    Raises:
        UnusableDataset: the file is missing, not UTF-8, no JSON, or not a list of objects with ``item``, ``color`` and
            ``description`` (a text or a list of texts).
    """
    form = "a JSON list of objects with item, color and description"
    try:
        entries = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise cannot_read(path, form, error) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ListLine(path, line, "").fault(
            "text encoded as UTF-8", received=f"byte 0x{error.object[error.start]:02X}"
        ) from error
    except json.JSONDecodeError as error:
        raise ListLine(path, error.lineno, "").fault(form, received=f"{error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise UnusableDataset(f"{path} cannot be used", received="lists within lists", expected=form) from error
    if not isinstance(entries, list):
        raise UnusableDataset(f"{path} cannot be used", received=type(entries).__name__, expected=form)
    texts: dict[str, list[str]] = {}
    for position, entry in enumerate(entries, start=1):
        item_id, lines = _words(entry)
        if item_id is None:
            raise UnusableDataset(
                f"Entry {position} of {path} cannot be used", received=shorten(str(entry)), expected=form
            )
        known = texts.setdefault(item_id, [])
        known.extend(line for line in lines if line not in known)
    return {item_id: "\n".join(lines) for item_id, lines in texts.items()}


def _words(entry: object) -> tuple[str | None, list[str]]:
    """Item id and lines of text of an entry; no item id where the entry is malformed."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("item"), str):
        return None, []
    description = entry.get("description", "")
    lines = description if isinstance(description, list) else [description]
    lines = [entry.get("color", ""), *lines]
    if not all(isinstance(line, str) for line in lines):
        return None, []
    return entry["item"], [text for line in lines if (text := " ".join(line.split()))]
