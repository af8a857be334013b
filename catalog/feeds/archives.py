"""Feeds in gzip files and ZIP archives, unpacked while they are read: nothing is written anywhere."""

from __future__ import annotations

import gzip
import os
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import IO, cast

from catalog.errors import FeedUnreadable
from catalog.feeds.delimited_rows import list_names
from catalog.feeds.feed_file import FeedFile
from catalog.feeds.layout import format_of_name

_GZIP = b"\x1f\x8b"
# A file first; of an archive that holds none, its end.
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP_SUFFIXES = (".gz", ".gzip")

# Feeds become some 5 to 50 times smaller. Deflate ends at 1,032 times, so that only the whole can be bounded.
MAX_RATIO = 200
ALLOWED_BYTES = 100 * 2**20
"""Unpacked bytes that no archive is too small for."""

# zipfile holds the table of contents in memory, as an object for each file. So many bytes list some 50,000 files.
_MAX_CONTENTS_BYTES = 4 * 2**20

# Of a document of an office program, the one or the other lies at the top of its archive.
_DOCUMENT_FILES = ("[Content_Types].xml", "mimetype")
_LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    # gzip.BadGzipFile, and a place before the start of the file.
    OSError,
    # Text that does not decode, and numbers that make no sense.
    ValueError,
    OverflowError,
    # What zipfile says of versions and methods that it does not know, and of some contradictions.
    RuntimeError,
)


class UnpackedFeed:
    """The bytes of a feed as they are when unpacked; those of a plain file as they are.

    Attributes:
        packing: How the feed is packed: ``gzip``, ``ZIP``, or None.
        name: What the feed is called without its packing.
        notes: What is worth telling about the archive, in full sentences.

    Raises:
        FeedUnreadable: the archive is damaged, encrypted or a document, or does not hold exactly one feed. Reading
            raises it too, where the damage comes later or far more comes out than feeds have.
    """

    def __init__(self, file: FeedFile) -> None:
        self.packing: str | None = None
        self.name = file.path.name
        self.notes: tuple[str, ...] = ()
        self._file = file
        self._num_unpacked = 0
        self._at_end = False
        self._stream: IO[bytes]
        if file.start.startswith(_GZIP):
            self.packing = "gzip"
            if file.path.suffix.casefold() in _GZIP_SUFFIXES:
                self.name = file.path.stem
            self._stream = cast(IO[bytes], gzip.GzipFile(fileobj=cast(IO[bytes], file), mode="rb"))
        elif file.start in ZIP:
            self.packing = "ZIP"
            self._open_zip()

    @property
    def position(self) -> int:
        """Bytes of the file that have been read; never decreases."""
        if self._at_end and self._file.num_bytes is not None:
            return self._file.num_bytes
        # Before its first byte comes out of an archive, its table of contents, at the end, has been read.
        return self._file.position if self.packing != "ZIP" or self._num_unpacked else 0

    def read(self, num_bytes: int, /) -> bytes:
        """The next bytes: exactly so many, or fewer at the end, or none after it."""
        if self.packing is None:
            return self._file.read(num_bytes)
        try:
            data = self._stream.read(num_bytes)
        except DAMAGE as error:
            raise self._damaged(error) from error
        self._at_end = self._at_end or not data
        self._num_unpacked += len(data)
        self._check_ratio()
        return data

    def _open_zip(self) -> None:
        if not self._file.seekable():
            raise FeedUnreadable(
                f"The feed {self._file.path} cannot be unpacked.",
                received="a ZIP archive from a pipe",
                expected="a ZIP archive in a file, whose table of contents is at its end",
                remedy="Save the archive as a file, or send the feed through the pipe unpacked or as gzip.",
            )
        try:
            archive = zipfile.ZipFile(cast(IO[bytes], SoughtBytes(self._file)))
            feed = self._find_feed(archive.infolist())
            self._stream = archive.open(feed)
        except DAMAGE as error:
            raise self._damaged(error) from error
        self.name = PurePosixPath(feed.filename).name

    def _find_feed(self, entries: Sequence[zipfile.ZipInfo]) -> zipfile.ZipInfo:
        names = [entry.filename for entry in entries]
        if any(name in names for name in _DOCUMENT_FILES):
            raise FeedUnreadable(
                f"The feed {self._file.path} is not text in UTF-8.",
                received="a spreadsheet or another document",
                expected="CSV, TSV, JSON Lines or XML in UTF-8",
                remedy="Save the spreadsheet as CSV in UTF-8.",
            )
        files = [entry for entry in entries if not is_litter(entry.filename)]
        feeds = [entry for entry in files if format_of_name(entry.filename) is not None]
        if not feeds and len(files) == 1:
            feeds = files
        if len(feeds) != 1:
            listed = list_names([entry.filename for entry in feeds or files])
            raise FeedUnreadable(
                f"The archive {self._file.path} does not hold one feed.",
                received=f"{len(feeds) or 'no'} feeds: {listed}" if files else "an archive without files",
                expected="exactly one file whose name ends in .csv, .tsv, .tab, .jsonl, .ndjson, .xml, .rss or .atom",
                remedy="Make an archive of the feed alone.",
            )
        (feed,) = feeds
        if feed.flag_bits & 1:
            raise FeedUnreadable(
                f"The archive {self._file.path} is encrypted.",
                received=f"a password on {list_names([feed.filename])}",
                expected="an archive without a password",
                remedy="Unpack it first.",
            )
        if feed.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FeedUnreadable(
                f"The archive {self._file.path} is compressed in a way that is not read.",
                received=f"method {feed.compress_type} for {list_names([feed.filename])}",
                expected="method 8 (deflate), which is what most programs use, or 0 (as it is)",
                remedy="Unpack it first, or compress it with gzip.",
            )
        if len(files) > 1:
            self.notes = (f"The archive was read for {list_names([feed.filename])}; its other files were left alone.",)
        return feed

    def _check_ratio(self) -> None:
        num_packed = self._file.position if self._file.num_bytes is None else self._file.num_bytes
        if self._num_unpacked > ALLOWED_BYTES + MAX_RATIO * num_packed:
            raise FeedUnreadable(
                f"The feed {self._file.path} becomes too large when it is unpacked.",
                received=f"more than {self._num_unpacked:,} bytes out of {num_packed:,}",
                expected=f"at most {MAX_RATIO} times as many, and {ALLOWED_BYTES:,} more",
                remedy="If it is a feed all the same, unpack it first.",
            )

    def _damaged(self, error: Exception) -> FeedUnreadable:
        return FeedUnreadable(
            f"The feed {self._file.path} cannot be unpacked.",
            received=f"a {self.packing} archive that is damaged or not complete ({str(error) or 'it ends too early'})",
            expected="a whole gzip file or ZIP archive",
            remedy="Copy it again, or make it again from the feed.",
        )


class SoughtBytes:
    """The file as zipfile wants it, which otherwise would read a table of contents of any size at once."""

    def __init__(self, file: FeedFile) -> None:
        self._file = file
        self.seekable = file.seekable
        self.seek = file.seek
        self.tell = file.tell

    def read(self, num_bytes: int = -1, /) -> bytes:
        at = self._file.position
        if num_bytes < 0:
            num_bytes = max(0, self._file.seek(0, os.SEEK_END) - at)
            self._file.seek(at)
        if num_bytes > _MAX_CONTENTS_BYTES:
            raise FeedUnreadable(
                f"The archive {self._file.path} holds too many files.",
                received=f"a table of contents of {num_bytes:,} bytes",
                expected=f"at most {_MAX_CONTENTS_BYTES:,}",
                remedy="Make an archive of the feed alone.",
            )
        return self._file.read(num_bytes)


def is_litter(name: str) -> bool:
    """Whether an entry is a folder, or what macOS or Windows put beside files."""
    path = PurePosixPath(name)
    return (
        not name
        or name.endswith("/")
        or path.parts[:1] == ("__MACOSX",)
        or path.name.startswith("._")
        or path.name in _LITTER
    )
