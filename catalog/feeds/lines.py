"""From a stream of bytes to numbered lines, in memory bounded by the longest line that is allowed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from catalog.feeds.encodings import BadText, ByteStream, EncodedText, Encoding

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CHUNK_BYTES = 1 << 17
_HEAD_BYTES = 200


class Line(NamedTuple):
    """One physical line, ended by LF, CR LF or CR.

    Args:
        number: 1-based.
        data: The bytes with their line end; of a line that is too long, only the first 200.
        size: Length of the whole line in bytes.
        end: Offset in the stream of the first byte after the line.
        is_cut: Whether the line was too long, so that ``data`` is only its head.
    """

    number: int
    data: bytes
    size: int
    end: int
    is_cut: bool

    @property
    def is_blank(self) -> bool:
        return not self.is_cut and not self.data.strip()


def split_lines(stream: ByteStream, max_line_bytes: int, chunk_bytes: int = _CHUNK_BYTES) -> Iterator[Line]:
    """Lines of the stream, without the byte order mark that it may start with.

    At most ``max_line_bytes`` + ``chunk_bytes`` are held at a time, however long a line is.
    """
    number = 0
    end = 0
    held = stream.read(len(_BYTE_ORDER_MARK))
    if held == _BYTE_ORDER_MARK:
        end = len(held)
        held = b""
    # Of a line already known to be too long, only its head and its last byte are held: the last byte may be the
    # first half of a CR LF.
    head = b""
    num_dropped = 0
    at_end = False
    while not at_end:
        chunk = stream.read(chunk_bytes)
        at_end = not chunk
        pieces = (held + chunk).splitlines(keepends=True)
        held = b""
        if pieces and not at_end and not pieces[-1].endswith(b"\n"):
            held = pieces.pop()
        for piece in pieces:
            number += 1
            size = num_dropped + len(piece)
            end += size
            is_cut = size > max_line_bytes
            if num_dropped:
                piece, num_dropped = head, 0
            yield Line(number, piece[:_HEAD_BYTES] if is_cut else piece, size, end, is_cut)
        if num_dropped + len(held) > max_line_bytes:
            if not num_dropped:
                head = held[:_HEAD_BYTES]
            num_dropped += len(held) - 1
            held = held[-1:]


class LineSource:
    """Lines that can be put back, so that reading can resume at an earlier line.

    Attributes:
        position: How many bytes of the stream, or of a stream in UTF-16 as UTF-8, have been handed out as lines;
            never decreases.
    """

    def __init__(self, stream: ByteStream, max_line_bytes: int) -> None:
        self.position = 0
        self._text = EncodedText(stream)
        self._lines = split_lines(self._text, max_line_bytes)
        self._returned: deque[Line] = deque()

    @property
    def encoding(self) -> Encoding:
        """That of the lines handed out so far; the start of a feed in Windows-1252 may be ASCII."""
        return self._text.encoding

    def decode(self, line: Line) -> tuple[str, BadText | None]:
        """A whole line's text, and the first place that is not of the encoding, where lone surrogates stand."""
        return self._text.decode(line.data, line.number)

    def excerpt(self, line: Line) -> str:
        """The start of any line, as text to show."""
        return self._text.excerpt(line.data)

    def __iter__(self) -> LineSource:
        return self

    def __next__(self) -> Line:
        if self._returned:
            return self._returned.popleft()
        line = next(self._lines)
        self.position = line.end
        return line

    def put_back(self, lines: Sequence[Line]) -> None:
        """Hand these out again, in this order, before anything else."""
        self._returned.extendleft(reversed(lines))
