"""CUB-200-2011 (Wah, Branson, Welinder, Perona and Belongie, Caltech, 2011), in the folder its archive unpacks to.

Images of the published training split train; those of the test split search each other. What is relevant: the same
species, and, coarser, the same family of birds, which is the last word of the species' name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from embeddings.datasets.category_choice import choose_category
from embeddings.datasets.cub_attributes import read_attributes
from embeddings.datasets.dataset_options import DatasetOptions
from embeddings.datasets.list_files import ListLine, read_lines, says_nothing_of
from embeddings.datasets.published_boxes import fit_box, picture_size
from embeddings.datasets.records import Dataset, DatasetImage, UnusableDataset

NAME = "CUB-200-2011"

_ARCHIVE_FOLDER = "CUB_200_2011"
_BOX_FORM = "image id, x, y, width and height"
_CLASS_FORM = "image id and class id"
_SIZE_FORM = "image name, width and height"
_SPLIT_FORM = "image id and split"

_Value = TypeVar("_Value")


def read_cub(folder: Path, options: DatasetOptions | None = None) -> Dataset:
    """The data set in a folder that has ``images.txt``, or in its subfolder ``CUB_200_2011``.

    Which images there are is what ``images.txt`` lists; the other lists may describe more, which a note tells. A file
    ``image_sizes.txt`` (image name, width, height), which the published archive does not have, says that pictures have
    been scaled: boxes are then scaled from those sizes to the pictures'. Like the other lists it must have every
    image.

    Args:
        folder: What unpacking made.
        options: ``min_certainty`` and ``min_class_percent`` count.

    Raises:
        UnusableDataset: a list is missing, malformed or lacks an image; an image is missing; a box lies outside its
            image; or a category is asked for, which birds do not have.
    """
    options = options or DatasetOptions()
    choose_category(NAME, (), options)
    if not (folder / "images.txt").is_file() and (folder / _ARCHIVE_FOLDER / "images.txt").is_file():
        folder = folder / _ARCHIVE_FOLDER
    pictures = _read_pictures(folder)
    species = _read_species(folder / "classes.txt")
    lists = _ImageLists(pictures)
    classes = lists.read(
        folder / "image_class_labels.txt", _CLASS_FORM, 2, lambda line, field: _class(line, field, species)
    )
    boxes = lists.read(folder / "bounding_boxes.txt", _BOX_FORM, 5, _edges)
    is_training = lists.read(folder / "train_test_split.txt", _SPLIT_FORM, 2, _is_training)
    sizes_path = folder / "image_sizes.txt"
    published_sizes = lists.read(sizes_path, _SIZE_FORM, 3, _size, by_name=True) if sizes_path.exists() else {}
    lines = {image_id: picture.line for image_id, picture in pictures.items()}
    attributes = read_attributes(folder, lines, classes, tuple(species), options)

    training: list[DatasetImage] = []
    test: list[DatasetImage] = []
    for image_id, picture in pictures.items():
        line, edges = boxes[image_id]
        name = species[classes[image_id]]
        image = DatasetImage(
            path=picture.path,
            labels={"species": name, "family": name.rsplit(" ", 1)[-1]},
            attributes=attributes.by_image[image_id],
            crop=fit_box(line, edges, picture_size(picture.path, picture.line), published_sizes.get(image_id)),
        )
        (training if is_training[image_id] else test).append(image)
    return Dataset(
        name=NAME,
        training=tuple(training),
        queries=tuple(test),
        gallery=tuple(test),
        notes=(*lists.notes(), *attributes.notes),
    )


@dataclass(frozen=True, slots=True)
class _Picture:
    line: ListLine
    name: str
    path: Path


def _read_pictures(folder: Path) -> dict[int, _Picture]:
    """What ``images.txt`` lists, by image id."""
    path = folder / "images.txt"
    expected = "image id and image name"
    pictures: dict[int, _Picture] = {}
    lines: dict[str, int] = {}
    for line in read_lines(path, f"{expected}, one per line"):
        field, name = line.split(expected, 2)
        image_id = line.integer(field, "an image id")
        if image_id in pictures:
            raise line.fault(f"each image id once; {image_id} is in line {pictures[image_id].line.number}")
        if name in lines:
            raise line.fault(f"each image once; {name} is in line {lines[name]}")
        lines[name] = line.number
        pictures[image_id] = _Picture(line, name, folder / "images" / name)
    if not pictures:
        raise UnusableDataset(f"{path} lists no images", expected=f"{expected}, one per line")
    return pictures


def _read_species(path: Path) -> dict[int, str]:
    """Names of the species by class id: ``192.Downy_Woodpecker`` is ``Downy Woodpecker``."""
    expected = "class id and class name, such as 192 192.Downy_Woodpecker"
    species: dict[int, str] = {}
    for line in read_lines(path, f"{expected}, one per line"):
        field, text = line.split(expected, 2)
        class_id = line.integer(field, "a class id")
        prefix, point, rest = text.partition(".")
        name = (rest if point and prefix.isdigit() else text).replace("_", " ").strip()
        if not name or class_id in species:
            raise line.fault(f"{expected}, each class id once")
        species[class_id] = name
    return species


class _ImageLists:
    """Reads the lists that say something of each image; notes what they say of images that there are none of."""

    def __init__(self, pictures: Mapping[int, _Picture]) -> None:
        self._pictures = pictures
        self._ids = {picture.name: image_id for image_id, picture in pictures.items()}
        self._num_unknown: dict[str, int] = {}

    def read(
        self,
        path: Path,
        expected: str,
        num_fields: int,
        parse: Callable[[ListLine, list[str]], _Value],
        *,
        by_name: bool = False,
    ) -> dict[int, _Value]:
        """The value of each image of ``images.txt``, by image id.

        Args:
            expected: What the fields of a line are; the first is the image id.
            num_fields: How many they are.
            parse: From a line and its fields after the first to the value.
            by_name: The first field is the image's name instead.

        Raises:
            UnusableDataset: the file is missing, a line is malformed, or an image has no line or more than one.
        """
        values: dict[int, _Value] = {}
        num_unknown = 0
        for line in read_lines(path, f"{expected}, one line per image"):
            field, *rest = line.split(expected, num_fields)
            image_id = self._ids.get(field) if by_name else line.integer(field, "an image id")
            if image_id is None or image_id not in self._pictures:
                num_unknown += 1
                continue
            if image_id in values:
                raise line.fault(f"each image once; {field} has an earlier line")
            values[image_id] = parse(line, rest)
        for image_id, picture in self._pictures.items():
            if image_id not in values:
                raise says_nothing_of(path, picture.name if by_name else str(image_id), picture.line, expected)
        if num_unknown:
            self._num_unknown[path.name] = num_unknown
        return values

    def notes(self) -> list[str]:
        """What a person should know of the lists."""
        return [
            f"{name} describes {count:,} {'image' if count == 1 else 'images'} that images.txt does not list"
            for name, count in self._num_unknown.items()
        ]


def _class(line: ListLine, fields: list[str], species: Mapping[int, str]) -> int:
    class_id = line.integer(fields[0], "a class id")
    if class_id not in species:
        raise line.fault("a class id that classes.txt has", received=fields[0])
    return class_id


def _edges(line: ListLine, fields: list[str]) -> tuple[ListLine, tuple[float, float, float, float]]:
    left, top, width, height = (line.number_of(field, _BOX_FORM) for field in fields)
    return line, (left, top, left + width, top + height)


def _is_training(line: ListLine, fields: list[str]) -> bool:
    if fields[0] not in ("0", "1"):
        raise line.fault("1 for the training split or 0 for the test split", received=fields[0])
    return fields[0] == "1"


def _size(line: ListLine, fields: list[str]) -> tuple[int, int]:
    """Width and height of the picture that the box was published for."""
    width, height = (line.integer(field, "a size in pixels") for field in fields)
    if not width or not height:
        raise line.fault(f"{_SIZE_FORM}, both at least 1")
    return width, height
