"""What a folder of images holds: its products, one after the other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}
)
"""What tells an image from other files by its name; what it is, its content says later."""

_LEFT_BY_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_DIGITS = re.compile(r"([0-9]+)")
_OTHERS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class FoundProduct:
    """A folder with images, or an image at the top.

    Args:
        place: Its path in the folder, with ``/``.
        name: The folder's name, or the file's without its ending.
        levels: The names of the folders above it, from the top.
        images: The paths of its images, in natural order.
        num_bytes: How large they are together.
    """

    place: str
    name: str
    levels: tuple[str, ...]
    images: tuple[str, ...]
    num_bytes: int


@dataclass(frozen=True, slots=True)
class UnreadFolder:
    """A folder that cannot be looked into, and why."""

    place: str
    reason: str


Found: TypeAlias = FoundProduct | UnreadFolder


class FolderWalk:
    """Goes through a folder once, each level in natural order, images before folders.

    Hidden files, what operating systems leave behind, links to folders and links that lead out are left out.

    Args:
        root: The folder.
        known: Names at its top that are no images and are known.

    Attributes:
        num_others: Files so far that are no images by their names.
        others: Paths of the first of them.
        num_links: Links so far that were left out.
    """

    def __init__(self, root: Path, known: frozenset[str]) -> None:
        self._root = root
        self._real_root = root.resolve()
        self._known = known
        self.num_others = 0
        self.others: list[str] = []
        self.num_links = 0

    def __iter__(self) -> Iterator[Found]:
        # A stack of its own instead of recursion: how deep folders go is the input's.
        left = [""]
        while left:
            place = left.pop()
            try:
                images, folders = self._look_into(place)
            except OSError as error:
                yield UnreadFolder(place or ".", error.strerror or str(error))
                continue
            if place and images:
                *levels, name = place.split("/")
                paths = tuple(f"{place}/{image}" for image, _ in images)
                yield FoundProduct(place, name, tuple(levels), paths, sum(size for _, size in images))
            elif images:
                for image, size in images:
                    yield FoundProduct(image, PurePosixPath(image).stem, (), (image,), size)
            left.extend(_below(place, folder) for folder in reversed(folders))

    def _look_into(self, place: str) -> tuple[list[tuple[str, int]], list[str]]:
        """The images of a folder with their sizes, and its folders.

        Raises:
            OSError: it cannot be read.
        """
        images: list[tuple[str, int]] = []
        folders: list[str] = []
        others: list[str] = []
        with os.scandir(self._root / place) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.casefold() in _LEFT_BY_SYSTEMS:
                    continue
                if entry.is_symlink() and not self._leads_to_a_file_within(entry):
                    self.num_links += 1
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif PurePosixPath(entry.name).suffix.casefold() in IMAGE_SUFFIXES:
                    images.append((entry.name, entry.stat().st_size))
                elif place or entry.name not in self._known:
                    others.append(entry.name)
        self.num_others += len(others)
        others.sort(key=natural_order)
        self.others.extend(_below(place, name) for name in others[: _OTHERS_SHOWN - len(self.others)])
        return sorted(images, key=lambda image: natural_order(image[0])), sorted(folders, key=natural_order)

    def _leads_to_a_file_within(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_file() and Path(entry.path).resolve().is_relative_to(self._real_root)
        except (OSError, RuntimeError):
            # A link to itself.
            return False


def _below(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name


def is_folder(path: Path) -> bool:
    """Whether there is a folder at a path; none is where no path can be."""
    try:
        return path.is_dir()
    except OSError:
        # A name that is too long.
        return False


def natural_order(name: str) -> tuple[list[str | int], str]:
    """What sorts names as people do: without case, and numbers by their value.

    >>> sorted(["10.jpg", "2.jpg", "b.jpg", "A.jpg"], key=natural_order)
    ['2.jpg', '10.jpg', 'A.jpg', 'b.jpg']
    """
    # Text and numbers take turns, so that one is never compared with the other.
    parts = _DIGITS.split(name.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name
