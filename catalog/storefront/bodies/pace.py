"""Bodies that come too slowly: whoever sends a byte now and then would hold a connection for as long as they like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from catalog.errors import DrapeError

SECONDS: Final = 30.0
"""What every body has."""

BYTES_PER_SECOND: Final = 2**14
"""For so many bytes that have come, there is a second more: a phone with a bad connection sends faster."""


class BodyTooSlow(DrapeError):
    """The body did not come in time."""


async def paced(
    chunks: AsyncIterator[bytes], seconds: float | None = None, bytes_per_second: float = BYTES_PER_SECOND
) -> AsyncGenerator[bytes, None]:
    """The chunks as they come.

    Args:
        seconds: ``SECONDS`` where there is nothing given.

    Raises:
        BodyTooSlow: they take longer than ``seconds``, and one more for every ``bytes_per_second`` bytes.
    """
    allowed = SECONDS if seconds is None else seconds
    clock = asyncio.get_running_loop().time
    deadline = clock() + allowed
    num_bytes = 0
    while True:
        try:
            async with asyncio.timeout(deadline - clock()):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise BodyTooSlow(
                "The body comes too slowly",
                received=f"{num_bytes} bytes, and then nothing in time",
                expected=f"all of it in {allowed:g} s, and a second more for every {bytes_per_second:g} bytes",
                remedy="send it again, or something smaller",
            ) from error
        num_bytes += len(chunk)
        deadline += len(chunk) / bytes_per_second
        yield chunk
