"""Which encoding a feed's text is in, found out while it is read, and how its lines are decoded."""

from __future__ import annotations

import codecs
import re
from enum import StrEnum
from typing import NamedTuple, Protocol

_LOOK_AHEAD_BYTES = 2**20

_UTF_16_DECODERS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
# A half of a surrogate pair as UTF-8 would write it, which decodes as nothing but that.
_HALF_CHARACTER = "\ud800".encode(errors="surrogatepass")

_ASCII = bytes(range(128))
_UNDEFINED = frozenset(b"\x81\x8d\x8f\x90\x9d")
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_CUT_MULTIBYTE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]{0,2}\Z")
# É® and È™ of Windows-1252 happen to be letters in UTF-8, but of the phonetic alphabet and the like.
_ACCIDENTAL = re.compile(rb"[\xc6-\xcd][\x80-\xbf]")
_MAX_ACCIDENTS = 1 / 20
# What other code pages look like: runs of accented letters (Cyrillic, Greek), and signs within a word (DOS, Polish).
_ODD = re.compile(
    rb"[\xc0-\xff]{3,}"
    rb"|(?<=[A-Za-z])[\x82\x84-\x89\x8b\x93-\x95\x98\x9b\xa1-\xa9\xab\xac\xae\xaf\xb1-\xb3\xb6\xb8\xb9\xbb-\xbf](?=[A-Za-z])"
)
_MAX_ODD = 1 / 10
# Ã and â€ before a sign: the letters and the quotation marks of Western Europe in UTF-8, but hardly a text.
_MARKS_OF_UTF_8 = re.compile(rb"\xc3[\x80-\xbf]|\xe2\x80[\x80-\xbf]")


class Encoding(StrEnum):
    """How a feed's text is written in bytes."""

    UTF_8 = "UTF-8"
    UTF_16 = "UTF-16"
    WINDOWS_1252 = "Windows-1252"


class BadText(NamedTuple):
    """The first place in a line that is not of the feed's encoding.

    Args:
        found: What stands there and where: ``byte 0xE9 at byte 6 of line 3``; bytes are counted from 1.
        expected: What would have been right.
    """

    found: str
    expected: str


class ByteStream(Protocol):
    """What bytes are read from."""

    def read(self, num_bytes: int, /) -> bytes:
        """The next bytes: exactly so many, or fewer at the end, or none after it."""


class EncodedText:
    """Bytes of a feed that can be split into lines: those of the stream, or UTF-8 where the stream is UTF-16.

    UTF-16 is known by its byte order mark. Everything else is UTF-8, unless the first bytes that are not ASCII, with
    the mebibyte after them, are more likely Windows-1252. Until there, both are the same.

    Args:
        declared: What the feed itself says. Text that evidently is UTF-8 is read so all the same.

    Attributes:
        encoding: That of the stream, as far as it has been read.
        is_not_as_declared: Whether it is UTF-8, although the feed says otherwise.
    """

    def __init__(self, stream: ByteStream, declared: Encoding | None = None) -> None:
        self.encoding = Encoding.UTF_8
        self.is_not_as_declared = False
        self._declared = declared
        self._is_other = _is_none_of_utf_8 if declared is Encoding.WINDOWS_1252 else _is_windows_1252
        self._stream = stream
        self._held = stream.read(4)
        self._is_settled = self._held.startswith(codecs.BOM_UTF8)
        self._at_end = False
        codec = _UTF_16_DECODERS.get(self._held[:2])
        if codec is not None and not self._held.startswith(codecs.BOM_UTF32_LE):
            self.encoding = Encoding.UTF_16
            self._is_settled = True
            self._decoder = codecs.getincrementaldecoder(codec)("surrogatepass")
            self._held = self._as_utf_8(self._held[2:])

    def read(self, num_bytes: int, /) -> bytes:
        """The next bytes: exactly so many, or fewer at the end, or none after it."""
        self._hold(num_bytes)
        if not self._is_settled and not self._held[:num_bytes].isascii():
            self._hold(num_bytes + _LOOK_AHEAD_BYTES)
            self._is_settled = True
            if self._is_other(self._held, is_cut=not self._at_end):
                self.encoding = Encoding.WINDOWS_1252
            self.is_not_as_declared = self._declared not in (None, self.encoding)
        data, self._held = self._held[:num_bytes], self._held[num_bytes:]
        return data

    def decode(self, data: bytes, line_number: int) -> tuple[str, BadText | None]:
        """A line's text, and the first place that is not of the encoding; lone surrogates stand there in the text."""
        if self.encoding is Encoding.WINDOWS_1252:
            return _decode_windows_1252(data, line_number)
        try:
            return data.decode(), None
        except UnicodeDecodeError as error:
            if self.encoding is Encoding.UTF_8:
                return data.decode(errors="surrogateescape"), _bad_byte(data, error.start, line_number)
            found = f"half of a character at character {len(data[: error.start].decode()) + 1} of line {line_number}"
            return data.decode(errors="surrogatepass"), BadText(found, "text encoded as UTF-16")

    def excerpt(self, data: bytes) -> str:
        """Text to show from the start of a line, which may be cut anywhere."""
        return data.decode("cp1252" if self.encoding is Encoding.WINDOWS_1252 else "utf-8", errors="replace")

    def _hold(self, num_bytes: int) -> None:
        while len(self._held) < num_bytes and not self._at_end:
            data = self._stream.read(num_bytes - len(self._held))
            self._at_end = not data
            self._held += self._as_utf_8(data) if self.encoding is Encoding.UTF_16 else data

    def _as_utf_8(self, data: bytes) -> bytes:
        try:
            return self._decoder.decode(data, final=not data).encode(errors="surrogatepass")
        except UnicodeDecodeError:
            # The stream ends within a character.
            return _HALF_CHARACTER


def _is_windows_1252(data: bytes, *, is_cut: bool) -> bool:
    """Whether text that is not all ASCII is Windows-1252 rather than UTF-8 or an encoding that is not read.

    Args:
        is_cut: Whether the text goes on after ``data``.
    """
    if is_cut:
        data = _CUT_MULTIBYTE.sub(b"", data)
    num_multibyte = len(_MULTIBYTE.findall(data)) - len(_ACCIDENTAL.findall(data))
    singles = _MULTIBYTE.sub(b"", data).translate(None, _ASCII)
    return (
        len(singles) > 0
        and _UNDEFINED.isdisjoint(singles)
        and num_multibyte <= _MAX_ACCIDENTS * len(singles)
        and len(_ODD.findall(data)) <= _MAX_ODD * len(singles)
    )


def _is_none_of_utf_8(data: bytes, *, is_cut: bool) -> bool:
    """Whether text that is not all ASCII is no UTF-8."""
    try:
        (_CUT_MULTIBYTE.sub(b"", data) if is_cut else data).decode()
    except UnicodeDecodeError:
        return True
    return False


def _decode_windows_1252(data: bytes, line_number: int) -> tuple[str, BadText | None]:
    if data.isascii():
        return data.decode("ascii"), None
    if _is_utf_8(data):
        start = next(index for index, byte in enumerate(data) if byte > 0x7F)
        return data.decode("ascii", errors="surrogateescape"), _bad_byte(
            data, start, line_number, "text encoded as Windows-1252, as in the feed until there; this seems to be UTF-8"
        )
    try:
        return data.decode("cp1252"), None
    except UnicodeDecodeError as error:
        bad = _bad_byte(data, error.start, line_number, "text encoded as Windows-1252, as in the feed until there")
        return data.decode("cp1252", errors="surrogateescape"), bad


def _is_utf_8(data: bytes) -> bool:
    """Whether a line that is not all ASCII contradicts that the feed is Windows-1252."""
    if _MARKS_OF_UTF_8.search(data):
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return _ACCIDENTAL.search(data) is None


def _bad_byte(data: bytes, index: int, line_number: int, expected: str = "text encoded as UTF-8") -> BadText:
    return BadText(f"byte 0x{data[index]:02X} at byte {index + 1} of line {line_number}", expected)
