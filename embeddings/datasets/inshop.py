"""DeepFashion In-shop Clothes Retrieval (Liu, Luo, Qiu, Wang and Tang, CVPR 2016), in the folder it unpacks to.

::

    Eval/list_eval_partition.txt                 which images train, which are queries, which are the gallery
    Anno/list_bbox_inshop.txt                    the box of each
    Anno/list_attr_cloth.txt, list_attr_items.txt   names of attributes; those of each item (also in Anno/attributes)
    Anno/list_description_inshop.json            colour and description of each item; may be missing
    Img/img/WOMEN/Dresses/id_00000002/…jpg       the pictures (also in img): category and item are folders

The partition is also published as three lists, ``train.txt``, ``query.txt`` and ``gallery.txt``, image names between
white space. ``train.txt`` may be missing: nothing can be trained then, which a note tells. A folder with lists and
no ``Anno`` can be read, too; its images have neither boxes nor attributes, which a note tells. Where
``list_item_inshop.txt`` is there, every item must be in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from embeddings.datasets.category_choice import Part, choose_category
from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.inshop_annotations import (
    Edges,
    find_annotation,
    read_boxes,
    read_descriptions,
    read_item_attributes,
)
from embeddings.datasets.list_files import ListLine, read_counted, read_lines, shorten
from embeddings.datasets.published_boxes import fit_box, picture_size, require_picture
from embeddings.datasets.records import Dataset, DatasetImage, UnusableDataset

NAME = "In-shop"

_PARTITION = "list_eval_partition.txt"
_PARTITION_FORM = "image name, item id and evaluation status"
_NAME_FORM = "an image name such as img/WOMEN/Dresses/id_00000002/02_1_front.jpg"
_PARTS: dict[str, Part] = {"train": "training", "query": "queries", "gallery": "gallery"}
_TRAINING_LIST = "train.txt"


def read_inshop(folder: Path, options: DatasetOptions | None = None) -> Dataset:
    """The data set in a folder that has ``Eval/list_eval_partition.txt``, or the three lists.

    What is relevant is the same item id. Images are cropped to their boxes.

    Args:
        folder: What unpacking made.
        options: ``category`` and ``gallery`` count.

    Raises:
        UnusableDataset: a list other than ``train.txt`` is missing; one is malformed or lacks an image; an image is
            missing; a box lies outside its image; or there is no such category.
    """
    partition = next((path for path in (folder / "Eval" / _PARTITION, folder / _PARTITION) if path.is_file()), None)
    is_split_in_lists = partition is None and (folder / "query.txt").is_file()
    entries = (
        _read_split_lists(folder) if is_split_in_lists else _read_partition(partition or folder / "Eval" / _PARTITION)
    )
    _check_items(entries, find_annotation(folder, "list_item_inshop.txt"))
    has_lists_alone = is_split_in_lists and not (folder / "Anno").is_dir()
    if has_lists_alone:
        annotations = _Annotations()
        notes = ["the folder has lists of images alone: no boxes, no attributes, no descriptions"]
    else:
        annotations, notes = _read_annotations(folder)
    if is_split_in_lists and not (folder / _TRAINING_LIST).is_file():
        notes.append(f"there is nothing to train on: {folder / _TRAINING_LIST} is missing")
    pictures = _find_pictures(folder, is_required=not has_lists_alone)
    if pictures is None:
        notes.append("the pictures are missing: images can be counted, but not looked at")

    choice = choose_category(NAME, {entry.category for entry in entries}, options or DatasetOptions())
    parts: dict[Part, list[DatasetImage]] = {"training": [], "queries": [], "gallery": []}
    chosen = [entry for entry in entries if choice.takes(entry.category, entry.part)]
    for entry in chosen:
        parts[entry.part].append(_image(entry, folder, pictures, annotations))
    if not has_lists_alone:
        notes.extend(_notes_on_attributes(chosen, annotations))
    return Dataset(
        name=choice.describe(NAME),
        training=tuple(parts["training"]),
        queries=tuple(parts["queries"]),
        gallery=tuple(parts["gallery"]),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """An image of the partition, with the line that says so."""

    line: ListLine
    name: str
    category: str
    item_id: str
    part: Part


@dataclass(frozen=True, slots=True)
class _Annotations:
    """Boxes by image name, None where the folder has no list of them; attributes and descriptions by item id."""

    boxes: Mapping[str, tuple[ListLine, Edges]] | None = None
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)


def _read_partition(path: Path) -> list[_Entry]:
    entries = []
    for line in read_counted(path, _PARTITION_FORM).lines:
        name, item_id, status = line.split(_PARTITION_FORM, 3)
        if status not in _PARTS:
            raise line.fault(f"the evaluation status {', '.join(_PARTS)}", received=shorten(status))
        entry = _entry(line, name, _PARTS[status])
        if entry.item_id != item_id:
            raise line.fault("an image in the folder of its item", received=f"{name} and {item_id}")
        entries.append(entry)
    return _without_repeats(entries, path)


def _read_split_lists(folder: Path) -> list[_Entry]:
    return _without_repeats(list(_entries_of_lists(folder)), folder)


def _entries_of_lists(folder: Path) -> Iterator[_Entry]:
    for split, part in _PARTS.items():
        path = folder / f"{split}.txt"
        # What is only evaluated needs no training images.
        if path.name == _TRAINING_LIST and not path.exists():
            continue
        for line in read_lines(path, "image names between white space"):
            for name in line.text.split():
                yield _entry(line, name, part)


def _entry(line: ListLine, name: str, part: Part) -> _Entry:
    """Category and item are the folders that the image is in."""
    folders = PurePosixPath(name).parts[:-1]
    if len(folders) < 3 or folders[0] != "img" or ".." in folders:
        raise line.fault(_NAME_FORM, received=shorten(name))
    return _Entry(line, name, category=folders[-2], item_id=folders[-1], part=part)


def _without_repeats(entries: list[_Entry], place: Path) -> list[_Entry]:
    seen: dict[str, ListLine] = {}
    for entry in entries:
        # One line of the lists may name many images, and one of them twice.
        earlier = seen.get(entry.name)
        if earlier is not None:
            raise entry.line.fault(
                "each image once",
                received=f"{entry.name} again, which line {earlier.number} of {earlier.path.name} has",
            )
        seen[entry.name] = entry.line
    if not entries:
        raise UnusableDataset(f"{place} lists no images", expected=_NAME_FORM)
    return entries


def _check_items(entries: list[_Entry], path: Path) -> None:
    if not path.is_file():
        return
    known = {line.split("item id", 1)[0] for line in read_counted(path, "item id", has_entries=False).lines}
    for entry in entries:
        if entry.item_id not in known:
            raise entry.line.fault(f"an item that {path.name} lists", received=entry.item_id)


def _read_annotations(folder: Path) -> tuple[_Annotations, list[str]]:
    descriptions_path = find_annotation(folder, "list_description_inshop.json")
    has_descriptions = descriptions_path.is_file()
    annotations = _Annotations(
        boxes=read_boxes(find_annotation(folder, "list_bbox_inshop.txt")),
        attributes=read_item_attributes(
            find_annotation(folder, "list_attr_cloth.txt"), find_annotation(folder, "list_attr_items.txt")
        ),
        descriptions=read_descriptions(descriptions_path) if has_descriptions else {},
    )
    return annotations, [] if has_descriptions else [f"no descriptions: {descriptions_path} is missing"]


def _find_pictures(folder: Path, *, is_required: bool) -> Path | None:
    """The folder that image names are relative to."""
    for place in (folder / "Img", folder):
        if (place / "img").is_dir():
            return place
    if is_required:
        raise UnusableDataset(
            "The data set's pictures are missing",
            received=f"neither {folder / 'Img' / 'img'} nor {folder / 'img'} is a folder",
            expected="pictures such as Img/img/WOMEN/Dresses/id_00000002/02_1_front.jpg",
            remedy=f"unpack img.zip in {folder / 'Img'}",
        )
    return None


def _image(entry: _Entry, folder: Path, pictures: Path | None, annotations: _Annotations) -> DatasetImage:
    path = (pictures or folder) / entry.name
    crop = None
    if annotations.boxes is not None:
        if entry.name not in annotations.boxes:
            raise entry.line.fault("an image that list_bbox_inshop.txt has a box of", received=entry.name)
        line, edges = annotations.boxes[entry.name]
        crop = fit_box(line, edges, picture_size(path, entry.line))
    elif pictures is not None:
        require_picture(path, entry.line)
    return DatasetImage(
        path=path,
        labels={"item": entry.item_id},
        attributes=annotations.attributes.get(entry.item_id, ()),
        item=entry.item_id,
        category=entry.category,
        crop=crop,
        text=annotations.descriptions.get(entry.item_id, ""),
    )


def _notes_on_attributes(entries: list[_Entry], annotations: _Annotations) -> list[str]:
    counts = Counter(entry.item_id for entry in entries if entry.item_id not in annotations.attributes)
    if not counts:
        return []
    return [
        f"{len(counts):,} items ({counts.total():,} images) are not in list_attr_items.txt and have no attributes, "
        f"such as {min(counts)}"
    ]
