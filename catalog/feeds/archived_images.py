"""The photos of a ZIP archive that holds a feed with them, written beside it, and nowhere else."""

from __future__ import annotations

import errno
import stat
import zipfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from catalog.errors import FeedUnreadable
from catalog.feeds.archives import DAMAGE, ZIP, SoughtBytes, is_litter
from catalog.feeds.feed_file import FeedFile
from catalog.feeds.layout import format_of_name

_PIECE: Final = 2**16
_DEEPEST: Final = 20
_LONGEST: Final = 1000
"""Bytes of a path; with what is before it, it must be one that the machine takes."""

_OF_THIS_MACHINE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE})
"""Errors that no other archive would mend."""


def unpack_images(archive: Path, *, max_image_bytes: int, max_bytes: int) -> int:
    """Write what an archive holds besides its feed into the archive's folder, as the feed's image paths name it.

    Paths start from the feed's folder in the archive. What would lie elsewhere is left out, as is what is no regular
    file (a symbolic link, which is never made), is encrypted, or is larger than an image may be. A file that is no
    archive of one feed is left alone: reading it tells what is wrong with it.

    Args:
        max_bytes: That all of them may have together.

    Returns:
        How many files were written.

    Raises:
        FeedUnreadable: they have more, or the archive is damaged.
        OSError: the disk is full, or fails.
    """
    num_bytes = num_files = 0
    with closing(FeedFile(archive)) as file:
        if file.start not in ZIP:
            return 0
        try:
            packed = zipfile.ZipFile(cast(IO[bytes], SoughtBytes(file)))
            entries = [entry for entry in packed.infolist() if not is_litter(entry.filename)]
            root = _feed_folder(entries)
            if root is None:
                return 0
            for entry in entries:
                place = _place(entry, root)
                if place is None or entry.file_size > max_image_bytes:
                    continue
                target = archive.parent / place
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    written = target.open("xb")
                except (FileExistsError, NotADirectoryError):
                    # The first of a name counts.
                    continue
                num_files += 1
                with written, packed.open(entry) as source:
                    # What the table of contents says of sizes is not believed.
                    left = max_image_bytes + 1
                    while left > 0 and (piece := source.read(min(_PIECE, left))):
                        left -= len(piece)
                        num_bytes += len(piece)
                        if num_bytes > max_bytes:
                            raise _too_large(archive, max_bytes)
                        written.write(piece)
        except DAMAGE as error:
            if isinstance(error, OSError) and error.errno in _OF_THIS_MACHINE:
                raise
            raise FeedUnreadable(
                f"The photos in {archive} cannot be unpacked.",
                received=f"an archive that is damaged or not complete ({error})",
                expected="a whole ZIP archive",
                remedy="Make the archive again.",
            ) from error
    return num_files


def _feed_folder(entries: Sequence[zipfile.ZipInfo]) -> PurePosixPath | None:
    """Where in the archive the feed lies; None where there is not exactly one."""
    feeds = [entry for entry in entries if format_of_name(entry.filename) is not None]
    return PurePosixPath(feeds[0].filename).parent if len(feeds) == 1 else None


def _place(entry: zipfile.ZipInfo, root: PurePosixPath) -> PurePosixPath | None:
    """Where an entry belongs, from the feed's folder on; None where it is no file of that folder."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or entry.flag_bits & 1 or format_of_name(entry.filename) is not None:
        return None
    path = PurePosixPath(entry.filename)
    if path.is_absolute() or not path.is_relative_to(root):
        return None
    place = path.relative_to(root)
    if (
        not 1 <= len(place.parts) <= _DEEPEST
        or _num_bytes(entry.filename) > _LONGEST
        or any(_is_unsafe(part) for part in path.parts)
    ):
        return None
    return place


def _is_unsafe(part: str) -> bool:
    return part == ".." or "\0" in part or "\\" in part or _num_bytes(part) > 255


def _num_bytes(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))


def _too_large(archive: Path, max_bytes: int) -> FeedUnreadable:
    return FeedUnreadable(
        f"The photos in {archive} are too large.",
        received=f"more than {max_bytes:,} bytes when they are unpacked",
        expected=f"at most {max_bytes:,}",
        remedy="Hand the catalog over in several feeds, or name the photos by their addresses.",
    )
