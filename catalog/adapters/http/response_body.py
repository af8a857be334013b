"""The bytes of an answer: never more than allowed, packed or unpacked, and never none at all."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from catalog.ports.remote_files import FetchFailed, FetchRefused

PLAIN: Final = frozenset({"", "identity"})
GZIP: Final = frozenset({"gzip", "x-gzip"})
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_PIECE: Final = 64 * 2**10


def bounded(parts: Iterator[bytes], max_bytes: int, place: str) -> Iterator[bytes]:
    """The parts, up to a size.

    Args:
        place: Where the file is, for messages.

    Raises:
        FetchRefused: there are more bytes, or none.
    """
    num_bytes = 0
    for part in parts:
        num_bytes += len(part)
        if num_bytes > max_bytes:
            raise too_large(place, f"more than {max_bytes:,} bytes", max_bytes)
        if part:
            yield part
    if num_bytes == 0:
        raise empty(place)


def unzipped(parts: Iterator[bytes], place: str) -> Iterator[bytes]:
    """What gzip has packed, in pieces of a bounded size.

    Args:
        place: Where the file is, for messages.

    Raises:
        FetchFailed: it is no gzip, or ends in the middle.
    """
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    for part in parts:
        rest = part
        while rest:
            if inflater.eof:
                # Another member may follow, and zeros that only fill up.
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                inflater = zlib.decompressobj(_GZIP_WINDOW)
            try:
                yield inflater.decompress(rest, _PIECE)
            except zlib.error as error:
                raise _broken_gzip(place, str(error)) from error
            rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    # No more than a few kilobytes: what the last bits that were read stand for.
    yield inflater.flush()
    if not inflater.eof:
        raise _broken_gzip(place, "it ends in the middle")


def too_large(place: str, received: str, max_bytes: int) -> FetchRefused:
    return FetchRefused(
        "The file is too large",
        received=f"{place} with {received}",
        expected=f"at most {max_bytes:,} bytes",
        remedy="offer a smaller file at that address",
    )


def empty(place: str) -> FetchRefused:
    return FetchRefused(
        "The file is empty",
        received=place,
        expected="at least one byte",
        remedy="put the file there, or correct the address",
    )


def _broken_gzip(place: str, reason: str) -> FetchFailed:
    return FetchFailed(
        "The file did not come whole",
        received=f"{place}, packed with gzip: {reason}",
        expected="gzip, as the header Content-Encoding says",
        remedy="it is tried again; if it fails always, have the server send the file as it is",
    )
