"""Text files that list a data set's images: read line by line, with errors that name file and line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from embeddings.datasets.records import UnusableDataset

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class ListLine:
    """One line of a file, without its line end.

    Args:
        path: The file.
        number: 1-based.
        text: What the line holds.
    """

    path: Path
    number: int
    text: str

    def fault(self, expected: str, *, received: str | None = None, remedy: str | None = None) -> UnusableDataset:
        """The error that says what is wrong with this line, to be raised.

        Args:
            expected: What would have been right.
            received: What is wrong; None is the line's own text.
        """
        return UnusableDataset(
            f"Line {self.number} of {self.path} cannot be used",
            received=shorten(self.text) if received is None else received,
            expected=expected,
            remedy=remedy or "restore the file from its archive, or correct the line",
        )

    def split(self, expected: str, num_fields: int) -> list[str]:
        """The fields between white space; their number must be ``num_fields``.

        Raises:
            UnusableDataset: there are more or fewer.
        """
        fields = self.text.split()
        if len(fields) != num_fields:
            count = f"{len(fields)} {'field' if len(fields) == 1 else 'fields'}"
            raise self.fault(expected, received=f"{count}: {shorten(self.text)}")
        return fields

    def integer(self, field: str, what: str) -> int:
        """The field as a whole number of at least 0.

        Raises:
            UnusableDataset: it is none.
        """
        if not (field.isascii() and field.isdigit()) or len(field) > 18:
            raise self.fault(f"{what}, a whole number", received=shorten(field))
        return int(field)

    def number_of(self, field: str, what: str) -> float:
        """The field as a finite number.

        Raises:
            UnusableDataset: it is none.
        """
        try:
            value = float(field)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.fault(f"{what}, a number", received=shorten(field))
        return value


def shorten(text: str) -> str:
    """The text in quotes, cut after 80 characters."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…")


def read_every_line(path: Path, content: str) -> Iterator[ListLine]:
    """Every line of a UTF-8 file, blank ones included; a byte order mark is left out.

    Args:
        content: What the file holds, for the error that says that it is missing.

    Raises:
        UnusableDataset: the file is missing, cannot be read, or a line of it is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                data = raw.rstrip(b"\r\n")
                if number == 1:
                    data = data.removeprefix(_BYTE_ORDER_MARK)
                try:
                    text = data.decode("utf-8")
                except UnicodeDecodeError as error:
                    shown = data.decode("utf-8", "backslashreplace")
                    raise ListLine(path, number, shown).fault(
                        "text encoded as UTF-8", received=f"byte 0x{data[error.start]:02X} in {shorten(shown)}"
                    ) from error
                yield ListLine(path, number, text)
    except OSError as error:
        raise cannot_read(path, content, error) from error


def read_lines(path: Path, content: str) -> Iterator[ListLine]:
    """The lines of a UTF-8 file that are not blank.

    Raises:
        UnusableDataset: the file is missing, cannot be read, or a line of it is not UTF-8.
    """
    return (line for line in read_every_line(path, content) if line.text and not line.text.isspace())


def cannot_read(path: Path, content: str, error: OSError) -> UnusableDataset:
    """The error that says that a file is missing or cannot be read, to be raised."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return UnusableDataset(
            f"The data set lacks the file {path}",
            received="no such file",
            expected=content,
            remedy="name the folder that unpacking the data set makes, and unpack all of it",
        )
    return UnusableDataset(
        f"The file {path} of the data set cannot be read", received=error.strerror or str(error), expected=content
    )


def cut_short(path: Path, lines: Sequence[ListLine], expected: str) -> UnusableDataset:
    """The error that says that a file has fewer lines than it must have, to be raised.

    Args:
        lines: Those that it has.
    """
    return UnusableDataset(
        f"{path} ends after line {lines[-1].number}" if lines else f"{path} is empty",
        received=f"{len(lines)} {'line' if len(lines) == 1 else 'lines'}",
        expected=expected,
        remedy="restore the file from its archive",
    )


def says_nothing_of(path: Path, image: str, listed: ListLine, expected: str) -> UnusableDataset:
    """The error that says that a list lacks an image that another list has, to be raised.

    Args:
        image: What the list would call it by.
        listed: The other list's line.
        expected: What the list has of each image.
    """
    return UnusableDataset(
        f"{path} says nothing of an image",
        received=f"no line for image {image}, which is in line {listed.number} of {listed.path.name}",
        expected=expected,
        remedy=f"restore the file from its archive, or take the image out of {listed.path.name}",
    )


@dataclass(frozen=True, slots=True)
class CountedList:
    """A list whose first line tells how many lines it has.

    Args:
        entries: The words of the second line, which names the entries of the others; none where it has no such line.
        lines: Those after it that are not blank.
    """

    entries: tuple[str, ...]
    lines: tuple[ListLine, ...]


def read_counted(path: Path, content: str, *, has_entries: bool = True, may_repeat: bool = False) -> CountedList:
    """A list in the form of the DeepFashion data sets.

    Args:
        content: What its lines hold, for errors.
        has_entries: Whether the second line names the entries.
        may_repeat: Lines may begin with the same word as an earlier one; the count may then be that of different words.

    Raises:
        UnusableDataset: the file is missing or not UTF-8, or the count is missing or another one.
    """
    lines = tuple(read_lines(path, content))
    num_first = 2 if has_entries else 1
    if len(lines) < num_first:
        entries = ", a line that names the entries" if has_entries else ""
        raise cut_short(path, lines, f"a line with a count{entries}, and then per line {content}")
    listed = lines[num_first:]
    count = lines[0].integer(lines[0].text.strip(), "how many lines the list has")
    possible = {len(listed)}
    if may_repeat:
        possible.add(len({line.text.split(None, 1)[0] for line in listed}))
    if count not in possible:
        raise lines[0].fault(
            f"{len(listed)}, which is how many lines the list has",
            received=str(count),
            remedy="restore the file from its archive: it may be cut short",
        )
    return CountedList(tuple(lines[1].text.split()) if has_entries else (), listed)
