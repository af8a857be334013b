"""A stream of bytes whose start can be looked at before it is read."""

from __future__ import annotations

from catalog.feeds.encodings import ByteStream


class PeekedStream:
    """The bytes of a stream.

    Attributes:
        head: Its first bytes, which ``read`` hands out all the same.
    """

    def __init__(self, stream: ByteStream, num_bytes: int) -> None:
        self._stream = stream
        self.head = self._held = stream.read(num_bytes)

    def read(self, num_bytes: int, /) -> bytes:
        """The next bytes: exactly so many, or fewer at the end, or none after it."""
        if not self._held:
            return self._stream.read(num_bytes)
        data, self._held = self._held[:num_bytes], self._held[num_bytes:]
        if len(data) < num_bytes:
            data += self._stream.read(num_bytes - len(data))
        return data
